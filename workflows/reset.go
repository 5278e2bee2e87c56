package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/workflow"
)

// A person may reset a serializer's run, to get back one that was terminated.
// Its history is then replayed up to the point of the reset, and goes on from
// there; but the server tells the new run neither the end of an operation that
// closed meanwhile nor of one that another run of the chain started. So a run
// that was reset takes in what has arrived and ends at once: the next one adopts
// the head, as any head that it did not start.

// resetNoticed completes at the point of the reset, in a run that was reset; nil
// in any other. The history up to that point must be repeated exactly, so the run
// has to know when it has passed it: a local activity makes no command when it
// is asked for, runs only when there is no more history, and leaves its mark
// there.
func (s *serializer) resetNoticed() workflow.Future {
	info := workflow.GetInfo(s.ctx)
	if info.OriginalRunID == "" || info.OriginalRunID == info.WorkflowExecution.RunID {
		return nil
	}
	ctx := workflow.WithLocalActivityOptions(s.ctx, workflow.LocalActivityOptions{ScheduleToCloseTimeout: time.Minute})
	return workflow.ExecuteLocalActivity(ctx, func(context.Context) error { return nil })
}

// wasReset says that this run goes on from the point of a reset.
func (s *serializer) wasReset() bool {
	return s.reset != nil && s.reset.IsReady()
}
