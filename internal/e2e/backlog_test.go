package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// askQueued sends an update about an operation that queues.
func (s *site) askQueued(token, name string, request any) (record protocol.Record, err error) {
	return record, s.update(protocol.SerializerWorkflowID(token), name, request, &record)
}

// A queue that does not fit one run's state is kept in pages: none of it is lost
// or overtaken over many runs, what is asked of an operation in a page is done,
// and the pages go when they are empty.
func TestLongQueueCrossesPagesAndRuns(t *testing.T) {
	t.Parallel()
	const n = 240
	s := newSite(t, shared, workflows.Options{PageBytes: 4000, MaxRunEvents: 150})
	token := unique(t)
	s.longQueue(token, n)
	s.eventually(func() bool { return s.state(token).Pages > 10 })

	// In the middle of it, in a page.
	record, err := s.askQueued(token, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: operation(token, 120).ID, Reason: "not needed"})
	require.NoError(t, err)
	require.Equal(t, protocol.Canceled, record.StatusCode)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(operation(token, 120).ID), "it has its record at once")
	later := time.Now().Add(24 * time.Hour)
	record, err = s.askQueued(token, protocol.PostponeUpdateName, protocol.PostponeRequest{OperationID: operation(token, 121).ID, Until: later})
	require.NoError(t, err)
	require.Equal(t, protocol.SuspendPostponed, record.SuspendReason)
	record, err = s.askQueued(token, protocol.ResumeUpdateName, protocol.ActionRequest{OperationID: operation(token, 121).ID})
	require.NoError(t, err)
	require.Equal(t, protocol.WaitingForResources, record.StatusCode)
	_, err = s.askQueued(token, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: operation(token, 120).ID})
	require.Error(t, err, "it has left the queue")
	_, err = s.askQueued(token, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: "nobody's"})
	require.ErrorContains(t, err, "does not queue under token")
	require.Equal(t, n-2, s.state(token).Queued)

	s.resume(operation(token, 0).ID)
	var wanted []string
	for i := range n {
		if i != 120 {
			wanted = append(wanted, operation(token, i).ID)
		}
	}
	require.Eventually(t, func() bool { return len(s.ran(token)) >= n-1 }, 2*patience, 100*time.Millisecond)
	requireInOrder(t, wanted, s.ran(token))
	var state protocol.SerializerState
	s.eventually(func() bool { state = s.state(token); return state.Head == nil && state.Pages == 0 })
	require.Greater(t, state.Counts.Runs, int64(2))
	s.noPagesLeft(token)
	t.Logf("%d operations over %d runs", n, state.Counts.Runs)
}

// noPagesLeft waits until all pages of the token's chain have completed.
func (s *site) noPagesLeft(token string) {
	s.t.Helper()
	described, err := s.DescribeWorkflowExecution(s.ctx, protocol.SerializerWorkflowID(token), "")
	require.NoError(s.t, err)
	chain := described.GetWorkflowExecutionInfo().GetFirstRunId()
	completed := 0
	require.Eventually(s.t, func() bool {
		for ; ; completed++ {
			page, err := s.DescribeWorkflowExecution(s.ctx, protocol.PageWorkflowID(chain, int64(completed+1)), "")
			if err != nil {
				return completed > 0
			}
			if page.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
				return false
			}
		}
	}, patience, 50*time.Millisecond)
	s.t.Logf("%d pages were used and let go", completed)
}

// SPEC 4.5: all of a long queue ends at once, each with a record of its own; what
// comes later does not wait for those.
func TestCancelAllOverPages(t *testing.T) {
	t.Parallel()
	const n = 150
	s := newSite(t, shared, workflows.Options{PageBytes: 4000, MaxRunEvents: 400})
	token := unique(t)
	head := postponed(token, 0)
	s.submit(token, head)
	var batch []protocol.Operation
	for i := 1; i < n; i++ {
		batch = append(batch, operation(token, i))
	}
	s.submit(token, batch)
	require.Eventually(t, func() bool { return s.state(token).Pages > 5 }, patience, 50*time.Millisecond)
	state, err := askToken[protocol.SerializerState](s, token, protocol.CancelAllUpdateName, protocol.TokenRequest{Reason: "wrong customer"})
	require.NoError(t, err)
	require.Zero(t, state.Queued)
	s.submit(token, operation(token, n))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, n).ID))
	require.Eventually(t, func() bool { return s.state(token).Counts.Canceled == n }, 2*patience, 100*time.Millisecond)
	for _, i := range []int{1, n / 2, n - 1} {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(operation(token, i).ID))
		require.Contains(t, s.recordOf(operation(token, i).ID).Message, "wrong customer")
	}
	require.Equal(t, []string{operation(token, n).ID}, ids(s.ran(token)))
	s.noPagesLeft(token)
}

// A repeat of what is in a page runs once (SPEC 1.2).
func TestRepeatsOfWhatIsInAPageRunOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{PageBytes: 2000})
	token := unique(t)
	head := postponed(token, 0)
	s.submit(token, head)
	for range 2 {
		var batch []protocol.Operation
		for i := 1; i < 60; i++ {
			batch = append(batch, operation(token, i))
		}
		s.submit(token, batch)
	}
	require.Eventually(t, func() bool { return s.state(token).Counts.Accepted+s.state(token).Counts.Duplicates == 119 }, patience, 50*time.Millisecond)
	s.becomes(head.ID, protocol.Waiting, protocol.SuspendPostponed) // its execution may be on its way
	s.resume(head.ID)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 59).ID))
	requireInOrder(t, operationIDs(token, 60), s.ran(token))
	require.Equal(t, int64(59), s.state(token).Counts.Duplicates)
}
