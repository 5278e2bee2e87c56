// Package handlertest runs a handler in a unit test as the service does, without
// Temporal: it is stopped in the middle of its work, as by a pause or a worker
// that stops, and called again with the checkpoint that it left.
package handlertest

import (
	"context"
	"encoding/json"
	"sync"
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
	// Outcome is how it ended.
	Outcome protocol.Outcome
	// Reports are what it reported and committed, in order.
	Reports []protocol.Heartbeat
	// Checkpoint is where the next attempt goes on, nil for the beginning.
	Checkpoint json.RawMessage
}

// Run calls the handler once for each number of stopAfter, whose ctx ends with
// that report, counted from 1 in each attempt; 0 ends it before the handler is
// called. Then it calls the handler once more and lets it end. Each attempt
// gets the checkpoint of the one before it, the operation's id and createdOn are
// the same in all, and the fence grows (SPEC 2.2, 6.4). An attempt that ends
// before it is stopped is the last one. A handler that goes on for longer than
// Patience after it was stopped fails the test.
func Run(t testing.TB, h activities.Handler, o protocol.Operation, stopAfter ...int) []Attempt {
	t.Helper()
	request := activities.Request{Operation: o, CreatedOn: time.Now().UTC(), Fence: protocol.Fence{Sequence: 1, Attempt: 1}}
	var attempts []Attempt
	for _, stop := range append(stopAfter[:len(stopAfter):len(stopAfter)], never) {
		request.Fence.N++
		attempt, stopped := run(t, h, request, stop)
		attempts = append(attempts, attempt)
		if !stopped {
			break
		}
		request.Checkpoint = attempt.Checkpoint
	}
	return attempts
}

// never stops an attempt at no report.
const never = -1

// run is one attempt; stopped says that it was asked to stop.
func run(t testing.TB, h activities.Handler, r activities.Request, stop int) (a Attempt, stopped bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	a.Checkpoint = r.Checkpoint
	r.OnReport = func(beat protocol.Heartbeat) {
		mu.Lock()
		defer mu.Unlock()
		a.Reports = append(a.Reports, beat)
		if beat.Checkpoint != nil {
			a.Checkpoint = beat.Checkpoint
		}
		if len(a.Reports) == stop {
			cancel()
		}
	}
	if stop == 0 {
		cancel()
	}
	ended := make(chan protocol.Outcome, 1)
	go func() { ended <- h.Handle(ctx, r) }()
	outcome := await(t, ctx, ended)
	mu.Lock()
	defer mu.Unlock()
	a.Outcome, stopped = outcome, ctx.Err() != nil
	if string(a.Checkpoint) == "null" {
		a.Checkpoint = nil
	}
	return a, stopped
}

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
