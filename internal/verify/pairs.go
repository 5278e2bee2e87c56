package verify

import (
	"context"
	"slices"

	"github.com/seriatim-go/seriatim/protocol"
)

// completePairs finds, for what was found about one operation of two, the earlier
// one, which was not kept in memory. One that ran again since its record is
// deleted breaks nothing.
func (w *walk) completePairs(ctx context.Context) error {
	r := w.report
	for i := range r.Broken {
		f := &r.Broken[i]
		if len(f.Operations) != 1 || f.Kind != StartedTwice && f.Kind != NumberTwice {
			continue
		}
		earlier, err := w.earlier(ctx, f.Operations[0], f.Kind)
		if err != nil {
			return err
		}
		if earlier == nil {
			continue
		}
		f.Operations = slices.Insert(f.Operations, 0, *earlier)
		_, err = w.client.DescribeWorkflowExecution(ctx, earlier.WorkflowID, earlier.RunID)
		if f.Kind == StartedTwice && isNotFound(err) {
			f.Kind = StartedAgain
			f.Message += "; the record of that one was deleted, and with it the protection against a repeat"
			r.Apart = append(r.Apart, *f)
			r.Violations--
		}
	}
	r.Broken = slices.DeleteFunc(r.Broken, func(f Finding) bool { return f.Kind == StartedAgain })
	r.Kept = r.Violations == 0
	return nil
}

// earlier looks for the first execution of that operation, or with that number.
func (w *walk) earlier(ctx context.Context, p Participant, kind Kind) (*Participant, error) {
	for _, runID := range w.order {
		one, err := w.readRun(ctx, runID)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, f := range one.facts {
			s := f.start
			if s == nil || f.doubtful || s.Execution.RunID == p.RunID {
				continue
			}
			if kind == StartedTwice && s.ID == p.ID || kind == NumberTwice && s.Sequence == p.Sequence {
				return &Participant{
					Ref: s.Ref, WorkflowID: protocol.OperationWorkflowID(s.ID), RunID: s.Execution.RunID,
					Serializer: s.Serializer, Event: s.Event, Began: s.Execution.Began, Closed: s.Execution.Closed,
				}, nil
			}
		}
	}
	return nil, nil
}
