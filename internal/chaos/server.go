package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// Where the server keeps what it knows.
const (
	onSQLite   = "sqlite"   // the embedded server, on a file
	onPostgres = "postgres" // the server of docker-compose.yml, on PostgreSQL
)

// server is the Temporal server that is killed.
type server interface {
	Address() string
	Namespace() string
	// Kill ends it as a crash does; Start runs it again on the same database.
	Kill()
	Start(ctx context.Context) error
	// Stop ends it for good, and its database.
	Stop()
}

// database is the server's, where that is a process of its own.
type database interface {
	// TerminateBackend ends a connection of the server; KillBackend kills the
	// process behind one, upon which the whole database recovers.
	TerminateBackend(ctx context.Context) error
	KillBackend(ctx context.Context) error
	// Recoveries counts how often it did.
	Recoveries() (int, error)
}

// embeddedServer is the embedded one.
type embeddedServer struct{ *embedded.Server }

func (s *site) startEmbedded(ctx context.Context, progress io.Writer) (server, error) {
	source, err := embedded.Locate(ctx, embedded.Options{Out: progress})
	if err != nil {
		return nil, err
	}
	if source.Kind == embedded.KindAddress {
		return nil, fmt.Errorf("%s is set: chaos kills its server and needs one of its own", embedded.AddressVariable)
	}
	if s.serverLog, err = os.Create(filepath.Join(s.folder, "server.log")); err != nil {
		return nil, err
	}
	started, err := embedded.Start(ctx, source, embedded.ServerOptions{
		DBFilename: filepath.Join(s.folder, "temporal.db"), Log: s.serverLog,
	})
	if err != nil {
		return nil, err
	}
	return &embeddedServer{started}, nil
}

func (e *embeddedServer) Start(ctx context.Context) error {
	again, err := e.Restart(ctx)
	if err == nil {
		e.Server = again
	}
	return err
}

func (e *embeddedServer) Stop() { _ = e.Server.Stop() } // its database is of no more use
