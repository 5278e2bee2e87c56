package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"

	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/opclient"
)

// setting is a server to measure on.
type setting struct {
	name, what string
	// dynamicConfig stands over that of the embedded server.
	dynamicConfig map[string]string
	// slow says that every hop of a chain waits: workloads on one token are
	// shortened to slowSize.
	slow bool
}

// slowSize is the part of a workload on one token that a slow server gets.
const slowSize = 0.2

// The settings. Each server keeps its state in memory and has one history shard. A
// server for development reads the search attributes from its database whenever it
// needs them, so that new ones are there at once; other servers do not.
var settings = []setting{
	{
		name: "embedded", what: "the embedded server, search attributes cached as on any other",
		dynamicConfig: map[string]string{refreshes: "false"},
	},
	{
		name: "limited", what: "the same with the server's default rate at which a shard's tasks are polled",
		dynamicConfig: map[string]string{refreshes: "false", pollRate: "20"}, slow: true,
	},
}

const (
	pollRate  = "history.transferProcessorMaxPollRPS"
	refreshes = "system.forceSearchAttributesCacheRefreshOnRead"
)

// effective is all of a setting's dynamic config.
func (s setting) effective() map[string]string {
	all := embedded.DefaultDynamicConfig()
	maps.Copy(all, s.dynamicConfig)
	return all
}

// site is a server, a worker for each kind, and a client.
type site struct {
	harness.Progress
	server     *embedded.Server
	temporal   client.Client
	operations map[kind]*opclient.Client
	workers    map[kind]*process
	pollers    string
}

// openSite starts the server and the workers.
func openSite(ctx context.Context, source embedded.Source, of setting, pollers string, progress io.Writer) (*site, error) {
	server, err := embedded.Start(ctx, source, embedded.ServerOptions{DynamicConfig: of.dynamicConfig})
	if err != nil {
		return nil, err
	}
	s := &site{
		Progress: harness.Progress{Out: progress},
		server:   server, operations: make(map[kind]*opclient.Client), workers: make(map[kind]*process),
		pollers: pollers,
	}
	if s.temporal, err = harness.Dial(ctx, server.Address(), server.Namespace(), slog.LevelError); err != nil {
		_ = server.Stop() // the first error tells more
		return nil, err
	}
	for _, k := range kinds {
		s.operations[k] = opclient.New(s.temporal, opclient.Options{
			TaskQueue: k.taskQueue(), Namespace: server.Namespace(), Parallel: parallel,
		})
		if err := s.startWorker(ctx, k); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// startWorker runs a worker of that kind.
func (s *site) startWorker(ctx context.Context, k kind) (err error) {
	s.workers[k], err = startWorker(ctx, "--kind", string(k),
		"--address", s.server.Address(), "--namespace", s.server.Namespace(), "--pollers", k.pollers(s.pollers))
	return err
}

// What --pollers says.
const (
	// pollersOwn leaves each kind its own: the SDK's default for what is written
	// by hand, autoscaling for Seriatim, whose worker has it so.
	pollersOwn   = "own"
	pollersFixed = "fixed"
	pollersAuto  = "auto"
)

func (k kind) pollers(asked string) string {
	switch {
	case asked != pollersOwn:
		return asked
	case k == kindSeriatim || k == kindLocal:
		return pollersAuto
	}
	return pollersFixed
}

// warmUp runs a little of everything, so that caches and connections are warm.
func (s *site) warmUp(ctx context.Context) error {
	warm := workload{name: "warm", tokens: 4, each: 20}
	for _, v := range []variant{bare, plain, plainSingles, seriatim, seriatimSingles, seriatimFixed, seriatimLocal} {
		if _, err := s.run(ctx, warm, v, 0); err != nil {
			return fmt.Errorf("warm up %s: %w", v.name, err)
		}
	}
	return nil
}

func (s *site) close() {
	for _, p := range s.workers {
		if p != nil {
			p.Stop()
		}
	}
	s.temporal.Close()
	_ = s.server.Stop() // it was in memory
}
