package record

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

func playRejects(s *stage) {
	other := s.op(1)
	other.Name = "another"
	recurring := s.op(2)
	recurring.RecurrencePattern = "FREQ=DAILY"
	s.submit(s.op(1), s.op(1), other, recurring, 42, []any{7, s.op(3)}, map[string]any{"operationType": "test.record", "newField": 1})
	s.keepClosed()
}

// playAdoption has the run end while its head runs; the next one waits with it.
func playAdoption(s *stage) {
	release := make(chan struct{})
	head := s.op(1).ID
	s.handle = func(ctx context.Context, in protocol.HandlerInput) error {
		if in.Operation.ID == head {
			<-release
		}
		return nil
	}
	first := s.submit(s.op(1))
	s.until(func(state protocol.SerializerState) bool { return state.Head != nil })
	for n := 2; n <= 9; n++ {
		s.submit(s.op(n))
	}
	s.closed(s.token(), first)
	close(release)
	s.keepRuns(first)
}

// playAdoptionPostponed has the run end while its head waits; the next one asks
// the head to signal its end, in time or not.
func playAdoptionPostponed(s *stage, inTime bool) {
	head := protocol.OperationWorkflowID(s.op(1).ID)
	first := s.submit(s.postponed(1, time.Hour))
	s.until(func(state protocol.SerializerState) bool { return state.Head != nil })
	for n := 2; n <= 9; n++ {
		s.submit(s.op(n))
	}
	s.closed(s.token(), first)
	require.Eventually(s.t, func() bool { return !inTime || s.has(head, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) },
		patience, 50*time.Millisecond)
	s.update(head, protocol.CancelUpdateName, "", protocol.ActionRequest{Reason: "by the recorder"})
	s.keepRuns(first)
	s.keep("-operation", head, "")
}

// playRecovered has the server close the run since its history is too long: a
// new chain goes on with it. An update waits for the worker too; it must not let
// that chain take anything in before it has what was left.
func playRecovered(s *stage) {
	s.handle = func(context.Context, protocol.HandlerInput) error {
		time.Sleep(300 * time.Millisecond) // a run is never shorter than a second, whatever its limits
		return nil
	}
	s.submit(s.postponed(1, time.Hour), s.op(2), s.op(3))
	s.until(func(state protocol.SerializerState) bool { return state.Queued == 2 })
	s.cancelQueued(3)
	first := s.current(s.token())
	s.stopWorker()
	n, last := 3, first
	for last == first {
		n++
		run, err := s.trySubmit(s.op(n))
		if err != nil { // that one closed the run
			last = s.submit(s.op(n))
			break
		}
		last = run.GetRunID()
	}
	answered := s.updateInBackground(s.token(), protocol.PostponeUpdateName, protocol.PostponeRequest{OperationID: s.op(n).ID, Until: time.Now()})
	s.startWorker()
	<-answered
	s.until(func(state protocol.SerializerState) bool {
		return state.Predecessor.Look == protocol.PredecessorRecovered
	})
	s.update(protocol.OperationWorkflowID(s.op(1).ID), protocol.CancelUpdateName, "", protocol.ActionRequest{Reason: "by the recorder"})
	s.until(func(state protocol.SerializerState) bool { return state.Head == nil && state.Queued == 0 })
	state, err := s.state()
	require.NoError(s.t, err)
	require.Equal(s.t, int64(n), state.Counts.Accepted)
	s.closed(s.token(), "")
	s.keep("-1", s.token(), first)
	s.keep("-2", s.token(), last)
}

// updateInBackground sends an update that nobody answers before there is a
// worker, and waits until the server has it.
func (s *stage) updateInBackground(workflowID, name string, request any) (answered chan struct{}) {
	s.t.Helper()
	answered = make(chan struct{})
	go func() {
		defer close(answered)
		s.update(workflowID, name, "", request)
	}()
	time.Sleep(time.Second) // an update that was only admitted is nowhere to be seen
	return answered
}

// playWanted has a request learn of the failure that cancels the rest, in the task
// in which it comes: what it asks of is then in a page that is yet to be started.
func playWanted(s *stage) {
	running := make(chan []byte, 1)
	s.handle = func(ctx context.Context, _ protocol.HandlerInput) error {
		running <- activity.GetInfo(ctx).TaskToken
		return activity.ErrResultPending
	}
	s.submit(s.op(1), s.op(2), s.op(3), s.op(4), s.op(5), s.op(6))
	s.update(s.token(), protocol.SetPolicyUpdateName, "", protocol.PolicyRequest{OnFailure: protocol.CancelRestOnFailure})
	s.until(func(state protocol.SerializerState) bool { return state.Queued == 5 })
	task := <-running
	s.stopWorker()
	require.NoError(s.t, s.CompleteActivity(s.ctx, task, nil, refused()))
	s.startWorkerAs(func(w worker.Worker) workflows.Registry { return withoutSerializer{w} })
	require.Eventually(s.t, func() bool {
		return s.has(s.token(), enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
	}, patience, 50*time.Millisecond)
	s.stopWorker()
	answered := s.updateInBackground(s.token(), protocol.CancelUpdateName, protocol.ActionRequest{OperationID: s.op(6).ID})
	s.startWorker()
	<-answered
	s.keepOnceContinuing(6)
}

// playTerminated has a person end the token; the next chain says so, and waits
// for the operation that still runs.
func playTerminated(s *stage) {
	first := s.submit(s.postponed(1, 4*time.Second), s.op(2))
	s.until(func(state protocol.SerializerState) bool { return state.Queued == 1 })
	require.NoError(s.t, s.TerminateWorkflow(s.ctx, s.token(), "", "by the recorder"))
	s.submit(s.op(3))
	s.keepRuns(first)
}

// playReset has a person terminate the token and take it back to where it was,
// after its head has closed: the run that was reset hands over to one that adopts
// the head.
func playReset(s *stage) {
	first := s.submit(s.postponed(1, 2*time.Second), s.op(2), s.op(3))
	s.until(func(state protocol.SerializerState) bool { return state.Queued == 2 })
	s.cancelQueued(3)
	s.until(func(state protocol.SerializerState) bool { return state.Ending == 0 })
	require.NoError(s.t, s.TerminateWorkflow(s.ctx, s.token(), "", "by the recorder"))
	s.closed(protocol.OperationWorkflowID(s.op(1).ID), "")
	reply, err := s.ResetWorkflowExecution(s.ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: s.token(), RunId: first},
		Reason: "by the recorder", RequestId: uuid.NewString(), WorkflowTaskFinishEventId: s.lastTask(first),
	})
	require.NoError(s.t, err)
	s.submit(s.op(4))
	s.keepRuns(reply.GetRunId())
}

// lastTask is the event with which the run's last workflow task was completed.
func (s *stage) lastTask(runID string) (last int64) {
	s.t.Helper()
	each := s.GetWorkflowHistory(s.ctx, s.token(), runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		require.NoError(s.t, err)
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			last = event.GetEventId()
		}
	}
	return last
}

// playCanceled has a running operation cancelled.
func playCanceled(s *stage) {
	s.handle = func(ctx context.Context, _ protocol.HandlerInput) error {
		for ctx.Err() == nil {
			activity.RecordHeartbeat(ctx)
			time.Sleep(50 * time.Millisecond)
		}
		return ctx.Err()
	}
	o := s.op(1)
	o.OperationType = "test.heartbeats"
	s.start(o)
	id := protocol.OperationWorkflowID(s.op(1).ID)
	require.Eventually(s.t, func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, id, "")
		return err == nil && len(described.GetPendingActivities()) == 1
	}, patience, 50*time.Millisecond)
	s.update(id, protocol.CancelUpdateName, "", protocol.ActionRequest{Reason: "not needed"})
	s.keepOperation(1)
}

// playMixed is a bit of everything that changes a queue, for the tests that
// rebuild it from parts of the history: 30 operations, one by one and in batches,
// with and without ids, repeats, rejects, updates and a cancellation.
func playMixed(s *stage) {
	slow := map[string]bool{s.op(1).ID: true, s.op(12).ID: true, s.op(20).ID: true}
	s.handle = func(_ context.Context, in protocol.HandlerInput) error {
		if slow[in.Operation.ID] {
			time.Sleep(700 * time.Millisecond)
		}
		return nil
	}
	for n := 1; n <= 8; n++ {
		s.submit(s.op(n))
	}
	s.submit(s.op(3), 42, map[string]any{"operationType": "test.record"})
	s.cancelQueued(5)
	s.postponeQueued(6, time.Second, "")
	s.submit([]any{s.op(9), s.op(10), 7, s.op(11)})
	s.cancelQueued(10)
	s.until(func(state protocol.SerializerState) bool { return state.Queued < 5 })
	s.submit(s.op(12), s.op(13), s.postponed(14, 2*time.Second), s.op(15))
	s.postponeQueued(15, 2*time.Second, "")
	s.cancelQueued(13)
	s.until(func(state protocol.SerializerState) bool { return state.Queued == 0 })
	for n := 16; n <= 25; n++ {
		s.submit(s.op(n))
	}
	s.until(func(state protocol.SerializerState) bool { return state.Head != nil && state.Head.ID == s.op(20).ID })
	require.NoError(s.t, s.CancelWorkflow(s.ctx, s.token(), ""))
	s.until(func(state protocol.SerializerState) bool { return state.Queued == 0 && state.Head == nil })
	s.submit([]any{s.op(26), s.op(27)}, s.op(28))
	s.keepClosed()
}
