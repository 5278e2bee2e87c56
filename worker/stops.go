package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// lookEvery is how often a worker looks whether it is stopped.
const lookEvery = 2 * time.Second

// stopReader says what is stopped; opclient.Client is one.
type stopReader interface {
	Service(ctx context.Context) (opclient.ServiceStatus, error)
	Stops(ctx context.Context) ([]protocol.Stop, error)
}

// shift runs the workflows, always, and the handlers while they are not stopped: a
// worker with handlers is exchanged for one without, since queries and actions go
// on being answered (SPEC 8.2).
type shift struct {
	// create makes a worker with handlers or without.
	create func(handlers bool) worker.Worker
	gate   *activities.Gate
	logger *slog.Logger

	now      worker.Worker
	handling bool
	stops    []protocol.Stop
}

// follow changes to what these stops ask for. A worker that handles is told to
// stop once the one without handlers runs, and gets its grace period.
func (s *shift) follow(ctx context.Context, stops []protocol.Stop) error {
	s.gate.Set(stops)
	s.tell(stops)
	s.stops = stops
	all := slices.ContainsFunc(stops, func(stop protocol.Stop) bool { return stop.OperationType == "" })
	if s.now != nil && s.handling != all {
		return nil
	}
	next, err := begin(ctx, func() worker.Worker { return s.create(!all) }, s.logger)
	if err != nil {
		return err
	}
	before := s.now
	s.now, s.handling = next, !all
	if before != nil {
		before.Stop()
	}
	return nil
}

// tell logs what changed.
func (s *shift) tell(stops []protocol.Stop) {
	has := func(list []protocol.Stop, stop protocol.Stop) bool {
		return slices.ContainsFunc(list, func(o protocol.Stop) bool { return o.OperationType == stop.OperationType })
	}
	for _, stop := range stops {
		if !has(s.stops, stop) {
			s.logger.Warn("Handlers are stopped.", "operationType", named(stop), "since", stop.On, "by", stop.Identity, "reason", stop.Reason)
		}
	}
	for _, stop := range s.stops {
		if !has(stops, stop) {
			s.logger.Info("Handlers are started again.", "operationType", named(stop))
		}
	}
}

func named(stop protocol.Stop) string {
	if stop.OperationType == "" {
		return "all"
	}
	return stop.OperationType
}

// begin starts what may run, once it can be said what that is.
func (s *shift) begin(ctx context.Context, reader stopReader, h *health) error {
	for {
		status, err := reader.Service(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			return s.follow(ctx, status.Stops)
		}
		h.waits(fmt.Sprintf("whether the service is stopped cannot be read yet: %v", err))
		s.logger.Warn("Whether the service is stopped cannot be read yet.", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// watchUntil follows the stops until ctx is done or a worker fails. What cannot be
// read stays as it was.
func (s *shift) watchUntil(ctx context.Context, failed <-chan error, reader stopReader) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-ticker.C:
		}
		stops, err := reader.Stops(ctx)
		if err != nil {
			s.logger.Debug("What is stopped cannot be read.", "error", err)
			continue
		}
		if err := s.follow(ctx, stops); err != nil {
			return err
		}
	}
}
