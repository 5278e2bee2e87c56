package e2e

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// The server takes only so many signals a run. With that limit lowered to 50,
// many clients submit singly and at once: the run ends in time, and where it did
// not, the clients repeat. Nothing acknowledged is lost.
func TestSignalLimitLosesNothing(t *testing.T) {
	t.Parallel()
	const clients, each = 8, 40
	server := ownServer(t, map[string]string{"history.maximumSignalsPerExecution": "50"})
	s := newSite(t, server, workflows.Options{MaxRunSignals: 20})
	token := unique(t)
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, RetryFor: 2 * time.Minute})
	submitAtOnce(t, clients, each, func(client, n int) error {
		o := operation(fmt.Sprintf("%s-%d", token, client), n)
		o.DependencyToken = token
		_, err := c.Submit(s.ctx, o)
		return err
	})
	require.Eventually(t, func() bool { return len(s.ran(token)) >= clients*each }, 2*patience, 100*time.Millisecond)
	requireEachClientInOrder(t, clients, each, token, s.ran(token))
	require.Eventually(t, func() bool { return s.state(token).Counts.Succeeded == clients*each }, patience, 100*time.Millisecond)
	require.Equal(t, int64(clients*each), s.state(token).Counts.Accepted)
	t.Logf("%d single signals over %d runs", clients*each, s.state(token).Counts.Runs)
}

// submitAtOnce has clients submit side by side, each in its own order.
func submitAtOnce(t *testing.T, clients, each int, submit func(client, n int) error) {
	t.Helper()
	var wg sync.WaitGroup
	failed := make(chan error, clients)
	for client := range clients {
		wg.Go(func() {
			for n := range each {
				if err := submit(client, n); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	require.NoError(t, <-failed)
}

// While a head stands, more single signals arrive than the server takes in one
// run: by hand, with the server's own limits.
//
//	SERIATIM_LONG=1 go test ./internal/e2e -run TwelveThousand -v -timeout 40m
func TestTwelveThousandSignalsWhileTheHeadStands(t *testing.T) {
	if os.Getenv("SERIATIM_LONG") == "" {
		t.Skip("takes minutes: set SERIATIM_LONG=1")
	}
	for _, postponed := range []bool{true, false} {
		t.Run(fmt.Sprintf("postponed %v", postponed), func(t *testing.T) {
			server, err := embedded.Start(t.Context(), source, embedded.ServerOptions{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			floodStandingHead(t, server, postponed)
		})
	}
}

func floodStandingHead(t *testing.T, server *embedded.Server, postponed bool) {
	const clients, each = 12, 1000
	s := newSiteFor(t, server, 30*time.Minute)
	token := unique(t)
	head := operation(token, 0)
	due := time.Now().Add(24 * time.Hour)
	release := make(chan struct{})
	if postponed {
		head.PostponeUntil = &due
	}
	s.handle = func(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == head.ID {
			<-release
		}
		return protocol.HandlerResult{}, nil
	}
	s.submit(token, head)
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue})
	begin := time.Now()
	submitAtOnce(t, clients, each, func(client, n int) error {
		// Small ones: until long queues are paged, a token holds some thousand.
		_, err := c.Submit(s.ctx, protocol.Operation{ID: fmt.Sprintf("%s-%d-%d", token[len(token)-8:], client, n), OperationType: "test.record", DependencyToken: token})
		return err
	})
	t.Logf("12,000 single signals in %.0f s", time.Since(begin).Seconds())
	require.Eventually(t, func() bool {
		state := s.state(token)
		return state.Counts.Accepted+state.Counts.Rejected == clients*each+1
	}, 5*time.Minute, time.Second)
	state := s.state(token)
	t.Logf("accepted %d, refused as QueueFull %d, queued %d, %d runs", state.Counts.Accepted, state.Counts.Rejected, state.Queued, state.Counts.Runs)
	require.Equal(t, head.ID, state.Head.ID)
	close(release)
	if postponed {
		_, err := s.ask(head.ID, protocol.CancelUpdateName, protocol.ActionRequest{})
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return len(s.ran(token)) > 300 }, 5*time.Minute, time.Second, "the queue goes on")
}
