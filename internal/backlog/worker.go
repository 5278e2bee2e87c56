package main

import (
	"context"
	"flag"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// operationType is the one type that there is; its handler does nothing.
const operationType = "backlog.nothing"

// runWorker runs workflows, the engine and the handler until ctx is done.
func runWorker(ctx context.Context, args []string) error {
	var address, namespace string
	set := flag.NewFlagSet(workerCommand, flag.ContinueOnError)
	set.StringVar(&address, "address", "", "")
	set.StringVar(&namespace, "namespace", "", "")
	if err := set.Parse(args); err != nil {
		return err
	}
	c, err := harness.Dial(ctx, address, namespace, slog.LevelError)
	if err != nil {
		return err
	}
	defer c.Close()
	types, err := catalogue.New(catalogue.Type{Key: operationType, Binding: catalogue.Binding{Activity: operationType}})
	if err != nil {
		return err
	}
	options := worker.Options{WorkerStopTimeout: 5 * time.Second, DeadlockDetectionTimeout: 5 * time.Second}
	operations := worker.New(c, protocol.DefaultTaskQueue, options)
	looks := activities.NewLooks(c)
	workflows.Register(operations, types, workflows.Options{SearchAttributes: true, NothingBefore: looks.NothingBefore})
	operations.RegisterActivityWithOptions(
		func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error) {
			return protocol.HandlerResult{}, nil
		},
		activity.RegisterOptions{Name: operationType})
	options.DisableWorkflowWorker = true
	engine := worker.New(c, protocol.DefaultTaskQueue+protocol.EngineTaskQueueSuffix, options)
	activities.RegisterEngine(engine, c, activities.Rebuilder{
		Rebuild: workflows.RebuildToken, LookedBack: workflows.RunLookedBack, KeepInPages: workflows.KeepInPages,
		Looks: looks,
	})
	for _, w := range []worker.Worker{operations, engine} {
		if err := w.Start(); err != nil {
			return err
		}
		defer w.Stop()
	}
	<-ctx.Done()
	return nil
}
