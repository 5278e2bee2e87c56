// Command bench measures what serial execution costs: it is `make bench`.
//
// Against one Temporal server in memory run, one after another and turn by turn,
// (a) a bare workflow with one activity, (b) a serializer as one is written by
// hand, and (c) Seriatim, each in a worker process of its own with a handler that
// does nothing. (b) and (c) are given the same batches, and singles. All of it is
// done on the embedded server with its own settings, and on one that polls the
// tasks of a shard as rarely as servers do by default.
//
// On stdout is one JSON line for each workload and server, with every figure as
// minimum, median and maximum over the rounds, and the ratios of the variants,
// taken round by round. On stderr is the progress; the tables in Markdown go to
// the file of --table, or to stderr. The exit code is 0 where all was measured, 1
// where something failed, 2 for wrong flags.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/internal/harness"
)

// workerCommand is the subcommand with which the program runs its workers.
const workerCommand = "worker"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == workerCommand {
		return harness.RunChild(ctx, "bench worker", stderr, func(ctx context.Context) error { return runWorker(ctx, args[1:]) })
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	if err := measure(ctx, o, stdout, stderr); err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	return 0
}

// options are what the command line says.
type options struct {
	rounds    int
	size      float64
	workloads []workload
	settings  []setting
	pollers   string
	table     string
	limit     time.Duration
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	var names, server string
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.IntVar(&o.rounds, "rounds", 9, "how often each variant does each workload, turn by turn")
	set.Float64Var(&o.size, "size", 1, "what part of each workload to do, over 0 up to 1; 0.1 is a round in about a minute")
	set.StringVar(&names, "workload", "", "which, separated by commas; default all but the long ones, scale-… and beside-…")
	set.StringVar(&server, "server", "", "embedded or limited; default both, one after the other")
	set.StringVar(&o.pollers, "pollers", pollersOwn, "own: autoscaling for Seriatim, the SDK's default for the others; fixed or auto: that for all")
	set.StringVar(&o.table, "table", "", "the file for the tables; default stderr")
	set.DurationVar(&o.limit, "limit", 6*time.Hour, "how long it may take in all")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if o.workloads, err = chosen(names); err == nil {
		err = o.check(server, set.Args())
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "bench: %v\n", err)
	}
	return o, err
}

func (o *options) check(server string, rest []string) error {
	for _, s := range settings {
		if server == "" || s.name == server {
			o.settings = append(o.settings, s)
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q: there are no arguments, only flags", rest[0])
	case o.rounds < 1:
		return fmt.Errorf("--rounds %d: at least 1", o.rounds)
	case o.size <= 0 || o.size > 1:
		return fmt.Errorf("--size %v: over 0, up to 1", o.size)
	case len(o.settings) == 0:
		return fmt.Errorf("--server %q: embedded or limited", server)
	case !slices.Contains([]string{pollersOwn, pollersFixed, pollersAuto}, o.pollers):
		return fmt.Errorf("--pollers %q: own, fixed or auto", o.pollers)
	}
	return nil
}

// measure does it all. What was measured is told even where something failed.
func measure(ctx context.Context, o options, stdout, stderr io.Writer) error {
	source, err := embedded.Locate(ctx, embedded.Options{Out: stderr})
	if err != nil {
		return err
	}
	if source.Kind == embedded.KindAddress {
		return fmt.Errorf("%s is a server of which neither settings nor computing time are known: use DEVSERVER=build", source)
	}
	tables := stderr
	if o.table != "" {
		file, err := os.Create(o.table)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		tables = file
	}
	writeMachine(tables, source, o)
	for _, of := range o.settings {
		results, err := measureOn(ctx, source, of, o, stderr)
		writeSetting(tables, of)
		for _, r := range results {
			r.write(tables)
			line, _ := json.Marshal(r) // plain data
			_, _ = fmt.Fprintf(stdout, "%s\n", line)
		}
		if err != nil {
			return fmt.Errorf("on %s: %w", of.what, err)
		}
	}
	return nil
}

// measureOn does all rounds on one server.
func measureOn(ctx context.Context, source embedded.Source, of setting, o options, progress io.Writer) ([]*result, error) {
	s, err := openSite(ctx, source, of, o.pollers, progress)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.warmUp(ctx); err != nil {
		return nil, err
	}
	var results []*result
	for _, w := range o.workloads {
		size := o.size
		if of.slow && w.slow() {
			size *= slowSize
		}
		results = append(results, newResult(w.sized(size), of))
	}
	for round := range o.rounds {
		for _, r := range results {
			if err := s.round(ctx, r, round); err != nil {
				return results, fmt.Errorf("%s, round %d: %w", r.Workload, round+1, err)
			}
		}
	}
	return results, nil
}

// round has each variant do the workload once. Each round begins with another.
func (s *site) round(ctx context.Context, r *result, round int) error {
	variants := r.workload.variants
	samples := make(map[string]sample)
	for n := range variants {
		v := variants[(n+round)%len(variants)]
		measured, err := s.run(ctx, r.workload, v, round)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		samples[v.name] = measured
		s.Say("%s %s, round %d, %s: %s", r.Server, r.Workload, round+1, v.name, measured)
	}
	r.rounds = append(r.rounds, samples)
	return nil
}
