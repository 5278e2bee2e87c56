package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// errand is what a workflow of a team submits, in each of its runs, and how the
// last operation of the last run ended.
type errand struct {
	Operations []protocol.Operation
	Runs       int
	Records    []protocol.Record
}

// doErrand submits the operations and awaits the last of them.
func doErrand(ctx workflow.Context, e errand) ([]protocol.Record, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute, HeartbeatTimeout: 2 * time.Second, WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 1},
	})
	var handles []protocol.Handle
	if err := workflow.ExecuteActivity(ctx, protocol.SubmitOperationsActivity, e.Operations).Get(ctx, &handles); err != nil {
		return nil, err
	}
	var last protocol.Record
	if err := workflow.ExecuteActivity(ctx, protocol.AwaitHandleActivity, handles[len(handles)-1]).Get(ctx, &last); err != nil {
		return nil, err
	}
	e.Records = append(e.Records, last)
	if e.Runs--; e.Runs > 0 {
		return nil, workflow.NewContinueAsNewError(ctx, doErrand, e)
	}
	return e.Records, nil
}

// team is a worker of another team, on a task queue of its own.
func (s *site) team(register func(worker.Worker)) worker.Worker {
	s.t.Helper()
	w := worker.New(s.Client, s.taskQueue+"-team", worker.Options{})
	w.RegisterWorkflow(doErrand)
	register(w)
	require.NoError(s.t, w.Start())
	return w
}

func (s *site) errand(e errand) client.WorkflowRun {
	s.t.Helper()
	run, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{TaskQueue: s.taskQueue + "-team"}, doErrand, e)
	require.NoError(s.t, err)
	return run
}

// SPEC 1.1, 4.1, 6.6: a workflow submits three operations on one token and awaits
// the last; an attempt that is lost after it has submitted submits nothing twice,
// and a run that continues as new is not taken for the one before.
func TestWorkflowSubmitsAndAwaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	s.works = func(_ context.Context, r activities.Request) protocol.Outcome {
		return protocol.Success(r.Operation.Depth)
	}
	inside := opclient.Activities{Client: s.client()}
	loses := func(ctx context.Context, operations []protocol.Operation) ([]protocol.Handle, error) {
		handles, err := inside.Submit(ctx, operations)
		if activity.GetInfo(ctx).Attempt == 1 {
			err = errors.New("the worker was lost after it had submitted")
		}
		return handles, err
	}
	w := s.team(func(w worker.Worker) {
		w.RegisterActivityWithOptions(loses, activity.RegisterOptions{Name: protocol.SubmitOperationsActivity})
		w.RegisterActivityWithOptions(inside.Await, activity.RegisterOptions{Name: protocol.AwaitHandleActivity})
	})
	defer w.Stop()
	cause := protocol.Operation{ID: token + "-cause", Depth: 2}
	var operations []protocol.Operation
	for _, kind := range []protocol.TypeRef{"test.record", "test.record", workType} {
		operations = append(operations, protocol.Operation{OperationType: kind, DependencyToken: token}.CausedBy(cause))
	}
	var records []protocol.Record
	require.NoError(t, s.errand(errand{Operations: operations, Runs: 2}).Get(s.ctx, &records))
	require.Len(t, records, 2)
	for _, r := range records {
		require.Equal(t, protocol.Succeeded, r.StatusCode)
		require.JSONEq(t, "3", string(r.Result))
		require.Equal(t, cause.ID, r.CorrelationID)
	}
	require.Less(t, records[0].Sequence, records[1].Sequence)
	require.Len(t, s.ran(token), 4, "of the first two of each run, each once")
	counts := s.state(token).Counts
	require.EqualValues(t, 6, counts.Accepted)
	require.EqualValues(t, 6, counts.Duplicates)
}

// SPEC 3.1: awaiting is not holding: a worker that stops hands the wait on, and a
// workflow that is cancelled stops waiting, while the operation goes on.
func TestWorkflowAwaitsThroughLossAndCancellation(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	inside := opclient.Activities{Client: s.client()}
	register := func(w worker.Worker) { inside.Register(w) }
	w := s.team(register)
	o := postponed(unique(t), 1)
	impatient, patient := s.errand(errand{Operations: []protocol.Operation{o}}), s.errand(errand{Operations: []protocol.Operation{o}})
	s.becomes(o.ID, protocol.Waiting, protocol.SuspendPostponed)
	s.awaits(impatient, 1)
	s.awaits(patient, 1)

	require.NoError(t, s.CancelWorkflow(s.ctx, impatient.GetID(), ""))
	var canceled *temporal.CanceledError
	require.ErrorAs(t, impatient.Get(s.ctx, nil), &canceled)
	w.Stop()
	w = s.team(register)
	defer func() { w.Stop() }()
	s.awaits(patient, 2)
	s.becomes(o.ID, protocol.Waiting, protocol.SuspendPostponed)
	_, err := s.client().Resume(s.ctx, o.ID, "", "")
	require.NoError(t, err)
	var records []protocol.Record
	require.NoError(t, patient.Get(s.ctx, &records))
	require.Equal(t, protocol.Succeeded, records[0].StatusCode)
}

// awaits waits until an attempt of the workflow's AwaitHandle runs.
func (s *site) awaits(run client.WorkflowRun, attempt int32) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		there, err := s.DescribeWorkflowExecution(s.ctx, run.GetID(), "")
		if err != nil || len(there.GetPendingActivities()) != 1 {
			return false
		}
		pending := there.GetPendingActivities()[0]
		return pending.GetActivityType().GetName() == protocol.AwaitHandleActivity &&
			pending.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && pending.GetAttempt() == attempt
	}, patience, 50*time.Millisecond)
}

// What no attempt can mend ends the workflow at once, with a type that it can
// tell apart.
func TestWorkflowLearnsWhatIsWrongWithItsOperations(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	inside := opclient.Activities{Client: s.client()}
	w := s.team(func(w worker.Worker) { inside.Register(w) })
	defer w.Stop()
	token := unique(t)
	taken, other := operation(token, 1), operation(token, 1)
	taken.DependencyToken, other.DependencyToken, other.Name = token, token, "another"
	require.NoError(t, s.errand(errand{Operations: []protocol.Operation{taken}}).Get(s.ctx, nil))
	for kind, o := range map[string]protocol.Operation{
		protocol.ErrTypeInvalidOperation: {OperationType: "test.record", Priority: 9},
		protocol.ErrTypeDuplicateID:      other,
	} {
		var refused *temporal.ApplicationError
		require.ErrorAs(t, s.errand(errand{Operations: []protocol.Operation{o}}).Get(s.ctx, nil), &refused)
		require.Equal(t, kind, refused.Type())
	}
}
