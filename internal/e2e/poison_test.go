package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// The ways in which an operation can be poison, by its name. That of a type that
// has its own way is in the table of the test.
const (
	panics        = "panics"
	alwaysFails   = "always fails"
	returnsMuch   = "returns 5 MiB"
	hangs         = "hangs"
	ignoresCancel = "ignores a cancel"
	exits         = "exits its process"
)

// poison is what a handler does with an operation of such a name.
func poison(ctx context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	switch in.Operation.Name {
	case panics:
		panic("by a test")
	case alwaysFails:
		return protocol.HandlerResult{}, errors.New("not today")
	case returnsMuch:
		return protocol.HandlerResult{Result: fiveMiB}, nil
	case hangs:
		<-ctx.Done() // as long as it can
	case ignoresCancel:
		standStill(ctx, 3*time.Second)
	}
	return protocol.HandlerResult{}, nil
}

var fiveMiB = append(append([]byte(`["`), bytes.Repeat([]byte("x"), 5<<20)...), `"]`...)

// standStill goes on whatever it is asked, and says that it is alive.
func standStill(ctx context.Context, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		activity.RecordHeartbeat(ctx)
	}
}

// SPEC 4.7, 6.2: whatever an operation does to its handler, it ends as the policy
// says, what is behind it runs then, and the operations of another token run
// meanwhile as if nothing were.
func TestPoisonStopsNobody(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		way      string
		kind     protocol.TypeRef
		message  string // of its failure; empty where it need not fail
		attempts int    // in this process
		act      func(t *testing.T, s *site, o protocol.Operation)
	}{
		{way: panics, kind: "test.two-attempts", message: "by a test", attempts: 2},
		{way: alwaysFails, kind: "test.two-attempts", message: "not today", attempts: 2},
		{way: returnsMuch, kind: "test.two-attempts", message: "size", attempts: 2},
		{way: hangs, kind: "test.one-second", message: "StartToClose", attempts: 2},
		{way: exits, kind: "test.elsewhere", message: "StartToClose", act: runElsewhere},
		// How it ends is a matter of when its heartbeats stop; that it ends is not.
		{way: ignoresCancel, kind: "test.heartbeat", attempts: 1, act: cancelWhileItRuns},
	} {
		t.Run(tc.way, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, shared, workflows.Options{})
			s.handle = poison
			token := unique(t)
			poisoned, next := operation(token, 1), operation(token, 2)
			poisoned.Name, poisoned.OperationType = tc.way, tc.kind
			s.submit(token, []protocol.Operation{poisoned, next})
			if tc.act != nil {
				tc.act(t, s, poisoned)
			}
			requireOthersRun(t, s, 10)

			c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue})
			ended, err := c.Wait(s.ctx, poisoned.ID, token)
			require.NoError(t, err)
			if tc.message != "" {
				require.Equal(t, protocol.Failed, ended.StatusCode)
				require.Contains(t, ended.Message, tc.message)
			}
			behind, err := c.Wait(s.ctx, next.ID, token)
			require.NoError(t, err)
			require.Equal(t, protocol.Succeeded, behind.StatusCode)
			runs := slices.DeleteFunc(s.ran(token), func(r interval) bool { return r.ID != next.ID })
			require.Len(t, runs, 1)
			require.False(t, runs[0].Start.Before(*ended.CompletedOn), "what is behind it runs then")
			require.Equal(t, tc.attempts, s.attempts(poisoned.ID))
			requireNoFailedTasks(t, s, token)
		})
	}
}

// requireOthersRun submits to another token and waits for its operations.
func requireOthersRun(t *testing.T, s *site, n int) {
	t.Helper()
	token := unique(t)
	var wanted []string
	for i := range n {
		o := operation(token, i)
		s.submit(token, o)
		wanted = append(wanted, o.ID)
	}
	require.Eventually(t, func() bool { return len(s.ran(token)) == n }, patience, 20*time.Millisecond)
	requireInOrder(t, wanted, s.ran(token))
}

// cancelWhileItRuns cancels an operation whose handler does not listen.
func cancelWhileItRuns(t *testing.T, s *site, o protocol.Operation) {
	require.Eventually(t, func() bool { return s.attempts(o.ID) == 1 }, patience, 20*time.Millisecond)
	_, err := s.ask(o.ID, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "by a test"})
	require.NoError(t, err)
}

// elsewhereVariable makes this program a worker that ends with its first
// operation: the address, the namespace and the task queue.
const elsewhereVariable = "SERIATIM_TEST_ELSEWHERE"

// runElsewhere keeps a process for such operations running until the test ends.
func runElsewhere(t *testing.T, s *site, _ protocol.Operation) {
	ctx, stop := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			command := exec.CommandContext(ctx, os.Args[0])
			command.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", elsewhereVariable, shared.Address(), s.namespace, s.taskQueue+elsewhere))
			_ = command.Run() // it exits, as often as it is asked to work
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

// workElsewhere is such a process.
func workElsewhere(place string) error {
	var address, namespace, taskQueue string
	if _, err := fmt.Sscan(place, &address, &namespace, &taskQueue); err != nil {
		return err
	}
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace})
	if err != nil {
		return err
	}
	w := worker.New(c, taskQueue, worker.Options{})
	exit := func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error) {
		os.Exit(3)
		return protocol.HandlerResult{}, nil
	}
	w.RegisterActivityWithOptions(exit, activity.RegisterOptions{Name: "elsewhere"})
	return w.Run(worker.InterruptCh())
}
