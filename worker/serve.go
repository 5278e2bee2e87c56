package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/mail"
	"github.com/seriatim-go/seriatim/activities/propagate"
	"github.com/seriatim-go/seriatim/activities/sqlimport"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// deadlockTimeout is how long one workflow task may compute. The SDK's second is
// short for a serializer that takes in a large batch on a busy machine.
const deadlockTimeout = 5 * time.Second

// heartbeatThrottle is how long the SDK may hold a heartbeat back. A request to
// cancel or to pause reaches a handler with the answer to one, so this bounds how
// late it comes.
const heartbeatThrottle = 5 * time.Second

// engineStopTimeout is how long the engine's activities may go on when the
// worker stops. They only look, and another worker repeats them.
const engineStopTimeout = time.Second

// handlers are the handlers of this worker and the catalogue that binds
// operation types to them and to those of other workers.
type handlers struct {
	activities activities.Handlers
	catalogue  *catalogue.Catalogue
	places     places
}

// close lets go of what the handlers use.
func (h handlers) close() error { return h.places.close() }

// newHandlers builds the handlers that the configuration describes.
func newHandlers(c config.Config, env config.Env) (handlers, error) {
	options := activities.HTTPOptions{
		AllowLoopback:        c.HTTP.AllowLoopback,
		DenyPrivate:          c.HTTP.DenyPrivate,
		ProxyFromEnvironment: c.HTTP.ProxyFromEnvironment,
		AllowHosts:           c.HTTP.AllowHosts,
		MaxResponseBytes:     c.HTTP.MaxResponseBytes,
	}
	for _, connection := range c.HTTP.Connections {
		headers, err := c.Headers(connection, env)
		if err != nil {
			return handlers{}, err
		}
		options.Connections = append(options.Connections, activities.Connection{
			Name: connection.Name, BaseURL: connection.BaseURL, Headers: headers,
		})
	}
	http, err := activities.HTTP(options)
	if err != nil {
		return handlers{}, fmt.Errorf("http: %w", err)
	}
	cat, err := c.Catalogue()
	if err != nil {
		return handlers{}, err
	}
	where, err := openPlaces(c, env)
	if err != nil {
		return handlers{}, err
	}
	bulk, err := newMail(c, env, where)
	if err != nil {
		return handlers{}, errors.Join(err, where.close())
	}
	registered := activities.Handlers{
		activities.HTTPActivity: http,
		mail.Activity:           bulk,
		sqlimport.Activity:      sqlimport.Handler(where.files, where.databases),
		propagate.Activity:      propagate.Handler(where.files, where.databases),
	}
	return handlers{registered, cat, where}, nil
}

// serve connects and runs the workers until ctx is done, and says meanwhile over
// HTTP how it is.
func serve(ctx context.Context, s setup, logger *slog.Logger) error {
	h := newHealth()
	counted, err := newMetrics(logger)
	if err != nil {
		return err
	}
	stop, err := listen(s.config.Worker.HTTPAddress, pages(h, counted.page(logger)), logger)
	if err != nil {
		return err
	}
	defer stop()
	defer s.traces.begin(logger)()
	defer context.AfterFunc(ctx, func() { h.ends(nil) })()
	if s.config.Worker.HTTPAddress != "" {
		s.connection.MetricsHandler = counted.handler
	}
	return work(ctx, s, h, counted, logger)
}

// work connects and runs the workers until ctx is done.
func work(ctx context.Context, s setup, h *health, counted metrics, logger *slog.Logger) error {
	server, err := connect(ctx, s.connection, s.config.AttributeNames(), h, logger)
	if ctx.Err() != nil {
		return nil // told to stop before the server was there
	}
	if err != nil {
		return err
	}
	defer server.client.Close()
	defer func() {
		if err := s.handlers.close(); err != nil {
			logger.Warn("Not all databases and files closed.", "error", err)
		}
	}()
	worker.SetStickyWorkflowCacheSize(s.config.Worker.WorkflowCacheSize)
	failed := make(chan error, 1)
	reader := newReader(server, s)
	defer beginSurvey(ctx, s.config.Worker, reader, counted, logger)()
	gate := activities.NewGate(s.handlers.catalogue, s.config.Worker.StopTimeout, reader.Stops)
	w := &shift{
		create: func(handle bool) worker.Worker { return newWorker(server, s, gate, handle, failed) },
		gate:   gate, logger: logger,
	}
	return runAll(ctx, failed, logger, func() worker.Worker { return newEngineWorker(server, s, failed) }, w, reader, h)
}

// newReader is a client of the same service.
func newReader(server site, s setup) *opclient.Client {
	return opclient.New(server.client, opclient.Options{
		TaskQueue: s.config.TaskQueue, Namespace: s.connection.Namespace, QueryTimeout: 10 * time.Second,
		AttributeNames: server.names,
	})
}

// newWorker runs the workflows, and this worker's handlers unless they are stopped.
func newWorker(server site, s setup, gate *activities.Gate, handle bool, failed chan<- error) worker.Worker {
	c := s.config
	w := worker.New(server.client, c.TaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize:     c.Worker.MaxConcurrentActivities,
		MaxConcurrentWorkflowTaskExecutionSize: c.Worker.MaxConcurrentWorkflowTasks,
		WorkerStopTimeout:                      c.Worker.StopTimeout,
		WorkflowTaskPollerBehavior:             autoscaling(),
		ActivityTaskPollerBehavior:             autoscaling(),
		DeadlockDetectionTimeout:               deadlockTimeout,
		MaxHeartbeatThrottleInterval:           heartbeatThrottle,
		DisableRegistrationAliasing:            true,
		DeploymentOptions:                      s.deployment,
		LocalActivityWorkerOnly:                !handle,
		OnFatalError:                           first(failed),
	})
	options := workflows.Options{
		SearchAttributes: server.searchAttributes,
		AttributeNames:   server.names,
		Linger:           c.Serializer.Linger,
		MaxRunEvents:     c.Serializer.MaxRunEvents,
		MaxRunSignals:    c.Serializer.MaxRunSignals,
	}
	if !c.Serializer.Beside010() {
		options.NothingBefore = server.looks.NothingBefore
		options.LookAhead = workflows.LookAhead{Window: c.LookAhead.Window, After: c.LookAhead.After}
	}
	if handle {
		own := activities.Traced(s.traces.provider, gate.Guard(s.handlers.activities))
		activities.Register(w, own)
		options.RunLocally = activities.Local(own)
	}
	workflows.Register(w, s.handlers.catalogue, options)
	return w
}

// newEngineWorker runs the engine's own activities, on slots that handlers never
// take.
func newEngineWorker(server site, s setup, failed chan<- error) worker.Worker {
	w := worker.New(server.client, s.config.TaskQueue+protocol.EngineTaskQueueSuffix, worker.Options{
		WorkerStopTimeout:          engineStopTimeout,
		ActivityTaskPollerBehavior: autoscaling(),
		DeploymentOptions:          s.deployment,
		WorkflowTaskPollerBehavior: autoscaling(),
		OnFatalError:               first(failed),
	})
	workflows.RegisterService(w, s.handlers.catalogue)
	activities.RegisterEngine(w, server.client, activities.Rebuilder{
		Rebuild: workflows.RebuildToken, LookedBack: workflows.RunLookedBack, KeepInPages: workflows.KeepInPages,
		AttributeNames: server.names, Looks: server.looks,
	})
	return w
}

func autoscaling() worker.PollerBehavior {
	return worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{})
}

// first keeps the first fatal error of all workers.
func first(failed chan<- error) func(error) {
	return func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
}

// unlessStopped is no error where the worker was told to stop while it waited.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// runAll starts the engine, which answers what is stopped, then the workflows and
// the handlers, until ctx is done or one of them fails, and stops them all.
func runAll(ctx context.Context, failed <-chan error, logger *slog.Logger, createEngine func() worker.Worker, w *shift, reader stopReader, h *health) error {
	engine, err := begin(ctx, createEngine, logger)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer engine.Stop()
	err = unlessStopped(ctx, w.begin(ctx, reader, h))
	if err == nil {
		logger.Info("The worker runs.")
		h.takesWork()
		err = unlessStopped(ctx, w.watchUntil(ctx, failed, reader))
	}
	logger.Info("The worker stops.")
	h.ends(err)
	if w.now != nil {
		w.now.Stop()
	}
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default:
	}
	return err
}
