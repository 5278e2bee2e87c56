package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// SPEC 4.7, 5.1: heads that are postponed far ahead, each adopted by a second
// run of its token, hold no slot of a worker, and other tokens do not notice
// them. 3,000 of them by hand:
//
//	SERIATIM_LONG=1 go test ./internal/e2e -run PostponedHeads -v -timeout 40m
func TestPostponedHeadsOfManyTokensHoldNoSlot(t *testing.T) {
	tokens, each, windows := 60, 40, 1
	if long() {
		tokens, each, windows = 3000, 300, 3
	}
	server, err := embedded.Start(t.Context(), source, embedded.ServerOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	s := openSite(t, server, server.Namespace(), workflows.Options{MaxRunSignals: 3, NoLookBack: true}, 30*time.Minute)
	beside := newStopwatch(t, s, 3, nil)
	// What shares the machine disturbs both alike.
	idle := newStopwatch(t, openSite(t, shared, shared.Namespace(), s.options, 30*time.Minute), 3, nil)

	began := time.Now()
	prefix := unique(t)
	standStillMany(t, s, prefix, tokens)
	t.Logf("%d tokens with a postponed head, each over two runs, after %.0f s", tokens, time.Since(began).Seconds())
	for window := range windows {
		if window > 0 {
			time.Sleep(2 * time.Minute) // each head is looked at after 1, 3, 7, 15 minutes, and so on
		}
		beside.toStart, idle.toStart = nil, nil
		for range each / 10 {
			idle.run(10)
			beside.run(10)
		}
		requireNoSlotHeld(t, s, prefix, tokens)
		what := fmt.Sprintf("after %.0f s, submit to start of other tokens, on an idle server and beside %d postponed heads", time.Since(began).Seconds(), tokens)
		require.LessOrEqual(t, compare(t, what, idle.toStart, beside.toStart), 3.0)
	}
	requireHeadIsWatched(t, s, headToken(prefix, tokens-1))
}

func headToken(prefix string, n int) string { return fmt.Sprintf("%s-%d", prefix, n) }

// standStillMany submits to each token a head for tomorrow and, once that is
// started, more single signals than a run takes; it waits until each is in its
// second run.
func standStillMany(t *testing.T, s *site, prefix string, tokens int) {
	t.Helper()
	due := time.Now().Add(24 * time.Hour)
	forEachToken(t, tokens, func(k int) error {
		head := operation(headToken(prefix, k), 0)
		head.PostponeUntil = &due
		return s.trySubmit(headToken(prefix, k), head)
	})
	waitForTokens(t, s, prefix, tokens, func(d *workflowservice.DescribeWorkflowExecutionResponse) bool {
		return len(d.GetPendingChildren()) == 1 && d.GetPendingChildren()[0].GetRunId() != ""
	})
	forEachToken(t, tokens, func(k int) error {
		for n := 1; n <= 4; n++ {
			if err := s.trySubmit(headToken(prefix, k), operation(headToken(prefix, k), n)); err != nil {
				return err
			}
		}
		return nil
	})
	waitForTokens(t, s, prefix, tokens, func(d *workflowservice.DescribeWorkflowExecutionResponse) bool {
		info := d.GetWorkflowExecutionInfo()
		return info.GetFirstRunId() != info.GetExecution().GetRunId() && len(d.GetPendingChildren()) == 0
	})
}

// forEachToken does it for some tokens at a time.
func forEachToken(t *testing.T, tokens int, do func(k int) error) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for k := range tokens {
		group.Go(func() error { return do(k) })
	}
	require.NoError(t, group.Wait())
}

// waitForTokens waits until each token's serializer is so.
func waitForTokens(t *testing.T, s *site, prefix string, tokens int, is func(*workflowservice.DescribeWorkflowExecutionResponse) bool) {
	t.Helper()
	for k := range tokens {
		require.Eventually(t, func() bool {
			described, err := s.DescribeWorkflowExecution(s.ctx, protocol.SerializerWorkflowID(headToken(prefix, k)), "")
			return err == nil && is(described)
		}, 5*patience, 20*time.Millisecond, headToken(prefix, k))
	}
}

// requireNoSlotHeld checks that nothing holds a worker's slot, or waits for one,
// on behalf of the tokens' serializers and heads; a look that is due takes one for
// an instant.
func requireNoSlotHeld(t *testing.T, s *site, prefix string, tokens int) {
	t.Helper()
	for k := range tokens {
		token := headToken(prefix, k)
		for _, id := range []string{protocol.SerializerWorkflowID(token), protocol.OperationWorkflowID(operation(token, 0).ID)} {
			free := func() bool {
				described, err := s.DescribeWorkflowExecution(s.ctx, id, "")
				return err == nil && len(described.GetPendingActivities()) == 0 &&
					described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
			}
			if !free() {
				require.Eventually(t, free, 10*time.Second, 100*time.Millisecond, "%s holds a slot", id)
			}
		}
	}
}

// requireHeadIsWatched cancels a head, and what is behind it runs.
func requireHeadIsWatched(t *testing.T, s *site, token string) {
	t.Helper()
	_, err := s.ask(operation(token, 0).ID, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "by a test"})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 4).ID))
	var wanted []string
	for n := 1; n <= 4; n++ {
		wanted = append(wanted, operation(token, n).ID)
	}
	requireInOrder(t, wanted, s.ran(token))
}
