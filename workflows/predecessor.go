package workflows

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// How long a new chain waits for the look at its predecessor: in its own process,
// and by the engine, before it goes on without; and for the reading of a history.
const (
	glanceTimeout  = 500 * time.Millisecond
	findTimeout    = 20 * time.Second
	rebuildTimeout = 10 * time.Minute
)

// lookBack finds out, before a new chain of runs takes anything in, how the one
// before it ended. One that the server closed, for a limit or a timeout, had
// accepted operations that were never started: they go on here, first. One that
// a person terminated is only reported; but an operation of it that still runs
// is waited for in both cases.
func (s *serializer) lookBack() {
	if !s.lookingBack {
		return
	}
	defer func() { s.lookingBack = false }()
	found := s.findPredecessor()
	if found.Look == protocol.PredecessorAbnormal {
		s.takeOver(&found)
	}
	s.predecessor = found
}

func (s *serializer) mustLookBack() bool {
	fresh := s.queue.Counts.Runs == 1 && s.refused == ""
	if fresh && s.settings.NoLookBack {
		s.predecessor.Look = protocol.PredecessorUnchecked
	}
	return fresh && !s.settings.NoLookBack
}

func (s *serializer) findPredecessor() (found protocol.Predecessor) {
	info := workflow.GetInfo(s.ctx).WorkflowExecution
	request := protocol.PredecessorRequest{WorkflowID: info.ID, RunID: info.RunID}
	nothing := false
	if s.glance != nil && s.glance.Get(s.ctx, &nothing) == nil && nothing {
		return protocol.Predecessor{Look: protocol.PredecessorNone}
	}
	err := s.engine(protocol.FindPredecessorActivity, "looks how the serializer before ended", findTimeout, request, &found)
	if err != nil {
		workflow.GetLogger(s.ctx).Warn("the serializer before was not looked at", "error", err)
		return protocol.Predecessor{Look: protocol.PredecessorUnchecked, Reason: cut(err.Error(), maxRejectBytes)}
	}
	return found
}

// beginGlance asks whether there is nothing to go on with, as nearly always: one
// marker in the run's first task. It holds a slot of the worker's, so it must be
// quick, or the engine is asked.
func (s *serializer) beginGlance() workflow.Future {
	if !s.lookingBack || !s.settings.LookLocally {
		return nil
	}
	info := workflow.GetInfo(s.ctx).WorkflowExecution
	ctx := workflow.WithLocalActivityOptions(s.ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: glanceTimeout,
		StartToCloseTimeout:    glanceTimeout,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:                "looks how the serializer before ended",
	})
	return workflow.ExecuteLocalActivity(ctx, s.NothingBefore, protocol.PredecessorRequest{WorkflowID: info.ID, RunID: info.RunID})
}

// glanceActivity is the name of NothingBefore in histories.
const glanceActivity = "NothingBefore"

// NothingBefore is the local activity of a glance.
func (d *definitions) NothingBefore(ctx context.Context, request protocol.PredecessorRequest) (bool, error) {
	if d.options.NothingBefore == nil {
		return false, nil
	}
	return d.options.NothingBefore(ctx, request)
}

// takeOver goes on where the predecessor was stopped.
func (s *serializer) takeOver(found *protocol.Predecessor) {
	var before carried
	err := s.engine(protocol.RebuildTokenActivity, "reads what the serializer before still had to do", rebuildTimeout,
		protocol.PredecessorRequest{WorkflowID: workflow.GetInfo(s.ctx).WorkflowExecution.ID, RunID: found.RunID}, &before)
	if err != nil || before.Queue == nil {
		found.Look = protocol.PredecessorUnchecked
		found.Reason = cut(fmt.Sprintf("its history cannot be read: %v", err), maxRejectBytes)
		return
	}
	found.Queued = before.Queue.left()
	found.Look = protocol.PredecessorTerminated
	if found.ByServer {
		found.Look = protocol.PredecessorRecovered
	}
	s.report()
	s.queue = s.queue.takeOver(before.Queue, found.ByServer)
	s.reported = s.queue.Counts // what the chain before reported
	s.adoptHead(mustProve, before.askedOfHead())
}

func (s *serializer) engine(activity, summary string, timeout time.Duration, request, answer any) error {
	return engineActivity(s.ctx, activity, summary, timeout, request, answer)
}

// engineActivity has one of the engine's activities called, with retries up to
// the timeout.
func engineActivity(ctx workflow.Context, activity, summary string, timeout time.Duration, request, answer any) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              engineTaskQueue(ctx),
		ScheduleToCloseTimeout: timeout,
		StartToCloseTimeout:    timeout / 2,
		Summary:                summary,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: 5 * time.Second},
	})
	return workflow.ExecuteActivity(ctx, activity, request).Get(ctx, answer)
}

func engineTaskQueue(ctx workflow.Context) string {
	return workflow.GetInfo(ctx).TaskQueueName + protocol.EngineTaskQueueSuffix
}
