package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// operationType is the one type that there is; its handler does nothing.
const operationType = "bench.nothing"

// What a worker writes to its standard output, a byte for each.
const (
	isReady = 'r' // it polls
	handled = '.' // a handler has run
)

// The settings of worker/, which is what Seriatim is measured with.
const (
	cacheSize         = 10_000
	concurrent        = 200
	deadlockTimeout   = 5 * time.Second
	heartbeatThrottle = 5 * time.Second
	lookAhead         = 20
)

// workerOptions are what the command line of a worker says.
type workerOptions struct {
	kind               kind
	address, namespace string
	pollers            string
}

func runWorker(ctx context.Context, args []string) error {
	var o workerOptions
	set := flag.NewFlagSet(workerCommand, flag.ContinueOnError)
	set.StringVar((*string)(&o.kind), "kind", "", "")
	set.StringVar(&o.address, "address", "", "")
	set.StringVar(&o.namespace, "namespace", "", "")
	set.StringVar(&o.pollers, "pollers", "", "")
	if err := set.Parse(args); err != nil {
		return err
	}
	c, err := harness.Dial(ctx, o.address, o.namespace, slog.LevelError)
	if err != nil {
		return err
	}
	defer c.Close()
	workers, err := newWorkers(c, o)
	if err != nil {
		return err
	}
	for _, w := range workers {
		if err := w.Start(); err != nil {
			return err
		}
		defer w.Stop()
	}
	tell(isReady)
	<-ctx.Done()
	return nil
}

func newWorkers(c client.Client, o workerOptions) ([]worker.Worker, error) {
	if o.kind.ours() {
		return seriatimWorkers(c, o)
	}
	w := worker.New(c, o.kind.taskQueue(), withPollers(worker.Options{}, o.pollers))
	w.RegisterWorkflowWithOptions(Bare, workflow.RegisterOptions{Name: bareWorkflow})
	w.RegisterWorkflowWithOptions(Plain, workflow.RegisterOptions{Name: plainWorkflow})
	w.RegisterActivityWithOptions(func(context.Context, protocol.Operation) (string, error) {
		tell(handled)
		return "", nil
	}, activity.RegisterOptions{Name: handlerActivity})
	return []worker.Worker{w}, nil
}

// seriatimWorkers are those of worker/, with its defaults.
func seriatimWorkers(c client.Client, o workerOptions) ([]worker.Worker, error) {
	worker.SetStickyWorkflowCacheSize(cacheSize)
	binding := catalogue.Binding{Activity: operationType}
	if o.kind == kindLocal {
		binding.Execution = catalogue.ExecutionLocal
	}
	types, err := catalogue.New(catalogue.Type{Key: operationType, Binding: binding})
	if err != nil {
		return nil, err
	}
	operations := worker.New(c, o.kind.taskQueue(), withPollers(worker.Options{
		MaxConcurrentActivityExecutionSize:     concurrent,
		MaxConcurrentWorkflowTaskExecutionSize: concurrent,
		DeadlockDetectionTimeout:               deadlockTimeout,
		MaxHeartbeatThrottleInterval:           heartbeatThrottle,
		DisableRegistrationAliasing:            true,
	}, o.pollers))
	gate := activities.NewGate(types, time.Second, nil)
	handlers := gate.Guard(activities.Handlers{operationType: activities.HandlerFunc(
		func(context.Context, activities.Request) protocol.Outcome {
			tell(handled)
			return protocol.Success(nil)
		})})
	activities.Register(operations, handlers)
	looks := activities.NewLooks(c)
	workflows.Register(operations, types, workflows.Options{
		SearchAttributes: true, RunLocally: activities.Local(handlers), NothingBefore: looks.NothingBefore,
		LookAhead: workflows.LookAhead{Window: lookAhead},
	})
	engine := worker.New(c, o.kind.taskQueue()+protocol.EngineTaskQueueSuffix, withPollers(worker.Options{}, o.pollers))
	workflows.RegisterService(engine, types)
	activities.RegisterEngine(engine, c, activities.Rebuilder{
		Rebuild: workflows.RebuildToken, LookedBack: workflows.RunLookedBack, KeepInPages: workflows.KeepInPages,
		Looks: looks,
	})
	return []worker.Worker{engine, operations}, nil
}

// withPollers sets how many pollers there are: a fixed few, as the SDK has by
// default, or as many as there is work for.
func withPollers(o worker.Options, pollers string) worker.Options {
	if pollers == pollersAuto {
		o.WorkflowTaskPollerBehavior = worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{})
		o.ActivityTaskPollerBehavior = worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{})
	}
	return o
}

// tell writes one byte to the program that started this worker: it costs next to
// nothing, and nothing at the server.
func tell(what byte) { _, _ = os.Stdout.Write([]byte{what}) }
