package handlertest

import (
	"context"
	"encoding/json"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// Step is what happens to one attempt of a handler, in Play.
type Step struct {
	what  what
	after int
}

type what int

const (
	stopped what = iota
	canceled
	crashed
	unheard
	again
	toTheEnd
)

// StopAfter has ctx end with the attempt's nth report, counted from 1, or before
// the handler is called with 0: as a pause, a postponement and a worker that stops
// do. The handler is called again, from its checkpoint, as after a resume.
func StopAfter(n int) Step { return Step{stopped, n} }

// CancelAfter has ctx end in the same way, for good: the handler is not called
// again.
func CancelAfter(n int) Step { return Step{canceled, n} }

// CrashAfter has the worker die with the nth report, which the server has heard
// of, or before the handler is called with 0. The handler is called again, as on another worker, with that checkpoint.
func CrashAfter(n int) Step { return Step{crashed, n} }

// CrashBefore is CrashAfter, but the server has not heard of the nth report: what
// the handler did since the report before is done again. This is where a handler
// shows that it is idempotent.
func CrashBefore(n int) Step { return Step{unheard, n} }

// dies says that the worker dies with the step.
func (s Step) dies() bool { return s.what == crashed || s.what == unheard }

// Again lets the handler end, and calls it again if it ended as a Retry, or as a
// Suspension that is then resumed.
func Again() Step { return Step{again, never} }

// Play calls the handler once for each step, and then once more to its end. Each
// call gets the checkpoint that the one before left, the operation's id and
// createdOn are the same in all, and the fence grows as in the service (SPEC 2.2,
// 6.4, 6.5). An attempt that ends before its step comes about is the last one.
//
// A worker that dies ends the goroutine that reports, so its deferred calls still
// run; ctx ends for the handler's other goroutines, which a real crash takes too.
// A handler that goes on for longer than Patience then, or after it was stopped,
// fails the test.
func Play(t testing.TB, h activities.Handler, o protocol.Operation, steps ...Step) []Attempt {
	t.Helper()
	r := activities.Request{Operation: o, CreatedOn: time.Now().UTC(), Fence: protocol.Fence{Sequence: 1, N: 1, Attempt: 1}}
	var attempts []Attempt
	for _, step := range append(steps[:len(steps):len(steps)], Step{toTheEnd, never}) {
		p := &playing{step: step, attempt: Attempt{Checkpoint: r.Checkpoint}}
		attempt, came := p.run(t, h, r)
		attempts = append(attempts, attempt)
		if !came || step.what == canceled {
			break
		}
		r.Checkpoint, r.Fence = attempt.Checkpoint, next(r.Fence, step, attempt.Outcome)
	}
	return attempts
}

// next is the fence of the call after one that a step ended: the engine's own
// next attempt, or one that the operation schedules.
func next(f protocol.Fence, step Step, o protocol.Outcome) protocol.Fence {
	if step.what == stopped || o.Uncounted || o.Kind == protocol.OutcomeSuspended {
		return protocol.Fence{Sequence: f.Sequence, N: f.N + 1, Attempt: 1}
	}
	f.Attempt++
	return f
}

// playing is one attempt while it runs.
type playing struct {
	step   Step
	cancel context.CancelFunc

	mu      sync.Mutex
	attempt Attempt
	came    bool // the step has come about
}

// run is one attempt; came says that its step came about.
func (p *playing) run(t testing.TB, h activities.Handler, r activities.Request) (a Attempt, came bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.cancel, r.OnReport = cancel, p.report
	if p.step.after == 0 {
		p.came = true
		cancel()
	}
	if p.step.after == 0 && p.step.dies() {
		p.attempt.Crashed = true
		return p.attempt, true
	}
	ended := make(chan protocol.Outcome, 1)
	go func() {
		defer close(ended)
		ended <- h.Handle(ctx, r)
	}()
	outcome := await(t, ctx, ended)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.attempt.Crashed {
		p.attempt.Outcome = outcome
	}
	if p.step.what == again {
		p.came = outcome.Kind == protocol.OutcomeRetry || outcome.Kind == protocol.OutcomeSuspended
	}
	if string(p.attempt.Checkpoint) == "null" {
		p.attempt.Checkpoint = nil
	}
	return p.attempt, p.came
}

// report is the handler's report; where its worker dies with it, it does not
// return.
func (p *playing) report(beat protocol.Heartbeat) {
	if p.take(beat) {
		runtime.Goexit()
	}
}

// take notes a report and says whether the worker dies with it.
func (p *playing) take(beat protocol.Heartbeat) (dies bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.attempt.Crashed {
		return false // a deferred call, or another goroutine: nobody hears it
	}
	nth := len(p.attempt.Reports)+1 == p.step.after
	if !nth || p.step.what != unheard {
		p.attempt.Reports = append(p.attempt.Reports, beat)
		p.attempt.Checkpoint = checkpoint(p.attempt.Checkpoint, beat)
	}
	if !nth {
		return false
	}
	p.came, p.attempt.Crashed = true, p.step.dies()
	p.cancel()
	return p.attempt.Crashed
}

// checkpoint is the one before, where a report has none.
func checkpoint(before json.RawMessage, beat protocol.Heartbeat) json.RawMessage {
	if beat.Checkpoint == nil {
		return before
	}
	return beat.Checkpoint
}
