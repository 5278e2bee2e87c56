// Command backlog puts a long queue on one token and counts what became of it: it
// is `make backlog`.
//
// A Temporal server in memory and one worker process run beside it. Some of the
// operations are submitted while no worker is up, the rest while one reads, all
// behind a head that is postponed, so that the queue reaches its full depth. Then
// the head is resumed and the queue drains from its front, with the cheapest
// handler there is, while the token's state is asked for all the time. How fast a
// short queue drains is measured before, on the same worker. In the end the token
// is held, and the server's histories prove that nothing of it was lost, doubled,
// reordered or overlapped.
//
// One JSON line on stdout tells the figures. The exit code is 0 where all is well,
// 1 where a promise or the bound of what one run hands to the next was broken or
// the run could not be finished, 2 for wrong flags.
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
	"syscall"
	"time"

	"github.com/seriatim-go/seriatim/internal/harness"
)

// workerCommand is the subcommand with which the program runs its worker.
const workerCommand = "worker"

// maxCarriedBytes is the most that one run may hand to the next; the server ends
// a run that hands over 2 MiB.
const maxCarriedBytes = 768 << 10

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == workerCommand {
		return harness.RunChild(ctx, "backlog worker", stderr, func(ctx context.Context) error { return runWorker(ctx, args[1:]) })
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	progress := stderr
	if o.json {
		progress = io.Discard
	}
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	r, err := measure(ctx, o, progress)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "backlog: %v\n", err)
	}
	if r == nil {
		return 1
	}
	line, _ := json.Marshal(r) // plain data
	_, _ = fmt.Fprintf(stdout, "%s\n", line)
	if err != nil || !r.OK {
		return 1
	}
	return 0
}

// options are what the command line says.
type options struct {
	operations, drain, down, data, rate, every int
	limit                                      time.Duration
	json                                       bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	set := flag.NewFlagSet("backlog", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.IntVar(&o.operations, "operations", 20_000, "how many operations to queue on the token")
	set.IntVar(&o.drain, "drain", 5000, "how many of them to run, from the front")
	set.IntVar(&o.down, "down", -1, "how many of them to submit while no worker is up; default half, at most 30000")
	set.IntVar(&o.data, "data", 200, "bytes of data of each operation")
	set.IntVar(&o.rate, "rate", 1000, "over how many operations a throughput is measured")
	set.IntVar(&o.every, "every", 1, "prove by the own history of one operation in so many")
	set.DurationVar(&o.limit, "limit", 55*time.Minute, "how long it may take in all")
	set.BoolVar(&o.json, "json", false, "only the JSON line, no progress")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	if o.down < 0 {
		o.down = min(o.operations/2, 30_000)
	}
	o.drain = min(o.drain, o.operations)
	o.rate = min(o.rate, o.drain)
	if err := o.check(set.Args()); err != nil {
		_, _ = fmt.Fprintf(stderr, "backlog: %v\n", err)
		return o, err
	}
	return o, nil
}

func (o options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.operations < 1 || o.drain < 1 || o.rate < 1 || o.every < 1:
		return errors.New("--operations, --drain, --rate and --every are at least 1")
	case o.down > o.operations:
		return errors.New("--down is at most --operations")
	case o.data < 2 || o.data > 60_000:
		return errors.New("--data is 2 to 60000")
	}
	return nil
}
