package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// With the worker down, more is submitted than the server keeps in one run, so
// that it closes the run, and the run after it too. Nothing of it is lost, and
// the order is that of acceptance over all of them.
func TestChainsThatTheServerClosedAreRecoveredInOrder(t *testing.T) {
	t.Parallel()
	const n = 244
	server := ownServer(t, map[string]string{"limit.historyCount.error": "120", "limit.historyCount.warn": "110"})
	s := newSite(t, server, workflows.Options{MaxRunEvents: 60})
	s.stopWorker()
	// Slow enough that a run ends by itself before the server's small limit.
	s.handle = slowly(110 * time.Millisecond)
	token := unique(t)
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue})
	var wanted []string
	for i := range n {
		o := operation(token, i)
		o.DependencyToken = token
		_, err := c.Submit(s.ctx, o)
		require.NoError(t, err)
		wanted = append(wanted, o.ID)
	}
	s.startWorker()
	require.Eventually(t, func() bool { return len(s.ran(token)) >= n }, 2*patience, 100*time.Millisecond)
	requireInOrder(t, wanted, s.ran(token))
	require.Eventually(t, func() bool { return s.state(token).Counts.Succeeded == n }, patience, 100*time.Millisecond)
	state := s.state(token)
	require.Equal(t, int64(n), state.Counts.Accepted)
	require.Equal(t, protocol.PredecessorRecovered, state.Predecessor.Look)
	require.True(t, state.Predecessor.ByServer)
	t.Logf("%d operations recovered of a run that the server closed: %s", state.Predecessor.Queued, state.Predecessor.Reason)
}

// A token that a person terminated starts afresh, says so, and waits for the
// operation that still runs.
func TestTerminatedTokenIsReportedAndItsRunningOperationAwaited(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	running, left, next := operation(token, 1), operation(token, 2), operation(token, 3)
	started, release := make(chan struct{}), make(chan struct{})
	s.handle = func(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == running.ID {
			close(started)
			<-release
		}
		return protocol.HandlerResult{}, nil
	}
	s.submit(token, []protocol.Operation{running, left})
	<-started
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", "by a test"))
	s.submit(token, next)
	require.Eventually(t, func() bool {
		return s.state(token).Predecessor.Look == protocol.PredecessorTerminated
	}, patience, 50*time.Millisecond)
	state := s.state(token)
	require.Equal(t, running.ID, state.Head.ID, "the operation that still runs holds the token")
	require.Equal(t, "by a test", state.Predecessor.Reason)
	require.Equal(t, 1, state.Predecessor.Queued)
	require.False(t, state.Predecessor.ByServer)
	close(release)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(next.ID))
	requireInOrder(t, []string{running.ID, next.ID}, s.ran(token))
	s.submit(token, left) // what was left may be submitted again
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(left.ID))
}

// SPEC 4.1: where nobody looked how the chain before ended, an operation of it may
// still run. Its id comes again: nothing of the token starts beside it.
func TestARepeatOfWhatStillRunsHoldsBackTheRest(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{NoLookBack: true})
	token := unique(t)
	release := make(chan struct{})
	s.handle = func(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == operation(token, 0).ID {
			<-release
		}
		return protocol.HandlerResult{}, nil
	}
	s.submit(token, operation(token, 0))
	s.becomes(operation(token, 0).ID, protocol.InProgress, "")
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", "by a test"))
	s.submit(token, []protocol.Operation{operation(token, 0), operation(token, 1)})
	require.Never(t, func() bool { return len(s.ran(token)) > 0 }, 2*time.Second, 50*time.Millisecond)
	close(release)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 1).ID))
	requireInOrder(t, operationIDs(token, 2), s.ran(token))
	require.Equal(t, int64(1), s.state(token).Counts.Duplicates)
}
