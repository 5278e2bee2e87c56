package e2e

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// ownServer starts a server with limits of its own; a server that only an
// address names cannot have them.
func ownServer(t *testing.T, dynamicConfig map[string]string) *embedded.Server {
	t.Helper()
	if source.Kind == embedded.KindAddress {
		t.Skipf("needs a server with dynamic config; %s has one of its own", source)
	}
	server, err := embedded.Start(context.Background(), source, embedded.ServerOptions{DynamicConfig: dynamicConfig})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	return server
}

// SPEC 4.1 over many runs: the server suggests to continue as new every few
// operations, while clients go on submitting.
func TestContinueAsNewUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 40
	server := ownServer(t, map[string]string{"limit.historyCount.suggestContinueAsNew": "40"})
	s := newSite(t, server, workflows.Options{})
	token := unique(t)
	failed := make(chan error, clients)
	for c := range clients {
		go func() {
			for n := range each {
				if err := s.trySubmit(token, operation(fmt.Sprintf("%s-%d", token, c), n)); err != nil {
					failed <- err
					return
				}
				time.Sleep(50 * time.Millisecond) // a client's own pace, not a wait for anything
			}
			failed <- nil
		}()
	}
	for range clients {
		require.NoError(t, <-failed)
	}
	require.Eventually(t, func() bool { return len(s.ran(token)) >= clients*each }, 2*patience, 100*time.Millisecond)
	runs := s.ran(token)
	requireEachClientInOrder(t, clients, each, token, runs)
	require.Eventually(t, func() bool { return s.state(token).Counts.Succeeded == clients*each }, patience, 100*time.Millisecond)
	state := s.state(token)
	require.Equal(t, int64(clients*each), state.Counts.Accepted)
	require.Greater(t, state.Counts.Runs, int64(5), "the run ended every few operations")
	t.Logf("%d operations over %d runs", clients*each, state.Counts.Runs)
}

// requireEachClientInOrder checks that every client's operations ran exactly
// once, in the order in which it sent them, and never two at a time.
func requireEachClientInOrder(t *testing.T, clients, each int, token string, runs []interval) {
	t.Helper()
	require.Len(t, runs, clients*each)
	position := make(map[string]int)
	for i, r := range runs {
		position[r.ID] = i
		if i > 0 {
			require.False(t, r.Start.Before(runs[i-1].End), "%s overlaps %s", r.ID, runs[i-1].ID)
			require.Positive(t, r.Fence.Compare(runs[i-1].Fence), "the order of execution is that of acceptance")
		}
	}
	require.Len(t, position, clients*each, "nothing runs twice")
	for c := range clients {
		for n := 1; n < each; n++ {
			before, after := operation(fmt.Sprintf("%s-%d", token, c), n-1).ID, operation(fmt.Sprintf("%s-%d", token, c), n).ID
			require.Less(t, position[before], position[after])
		}
	}
}

// A head that stands while signals pour in is left to the next run, which
// adopts it: whatever its end, the next operation runs after it.
func TestAdoptedHead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		end   func(s *site, id string, release chan struct{})
		wants enumspb.WorkflowExecutionStatus
	}{
		{"succeeds", func(_ *site, _ string, release chan struct{}) { close(release) }, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED},
		{"fails", func(_ *site, _ string, release chan struct{}) { release <- struct{}{} }, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED},
		{"is terminated", func(s *site, id string, _ chan struct{}) {
			require.NoError(s.t, s.TerminateWorkflow(s.ctx, protocol.OperationWorkflowID(id), "", "by a test"))
		}, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, shared, workflows.Options{MaxRunSignals: 20})
			token := unique(t)
			head, release := operation(token, 0), make(chan struct{}, 1)
			var started atomic.Bool
			s.handle = func(ctx context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
				if in.Operation.ID != head.ID {
					return protocol.HandlerResult{}, nil
				}
				started.Store(true)
				select {
				case _, failing := <-release:
					if failing {
						return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError("no", protocol.ErrTypeFail, nil)
					}
				case <-ctx.Done():
				}
				return protocol.HandlerResult{}, nil
			}
			wanted := flood(t, s, token, head, 70)
			require.Eventually(t, started.Load, patience, 20*time.Millisecond, "the head's handler runs")
			tc.end(s, head.ID, release)
			require.Equal(t, tc.wants, s.closed(head.ID))
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(wanted[len(wanted)-1]))
			if tc.wants == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED {
				release <- struct{}{} // its handler runs on, as after any terminate
				require.Equal(t, wanted, ids(s.ran(token))[:len(wanted)])
				return
			}
			requireInOrder(t, append([]string{head.ID}, wanted...), s.ran(token))
		})
	}
}

// flood submits a head and then more single signals than a run takes, and waits
// until the head was left to a later run.
func flood(t *testing.T, s *site, token string, head protocol.Operation, n int) (behind []string) {
	t.Helper()
	s.submit(token, head)
	require.Eventually(t, func() bool {
		_, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(head.ID), "")
		return err == nil
	}, patience, 20*time.Millisecond, "the head is started by the first run")
	for i := 1; i <= n; i++ {
		o := operation(token, i)
		s.submit(token, o)
		behind = append(behind, o.ID)
	}
	require.Eventually(t, func() bool {
		state := s.state(token)
		return state.Counts.Runs > 1 && state.Queued == n
	}, patience, 100*time.Millisecond)
	return behind
}

// A head that waits for long holds no slot, reports its end, and may be
// cancelled.
func TestAdoptedPostponedHead(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{MaxRunSignals: 20})
	token := unique(t)
	head := postponed(token, 0)
	behind := flood(t, s, token, head, 40)
	_, err := s.ask(head.ID, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "by a test"})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(head.ID))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(behind[39]))
	requireInOrder(t, behind, s.ran(token))
}
