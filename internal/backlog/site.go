package main

import (
	"context"
	"io"
	"log/slog"

	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/opclient"
)

// site is the server, and the worker while it is up.
type site struct {
	harness.Progress
	server   *embedded.Server
	temporal client.Client
	client   *opclient.Client
	worker   *harness.Child
}

// openSite starts the server; no worker is up yet.
func openSite(ctx context.Context, progress io.Writer) (*site, error) {
	source, err := embedded.Locate(ctx, embedded.Options{Out: progress})
	if err != nil {
		return nil, err
	}
	server, err := embedded.Start(ctx, source, embedded.ServerOptions{})
	if err != nil {
		return nil, err
	}
	c, err := harness.Dial(ctx, server.Address(), server.Namespace(), slog.LevelError)
	if err != nil {
		_ = server.Stop() // the first error tells more
		return nil, err
	}
	operations := opclient.New(c, opclient.Options{Namespace: server.Namespace()})
	return &site{Progress: harness.Progress{Out: progress}, server: server, temporal: c, client: operations}, nil
}

// startWorker runs this program once more, as a worker.
func (s *site) startWorker() error {
	worker, err := harness.NewChild(workerCommand, "--address", s.server.Address(), "--namespace", s.server.Namespace())
	if err != nil {
		return err
	}
	if err := worker.Start(); err != nil {
		return err
	}
	s.worker = worker
	return nil
}

func (s *site) close() {
	if s.worker != nil {
		s.worker.Stop()
	}
	s.temporal.Close()
	_ = s.server.Stop() // it was in memory
}
