package activities

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 8.2: what runs gets its grace, then its operation waits, uncounted; what
// would start waits at once; other types do not notice.
func TestGate(t *testing.T) {
	t.Parallel()
	cat, err := catalogue.New(catalogue.Type{Key: "test.mail", Number: 100_007, Binding: catalogue.Binding{Activity: "mail"}})
	require.NoError(t, err)
	gate := NewGate(cat, 20*time.Millisecond, nil)
	running := make(chan struct{}, 1)
	untilCancelled := HandlerFunc(func(ctx context.Context, _ Request) protocol.Outcome {
		running <- struct{}{}
		<-ctx.Done()
		return protocol.Cancellation()
	})
	handler := gate.Guard(Handlers{"mail": untilCancelled})["mail"]
	start := func(ctx context.Context, of protocol.TypeRef) <-chan protocol.Outcome {
		outcome := make(chan protocol.Outcome, 1)
		go func() {
			outcome <- handler.Handle(ctx, Request{Operation: protocol.Operation{ID: "a", OperationType: of}})
		}()
		return outcome
	}
	other, end := context.WithCancel(t.Context())
	otherOutcome := start(other, "test.other")
	<-running
	outcome := start(t.Context(), "100007")
	<-running
	stop := protocol.Stop{OperationType: "test.mail", On: time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC), Identity: "ops@host", Reason: "blocked"}
	gate.Set([]protocol.Stop{stop})
	wanted := protocol.Retry("Stopped", `operations of type "test.mail" are stopped since 2030-01-31T08:00:00Z by ops@host: blocked`).
		WithoutCounting().WithDelay(10 * time.Minute)
	require.Equal(t, wanted, <-outcome, "after its grace")
	require.Equal(t, wanted, <-start(t.Context(), "test.mail"), "it does not start")
	require.Empty(t, otherOutcome)
	end()
	require.Equal(t, protocol.Cancellation(), <-otherOutcome)

	gate.Set(nil)
	cancelled, cancel := context.WithCancel(t.Context())
	outcome = start(cancelled, "test.mail")
	<-running
	cancel()
	require.Equal(t, protocol.Cancellation(), <-outcome, "asked to cancel, not stopped")
}

// What was told to go on does not wait again for a stop that is over.
func TestGateLooksBeforeItKeepsOut(t *testing.T) {
	t.Parallel()
	gate := NewGate(nil, 0, func(context.Context) ([]protocol.Stop, error) { return nil, nil })
	gate.Set([]protocol.Stop{{OperationType: "test.mail"}})
	handler := gate.Guard(Handlers{"mail": HandlerFunc(func(context.Context, Request) protocol.Outcome { return protocol.Success(nil) })})["mail"]
	outcome := handler.Handle(t.Context(), Request{Operation: protocol.Operation{ID: "a", OperationType: "test.mail"}})
	require.Equal(t, protocol.Success(nil), outcome)
}

func TestARateLimitBeforeAStopIsKept(t *testing.T) {
	t.Parallel()
	ours, before := readMark(mark(nil))
	require.True(t, ours)
	require.Nil(t, before)
	_, limit := readMark("stopped by Seriatim; limit before: 12.5")
	ours, before = readMark(mark(limit))
	require.True(t, ours)
	require.InDelta(t, 12.5, before.GetRequestsPerSecond(), 0)
	ours, _ = readMark("the operator's own")
	require.False(t, ours)
}
