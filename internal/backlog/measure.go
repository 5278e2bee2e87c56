package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/internal/verify"
	"github.com/seriatim-go/seriatim/protocol"
)

// The tokens of a run. The short queues are measured on one token each.
const (
	longToken  = "backlog"
	shortDepth = 200 // drained to nothing: 100 deep in the mean
)

// measure does it all; the report is nil where it did not come so far.
func measure(ctx context.Context, o options, progress io.Writer) (*report, error) {
	begin := time.Now()
	s, err := openSite(ctx, progress)
	if err != nil {
		return nil, err
	}
	defer s.close()
	r := &report{N: o.operations}
	if err := s.fill(ctx, o, r); err != nil {
		return nil, err
	}
	if r.OpsPerSAt100, err = s.shortQueues(ctx, o); err != nil {
		return nil, err
	}
	if err := s.drain(ctx, o, r); err != nil {
		return nil, err
	}
	r.WorkerRSSMiB = harness.PeakMemory(s.worker.PID()) >> 10
	if err := s.prove(ctx, o, r); err != nil {
		return nil, err
	}
	r.Seconds = math.Round(time.Since(begin).Seconds())
	return r, nil
}

// fill puts all operations on the queue: some while no worker is up.
func (s *site) fill(ctx context.Context, o options, r *report) (err error) {
	begin := time.Now()
	s.Say("%d operations with no worker up", o.down)
	if r.Accepted, err = s.submit(ctx, longToken, 0, o.down, o.data); err != nil {
		return err
	}
	if err := s.startWorker(); err != nil {
		return err
	}
	s.Say("the worker is up; %d more", o.operations-o.down)
	more, err := s.submit(ctx, longToken, o.down, o.operations, o.data)
	r.Accepted += more
	if err != nil {
		return err
	}
	r.SubmitSeconds = tenths(time.Since(begin))
	return s.untilState(ctx, longToken, func(state protocol.SerializerState) bool {
		r.DepthAtStart = state.Queued
		return state.Counts.Accepted+state.Counts.Duplicates+state.Counts.Rejected >= int64(o.operations)
	})
}

// shortQueues drains short queues until so many operations are done, and answers
// how many ran a second.
func (s *site) shortQueues(ctx context.Context, o options) (float64, error) {
	var sum float64
	rounds := max(1, (o.rate+shortDepth-1)/shortDepth)
	for round := range rounds {
		token := fmt.Sprintf("short-%d", round)
		if _, err := s.submit(ctx, token, 0, shortDepth, o.data); err != nil {
			return 0, err
		}
		if err := s.untilState(ctx, token, func(state protocol.SerializerState) bool { return state.Queued == shortDepth-1 }); err != nil {
			return 0, err
		}
		if _, err := s.run(ctx, token, shortDepth); err != nil {
			return 0, err
		}
		_, seen, err := s.proof(ctx, token, shortDepth-1, 1)
		if err != nil {
			return 0, err
		}
		sum += seen.rate()
	}
	s.Say("%.1f operations a second at a depth of 100", sum/float64(rounds))
	return tenth(sum / float64(rounds)), nil
}

// run resumes the token's head and asks for the state until so many are done.
func (s *site) run(ctx context.Context, token string, target int) (asked []time.Duration, err error) {
	if _, err := s.client.Resume(ctx, operationID(token, 0), token, ""); err != nil {
		return nil, fmt.Errorf("resume the head: %w", err)
	}
	said := time.Now()
	for {
		state, took, err := s.state(ctx, token)
		if ctx.Err() != nil {
			return asked, ctx.Err()
		}
		if err == nil {
			asked = append(asked, took)
			done := state.Counts.Succeeded + state.Counts.Failed + state.Counts.Canceled
			if done >= int64(target) {
				return asked, nil
			}
			if time.Since(said) > 10*time.Second {
				said = time.Now()
				s.Say("%d done, %d queued in %d pages, run %d", done, state.Queued, state.Pages, state.Counts.Runs)
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return asked, err
		}
	}
}

// drain runs the front of the long queue, and then holds the token.
func (s *site) drain(ctx context.Context, o options, r *report) error {
	s.Say("draining %d of %d", o.drain, r.DepthAtStart+1)
	asked, err := s.run(ctx, longToken, o.drain)
	if err != nil {
		return err
	}
	r.StateP99 = harness.Milliseconds(harness.Quantile(asked, 0.99))
	r.StateMax = harness.Milliseconds(harness.Quantile(asked, 1))
	r.StateQueries = len(asked)
	if _, err := s.client.Hold(ctx, longToken, time.Time{}, "measured"); err != nil {
		return fmt.Errorf("hold the token: %w", err)
	}
	return s.untilState(ctx, longToken, func(state protocol.SerializerState) bool { return state.Head == nil })
}

// proof has the histories of a token read.
func (s *site) proof(ctx context.Context, token string, upTo, every int) (*verify.Report, *observed, error) {
	state, _, err := s.state(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	seen := observe(token, state.ChainStartedOn.UnixMicro(), upTo)
	said := time.Now()
	reader := verify.NewReader(s.temporal, verify.Options{
		Every: every, Each: seen.start, EachQueued: func(ref verify.Ref) { seen.see(ref) },
		Progress: func(p verify.Progress) {
			if time.Since(said) > 10*time.Second {
				said = time.Now()
				s.Say("proof: run %d of %d, %d operations, %d violations", p.Run, p.Runs, p.Operations, p.Violations)
			}
		},
	})
	report, err := reader.Token(ctx, token)
	return report, seen, err
}

// prove has the histories say what became of every operation.
func (s *site) prove(ctx context.Context, o options, r *report) error {
	begin := time.Now()
	report, seen, err := s.proof(ctx, longToken, o.rate, o.every)
	if err != nil {
		return err
	}
	pages, err := s.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: s.server.Namespace(), Query: "WorkflowType = " + protocol.QuoteForQuery(protocol.BacklogPageWorkflow),
	})
	if err != nil {
		return err
	}
	r.Pages = int(pages.GetCount())
	r.judge(report, seen)
	r.OpsPerSAtDepth = tenth(seen.rate())
	r.VerifySeconds = tenths(time.Since(begin))
	for _, f := range report.Broken {
		s.Say("%s: %s", f.Kind, f.Message)
	}
	return nil
}

func tenth(x float64) float64 { return math.Round(10*x) / 10 }

func tenths(d time.Duration) float64 { return tenth(d.Seconds()) }
