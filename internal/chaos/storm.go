package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// What the limit leaves to the end: the work that remains when the faults are
// over, and the reading of the server's records.
const (
	settleTimeout = 90 * time.Second
	observeTime   = 30 * time.Second
	startTime     = 20 * time.Second
)

// report is the line that a run prints.
type report struct {
	Seed          uint64  `json:"seed"`
	Operations    int     `json:"operations"` // acknowledged
	WorkerKills   int     `json:"workerKills"`
	ServerKills   int     `json:"serverKills"`
	Stops         int     `json:"stops"`
	Restarts      int     `json:"restarts"`
	Runs          int     `json:"runs"`
	Adoptions     int     `json:"adoptions"`
	Attempts      int     `json:"attempts"`
	StaleAttempts int     `json:"staleAttempts"`
	Duplicates    int     `json:"duplicates"`
	Rejected      int     `json:"rejected"`
	I1            int     `json:"i1"`
	I2            int     `json:"i2"`
	I3            int     `json:"i3"`
	I4            int     `json:"i4"`
	I5            int     `json:"i5"`
	I6            int     `json:"i6"`
	I7            int     `json:"i7"`
	I8            int     `json:"i8"`
	I9            int     `json:"i9"`
	I10           int     `json:"i10"`
	Seconds       float64 `json:"seconds"`
	OK            bool    `json:"ok"`
}

// storm is one run of the harness: load and faults, then rest, then judgement.
func storm(ctx context.Context, o options, progress io.Writer) (r *report, err error) {
	started := time.Now()
	folder, err := logFolder(o)
	if err != nil {
		return nil, err
	}
	s, err := openSite(ctx, o, folder, progress)
	if err != nil {
		return nil, err
	}
	defer s.close()
	_, _ = fmt.Fprintf(progress, "seed %d, logs in %s\n", o.seed, folder)
	if err := s.load(ctx, o, progress); err != nil {
		return nil, fmt.Errorf("%w; logs are in %s", err, folder)
	}
	s.settle(ctx, progress)
	e, seen, err := s.observe(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the server's records: %w; logs are in %s", err, folder)
	}
	c := check(e)
	r = s.report(o, c, seen)
	r.Seconds = time.Since(started).Round(time.Second).Seconds()
	err = s.problemsSoFar()
	r.OK = c.none() && err == nil
	explain(progress, c)
	if r.OK && o.folder == "" {
		_ = os.RemoveAll(folder) // nobody needs it
	} else if !r.OK {
		_, _ = fmt.Fprintf(progress, "logs are kept in %s\n", folder)
	}
	return r, err
}

func logFolder(o options) (string, error) {
	if o.folder == "" {
		return os.MkdirTemp("", "seriatim-chaos-")
	}
	return filepath.Abs(o.folder)
}

// load runs the submitters and inflicts the faults until both are over.
func (s *site) load(ctx context.Context, o options, progress io.Writer) error {
	window := o.limit - settleTimeout - observeTime - startTime
	p := newPlan(o, window)
	begin := time.Now().Add(time.Second)
	if err := s.startSubmitters(p, begin, begin.Add(window+settleTimeout/2)); err != nil {
		return err
	}
	s.inflict(ctx, p.Faults, begin, progress)
	var problems []error
	for _, submitter := range s.submitters {
		select {
		case <-submitter.exited:
		case <-ctx.Done():
			return ctx.Err()
		}
		if submitter.err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", submitter.name, submitter.err))
		}
	}
	return errors.Join(problems...)
}

// settle waits until nothing runs any more, or the time is over: what is then
// unfinished is counted.
func (s *site) settle(ctx context.Context, progress io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		reply, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: s.namespace, Query: "ExecutionStatus = 'Running'",
		})
		if err == nil {
			_, _ = fmt.Fprintf(progress, "after the faults: %d workflows run\n", reply.GetCount())
		}
		if err == nil && reply.GetCount() == 0 || !pause(ctx, 2*time.Second) {
			return
		}
	}
}

func (s *site) report(o options, c *checker, seen serverCounts) *report {
	acknowledged := make(map[string]bool)
	for _, one := range c.evidence.submitted {
		if !one.acknowledged.IsZero() {
			acknowledged[one.ID] = true
		}
	}
	n := func(invariant int) int { return len(c.findings[invariant-1]) }
	return &report{
		Seed: o.seed, Operations: len(acknowledged),
		WorkerKills: s.counts[killWorker], ServerKills: s.counts[killServer],
		Stops: s.counts[stopWorker], Restarts: s.counts[restartWorker],
		Runs: seen.runs, Adoptions: seen.adoptions,
		Attempts: len(c.attempts), StaleAttempts: c.staleAttempts(),
		Duplicates: c.repeats(), Rejected: len(c.rejects),
		I1: n(1), I2: n(2), I3: n(3), I4: n(4), I5: n(5), I6: n(6), I7: n(7), I8: n(8), I9: n(9), I10: n(10),
	}
}

// explain names the first violations of each invariant.
func explain(progress io.Writer, c *checker) {
	const most = 5
	for i, list := range c.findings {
		for at, finding := range list {
			if at == most {
				_, _ = fmt.Fprintf(progress, "I%d: and %d more\n", i+1, len(list)-most)
				break
			}
			_, _ = fmt.Fprintf(progress, "I%d: %s\n", i+1, finding)
		}
	}
}
