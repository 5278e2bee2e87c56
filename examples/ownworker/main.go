// Command ownworker is a whole worker with handlers of its own, built from
// the public packages alone.
package main

import (
	"context"
	"log"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// greeting is the data of an operation of type greeting.send.
type greeting struct {
	Name string `json:"name"`
}

// send is the handler. It would talk to another system; it may run more than
// once for one operation, so it would tell that system the operation's id.
func send(_ context.Context, r activities.Request, data greeting) protocol.Outcome {
	if data.Name == "" {
		return protocol.Failure("NoName", "data.name: is missing").WithFriendly("Say whom to greet.")
	}
	log.Printf("operation %s greets %s", r.Operation.ID, data.Name)
	return protocol.Success("Hello, " + data.Name)
}

// round is the data of an operation of type greeting.round.
type round struct {
	Names []string `json:"names"`
}

// greetAll takes a second for each name. It leaves a checkpoint behind each one:
// paused, retried, or on another worker it goes on where it was.
func greetAll(ctx context.Context, r activities.Request, data round) protocol.Outcome {
	greeted := 0
	if err := r.Resume(&greeted); err != nil {
		return protocol.Failure("CheckpointUnreadable", err.Error())
	}
	for ; greeted < len(data.Names); greeted++ {
		select {
		case <-ctx.Done():
			return protocol.Cancellation() // its checkpoint is kept
		case <-time.After(time.Second):
		}
		log.Printf("operation %s greets %s, number %d", r.Operation.ID, data.Names[greeted], greeted+1)
		if err := r.Report(activities.Progress{Checkpoint: greeted + 1, Done: int64(greeted + 1), Total: int64(len(data.Names))}); err != nil {
			return protocol.Failure("NotReported", err.Error())
		}
	}
	return protocol.Success(greeted)
}

// welcome is registered for the event "create" of a contact, and greets it. It
// raises an event itself: CausedBy says that the operation did, so that events that
// cause each other end, and that one raised by a handler that runs again is the
// same.
func welcome(operations *opclient.Client) activities.HandlerFunc {
	return func(ctx context.Context, r activities.Request) protocol.Outcome {
		log.Printf("operation %s welcomes contact %s", r.Operation.ID, r.Operation.RegardingObjectID)
		greeted := protocol.Event{MessageName: "greet", PrimaryEntityType: "contact", RegardingObjectID: r.Operation.RegardingObjectID}
		if _, err := operations.Raise(ctx, greeted.CausedBy(r.Operation)); err != nil {
			return protocol.Retry("NotRaised", err.Error())
		}
		return protocol.Success(nil)
	}
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	c, err := client.Dial(opclient.DialOptions(envconfig.MustLoadDefaultClientOptions()))
	if err != nil {
		return err
	}
	defer c.Close()
	types, err := catalogue.New(
		catalogue.Type{Key: "greeting.send", Binding: catalogue.Binding{Activity: "greeting.send"}},
		catalogue.Type{
			// Nobody cancels a round that was announced; restrictions are those of
			// config.yaml, such as noControl, noCancelOrDelete, noToken and noPause.
			Key: "greeting.announced", Restrictions: protocol.Restrictions{protocol.NoCancelOrDelete},
			Binding: catalogue.Binding{Activity: "greeting.round", HeartbeatSeconds: 5},
		},
		catalogue.Type{Key: "greeting.round", Binding: catalogue.Binding{Activity: "greeting.round", HeartbeatSeconds: 5}},
	)
	if err != nil {
		return err
	}
	types, err = types.WithEvents(catalogue.EventHandler{
		Name: "welcome", MessageName: "create", PrimaryEntityType: "contact",
		DependencyToken: "contact-{regardingObjectId}", Binding: catalogue.Binding{Activity: "welcome"},
	})
	if err != nil {
		return err
	}

	// The engine looks after operations on slots that handlers never take.
	looks := activities.NewLooks(c)
	engine := worker.New(c, protocol.DefaultTaskQueue+protocol.EngineTaskQueueSuffix, worker.Options{})
	activities.RegisterEngine(engine, c, activities.Rebuilder{
		Rebuild: workflows.RebuildToken, LookedBack: workflows.RunLookedBack, KeepInPages: workflows.KeepInPages,
		Looks: looks,
	})
	if err := engine.Start(); err != nil {
		return err
	}
	defer engine.Stop()

	w := worker.New(c, protocol.DefaultTaskQueue, worker.Options{WorkerStopTimeout: 25 * time.Second})
	workflows.Register(w, types, workflows.Options{NothingBefore: looks.NothingBefore})
	activities.Register(w, activities.Handlers{
		"greeting.send": activities.Typed(send), "greeting.round": activities.Typed(greetAll),
		"welcome": welcome(opclient.New(c, opclient.Options{})),
	})
	return w.Run(worker.InterruptCh())
}
