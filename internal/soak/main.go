// Command soak runs Seriatim for a while under a steady load and looks whether
// anything grows: it is `make soak`.
//
// A Temporal server on a database file, a worker process and this program, which
// submits some eight operations a second: of tokens in batches and alone, without a
// token, postponed and recurring, with holds, questions and tokens that idle in
// between. The worker's memory, heap, goroutines and descriptors, those of the
// server, and the size of the database are sampled; judge.go has the rule.
//
// One JSON line on stdout is the result, progress is on stderr. The exit code is 0
// where nothing grows, 1 where something does or the run failed, 2 for wrong flags.
// Ctrl-C ends it; nothing is left behind.
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

// options are what the command line says.
type options struct{ duration, retention, every time.Duration }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, stop))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer, stop func()) int {
	defer stop()
	o := options{}
	set := flag.NewFlagSet("soak", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.DurationVar(&o.duration, "duration", 3*time.Minute, "how long the load lasts, at least 1m; its first third is the warm-up")
	set.DurationVar(&o.retention, "retention", 0, "how long the server keeps what has closed, 10s to a quarter of the duration; default a sixth")
	set.DurationVar(&o.every, "every", 3*time.Second, "how often to sample, 1s to a twelfth of the duration")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if o.retention == 0 {
		o.retention = o.duration / 6
	}
	if err := o.check(set.Args()); err != nil {
		_, _ = fmt.Fprintf(stderr, "soak: %v; see --help\n", err)
		return 2
	}
	r, err := soak(ctx, o, harness.Progress{Out: stderr})
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "soak: %v\n", err)
		return 1
	}
	line, _ := json.Marshal(r) // plain data
	_, _ = fmt.Fprintf(stdout, "%s\n", line)
	for _, problem := range r.Problems {
		_, _ = fmt.Fprintf(stderr, "soak: %s\n", problem)
	}
	if !r.OK {
		return 1
	}
	return 0
}

// check refuses what is out of bounds by its flag and value.
func (o options) check(arguments []string) error {
	switch {
	case len(arguments) > 0:
		return fmt.Errorf("argument %q: there are none", arguments[0])
	case o.duration < time.Minute:
		return fmt.Errorf("--duration %v: at least 1m", o.duration)
	case o.retention < 10*time.Second || o.retention > o.duration/4:
		return fmt.Errorf("--retention %v: 10s to a quarter of the duration", o.retention)
	case o.every < time.Second || o.every > o.duration/12:
		return fmt.Errorf("--every %v: 1s to a twelfth of the duration", o.every)
	}
	return nil
}

// report is the line on stdout.
type report struct {
	Seconds          int `json:"seconds"`
	RetentionSeconds int `json:"retention_seconds"`
	Samples          int `json:"samples"`
	Operations       int `json:"operations"` // acknowledged
	Done             int `json:"done"`
	Asked            int `json:"asked"` // questions and holds that were answered
	verdict
	OK bool `json:"ok"`
}

// finish is how long what was acknowledged may take to end after the load.
const finish = 2 * time.Minute

func soak(ctx context.Context, o options, p harness.Progress) (r *report, err error) {
	s, err := openSite(ctx, o, p.Out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	l := &load{site: s}
	loading, end := context.WithTimeout(ctx, o.duration)
	defer end()
	failed := make(chan error, 1)
	go func() { failed <- l.run(loading) }()
	var samples []sample
	for ticker := time.NewTicker(o.every); loading.Err() == nil; {
		select {
		case <-loading.Done():
			ticker.Stop()
		case <-ticker.C:
			now, err := s.sample(ctx)
			if err != nil {
				return nil, err
			}
			samples = append(samples, now)
			if len(samples)%10 == 0 {
				p.Say("%d operations done, worker %d MiB, heap %d MiB, %d goroutines, %d and %d descriptors, database %d MiB",
					now.Operations, now.WorkerRSS, now.WorkerHeap, now.Goroutines, now.WorkerFDs, now.ServerFDs, now.Database)
			}
		}
	}
	if err := <-failed; err != nil || ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	r = &report{
		Seconds: int(o.duration.Seconds()), RetentionSeconds: int(o.retention.Seconds()), Samples: len(samples),
		Operations: len(l.submitted), Asked: l.asked, verdict: judge(samples),
	}
	if lost := s.target.missing(ctx, l.submitted, finish); lost > 0 {
		r.problem("%d of %d acknowledged operations did not run", lost, r.Operations)
	}
	r.Done = s.target.done()
	r.OK = len(r.Problems) == 0
	return r, ctx.Err()
}
