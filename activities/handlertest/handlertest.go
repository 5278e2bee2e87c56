// Package handlertest runs a handler in a unit test as the service does, without
// Temporal: it is paused, cancelled, tried again, or loses its worker in the
// middle of its work, and is called again with the checkpoint that it left.
// Play does all of these, one after another; Run is the short form that stops.
package handlertest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// Patience is how long a handler may take to stop once it was asked to, as long
// as the default cancelTimeout of a type.
const Patience = 60 * time.Second

// Attempt is one call of the handler.
type Attempt struct {
	// Outcome is how it ended; the zero Outcome where it Crashed.
	Outcome protocol.Outcome
	// Crashed says that its worker died.
	Crashed bool
	// Reports are what it reported and committed, in order.
	Reports []protocol.Heartbeat
	// Checkpoint is where the next attempt goes on, nil for the beginning.
	Checkpoint json.RawMessage
}

// Run is Play with a StopAfter for each number of stopAfter.
func Run(t testing.TB, h activities.Handler, o protocol.Operation, stopAfter ...int) []Attempt {
	t.Helper()
	steps := make([]Step, len(stopAfter))
	for i, n := range stopAfter {
		steps[i] = StopAfter(n)
	}
	return Play(t, h, o, steps...)
}

// never is after no report.
const never = -1

// await waits for the handler's end, as long as it likes before it is stopped.
func await(t testing.TB, ctx context.Context, ended <-chan protocol.Outcome) (o protocol.Outcome) {
	t.Helper()
	select {
	case o = <-ended:
		return o
	case <-ctx.Done():
	}
	select {
	case o = <-ended:
	case <-time.After(Patience):
		t.Fatalf("the handler still ran %v after its ctx was done", Patience)
	}
	return o
}
