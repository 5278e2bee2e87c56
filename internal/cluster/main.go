// Command cluster runs docker-compose.yml without containers and the tests
// against it: it is `make cluster-test`.
//
// Everything is the real thing: a PostgreSQL of this machine, Temporal's own
// server, schema tool and command line built from their modules, the worker and
// its config.yaml. Environments, jobs and the dynamic configuration are read
// from docker-compose.yml and run as they stand there; only addresses, ports and
// the number of history shards are others. Two workers then deliver operations
// over HTTP, one of them and the server are killed meanwhile, and order and
// completeness are checked. In the end the end-to-end tests run on the same server.
//
// The exit code is 0 where all is well, 1 where anything failed, 2 for wrong
// flags. Logs are left in a folder that is named when something failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seriatim-go/seriatim/internal/services"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	run    string
	shards int
	limit  time.Duration
	keep   bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	set := flag.NewFlagSet("cluster", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&o.run, "run", "", "run only the end-to-end tests whose name matches; NONE: none of them")
	set.IntVar(&o.shards, "shards", 4, "history shards, which are as good as hosts for what must not depend on there being one")
	set.DurationVar(&o.limit, "limit", time.Hour, "how long it may take in all, builds excluded")
	set.BoolVar(&o.keep, "keep", false, "leave the server running until Ctrl-C instead of running the tests")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q", set.Arg(0))
		_, _ = fmt.Fprintf(stderr, "cluster: %v\n", err)
		return o, err
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	folder, err := os.MkdirTemp("", "seriatim-cluster-")
	if err == nil {
		err = test(ctx, o, folder, stdout)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "cluster: %v\nThe logs are in %s\n", err, folder)
		return 1
	}
	_ = os.RemoveAll(folder)
	return 0
}

// test brings the cluster up, does the work and runs the tests.
func test(ctx context.Context, o options, folder string, out io.Writer) error {
	p, err := services.BuildPrograms(ctx, filepath.Join(folder, "bin"), out, "./worker", "./starter")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	c, err := services.Start(ctx, p, o.shards, folder, out)
	if err != nil {
		return err
	}
	defer c.Stop()
	if o.keep {
		_, _ = fmt.Fprintf(out, "\n  export TEMPORAL_ADDRESS=%s\n\nRuns until Ctrl-C.\n", c.Address())
		<-ctx.Done()
		return nil
	}
	err = errors.Join(
		deliver(ctx, site{c.Compose, "worker", c.Address()}, "profile full, server killed once", c.RestartServer, out),
		deliverDev(ctx, c.Compose, out))
	if err != nil {
		return err
	}
	if o.run != "NONE" {
		err = runSuite(ctx, c, o.run, out)
	}
	return errors.Join(err, c.Postgres.Report(ctx, out))
}
