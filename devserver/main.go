// Command devserver runs the real Temporal server on SQLite with the real Web
// UI in one process, for development and tests. It is a module of its own, so
// that the server's thousands of packages stay out of the main one.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap/zapcore"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program: it returns the exit code, which is 0 after an
// interrupt or SIGTERM and 1 after an error. A second signal ends the process
// at once.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	command := newCommand(func(ctx context.Context, s settings) error {
		return serve(ctx, s, stdout, stderr)
	}, stdout, stderr)
	command.SetArgs(args)
	if err := command.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "Error:", err)
		return 1
	}
	return 0
}

// serve runs a server until the context ends. A context that ends while the
// server starts leaves the rest to the end of the process: nothing has been
// promised yet, and what is in the file is whole.
func serve(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	logger, level, err := newLogger(stderr, s.logLevel, s.logFormat)
	if err != nil {
		return err
	}
	type result struct {
		server *server
		err    error
	}
	started := make(chan result, 1)
	go func() {
		running, err := start(ctx, s, logger)
		if err == nil {
			err = waitReady(ctx, s)
		}
		started <- result{running, err}
	}()
	var running *server
	select {
	case <-ctx.Done():
		return nil
	case r := <-started:
		if r.err != nil {
			return r.err
		}
		running = r.server
	}
	announce(stdout, s)
	<-ctx.Done()
	if level.Level() >= zapcore.WarnLevel {
		level.SetLevel(neverLogged) // services that lose each other warn in vain
	}
	if err := running.stop(); err != nil {
		_, _ = fmt.Fprintln(stderr, "Warning:", err)
	}
	return nil
}

// announce prints where everything is, once everything answers.
func announce(out io.Writer, s settings) {
	line := func(name, value string) { _, _ = fmt.Fprintf(out, "%-17s%s\n", name+":", value) }
	line("Temporal server", s.grpcAddress())
	if s.uiIP != "" {
		line("Web UI", "http://"+s.uiAddress())
	}
	line("HTTP API", "http://"+s.httpAddress())
	for _, namespace := range s.namespaces {
		line("Namespace", namespace)
	}
	if s.dbFilename == "" {
		line("Database", "in memory")
	} else {
		line("Database", s.dbFilename)
	}
}
