package main

import (
	"context"
	"flag"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// chaosOptions make runs of serializers short, and idle ones end soon, so that
// as many as possible end in the middle of something.
var chaosOptions = workflows.Options{
	SearchAttributes: true, Linger: 3 * time.Second, MaxRunEvents: 60, MaxRunSignals: 5,
	PageBytes: 1500, // so that every run crosses pages
	LookAhead: workflows.LookAhead{Window: 5, After: time.Second},
}

// workerFlags are how the harness starts a worker.
type workerFlags struct {
	name, address, namespace, journal, target string
	files, rows                               string
	smtpPort                                  int
}

// runWorker is a worker process: workflows, the engine, and the handler.
func runWorker(ctx context.Context, args []string) error {
	var f workerFlags
	set := flag.NewFlagSet(workerCommand, flag.ContinueOnError)
	set.StringVar(&f.name, "name", "", "")
	set.StringVar(&f.address, "address", "", "")
	set.StringVar(&f.namespace, "namespace", "", "")
	set.StringVar(&f.journal, "journal", "", "")
	set.StringVar(&f.target, "target", "", "")
	set.StringVar(&f.files, "files", "", "")
	set.StringVar(&f.rows, "rows", "", "")
	set.IntVar(&f.smtpPort, "smtp-port", 0, "")
	if err := set.Parse(args); err != nil {
		return err
	}
	log, err := openJournal(f.journal)
	if err != nil {
		return err
	}
	// It stays open: a handler that outlives the worker's stop still writes its end.
	c, err := dial(ctx, f.address, f.namespace)
	if ctx.Err() != nil {
		return nil // told to stop before the server was there
	}
	if err != nil {
		return err
	}
	defer c.Close()
	h := &handler{process: f.name, journal: log, target: f.target}
	sender, err := activities.HTTP(activities.HTTPOptions{AllowLoopback: true, Connections: []activities.Connection{
		{Name: targetConnection, BaseURL: f.target, Headers: map[string]string{processHeader: f.name}},
	}})
	if err != nil {
		return err
	}
	handlers, err := bulkHandlers(f)
	if err != nil {
		return err
	}
	for name, other := range handlers {
		handlers[name] = h.logs(other)
	}
	handlers[chaosType], handlers[localActivity], handlers[activities.HTTPActivity] = h, h, sender
	return serve(ctx, c, h, handlers)
}

// serve runs the workers until ctx is done.
func serve(ctx context.Context, c client.Client, h *handler, handlers activities.Handlers) error {
	reader := opclient.New(c, opclient.Options{})
	gate := activities.NewGate(chaosCatalogue(), startToClose, reader.Stops)
	followStops(ctx, reader, gate)
	options := worker.Options{
		WorkerStopTimeout: 3 * time.Second, DeadlockDetectionTimeout: 5 * time.Second,
		MaxConcurrentActivityExecutionSize: 50,
		MaxHeartbeatThrottleInterval:       heartbeatTimeout / 5, // a request to stop arrives with one
	}
	operations := worker.New(c, protocol.DefaultTaskQueue, options)
	handlers = gate.Guard(handlers)
	looks, run := activities.NewLooks(c), chaosOptions
	run.RunLocally, run.NothingBefore = activities.Local(handlers), looks.NothingBefore
	workflows.Register(operations, chaosCatalogue(), run)
	activities.Register(operations, handlers)
	registerFlow(operations, h)
	options.WorkerStopTimeout = time.Second
	engine := worker.New(c, protocol.DefaultTaskQueue+protocol.EngineTaskQueueSuffix, options)
	workflows.RegisterService(engine, chaosCatalogue())
	activities.RegisterEngine(engine, c, activities.Rebuilder{
		Rebuild: workflows.RebuildToken, LookedBack: workflows.RunLookedBack, KeepInPages: workflows.KeepInPages,
		Looks: looks,
	})
	for _, w := range []worker.Worker{operations, engine} {
		for w.Start() != nil { // the server may have gone again
			if !pause(ctx, 200*time.Millisecond) {
				return nil
			}
		}
		defer w.Stop()
	}
	<-ctx.Done()
	return nil
}

// dial reaches the server, which may be away for now.
func dial(ctx context.Context, address, namespace string) (client.Client, error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		c, err := harness.Dial(attempt, address, namespace, slog.LevelWarn)
		cancel()
		if err == nil || !pause(ctx, 200*time.Millisecond) {
			return c, err
		}
	}
}

// pause waits; false where ctx is done first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
