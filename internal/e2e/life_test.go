package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// counter is a handler that counts to its end, one item at a time, with a
// checkpoint after each.
type counter struct {
	mu    sync.Mutex
	items []int
	fence []protocol.Fence
	pace  time.Duration
	until int
}

// handle goes on behind the checkpoint and stops when it is asked to.
func (c *counter) handle(ctx context.Context, r activities.Request) protocol.Outcome {
	done := 0
	if err := r.Resume(&done); err != nil {
		return protocol.Failure("CheckpointUnreadable", err.Error())
	}
	c.mu.Lock()
	c.fence = append(c.fence, r.Fence)
	c.mu.Unlock()
	for item := done + 1; item <= c.until; item++ {
		select {
		case <-ctx.Done():
			return protocol.Cancellation()
		case <-time.After(c.pace):
		}
		c.mu.Lock()
		c.items = append(c.items, item)
		c.mu.Unlock()
		if err := r.Report(activities.Progress{Checkpoint: item, Done: int64(item), Total: int64(c.until)}); err != nil {
			return protocol.Failure("ReportRefused", err.Error())
		}
	}
	return protocol.Success(c.until)
}

func (c *counter) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.items)
}

func (c *counter) requireEachOnce(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, item := range c.items {
		require.Equal(t, at+1, item, "item after item, each once: %v", c.items)
	}
	require.Len(t, c.items, c.until)
}

// ask sends an update about an operation to its own workflow.
func (s *site) ask(id, name string, request any) (record protocol.Record, err error) {
	return record, s.update(protocol.OperationWorkflowID(id), name, request, &record)
}

func (s *site) recordOf(id string) (record protocol.Record) {
	s.t.Helper()
	answer, err := s.QueryWorkflow(s.ctx, protocol.OperationWorkflowID(id), "", protocol.OperationQueryName)
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Get(&record))
	return record
}

// becomes waits until the operation's record is so.
func (s *site) becomes(id string, status protocol.StatusCode, reason protocol.SuspendReason) (record protocol.Record) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		answer, err := s.QueryWorkflow(s.ctx, protocol.OperationWorkflowID(id), "", protocol.OperationQueryName)
		if err != nil {
			return false
		}
		record = protocol.Record{}
		require.NoError(s.t, answer.Get(&record))
		return record.StatusCode == status && record.SuspendReason == reason
	}, patience, 20*time.Millisecond, "%s becomes %s %s, it is %s", id, status, reason, record.StatusCode)
	return record
}

func work(prefix string, n int) protocol.Operation {
	o := operation(prefix, n)
	o.OperationType = workType
	return o
}

// SPEC 3.1, 4.4, 6.4, 6.5: paused at item k and resumed, the first item is k + 1;
// what is behind it waits all the while.
func TestPausedAndResumedGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	c := &counter{pace: 50 * time.Millisecond, until: 100}
	s.works = c.handle
	token := unique(t)
	s.submit(token, []protocol.Operation{work(token, 0), operation(token, 1)})
	id := work(token, 0).ID
	for round, action := range []func() (protocol.Record, error){
		func() (protocol.Record, error) {
			return s.ask(id, protocol.PauseUpdateName, protocol.ActionRequest{Reason: "the site is down", Identity: "ops@host"})
		},
		func() (protocol.Record, error) {
			return s.ask(id, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: time.Now().Add(time.Hour)})
		},
	} {
		require.Eventually(t, func() bool { return c.counted() >= 10+20*round }, patience, 10*time.Millisecond)
		record, err := action()
		require.NoError(t, err)
		require.Equal(t, protocol.Pausing, record.StatusCode)
		reason := []protocol.SuspendReason{protocol.SuspendPaused, protocol.SuspendPostponed}[round]
		record = s.becomes(id, protocol.Waiting, reason)
		require.Positive(t, record.ExecutionTimeSpan)
		counted := c.counted()
		require.Less(t, counted, c.until, "it was stopped in the middle")
		require.Empty(t, s.ran(token), "what is behind it waits")
		_, err = s.ask(id, protocol.ResumeUpdateName, protocol.ActionRequest{})
		require.NoError(t, err)
	}
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 1).ID))
	c.requireEachOnce(t)
	require.Equal(t, int64(3), s.recordOf(id).N)
	for i := 1; i < len(c.fence); i++ {
		require.Positive(t, c.fence[i].Compare(c.fence[i-1]), "the fence grows")
	}
}

// SPEC 6.5: a checkpoint survives the retry of the engine, a pause while it waits
// for that, and the loss of its worker.
func TestCheckpointSurvivesRetryPauseAndWorkerLoss(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	o := work(unique(t), 0)
	var mu sync.Mutex
	var got []string
	s.works = func(_ context.Context, r activities.Request) protocol.Outcome {
		mu.Lock()
		defer mu.Unlock()
		if got = append(got, string(r.Checkpoint)); len(got) > 2 {
			return protocol.Success(nil)
		}
		_ = r.Report(activities.Progress{Checkpoint: map[string]int{"line": 40 * len(got)}})
		outcome := protocol.Retry("503", "not now")
		if len(got) == 2 {
			outcome = outcome.WithDelay(time.Hour)
		}
		return outcome
	}
	_, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: protocol.OperationWorkflowID(o.ID), TaskQueue: s.taskQueue}, protocol.OperationWorkflow, o)
	require.NoError(t, err)
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 2 }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { // the second attempt has failed, and waits an hour for the third
		described, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(o.ID), "")
		return err == nil && len(described.GetPendingActivities()) == 1 && described.GetPendingActivities()[0].GetAttempt() == 3
	}, patience, 20*time.Millisecond)
	_, err = s.ask(o.ID, protocol.PauseUpdateName, protocol.ActionRequest{})
	require.NoError(t, err)
	s.becomes(o.ID, protocol.Waiting, protocol.SuspendPaused) // at once: no worker had it
	_, err = s.ask(o.ID, protocol.ResumeUpdateName, protocol.ActionRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(o.ID))
	require.Equal(t, []string{"", `{"line":40}`, `{"line":80}`}, got)
}

// SPEC 3.2: a handler that ignores a cancel has its lock broken, and the next one
// starts.
func TestIgnoredCancelBreaksTheLock(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	began, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.works = func(context.Context, activities.Request) protocol.Outcome {
		close(began)
		<-release
		return protocol.Success(nil)
	}
	s.submit(token, []protocol.Operation{work(token, 0), operation(token, 1)})
	id := work(token, 0).ID
	<-began
	record, err := s.ask(id, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "not needed"})
	require.NoError(t, err)
	require.Equal(t, protocol.Canceling, record.StatusCode)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
	require.Equal(t, "LockBroken", s.recordOf(id).ErrorCode)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 1).ID))
}

// SPEC 6.1: a handler that asks for a person waits for one; a retry that does not
// count waits by itself. Both survive a continue-as-new of the operation.
func TestSuspendedAndRetriedOverManyRuns(t *testing.T) {
	t.Parallel()
	const rounds = 12
	s := newSite(t, shared, workflows.Options{MaxRunEvents: 30})
	token := unique(t)
	calls := 0
	s.works = func(_ context.Context, r activities.Request) protocol.Outcome {
		before := 0
		if err := r.Resume(&before); err != nil || before != calls {
			return protocol.Failure("CheckpointLost", fmt.Sprintf("%d is not %d: %v", before, calls, err))
		}
		calls++
		_ = r.Report(activities.Progress{Checkpoint: calls})
		switch {
		case calls == rounds:
			return protocol.Success(calls)
		case calls%3 == 0:
			return protocol.Suspension("E7", "no such account").WithFriendly("Add the account.")
		}
		return protocol.Retry("Busy", "not yet").WithoutCounting()
	}
	s.submit(token, []protocol.Operation{work(token, 0), operation(token, 1)})
	id := work(token, 0).ID
	for range rounds/3 - 1 {
		record := s.becomes(id, protocol.Waiting, protocol.SuspendError)
		require.Equal(t, []any{"E7", "no such account", "Add the account."}, []any{record.ErrorCode, record.Message, record.FriendlyMessage})
		_, err := s.ask(id, protocol.ResumeUpdateName, protocol.ActionRequest{Reason: "added"})
		require.NoError(t, err)
		s.becomes(id, protocol.Waiting, protocol.SuspendRetrying)
	}
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 1).ID), "its serializer heard of the end")
	described, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(id), "")
	require.NoError(t, err)
	info := described.GetWorkflowExecutionInfo()
	require.NotEqual(t, info.GetFirstRunId(), info.GetExecution().GetRunId(), "it went on in another run")
	require.Contains(t, info.GetMemo().GetFields(), protocol.SequenceMemo)
	record := s.recordOf(id)
	require.Equal(t, int64(rounds), record.N)
	require.Equal(t, json.RawMessage("12"), record.Result)
	require.Equal(t, "added", record.LastAction.Reason)
}
