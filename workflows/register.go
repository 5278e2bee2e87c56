package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// Options are the worker's settings that workflows record when they start.
type Options struct {
	// SearchAttributes says that the namespace has Seriatim's search attributes.
	// Setting one that is missing would wedge a workflow, so the worker asks the
	// server before it registers.
	SearchAttributes bool
	// AttributeNames are the namespace's names of them; default the names that they
	// have in protocol. A workflow keeps those that it began with; a token takes new
	// ones with its next run.
	AttributeNames protocol.AttributeNames
	// Linger is how long a serializer with nothing to do stays before it
	// completes; default 1 h. The next submission starts it again.
	Linger time.Duration
	// MaxRunEvents and MaxRunSignals bound one run of a serializer, in history
	// events and in signals; defaults 2,000 and 5,000. The run ends at the next
	// hand-off from one operation to the next after one of them, or when the
	// server suggests it.
	MaxRunEvents, MaxRunSignals int
	// NoLookBack leaves out what a token's first run does: it looks how the
	// serializer before it ended, and goes on with what that left if the server
	// had closed it. The look is one activity on the engine's queue and a share of
	// one visibility request.
	NoLookBack bool
	// NothingBefore says in this process that there is nothing to go on with, which
	// saves that activity: activities.Looks.NothingBefore. nil leaves it to the
	// activity, and so do false and an error.
	NothingBefore func(context.Context, protocol.PredecessorRequest) (bool, error)
	// PageBytes is how much of a long queue one page holds; default 64 KiB, at most
	// 128 KiB. Smaller ones are for tests.
	PageBytes int
	// LookAhead has the next operations of a token that stands still be started ahead,
	// to be seen and acted on as others are. Workers of v0.1.0 do not know it: set it
	// once none is left.
	LookAhead LookAhead
	// RunLocally runs one attempt of a type with catalogue.ExecutionLocal in this
	// process, given the name of its activity: activities.Local of the handlers that
	// the same worker has. The error of one that it does not have is an application
	// error of type protocol.ErrTypeNoLocalHandler. nil has none, and then such
	// attempts are regular activities. It is not recorded: what came of an attempt is.
	RunLocally func(ctx context.Context, activity string, in protocol.HandlerInput) (protocol.HandlerResult, error)
}

func (o Options) withDefaults() Options {
	if o.Linger <= 0 {
		o.Linger = time.Hour
	}
	if o.MaxRunEvents <= 0 {
		o.MaxRunEvents = 2000
	}
	if o.MaxRunSignals <= 0 {
		o.MaxRunSignals = 5000
	}
	if o.PageBytes <= 0 || o.PageBytes > maxPageBytes {
		o.PageBytes = defaultPageBytes
	}
	o.LookAhead = o.LookAhead.withDefaults()
	return o
}

// Registry is what Register needs of a worker; worker.Worker is one.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// Register adds Seriatim's workflows to a worker. The catalogue gives each
// operation that they start its binding.
func Register(w Registry, cat *catalogue.Catalogue, o Options) {
	d := &definitions{catalogue: cat, options: o.withDefaults()}
	register := func(name string, definition any) {
		w.RegisterWorkflowWithOptions(definition, workflow.RegisterOptions{
			Name: name,
			// A serializer outlives every deployment: pinned, it would never see
			// a newer worker.
			VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
		})
	}
	register(protocol.SerializerWorkflow, d.Serializer)
	register(protocol.OperationWorkflow, d.Operation)
	register(protocol.BacklogPageWorkflow, d.BacklogPage)
	register(protocol.EventWorkflow, d.Event)
	register(protocol.RecurrenceWorkflow, d.Recurrence)
}

// definitions are the workflow functions with what the worker knows. Nothing
// that differs between workers may decide which commands a workflow issues: it
// is recorded first, by a side effect or in an operation's start.
type definitions struct {
	catalogue *catalogue.Catalogue
	options   Options
}
