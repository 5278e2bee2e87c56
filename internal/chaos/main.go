// Command chaos throws work and faults at Seriatim and counts what broke: it is
// `make chaos`.
//
// A Temporal server on a database, worker processes and submitter processes run
// beside each other. A seed decides the load (tokens, batches, postponements,
// cancels, repeats, poison, and what kind of handler runs them) and the faults:
// workers and the server are killed with -9, workers are stopped and continued, and
// restarted in good order; connections to the server are cut, and stand still;
// operations of a type are stopped for a while; and on PostgreSQL database processes
// are ended and killed. Handlers and submitters write what they did to logs that
// survive them; when the faults are over a checker joins those logs with the
// server's histories and counts violations of the ten invariants.
//
// With --long a run is a piece of a long one: its counts are added to a file, and
// so is the total over all pieces. A piece that is interrupted (Ctrl-C) ends load
// and faults, is judged, and counts what was done; a second Ctrl-C leaves it out.
//
// One JSON line on stdout tells the counts. The exit code is 0 where every
// invariant held, 1 where one did not or the run could not be finished, 2 for
// wrong flags. The logs of a failure are kept.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Subcommands with which the program runs itself.
const (
	workerCommand = "worker"
	submitCommand = "submit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && (args[0] == workerCommand || args[0] == submitCommand) {
		return runChild(ctx, args[0], args[1:], stderr)
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if o.long {
		return runPieces(ctx, o, stdout, stderr)
	}
	r, _ := runOnce(ctx, o, stdout, stderr)
	if r == nil || !r.OK {
		return 1
	}
	return 0
}

// runOnce is one run; its report is printed.
func runOnce(ctx context.Context, o options, stdout, stderr io.Writer) (*report, error) {
	progress := stderr
	if o.json {
		progress = io.Discard
	}
	r, err := storm(ctx, o, progress)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "chaos: %v (seed %d)\n", err, o.seed)
	}
	if r != nil {
		line, _ := json.Marshal(r) // plain data
		_, _ = fmt.Fprintf(stdout, "%s\n", line)
	}
	return r, err
}

// options are what the command line says.
type options struct {
	seed                              uint64
	operations, tokens                int
	workerKills, serverKills, workers int
	wireCuts, wireStalls              int
	serviceStops, recurrences         int
	backendEnds, backendKills         int
	db                                string
	limit                             time.Duration
	folder                            string
	json                              bool
	long                              bool
	pieces                            int
	ledger                            string
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	set := flag.NewFlagSet("chaos", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.Uint64Var(&o.seed, "seed", rand.Uint64N(1_000_000_000), "what decides load and faults; default random")
	set.IntVar(&o.operations, "operations", 600, "how many operations to submit")
	set.IntVar(&o.tokens, "tokens", 20, "on how many dependency tokens")
	set.IntVar(&o.workerKills, "worker-kills", 15, "how often a worker is killed with -9")
	set.IntVar(&o.serverKills, "server-kills", 5, "how often the server is killed with -9")
	set.IntVar(&o.wireCuts, "wire-cuts", 3, "how often the connections to the server are cut")
	set.IntVar(&o.wireStalls, "wire-stalls", 3, "how often they stand still for up to 5 s")
	set.IntVar(&o.serviceStops, "service-stops", 3, "how often operations of one type are stopped for some seconds")
	set.IntVar(&o.recurrences, "recurrences", 4, "how many operations recur, besides the others")
	set.StringVar(&o.db, "db", onSQLite, "the server's database: sqlite (the embedded server), or postgres (docker-compose.yml's server, without containers)")
	set.IntVar(&o.backendEnds, "backend-ends", 5, "with --db postgres: how often a database connection of the server is ended")
	set.IntVar(&o.backendKills, "backend-kills", 3, "with --db postgres: how often a database process is killed with -9, and the database recovers")
	set.IntVar(&o.workers, "workers", 3, "how many worker processes run")
	set.DurationVar(&o.limit, "limit", 5*time.Minute, "how long it may take in all, at least 3m; up to 10m more where the machine is busy")
	set.StringVar(&o.folder, "folder", "", "where logs go and stay; default a temporary folder that only a failure keeps")
	set.BoolVar(&o.json, "json", false, "only the JSON line, no progress")
	set.BoolVar(&o.long, "long", false, "a piece of a long run: other defaults, some 30 minutes, and a line in the ledger")
	set.IntVar(&o.pieces, "pieces", 1, "with --long: how many pieces, one after another")
	set.StringVar(&o.ledger, "ledger", "chaos-long.jsonl", "with --long: where each piece leaves a line, and beside it the total of all")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if o.long {
		makeLong(set)
	}
	if err := o.check(set.Args()); err != nil {
		_, _ = fmt.Fprintf(stderr, "chaos: %v\n", err)
		return o, err
	}
	return o, nil
}

func (o options) check(rest []string) error {
	switch {
	case o.pieces < 1 || o.pieces > 1 && o.folder != "":
		return errors.New("--pieces is at least 1, and 1 with --folder")
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.operations < 1 || o.tokens < 1 || o.workers < 1:
		return errors.New("--operations, --tokens and --workers are at least 1")
	case o.db != onSQLite && o.db != onPostgres:
		return fmt.Errorf("--db: %q is neither %s nor %s", o.db, onSQLite, onPostgres)
	case min(o.backendEnds, o.backendKills) < 0:
		return errors.New("--backend-ends and --backend-kills are at least 0")
	case min(o.workerKills, o.serverKills, o.wireCuts, o.wireStalls, o.serviceStops, o.recurrences) < 0:
		return errors.New("--worker-kills, --server-kills, --wire-cuts, --wire-stalls, --service-stops and --recurrences are at least 0")
	case o.limit < 3*time.Minute:
		return fmt.Errorf("--limit: %s is less than 3m: the end alone may take %s", o.limit, settleTimeout+leastObserveTime)
	case o.limit < settleTimeout+o.observeTime()+30*time.Second:
		return fmt.Errorf("--limit: %s is too short for %d operations: the end alone may take %s", o.limit, o.operations, settleTimeout+o.observeTime())
	}
	return nil
}

// runChild is the program as one of its own processes.
func runChild(ctx context.Context, name string, args []string, stderr io.Writer) int {
	go endWithParent()
	child := runWorker
	if name == submitCommand {
		child = runSubmitter
	}
	if err := child(ctx, args); err != nil {
		_, _ = fmt.Fprintf(stderr, "chaos %s: %v\n", name, err)
		return 1
	}
	return 0
}

// endWithParent ends this process when the harness is gone, however it went:
// its end of our standard input closes with it.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(3)
}
