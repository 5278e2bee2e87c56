package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// stoppedRetry is when an operation whose type is stopped asks again by itself. It
// is told to go on as soon as the type is started, so this is for what was missed.
const stoppedRetry = 10 * time.Minute

// Gate keeps handlers from starting operations of types that are stopped, and
// interrupts those that run (SPEC 8.2). Such an operation waits, Suspended and
// retrying with code "Stopped", with its checkpoint, and uses up no attempt.
type Gate struct {
	catalogue *catalogue.Catalogue
	grace     time.Duration
	look      func(context.Context) ([]protocol.Stop, error)

	mu      sync.Mutex
	stops   []protocol.Stop
	changed chan struct{} // closed with the next change
}

// NewGate is a gate that is open. grace is how long a running handler may go on
// when its type is stopped; the catalogue tells which type a key or a number is.
// look reads what is stopped now, as opclient.Client.Stops does: what Set was told
// last may be over, and an operation that was told to go on must not wait again for
// that. nil never looks.
func NewGate(c *catalogue.Catalogue, grace time.Duration, look func(context.Context) ([]protocol.Stop, error)) *Gate {
	return &Gate{catalogue: c, grace: grace, look: look, changed: make(chan struct{})}
}

// Set replaces what is stopped. A stop of all types is not the gate's to keep: it
// is the worker's, which then runs no handlers at all.
func (g *Gate) Set(stops []protocol.Stop) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stops = stops
	close(g.changed)
	g.changed = make(chan struct{})
}

// stop is the stop of a type, nil where there is none; changed is closed when that
// is to be asked again.
func (g *Gate) stop(of protocol.TypeRef) (stop *protocol.Stop, changed <-chan struct{}) {
	key := string(of)
	if t, ok := g.catalogue.Lookup(of); ok {
		key = t.Key
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.stops {
		if s.OperationType == key {
			return &s, g.changed
		}
	}
	return nil, g.changed
}

// stopNow is stop, where it is still so.
func (g *Gate) stopNow(ctx context.Context, of protocol.TypeRef) *protocol.Stop {
	stop, _ := g.stop(of)
	if stop == nil || g.look == nil {
		return stop
	}
	if stops, err := g.look(ctx); err == nil {
		g.Set(stops)
		stop, _ = g.stop(of)
	}
	return stop
}

// Guard puts handlers behind the gate.
func (g *Gate) Guard(handlers Handlers) Handlers {
	guarded := make(Handlers, len(handlers))
	for name, handler := range handlers {
		guarded[name] = HandlerFunc(func(ctx context.Context, r Request) protocol.Outcome {
			return g.handle(ctx, r, handler)
		})
	}
	return guarded
}

// errStopped is why a handler's ctx ends when its type is stopped.
var errStopped = errors.New("operations of this type are stopped")

func (g *Gate) handle(ctx context.Context, r Request, handler Handler) protocol.Outcome {
	if stop := g.stopNow(ctx, r.Operation.OperationType); stop != nil {
		return stopped(stop)
	}
	running, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	go g.interrupt(running, r.Operation.OperationType, interrupt)
	outcome := handler.Handle(running, r)
	if outcome.Kind != protocol.OutcomeCanceled || ctx.Err() != nil || !errors.Is(context.Cause(running), errStopped) {
		return outcome
	}
	stop, _ := g.stop(r.Operation.OperationType)
	return stopped(stop)
}

// interrupt ends ctx when the type has been stopped for the grace.
func (g *Gate) interrupt(ctx context.Context, of protocol.TypeRef, end context.CancelCauseFunc) {
	var late <-chan time.Time
	for {
		stop, changed := g.stop(of)
		switch {
		case stop == nil:
			late = nil
		case late == nil:
			late = time.After(g.grace)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-late:
			end(errStopped)
			return
		}
	}
}

// stopped is the outcome of an attempt that may not run; the stop may be over by
// now.
func stopped(stop *protocol.Stop) protocol.Outcome {
	outcome := protocol.Retry(protocol.CodeStopped, "operations of this type were stopped").WithoutCounting()
	if stop == nil {
		return outcome
	}
	outcome.Message = fmt.Sprintf("operations of type %q are stopped since %s", stop.OperationType, stop.On.UTC().Format(time.RFC3339))
	if stop.Identity != "" {
		outcome.Message += " by " + stop.Identity
	}
	if stop.Reason != "" {
		outcome.Message += ": " + stop.Reason
	}
	return outcome.WithDelay(stoppedRetry)
}
