package record

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// Shapes of what can be asked of an operation that runs, and of a token as a
// whole.

var actionShapes = []shape{
	{name: "operation-paused-resumed", play: func(s *stage) {
		s.untilStoppedOnce()
		id := s.startRunning()
		s.update(id, protocol.PauseUpdateName, "", protocol.ActionRequest{Reason: "a moment"})
		s.untilOperation(id, protocol.Waiting)
		s.update(id, protocol.ResumeUpdateName, "", protocol.ActionRequest{})
		s.keepOperation(1)
	}},
	{name: "operation-postponed-running", play: func(s *stage) {
		s.untilStoppedOnce()
		id := s.startRunning()
		s.update(id, protocol.PostponeUpdateName, "", protocol.PostponeRequest{Until: time.Now().Add(3 * time.Second)})
		s.keepOperation(1)
	}},
	{name: "operation-suspended-resumed", play: func(s *stage) {
		s.failsFirst(temporal.NewNonRetryableApplicationError("who is that?", protocol.ErrTypeSuspend, nil,
			protocol.FailureDetails{Code: "E8", Checkpoint: json.RawMessage(`{"row":7}`)}))
		s.start(s.op(1))
		id := protocol.OperationWorkflowID(s.op(1).ID)
		s.untilOperation(id, protocol.Waiting)
		s.update(id, protocol.ResumeUpdateName, "", protocol.ActionRequest{Reason: "answered"})
		s.keepOperation(1)
	}},
	{name: "operation-uncounted-retry", play: func(s *stage) {
		s.failsFirst(uncounted())
		s.start(s.op(1))
		s.keepOperation(1)
	}},
	{name: "operation-lock-broken", play: func(s *stage) {
		s.handle = func(ctx context.Context, _ protocol.HandlerInput) error {
			for range 30 { // whatever it is asked
				activity.RecordHeartbeat(ctx, protocol.Heartbeat{})
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		}
		id := s.startRunning()
		s.update(id, protocol.CancelUpdateName, "", protocol.ActionRequest{Reason: "not needed"})
		s.keepOperation(1)
	}},
	{name: "operation-continued", options: workflows.Options{MaxRunEvents: 20}, play: func(s *stage) {
		var calls atomic.Int32
		s.handle = func(context.Context, protocol.HandlerInput) error {
			if calls.Add(1) < 4 {
				return uncounted()
			}
			return nil
		}
		s.start(s.op(1))
		id := protocol.OperationWorkflowID(s.op(1).ID)
		first := s.current(id)
		s.closed(id, first)
		s.closed(id, "")
		s.keep("-1", id, first)
		s.keep("-2", id, "")
	}},
	{name: "serializer-held", play: func(s *stage) {
		s.submit(s.postponed(1, 2*time.Second), s.op(2))
		s.until(func(state protocol.SerializerState) bool { return state.Head != nil && state.Queued == 1 })
		s.update(s.token(), protocol.HoldUpdateName, "", protocol.HoldRequest{Reason: "maintenance"})
		s.untilOperation(protocol.OperationWorkflowID(s.op(1).ID), protocol.WaitingForResources)
		s.update(s.token(), protocol.ReleaseUpdateName, "", protocol.TokenRequest{})
		s.keepClosed()
		s.keep("-operation", protocol.OperationWorkflowID(s.op(1).ID), "")
	}},
	{name: "serializer-held-for-a-time", play: func(s *stage) {
		s.submit(s.op(1))
		s.until(func(state protocol.SerializerState) bool { return state.Counts.Succeeded == 1 })
		until := time.Now().Add(3 * time.Second)
		s.update(s.token(), protocol.HoldUpdateName, "", protocol.HoldRequest{Until: &until})
		s.submit(s.op(2), s.op(3))
		s.keepClosed()
	}},
	{name: "serializer-rerun-in-place", play: func(s *stage) {
		s.heldByFailure()
		s.update(s.token(), protocol.RerunUpdateName, "", protocol.RerunRequest{OperationID: s.op(1).ID, NewID: s.op(4).ID})
		s.keepOnceContinuing(4)
	}},
	{name: "serializer-skipped", play: func(s *stage) {
		s.heldByFailure()
		s.update(s.token(), protocol.SkipUpdateName, "", protocol.TokenRequest{Reason: "not needed"})
		s.keepOnceContinuing(3)
	}},
	{name: "serializer-cancel-rest", play: func(s *stage) {
		s.failsFirst(refused())
		s.submit(s.postponed(1, 2*time.Second), s.op(2), s.op(3))
		s.update(s.token(), protocol.SetPolicyUpdateName, "", protocol.PolicyRequest{OnFailure: protocol.CancelRestOnFailure})
		s.until(func(state protocol.SerializerState) bool { return state.Counts.Canceled == 2 })
		s.submit(s.op(4))
		s.keepOnceContinuing(4)
	}},
	{name: "serializer-cancel-all", play: func(s *stage) {
		s.submit(s.postponed(1, time.Hour), s.op(2), s.op(3))
		s.until(func(state protocol.SerializerState) bool { return state.Head != nil && state.Queued == 2 })
		s.update(s.token(), protocol.CancelAllUpdateName, "", protocol.TokenRequest{Reason: "start over"})
		s.submit(s.op(4))
		s.keepClosed()
	}},
	{name: "serializer-rerun-at-the-tail", play: func(s *stage) {
		s.failsFirst(refused())
		s.submit(s.op(1))
		s.until(func(state protocol.SerializerState) bool { return state.Counts.Failed == 1 })
		s.submit(s.postponed(2, 2*time.Second), s.op(3))
		s.update(s.token(), protocol.RerunUpdateName, "", protocol.RerunRequest{OperationID: s.op(1).ID, NewID: s.op(4).ID})
		s.keepClosed()
	}},
	{name: "serializer-max-queued", play: func(s *stage) {
		s.submit(s.postponed(1, 3*time.Second))
		s.until(func(state protocol.SerializerState) bool { return state.Head != nil })
		bound, none := 2, 0
		s.update(s.token(), protocol.SetPolicyUpdateName, "", protocol.PolicyRequest{MaxQueued: &bound})
		s.submit(s.op(2), s.op(3), s.op(4))
		s.update(s.token(), protocol.SetPolicyUpdateName, "", protocol.PolicyRequest{MaxQueued: &none})
		s.submit(s.op(5))
		s.keepClosed()
	}},
}

func refused() error {
	return temporal.NewNonRetryableApplicationError("no such customer", protocol.ErrTypeFail, nil)
}

func uncounted() error {
	return temporal.NewNonRetryableApplicationError("not yet", protocol.ErrTypeRetry, nil,
		protocol.FailureDetails{AfterSeconds: 1, Counted: new(bool), Checkpoint: json.RawMessage(`{"row":7}`)})
}

// failsFirst has the first call of a handler end with that error.
func (s *stage) failsFirst(err error) {
	var calls atomic.Int32
	s.handle = func(context.Context, protocol.HandlerInput) error {
		if calls.Add(1) == 1 {
			return err
		}
		return nil
	}
}

// untilStoppedOnce has the first call of a handler go on until it is asked to
// stop, and report how far it is.
func (s *stage) untilStoppedOnce() {
	s.handle = func(ctx context.Context, in protocol.HandlerInput) error {
		for row := 0; in.Fence.N == 1 && ctx.Err() == nil; row++ {
			checkpoint, err := json.Marshal(map[string]int{"row": row})
			if err != nil {
				return err
			}
			activity.RecordHeartbeat(ctx, protocol.Heartbeat{Checkpoint: checkpoint})
			time.Sleep(50 * time.Millisecond)
		}
		return ctx.Err()
	}
}

// startRunning starts an operation whose handler reports, and waits until it
// did.
func (s *stage) startRunning() (workflowID string) {
	s.t.Helper()
	o := s.op(1)
	o.OperationType = "test.heartbeats"
	s.start(o)
	workflowID = protocol.OperationWorkflowID(o.ID)
	require.Eventually(s.t, func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, workflowID, "")
		pending := described.GetPendingActivities()
		return err == nil && len(pending) == 1 && pending[0].GetHeartbeatDetails() != nil
	}, patience, 50*time.Millisecond)
	return workflowID
}

// untilOperation waits for an operation to be so.
func (s *stage) untilOperation(workflowID string, status protocol.StatusCode) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		answer, err := s.QueryWorkflow(s.ctx, workflowID, "", protocol.OperationQueryName)
		var record protocol.Record
		return err == nil && answer.Get(&record) == nil && record.StatusCode == status
	}, patience, 50*time.Millisecond)
}

// heldByFailure has the token stand since its first operation failed.
func (s *stage) heldByFailure() {
	s.t.Helper()
	s.failsFirst(refused())
	s.submit(s.postponed(1, 2*time.Second), s.op(2), s.op(3))
	s.update(s.token(), protocol.SetPolicyUpdateName, "", protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	s.until(func(state protocol.SerializerState) bool { return state.Failure != nil && state.Queued == 2 })
}

// keepOnceContinuing waits for so many ends, lets the token be forgotten, and
// keeps its only run.
func (s *stage) keepOnceContinuing(ends int64) {
	s.t.Helper()
	s.until(func(state protocol.SerializerState) bool {
		return state.Counts.Succeeded+state.Counts.Failed+state.Counts.Canceled == ends
	})
	s.update(s.token(), protocol.SetPolicyUpdateName, "", protocol.PolicyRequest{OnFailure: protocol.ContinueOnFailure})
	s.keepClosed()
}
