package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/seriatim-go/seriatim/protocol"
)

// Request is what a handler is called with.
type Request struct {
	// Operation is what was submitted. Its ID is the same in every attempt: use
	// it as the idempotency key at the target (SPEC 6.4).
	Operation protocol.Operation
	// CreatedOn is when the operation was accepted.
	CreatedOn time.Time
	// Fence tells this attempt from earlier and later ones. A target that
	// remembers the highest it has seen can refuse the write of an attempt that
	// lost its lock (SPEC 2.2).
	Fence protocol.Fence
	// Checkpoint is what the last attempt left behind, nil if nothing: go on from
	// there. Resume reads it.
	Checkpoint json.RawMessage
	// OnReport is told what Report is given, with a checkpoint that is good. The
	// worker sets it; a unit test may, or leaves it nil.
	OnReport func(protocol.Heartbeat)
	// OnCommit is told what Commit is given. The worker sets it; where it is nil,
	// OnReport is told.
	OnCommit func(context.Context, protocol.Heartbeat) error
}

// Handler does the work of one operation.
type Handler interface {
	// Handle runs one attempt and says how it ended. ctx is done when somebody
	// cancels, pauses or postpones the operation, when the attempt timed out, and
	// when its worker stops. The handler need not know which of them it is: it
	// stops, after it has reported how far it came, and returns Cancellation. The
	// last checkpoint is kept (SPEC 6.5), and the operation ends, waits or goes on
	// elsewhere as it was asked to. A handler that does not stop within the type's
	// cancelTimeout has its lock broken. Such a request arrives only where the type
	// has a heartbeat; those are sent for the handler. An operation may be handled
	// more than once, so the work is idempotent in the operation's id.
	Handle(ctx context.Context, r Request) protocol.Outcome
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, r Request) protocol.Outcome

// Handle calls the function.
func (f HandlerFunc) Handle(ctx context.Context, r Request) protocol.Outcome { return f(ctx, r) }

// Handlers are handlers by the name of the activity that a type of the
// catalogue is bound to.
type Handlers map[string]Handler

// Registry is what Register needs of a worker; worker.Worker is one.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register adds the handlers to a worker. Their operations name this process as
// their hostId, in the form that the SDK gives a client without an Identity of
// its own. It panics on a nil handler, on an empty name and on one that the
// worker has already.
func Register(w Registry, handlers Handlers) {
	RegisterAs(w, defaultHostID(), handlers)
}

// RegisterAs is Register for a worker whose client has an Identity of its own:
// hostID is that identity.
func RegisterAs(w Registry, hostID string, handlers Handlers) {
	for name, handler := range handlers {
		if name == "" || handler == nil {
			panic(fmt.Sprintf("activities: handler %q: a handler has a name and is not nil", name))
		}
		attempt := reporter{hostID: hostID, handler: handler}
		w.RegisterActivityWithOptions(attempt.run, activity.RegisterOptions{Name: name})
	}
}

// defaultHostID is the SDK's default client identity.
func defaultHostID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "Unknown"
	}
	return fmt.Sprintf("%d@%s@", os.Getpid(), host)
}
