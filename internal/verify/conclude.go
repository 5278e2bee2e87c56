package verify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// attempts is how often a queue that moves is looked at.
const attempts = 4

// conclude looks at what waits. before is what the serializer said before the
// histories were read.
func (w *walk) conclude(ctx context.Context, before protocol.SerializerState) error {
	switch {
	case w.last.closed == Succeeded:
		w.completed(ctx, w.last)
	case w.last.closed == Running:
		if w.answers {
			w.checker.Accepted(before.NextSequence)
		} else {
			w.checker.Unknown(w.last.firstNumber())
		}
		if err := w.lookAtQueue(ctx); err != nil {
			return err
		}
	}
	for _, s := range w.unclosed {
		w.checked(s)
	}
	if err := w.judgeAhead(ctx); err != nil {
		return err
	}
	for _, one := range w.stopped {
		if err := w.left(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// judgeAhead looks at those that wait for their turn.
func (w *walk) judgeAhead(ctx context.Context) error {
	var starts []*Start
	for _, s := range w.ahead {
		starts = append(starts, s)
	}
	slices.SortFunc(starts, func(a, b *Start) int { return cmp.Compare(a.Sequence, b.Sequence) })
	if err := w.readExecutions(ctx, starts); err != nil {
		return err
	}
	for _, s := range starts {
		w.checker.Ahead(*s)
	}
	return nil
}

// completed asks a run that completed what it had counted.
func (w *walk) completed(ctx context.Context, one *run) {
	if !w.answers {
		return
	}
	if after, ok := w.state(ctx, one.id); ok {
		w.checker.Accepted(after.NextSequence)
		w.received(one, after.Counts)
	}
}

// inDoubt are operations whose execution nobody has looked at yet: they are
// judged where it is theirs, and wait where it is not there.
func (w *walk) inDoubt(ctx context.Context) error {
	for id, s := range w.doubtful {
		described, err := w.client.DescribeWorkflowExecution(ctx, protocol.OperationWorkflowID(id), "")
		if err != nil && !isNotFound(err) {
			return fmt.Errorf("operation %q: %w", id, err)
		}
		var sequence int64
		if memo := described.GetWorkflowExecutionInfo().GetMemo().GetFields()[protocol.SequenceMemo]; memo != nil {
			_ = json.Unmarshal(memo.GetData(), &sequence) // another's may be anything
		}
		switch {
		case w.knows(s.Sequence), w.ahead[id] != nil:
		case err == nil && sequence == s.Sequence && s.Gated:
			w.waitsAhead(s)
		case err == nil && sequence == s.Sequence:
			delete(w.doubtful, id)
			if err := w.judge(ctx, []*Start{s}); err != nil {
				return err
			}
		default:
			w.checker.Queued(s.Ref)
		}
	}
	return nil
}

// lookAtQueue tells the checker what waits. While it looks the queue moves, so
// that it looks again where something is missing.
func (w *walk) lookAtQueue(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		w.checker.Waiting()
		if err := errors.Join(w.inDoubt(ctx), w.queue(ctx)); err != nil {
			return err
		}
		if len(w.checker.missing(w.unclosed...)) == 0 || attempt == attempts {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt) * 200 * time.Millisecond):
		}
		again, err := w.readRun(ctx, w.last.id)
		if err == nil {
			err = w.take(ctx, again)
		}
		if err == nil {
			err = w.follow(ctx, again.next)
		}
		if err != nil {
			return err
		}
	}
}
