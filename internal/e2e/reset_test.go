package e2e

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// resetPoints are the workflow tasks to which a run is reset.
var resetPoints = map[string]resetPoint{
	"the last task":   lastTask,
	"a task between":  func(completed []int64) int64 { return completed[len(completed)/2] },
	"the second task": func(completed []int64) int64 { return completed[1] },
	"the first task":  firstTask,
}

// SPEC 2.2, 4.1, 4.7: a serializer that a person terminated goes on where it was
// when it is reset, to whichever of its workflow tasks: what queued runs in
// order, nothing twice, whatever happened to the head meanwhile
// (docs/operations.md, "A serializer was terminated").
func TestResetBringsATerminatedTokenBack(t *testing.T) {
	t.Parallel()
	for point, choose := range resetPoints {
		for _, head := range []string{"ends before the reset", "runs on"} {
			t.Run("to "+point+", its head "+head, func(t *testing.T) {
				t.Parallel()
				d := newResetDrill(t, workflows.Options{})
				d.terminate()
				if head == "ends before the reset" {
					d.release()
				}
				d.reset(choose)
				d.release()
				d.requireAllOnce()
			})
		}
	}
}

// SPEC 2.2, 4.1: a reset may go back behind a run that ended by itself, and may
// have to be done once more.
func TestResetToAnEarlierRunAndAgain(t *testing.T) {
	t.Parallel()
	for point, choose := range map[string]resetPoint{"last": lastTask, "first": firstTask} {
		t.Run("to its "+point+" task", func(t *testing.T) {
			t.Parallel()
			d := newResetDrill(t, workflows.Options{MaxRunSignals: 10})
			d.fillRun()
			first := d.run
			d.terminate()
			require.NotEqual(t, first, d.run, "the token is in a later run")
			d.run = first
			d.reset(choose)
			require.Eventually(t, func() bool { return d.current() != d.run && len(d.tasks("")) > 0 }, patience, 20*time.Millisecond)
			d.terminate()
			d.release()
			d.reset(lastTask)
			d.requireAllOnce()
		})
	}
}

// A resetPoint chooses among the ends of a run's workflow tasks.
type resetPoint func(completed []int64) int64

func firstTask(completed []int64) int64 { return completed[0] }
func lastTask(completed []int64) int64  { return completed[len(completed)-1] }

// resetDrill is a token with two operations that completed, one that runs, one
// that was cancelled while it queued, and more behind it.
type resetDrill struct {
	*site
	token          string
	running, after protocol.Operation
	released       chan struct{}
	run            string   // the run that is terminated
	wanted         []string // what must have run, in order, at the end
}

func newResetDrill(t *testing.T, o workflows.Options) *resetDrill {
	t.Helper()
	d := &resetDrill{site: newSite(t, shared, o), token: unique(t), released: make(chan struct{})}
	d.running, d.after = operation(d.token, 2), operation(d.token, 9)
	started := make(chan struct{})
	d.handle = func(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == d.running.ID {
			close(started) // panics where it is run twice
			<-d.released
		}
		return protocol.HandlerResult{}, nil
	}
	withoutID := protocol.Operation{OperationType: "test.record"}
	d.submit(d.token, withoutID)
	d.submit(d.token, []protocol.Operation{operation(d.token, 1), d.running})
	<-started
	cancelled := operation(d.token, 4)
	d.submit(d.token, []any{operation(d.token, 3), cancelled, withoutID})
	d.submit(d.token, operation(d.token, 6))
	d.cancelQueued(cancelled.ID)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, d.closed(cancelled.ID))
	d.wanted = append(ids(d.ran(d.token)), d.running.ID, operation(d.token, 3).ID,
		d.queued()[1], operation(d.token, 6).ID, d.after.ID)
	return d
}

func (d *resetDrill) queued() (list []string) {
	d.t.Helper()
	answer, err := d.QueryWorkflow(d.ctx, protocol.SerializerWorkflowID(d.token), "", protocol.ListQueryName, protocol.ListRequest{})
	require.NoError(d.t, err)
	var reply protocol.ListReply
	require.NoError(d.t, answer.Get(&reply))
	for _, r := range reply.Operations {
		list = append(list, r.ID)
	}
	return list
}

func (d *resetDrill) cancelQueued(id string) {
	d.t.Helper()
	_, err := d.askQueued(d.token, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: id})
	require.NoError(d.t, err)
}

// fillRun submits until the run with the standing head has to end.
func (d *resetDrill) fillRun() {
	d.t.Helper()
	d.run = d.current()
	for n := 10; n < 30; n++ {
		o := operation(d.token, n)
		d.submit(d.token, o)
		d.wanted = slices.Insert(d.wanted, len(d.wanted)-1, o.ID)
	}
	require.Eventually(d.t, func() bool { return d.state(d.token).Queued == 23 && d.current() != d.run }, patience, 50*time.Millisecond)
}

// current is the token's latest run.
func (d *resetDrill) current() string {
	d.t.Helper()
	described, err := d.DescribeWorkflowExecution(d.ctx, protocol.SerializerWorkflowID(d.token), "")
	require.NoError(d.t, err)
	return described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

func (d *resetDrill) terminate() {
	d.t.Helper()
	d.run = d.current()
	require.NoError(d.t, d.TerminateWorkflow(d.ctx, protocol.SerializerWorkflowID(d.token), d.run, "by a test"))
}

// release lets the operation that ran when the serializer was terminated end.
func (d *resetDrill) release() {
	d.t.Helper()
	select {
	case <-d.released:
	default:
		close(d.released)
	}
	require.Equal(d.t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, d.closed(d.running.ID))
}

// reset takes the terminated run back to the end of one of its workflow tasks.
func (d *resetDrill) reset(choose resetPoint) {
	d.t.Helper()
	reply, err := d.ResetWorkflowExecution(d.ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace:         d.namespace,
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: protocol.SerializerWorkflowID(d.token), RunId: d.run},
		Reason:            "by a test", RequestId: uuid.NewString(), WorkflowTaskFinishEventId: choose(d.tasks(d.run)),
	})
	require.NoError(d.t, err)
	d.run = reply.GetRunId()
}

// tasks are the ends of a run's workflow tasks.
func (d *resetDrill) tasks(run string) (completed []int64) {
	d.t.Helper()
	for _, event := range d.history(protocol.SerializerWorkflowID(d.token), run) {
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			completed = append(completed, event.GetEventId())
		}
	}
	return completed
}

// requireAllOnce checks that everything accepted has run, in order and once, and
// that the token is as good as new.
func (d *resetDrill) requireAllOnce() {
	d.t.Helper()
	d.submit(d.token, d.after)
	require.Equal(d.t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, d.closed(d.after.ID))
	requireInOrder(d.t, d.wanted, d.ran(d.token))
	require.Eventually(d.t, func() bool { return d.state(d.token).Head == nil }, patience, 50*time.Millisecond)
	state := d.state(d.token)
	require.Equal(d.t, []int{0, 0}, []int{state.Queued, state.Ending})
	require.Empty(d.t, state.Rejects)
	require.Equal(d.t, protocol.PredecessorNone, state.Predecessor.Look, "the run that was reset is not the chain before")
	requireNoFailedTasks(d.t, d.site, d.token)
	d.requireReplays()
}

// requireReplays checks that a worker may take the run that was reset over.
func (d *resetDrill) requireReplays() {
	d.t.Helper()
	id := protocol.SerializerWorkflowID(d.token)
	replayer := worker.NewWorkflowReplayer()
	workflows.Register(replayer, nil, workflows.Options{})
	require.NoError(d.t, replayer.ReplayWorkflowHistoryWithOptions(nil, &historypb.History{Events: d.history(id, d.run)},
		worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: id, RunID: d.run}}))
}

// The same while operations were started ahead: whatever the run that is reset knows of
// them, each has its turn, once.
func TestResetBringsWhatIsAheadBack(t *testing.T) {
	t.Parallel()
	for point, choose := range resetPoints {
		t.Run("to "+point, func(t *testing.T) {
			t.Parallel()
			d := newResetDrill(t, workflows.Options{LookAhead: workflows.LookAhead{Window: 20, After: 5 * time.Second}})
			require.Eventually(t, func() bool { return d.state(d.token).Ahead == 3 }, patience, 50*time.Millisecond)
			d.rests(d.token)
			d.terminate()
			d.reset(choose)
			d.release()
			d.requireAllOnce()
		})
	}
}
