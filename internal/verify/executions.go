package verify

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/protocol"
)

// readExecutions reads the operations' own histories.
func (w *walk) readExecutions(ctx context.Context, starts []*Start) error {
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(w.options.Parallel)
	for _, s := range starts {
		w.ordinal++
		if s.Execution.Closed.IsZero() || s.Execution.RunID == "" || w.ordinal%w.options.Every == 0 {
			group.Go(func() error { return w.readExecution(reading, s) })
		}
	}
	return group.Wait()
}

func (w *walk) readExecution(ctx context.Context, s *Start) error {
	workflowID := protocol.OperationWorkflowID(s.ID)
	if s.Execution.RunID == "" { // found, not started
		described, err := w.client.DescribeWorkflowExecution(ctx, workflowID, "")
		if isNotFound(err) {
			s.Execution = Execution{Gone: true, Status: Canceled, Began: s.On, Closed: s.On}
			return nil
		}
		if err != nil {
			return fmt.Errorf("operation %q: %w", s.ID, err)
		}
		s.Execution.RunID = described.GetWorkflowExecutionInfo().GetFirstRunId()
	}
	l := &life{x: Execution{RunID: s.Execution.RunID, Read: true}}
	for runID := s.Execution.RunID; runID != ""; runID = l.nextRun {
		err := w.readLife(ctx, l, workflowID, runID)
		if isNotFound(err) {
			s.gone()
			return nil
		}
		if err != nil {
			return fmt.Errorf("history of operation %q: %w", s.ID, err)
		}
	}
	s.Execution = l.x
	return nil
}

// gone leaves what the serializer's history tells.
func (s *Start) gone() {
	s.Execution.Gone = true
	if s.Execution.Closed.IsZero() {
		s.Execution.Closed, s.Execution.Status = s.Execution.Began, Canceled
	}
}

func (w *walk) readLife(ctx context.Context, l *life, workflowID, runID string) error {
	events := w.client.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return err
		}
		l.read(event)
	}
	return nil
}
