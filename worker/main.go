// Command worker runs Seriatim's workflows and handlers against a Temporal
// server until it is told to stop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/internal/reach"
)

// Exit codes.
const (
	exitStopped = 0 // told to stop, and stopped
	exitFailed  = 1 // the server refused it, it failed while it ran, or is not ready
	exitUsage   = 2 // flags, configuration or connection settings are wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it answers its exit code, and stops when ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, usage)
		return exitStopped
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "worker: %v\nRun with --help to see the flags.\n", err)
		return exitUsage
	case f.version:
		_, _ = fmt.Fprintln(stdout, version())
		return exitStopped
	case f.healthcheck:
		return checkHealth(ctx, f.config, stdout, stderr)
	}
	logger := newLogger(stderr, f.logLevel)
	setup, err := prepare(f.config)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "worker: %v\n", err)
		return exitUsage
	}
	setup.connection.Logger = discreet{log.NewStructuredLogger(logger)}
	if err := serve(ctx, setup, logger); err != nil {
		logger.Error("The worker failed.", "error", err)
		return exitFailed
	}
	return exitStopped
}

// checkHealth is worker --healthcheck.
func checkHealth(ctx context.Context, path string, stdout, stderr io.Writer) int {
	c, err := config.Load(path, os.LookupEnv)
	if err == nil && c.Worker.HTTPAddress == "" {
		err = errors.New("worker.httpAddress is not set: there is nothing to ask")
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "worker: %v\n", err)
		return exitUsage
	}
	line, err := healthcheck(ctx, c.Worker.HTTPAddress)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "worker: %v\n", err)
		return exitFailed
	}
	_, _ = fmt.Fprintln(stdout, line)
	return exitStopped
}

// setup is everything that is known before the server is asked.
type setup struct {
	config     config.Config
	connection client.Options
	handlers   handlers
	deployment worker.DeploymentOptions
	traces     traces
}

// prepare reads the configuration and the connection's settings.
func prepare(path string) (setup, error) {
	c, err := config.Load(path, os.LookupEnv)
	if err != nil {
		return setup{}, err
	}
	registered, err := newHandlers(c, os.LookupEnv)
	if err != nil {
		return setup{}, err
	}
	version, err := deployment(os.LookupEnv)
	if err != nil {
		return setup{}, err
	}
	connection, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return setup{}, fmt.Errorf("connection settings (TEMPORAL_* and config.toml): %w", err)
	}
	if err := reach.Check(connection); err != nil {
		return setup{}, err
	}
	if connection.HostPort == "" {
		connection.HostPort = client.DefaultHostPort
	}
	if connection.Namespace == "" {
		connection.Namespace = client.DefaultNamespace
	}
	keys, err := c.Codec()
	if err != nil {
		return setup{}, err
	}
	if connection, err = keys.DialOptions(connection); err != nil {
		return setup{}, err
	}
	made, err := newTraces(c.Traces, os.LookupEnv)
	if err != nil {
		return setup{}, err
	}
	return setup{config: c, connection: connection, handlers: registered, deployment: version, traces: made}, nil
}

// version is the module's version and the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "seriatim worker, unknown version"
	}
	text := "seriatim worker " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text
}
