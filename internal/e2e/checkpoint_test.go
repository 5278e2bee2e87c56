package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// itemsType is an operation of several items, whose handler keeps a checkpoint.
func itemsType(queue string) catalogue.Type {
	return catalogue.Type{Key: "test.items", Binding: catalogue.Binding{
		Activity: "items", TaskQueue: queue, HeartbeatSeconds: 1,
		Retry: catalogue.Retry{MaxAttempts: 5, InitialSeconds: 0.1},
	}}
}

// items is the handler: it does the items up to n from the checkpoint on, and
// calls then before it does the next ones.
type items struct {
	n    int
	then func(ctx context.Context, r activities.Request, next int) *protocol.Outcome

	mu   sync.Mutex
	done []string // item and attempt
}

func (h *items) Handle(ctx context.Context, r activities.Request) protocol.Outcome {
	next := 1
	if err := r.Resume(&next); err != nil {
		return protocol.Failure("CheckpointUnreadable", err.Error())
	}
	for ; next <= h.n; next++ {
		h.mu.Lock()
		h.done = append(h.done, fmt.Sprintf("%d by %d", next, r.Fence.Attempt))
		h.mu.Unlock()
		if err := r.Report(activities.Progress{Checkpoint: next + 1, Done: int64(next), Total: int64(h.n)}); err != nil {
			return protocol.Failure("NotReported", err.Error())
		}
		if h.then != nil {
			if outcome := h.then(ctx, r, next); outcome != nil {
				return *outcome
			}
		}
	}
	return protocol.Success(nil)
}

// itemsSite is a site whose operations are of itemsType; their handler has a
// worker of its own, which tests start and stop.
type itemsSite struct {
	*site
	queue string
}

func newItemsSite(t *testing.T) *itemsSite {
	t.Helper()
	s := &itemsSite{newSite(t, shared, workflows.Options{}), "items-" + uuid.NewString()}
	cat, err := catalogue.New(itemsType(s.queue))
	require.NoError(t, err)
	s.taskQueue += "-items"
	w := worker.New(s.Client, s.taskQueue, worker.Options{})
	workflows.Register(w, cat, workflows.Options{})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return s
}

// start begins an operation without a token.
func (s *itemsSite) start() (id string) {
	id = uuid.NewString()
	_, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: protocol.OperationWorkflowID(id), TaskQueue: s.taskQueue},
		protocol.OperationWorkflow, protocol.Operation{ID: id, OperationType: "test.items"})
	require.NoError(s.t, err)
	return id
}

func (s *itemsSite) serve(h *items) worker.Worker {
	w := worker.New(s.Client, s.queue, worker.Options{WorkerStopTimeout: 100 * time.Millisecond})
	activities.Register(w, activities.Handlers{"items": h})
	require.NoError(s.t, w.Start())
	s.t.Cleanup(func() { stopOnce(w) })
	return w
}

// stopOnce stops a worker that the test may have stopped already.
func stopOnce(w worker.Worker) {
	defer func() { _ = recover() }()
	w.Stop()
}

// record is what the operation's workflow answers.
func (s *itemsSite) record(id string) (r protocol.Record) {
	answer, err := s.QueryWorkflow(s.ctx, protocol.OperationWorkflowID(id), "", protocol.OperationQueryName)
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Get(&r))
	return r
}

// SPEC 6.4, 6.5: the SDK holds back all but the first of these reports, and
// sends the last before the failure.
func TestRetryGoesOnFromTheLastReport(t *testing.T) {
	t.Parallel()
	s := newItemsSite(t)
	h := &items{n: 5, then: func(_ context.Context, r activities.Request, item int) *protocol.Outcome {
		if item == 3 && r.Fence.Attempt == 1 {
			retry := protocol.Retry("E1", "broken")
			return &retry
		}
		return nil
	}}
	s.serve(h)
	id := s.start()
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, []string{"1 by 1", "2 by 1", "3 by 1", "4 by 2", "5 by 2"}, h.done)
	require.Equal(t, 1, s.record(id).RetryCount)
}

// SPEC 8.2: what a handler reports while its worker stops is not lost, although
// its ctx has ended by then.
func TestStoppedWorkerLeavesTheCheckpoint(t *testing.T) {
	t.Parallel()
	s := newItemsSite(t)
	working := make(chan struct{})
	stopping := &items{n: 5, then: func(ctx context.Context, r activities.Request, item int) *protocol.Outcome {
		if item < 3 {
			return nil
		}
		close(working)
		<-ctx.Done()
		outcome := protocol.Cancellation()
		if err := r.Report(activities.Progress{Checkpoint: 5}); err != nil { // item 4 was done meanwhile
			outcome = protocol.Failure("NotReported", err.Error())
		}
		return &outcome
	}}
	first := s.serve(stopping)
	id := s.start()
	<-working
	first.Stop()
	h := &items{n: 5}
	s.serve(h)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, []string{"1 by 1", "2 by 1", "3 by 1"}, stopping.done)
	// Its worker may be gone before it has said that it was interrupted: then the
	// engine notices, and it is another attempt of the same call.
	require.Len(t, h.done, 1)
	require.Regexp(t, "^5 by [12]$", h.done[0])
}

// What a person pauses at the server, as in the Web UI, stays there until it is
// let go, and goes on from its checkpoint.
func TestHandlerPausedAtTheServerStaysPaused(t *testing.T) {
	t.Parallel()
	s := newItemsSite(t)
	working := make(chan struct{})
	h := &items{n: 5, then: func(ctx context.Context, r activities.Request, item int) *protocol.Outcome {
		if item != 3 || r.Fence.Attempt > 1 {
			return nil
		}
		close(working)
		<-ctx.Done()
		outcome := protocol.Cancellation()
		return &outcome
	}}
	s.serve(h)
	id := s.start()
	<-working
	require.NoError(t, pauseAtServer(s.ctx, s.Client, s.namespace, id, "items"))
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, Namespace: s.namespace})
	require.Eventually(t, func() bool {
		found, err := c.Get(s.ctx, id, "")
		return err == nil && found.SuspendReason == protocol.SuspendPaused && found.RetryCount == 1
	}, patience, 50*time.Millisecond, "its handler has stopped")
	_, err := c.Resume(s.ctx, id, "", "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, []string{"1 by 1", "2 by 1", "3 by 1", "4 by 2", "5 by 2"}, h.done)
}

// pauseAtServer pauses the activity of an operation's handler, as the Web UI does.
func pauseAtServer(ctx context.Context, c client.Client, namespace, id, activityType string) error {
	_, err := c.WorkflowService().PauseActivity(ctx, &workflowservice.PauseActivityRequest{
		Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: protocol.OperationWorkflowID(id)},
		Activity: &workflowservice.PauseActivityRequest_Type{Type: activityType}, Identity: "tester", Reason: "stocktaking",
	})
	return err
}

// SPEC 3.2: a handler that takes longer to stop than it may be silent keeps its
// lock meanwhile.
func TestHandlerThatStopsSlowlyEndsCanceled(t *testing.T) {
	t.Parallel()
	s := newItemsSite(t)
	working := make(chan struct{})
	s.serve(&items{n: 5, then: func(ctx context.Context, _ activities.Request, _ int) *protocol.Outcome {
		close(working)
		<-ctx.Done()
		time.Sleep(2500 * time.Millisecond) // of work, with a heartbeat of 1 s
		outcome := protocol.Cancellation()
		return &outcome
	}})
	id := s.start()
	<-working
	_, err := s.ask(id, protocol.CancelUpdateName, protocol.ActionRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
}

// lostWorkerVariable has this test binary be a worker that does three items and
// then no more, until it is killed. Its value is address, namespace and queue.
const lostWorkerVariable = "SERIATIM_E2E_LOST_WORKER"

func runLostWorker(where string) error {
	parts := strings.Fields(where)
	c, err := client.Dial(opclient.DialOptions(client.Options{HostPort: parts[0], Namespace: parts[1]}))
	if err != nil {
		return err
	}
	w := worker.New(c, parts[2], worker.Options{})
	activities.Register(w, activities.Handlers{"items": &items{n: 5, then: func(ctx context.Context, _ activities.Request, item int) *protocol.Outcome {
		if item == 3 {
			<-ctx.Done()
		}
		return nil
	}}})
	return w.Run(worker.InterruptCh())
}

// SPEC 6.4, 6.5: a worker that is killed with -9 leaves the checkpoint of its
// last heartbeat, and SPEC 1.2: the time of its attempt counts.
func TestKilledWorkerLeavesTheCheckpoint(t *testing.T) {
	t.Parallel()
	s := newItemsSite(t)
	lost := exec.Command(os.Args[0])
	lost.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", lostWorkerVariable, shared.Address(), s.namespace, s.queue))
	require.NoError(t, lost.Start())
	defer func() { _ = lost.Process.Kill() }()
	id := s.start()
	var beat protocol.Heartbeat
	require.Eventually(t, func() bool {
		var err error
		beat, err = engine[protocol.Heartbeat](s.site, protocol.ReadCheckpointActivity, protocol.ReadCheckpointRequest{OperationID: id})
		require.NoError(t, err)
		return beat.Done == 3 && beat.Seconds > 0.5
	}, patience, 100*time.Millisecond, "the third item's heartbeat reaches the server")
	require.Equal(t, "4", string(beat.Checkpoint))
	require.NoError(t, lost.Process.Kill())
	_ = lost.Wait()

	h := &items{n: 5}
	s.serve(h)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, []string{"4 by 2", "5 by 2"}, h.done)
	require.GreaterOrEqual(t, s.record(id).ExecutionTimeSpan, beat.Seconds)

	beat, err := engine[protocol.Heartbeat](s.site, protocol.ReadCheckpointActivity, protocol.ReadCheckpointRequest{OperationID: id})
	require.NoError(t, err)
	require.Zero(t, beat, "one that has closed has none")
	beat, err = engine[protocol.Heartbeat](s.site, protocol.ReadCheckpointActivity, protocol.ReadCheckpointRequest{OperationID: "none"})
	require.NoError(t, err)
	require.Zero(t, beat, "one that there never was has none")
}
