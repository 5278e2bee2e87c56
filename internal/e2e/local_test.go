package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// Types with "execution: local": the first attempt runs in the operation's first
// workflow task, every other one as ever.

// localSite is a site whose handler's attempts are noted.
type localSite struct {
	*site
	noted sync.Mutex
	seen  []interval
}

func newLocalSite(t *testing.T, works func(context.Context, activities.Request) protocol.Outcome) *localSite {
	t.Helper()
	s := &localSite{site: newSite(t, shared, workflows.Options{SearchAttributes: true})}
	s.works = func(ctx context.Context, r activities.Request) protocol.Outcome {
		begin := time.Now()
		outcome := works(ctx, r)
		s.noted.Lock()
		defer s.noted.Unlock()
		s.seen = append(s.seen, interval{r.Operation.ID, r.Operation.DependencyToken, begin, time.Now(), r.Fence})
		return outcome
	}
	return s
}

// fencesOf are those of an operation's attempts that have ended, without its place
// in its token.
func (s *localSite) fencesOf(id string) (fences []string) {
	s.noted.Lock()
	defer s.noted.Unlock()
	for _, r := range s.seen {
		if r.ID == id {
			fences = append(fences, fmt.Sprintf("%d.%d", r.Fence.N, r.Fence.Attempt))
		}
	}
	return fences
}

func local(token string, n int) protocol.Operation {
	o := operation(token, n)
	o.OperationType = localType
	return o
}

// events counts the events of a kind in an operation's history.
func (s *site) events(id string, kind enumspb.EventType) (n int) {
	for _, event := range s.history(protocol.OperationWorkflowID(id), "") {
		if event.GetEventType() == kind {
			n++
		}
	}
	return n
}

const (
	scheduledEvent = enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
	markerEvent    = enumspb.EVENT_TYPE_MARKER_RECORDED
)

// SPEC 2.2, 4: one at a time, in order, each once, and as local attempts.
func TestLocalOperationsOfATokenRunInOrder(t *testing.T) {
	t.Parallel()
	s := newLocalSite(t, func(context.Context, activities.Request) protocol.Outcome {
		return protocol.Success(map[string]int{"n": 1})
	})
	token := unique(t)
	operations := make([]protocol.Operation, 60)
	wanted := make([]string, len(operations))
	for n := range operations {
		operations[n] = local(token, n)
		wanted[n] = operations[n].ID
	}
	s.submitBy20(token, operations)
	s.untilClosed(wanted[len(wanted)-1])
	s.noted.Lock()
	defer s.noted.Unlock()
	requireInOrder(t, wanted, s.seen)
	record := s.recordOf(wanted[0])
	require.JSONEq(t, `{"n":1}`, string(record.Result))
	require.NotNil(t, record.StartedOn)
	require.NotEmpty(t, record.HostID)
	require.Equal(t, []any{int64(1), 0}, []any{record.N, record.RetryCount})
	require.Zero(t, s.events(wanted[0], scheduledEvent))
}

// SPEC 6.2, 6.5, 2.2: a failure that may be repeated uses up one attempt, and the
// rest are regular, with the checkpoint and newer fences.
func TestALocalAttemptThatFailsGoesOnAsARegularOne(t *testing.T) {
	t.Parallel()
	s := newLocalSite(t, func(_ context.Context, r activities.Request) protocol.Outcome {
		if r.Fence.N > 1 && string(r.Checkpoint) != `"row 7"` {
			return protocol.Failure("CheckpointLost", string(r.Checkpoint))
		}
		if err := r.Report(activities.Progress{Checkpoint: "row 7"}); err != nil {
			return protocol.Failure("ReportFailed", err.Error())
		}
		if r.Operation.Name == "fails" || r.Fence.N == 1 {
			return protocol.Retry("Busy", "the target is busy")
		}
		return protocol.Success(nil)
	})
	token := unique(t)
	once, always := local(token, 0), local(token, 1)
	always.Name = "fails"
	s.submit(token, []protocol.Operation{once, always})
	s.untilClosed(once.ID)
	require.Equal(t, []string{"1.0", "2.1"}, s.fencesOf(once.ID))
	require.Equal(t, 1, s.recordOf(once.ID).RetryCount)

	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, s.closed(always.ID))
	require.Equal(t, []string{"1.0", "2.1", "2.2"}, s.fencesOf(always.ID), "three attempts in all")
	record := s.recordOf(always.ID)
	require.Equal(t, []any{"Busy", 2}, []any{record.ErrorCode, record.RetryCount})
}

// SPEC 6.1: what is no plain retry is what it always is.
func TestALocalAttemptEndsAsItsHandlerSays(t *testing.T) {
	t.Parallel()
	s := newLocalSite(t, func(_ context.Context, r activities.Request) protocol.Outcome {
		switch {
		case r.Operation.Name == "fails":
			return protocol.Failure("Gone", "no such account")
		case r.Operation.Name == "asks" && r.Fence.N == 1:
			return protocol.Suspension("Question", "which account?")
		case r.Operation.Name == "waits" && r.Fence.N == 1:
			return protocol.Retry("Later", "not yet").WithoutCounting()
		case r.Operation.Name == "panics" && r.Fence.N == 1:
			panic("a mistake")
		}
		return protocol.Success(nil)
	})
	for n, name := range []string{"fails", "asks", "waits", "panics"} {
		o := local(unique(t), n)
		o.Name = name
		_, err := s.client().Submit(s.ctx, o)
		require.NoError(t, err)
		switch name {
		case "fails":
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, s.closed(o.ID))
			require.Equal(t, "Gone", s.recordOf(o.ID).ErrorCode)
			require.Zero(t, s.events(o.ID, scheduledEvent))
			continue
		case "asks":
			s.becomes(o.ID, protocol.Waiting, protocol.SuspendError)
			_, err := s.ask(o.ID, protocol.ResumeUpdateName, protocol.ActionRequest{})
			require.NoError(t, err)
		}
		s.untilClosed(o.ID)
		require.Equal(t, 1, s.events(o.ID, scheduledEvent), name)
		require.Equal(t, int64(2), s.recordOf(o.ID).N, name)
	}
}

// A handler that takes longer than it may counts as lost, and its ctx ends.
func TestALocalAttemptIsShort(t *testing.T) {
	t.Parallel()
	s := newLocalSite(t, func(ctx context.Context, r activities.Request) protocol.Outcome {
		if r.Fence.Attempt == 0 {
			<-ctx.Done()
			return protocol.Cancellation()
		}
		return protocol.Success(nil)
	})
	token := unique(t)
	o := local(token, 0)
	o.OperationType = "test.local-short"
	s.submit(token, o)
	s.untilClosed(o.ID)
	require.Equal(t, int64(2), s.recordOf(o.ID).N)
	require.Equal(t, 1, s.events(o.ID, markerEvent))
	require.Equal(t, 1, s.events(o.ID, enumspb.EVENT_TYPE_TIMER_STARTED))
}

// A worker without the handler leaves the attempt to the task queue; what it
// recorded replays where the handler is, and uses up no attempt.
func TestAWorkerWithoutTheHandlerRunsALocalTypeRegularly(t *testing.T) {
	t.Parallel()
	s := newLocalSite(t, func(_ context.Context, r activities.Request) protocol.Outcome {
		if r.Fence.N == 1 {
			return protocol.Suspension("Question", "which account?")
		}
		return protocol.Success(nil)
	})
	s.stopWorker()
	s.withoutLocal = true
	s.startWorker()
	token := unique(t)
	o := local(token, 0)
	s.submit(token, o)
	s.becomes(o.ID, protocol.Waiting, protocol.SuspendError)
	require.Equal(t, []string{"1.1"}, s.fencesOf(o.ID))
	s.stopWorker()
	s.withoutLocal = false
	s.startWorker()
	_, err := s.ask(o.ID, protocol.ResumeUpdateName, protocol.ActionRequest{})
	require.NoError(t, err)
	s.untilClosed(o.ID)
	require.Equal(t, []string{"1.1", "2.1"}, s.fencesOf(o.ID))
	require.Equal(t, 2, s.events(o.ID, scheduledEvent))
}

// heldUp is a handler whose local attempts wait until they are let go.
func heldUp(began chan<- string, goOn <-chan protocol.Outcome) func(context.Context, activities.Request) protocol.Outcome {
	return func(ctx context.Context, r activities.Request) protocol.Outcome {
		if r.Fence.Attempt > 0 {
			return protocol.Success(nil)
		}
		began <- r.Operation.ID
		select {
		case outcome := <-goOn:
			return outcome
		case <-ctx.Done():
			return protocol.Cancellation()
		}
	}
}

// SPEC 3.1: what is asked while a local attempt runs waits for its end, and finds
// the operation as that left it.
func TestARequestWaitsForTheLocalAttempt(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan string, 1), make(chan protocol.Outcome, 1)
	s := newLocalSite(t, heldUp(began, goOn))
	for n, c := range []struct {
		update  string
		request any
		outcome protocol.Outcome
		refused bool
		ends    enumspb.WorkflowExecutionStatus
	}{
		{protocol.CancelUpdateName, protocol.ActionRequest{}, protocol.Success(nil), true, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED},
		{protocol.PauseUpdateName, protocol.ActionRequest{}, protocol.Success(nil), true, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED},
		{protocol.CancelUpdateName, protocol.ActionRequest{}, protocol.Retry("Busy", "busy").WithDelay(time.Hour), false, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED},
		{protocol.PostponeUpdateName, protocol.PostponeRequest{Until: time.Now().Add(time.Second)}, protocol.Retry("Busy", "busy").WithDelay(time.Hour), false, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED},
	} {
		token := unique(t)
		o := local(token, n)
		s.submit(token, o)
		require.Equal(t, o.ID, <-began)
		answered := make(chan error, 1)
		go func() {
			_, err := s.ask(o.ID, c.update, c.request)
			answered <- err
		}()
		select {
		case err := <-answered:
			require.Fail(t, "answered while the handler ran", "%v", err)
		case <-time.After(300 * time.Millisecond): // it is not to answer
		}
		goOn <- c.outcome
		require.Equal(t, c.refused, <-answered != nil, "%d %s", n, c.update)
		require.Equal(t, c.ends, s.closed(o.ID), "%d %s", n, c.update)
	}
}

// A signal that comes while a local attempt runs has the server take the task
// back: the attempt is made again, regularly.
func TestASignalDuringALocalAttemptHasItMadeAgain(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan string, 1), make(chan protocol.Outcome, 1)
	s := newLocalSite(t, heldUp(began, goOn))
	token := unique(t)
	s.submit(token, []protocol.Operation{local(token, 0), local(token, 1)})
	first := <-began
	require.NoError(t, s.SignalWorkflow(s.ctx, protocol.OperationWorkflowID(first), "", "somethingElse", nil))
	goOn <- protocol.Success(nil)
	require.Equal(t, local(token, 1).ID, <-began)
	require.Equal(t, []string{"1.0", "1.1"}, s.fencesOf(first), "before the next begins, with a newer fence")
	goOn <- protocol.Success(nil)
	s.untilClosed(local(token, 1).ID)
}

// A cancellation of the workflow has the server take the task back as well: the
// operation is Canceled, although one attempt has done the work.
func TestACancellationOfTheWorkflowDuringALocalAttempt(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan string, 1), make(chan protocol.Outcome, 1)
	s := newLocalSite(t, heldUp(began, goOn))
	token := unique(t)
	s.submit(token, []protocol.Operation{local(token, 0), local(token, 1)})
	first := <-began
	require.NoError(t, s.CancelWorkflow(s.ctx, protocol.OperationWorkflowID(first), ""))
	goOn <- protocol.Success(nil)
	require.Equal(t, local(token, 1).ID, <-began)
	require.Equal(t, []string{"1.0"}, s.fencesOf(first))
	require.Equal(t, protocol.Canceled, s.recordOf(first).StatusCode)
	goOn <- protocol.Success(nil)
	s.untilClosed(local(token, 1).ID)
}

// A worker that is told to stop lets a local attempt end, as long as it may take.
func TestAWorkerThatStopsEndsItsLocalAttempt(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan string, 1), make(chan protocol.Outcome, 1)
	s := newLocalSite(t, heldUp(began, goOn))
	token := unique(t)
	s.submit(token, []protocol.Operation{local(token, 0), local(token, 1)})
	first := <-began
	time.AfterFunc(500*time.Millisecond, func() { goOn <- protocol.Success(nil) })
	s.stopWorker()
	s.startWorker()
	require.Equal(t, local(token, 1).ID, <-began)
	goOn <- protocol.Success(nil)
	s.untilClosed(local(token, 1).ID)
	s.untilClosed(first)
	fences := s.fencesOf(first)
	t.Logf("the attempts of the first one: %v", fences)
	require.LessOrEqual(t, len(fences), 2)
}

// An operation that waited first runs regularly: no workflow task is its first.
func TestAPostponedLocalOperationRunsRegularly(t *testing.T) {
	t.Parallel()
	s := newLocalSite(t, func(context.Context, activities.Request) protocol.Outcome { return protocol.Success(nil) })
	token := unique(t)
	o := local(token, 0)
	until := time.Now().Add(time.Second).UTC()
	o.PostponeUntil = &until
	s.submit(token, o)
	s.untilClosed(o.ID)
	require.Equal(t, []string{"1.1"}, s.fencesOf(o.ID))
}

// Nothing keeps a local attempt's checkpoint before it ends, and Commit says so.
func TestCommitFailsInALocalAttempt(t *testing.T) {
	t.Parallel()
	s := newLocalSite(t, func(ctx context.Context, r activities.Request) protocol.Outcome {
		err := r.Commit(ctx, activities.Progress{Checkpoint: json.RawMessage(`1`)})
		if r.Fence.Attempt == 0 && (err == nil || errors.Is(err, activities.ErrLockLost)) {
			return protocol.Failure("Committed", "it cannot have been kept")
		}
		if err != nil {
			return protocol.Retry("NotKept", err.Error())
		}
		return protocol.Success(nil)
	})
	token := unique(t)
	s.submit(token, local(token, 0))
	s.untilClosed(local(token, 0).ID)
	require.Equal(t, []string{"1.0", "2.1"}, s.fencesOf(local(token, 0).ID))
}
