package main

import (
	"context"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/internal/harness"
)

// Pauses.
const (
	// settleTime lets the server finish what it does after the last close, such
	// as telling its visibility store.
	settleTime = 300 * time.Millisecond
	// idleTime lets a token be idle before it gets its next operation.
	idleTime = 30 * time.Millisecond
	// calmTime lets the server finish with many tokens that have become idle: the
	// timers of their last tasks are due ten seconds later.
	calmTime = 30 * time.Second
	// progressGap is how often a long workload says how far it is.
	progressGap = time.Minute
)

// run does a workload once.
func (s *site) run(ctx context.Context, w workload, v variant, round int) (sample, error) {
	lanes := w.lanes(fmt.Sprintf("%s-%s-%d", w.name, v.name, round))
	result := make(sample)
	begin, err := s.perform(ctx, w, v, lanes, result)
	if err != nil {
		return nil, err
	}
	r, err := s.read(ctx, v, lanes)
	if err != nil {
		return nil, err
	}
	if v.kind != kindBare {
		if err := requireSerial(lanes, r.times); err != nil {
			return nil, err
		}
	}
	result.count(r, w.operations())
	result.time(r, lanes, w, v, begin)
	return result, nil
}

// perform submits it and waits for its end, and notes what that took of both
// processes. It answers when the first submission began.
func (s *site) perform(ctx context.Context, w workload, v variant, lanes []lane, result sample) (begin time.Time, err error) {
	if w.idle > 0 {
		if err := s.openIdle(ctx, w, v); err != nil {
			return begin, fmt.Errorf("open %d idle tokens: %w", w.idle, err)
		}
	}
	if w.backlog {
		s.workers[v.kind].Stop()
	}
	n := float64(w.operations())
	worker := s.workers[v.kind]
	before, workerBefore, serverBefore := worker.handledSoFar(), harness.CPU(worker.PID()), harness.CPU(s.server.PID())
	begin = time.Now()
	if w.paced {
		err = s.pace(ctx, v, lanes)
	} else {
		err = s.submit(ctx, v, lanes)
	}
	if err != nil {
		return begin, fmt.Errorf("submit: %w", err)
	}
	result[submitPerSecond] = n / time.Since(begin).Seconds()
	if w.backlog {
		result[submitCPU] = harness.Milliseconds(harness.CPU(s.server.PID())-serverBefore) / n
		if err := s.startWorker(ctx, v.kind); err != nil {
			return begin, err
		}
		worker = s.workers[v.kind]
		before, workerBefore = 0, harness.CPU(worker.PID())
	}
	if err := s.waitHandled(ctx, worker, w.name+", "+v.name, before, w.operations()); err != nil {
		return begin, err
	}
	if err := s.waitClosed(ctx, v, lanes); err != nil {
		return begin, err
	}
	time.Sleep(settleTime)
	result[serverCPU] = harness.Milliseconds(harness.CPU(s.server.PID())-serverBefore) / n
	result[workerCPU] = harness.Milliseconds(harness.CPU(worker.PID())-workerBefore) / n
	result[workerMemory] = float64(harness.Memory(worker.PID())) / 1024
	result[serverMemory] = float64(harness.Memory(s.server.PID())) / 1024
	return begin, nil
}

// openIdle has tokens do an operation each, and waits until they are idle.
func (s *site) openIdle(ctx context.Context, w workload, v variant) error {
	others := workload{name: w.name + ", idle tokens", tokens: w.idle, each: 1}
	lanes := others.lanes(fmt.Sprintf("%s-idle-%d", w.name, time.Now().UnixNano()))
	worker := s.workers[v.kind]
	before := worker.handledSoFar()
	if err := s.submit(ctx, v, lanes); err != nil {
		return err
	}
	if err := s.waitHandled(ctx, worker, others.name, before, others.operations()); err != nil {
		return err
	}
	if err := s.waitClosed(ctx, v, lanes); err != nil {
		return err
	}
	select {
	case <-time.After(calmTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitHandled waits until so many more handlers have run than before.
func (s *site) waitHandled(ctx context.Context, worker *process, of string, before, operations int) error {
	done := make(chan error, 1)
	go func() { done <- worker.waitHandled(ctx, before+operations) }()
	tick := time.NewTicker(progressGap)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			s.Say("%s: %d of %d operations handled", of, worker.handledSoFar()-before, operations)
		}
	}
}

// pace submits each operation once the one before has closed.
func (s *site) pace(ctx context.Context, v variant, lanes []lane) error {
	worker := s.workers[v.kind]
	for _, l := range lanes {
		for _, i := range l.items {
			done := worker.handledSoFar() + 1
			if err := s.submitOne(ctx, v, i); err != nil {
				return err
			}
			if err := worker.waitHandled(ctx, done); err != nil {
				return err
			}
			if err := s.temporal.GetWorkflow(ctx, workflowID(v, i), "").Get(ctx, nil); err != nil {
				return err
			}
			time.Sleep(idleTime)
		}
	}
	return nil
}

// waitClosed waits for the last of each token, all others of which have closed
// then, and for the last of those without.
func (s *site) waitClosed(ctx context.Context, v variant, lanes []lane) error {
	for _, l := range lanes {
		last := l.items[len(l.items)-1:]
		if l.token == "" || v.kind == kindBare {
			last = l.items[max(0, len(l.items)-parallel):]
		}
		for _, i := range last {
			if err := s.temporal.GetWorkflow(ctx, workflowID(v, i), "").Get(ctx, nil); err != nil {
				return fmt.Errorf("operation %s: %w", i.operation.ID, err)
			}
		}
	}
	return nil
}

// requireSerial checks that what was measured kept the order of its tokens.
func requireSerial(lanes []lane, read [][]times) error {
	for l, lane := range read {
		for n := 1; lanes[l].token != "" && n < len(lane); n++ {
			if lane[n].started.Before(lane[n-1].ended) {
				return fmt.Errorf("operation %d of token %s started before the one ahead of it had ended", n, lanes[l].token)
			}
		}
	}
	return nil
}

// count adds what the histories count.
func (r sample) count(read reading, operations int) {
	n := float64(operations)
	r[serializerEvents] = float64(read.serializers.events) / n
	r[operationEvents] = float64(read.operations.events) / n
	r[allEvents] = r[serializerEvents] + r[operationEvents]
	r[workflowTasks] = float64(read.serializers.tasks+read.operations.tasks) / n
	r[cloudActions] = float64(read.serializers.actions+read.operations.actions) / n
}

// time adds when things happened.
func (r sample) time(read reading, lanes []lane, w workload, v variant, begin time.Time) {
	var starts, handoffs []time.Duration
	var firstStart, lastClose time.Time
	for l, lane := range read.times {
		for n, at := range lane {
			starts = append(starts, at.started.Sub(lanes[l].items[n].submitted))
			if n > 0 && w.tokens > 0 && v.kind != kindBare {
				handoffs = append(handoffs, at.started.Sub(lane[n-1].ended))
			}
			if firstStart.IsZero() || at.started.Before(firstStart) {
				firstStart = at.started
			}
			if at.closed.After(lastClose) {
				lastClose = at.closed
			}
		}
	}
	if w.backlog {
		begin = firstStart
	} else {
		r.quantiles(starts, startP50, startP99)
	}
	if w.paced { // its pace is the client's
		delete(r, submitPerSecond)
		return
	}
	r.quantiles(handoffs, handoffP50, handoffP99)
	r[opsPerSecond] = float64(w.operations()) / lastClose.Sub(begin).Seconds()
}

// quantiles adds the median and the 99th percentile of times, if there are any.
func (r sample) quantiles(of []time.Duration, p50, p99 metric) {
	if len(of) > 0 {
		r[p50] = harness.Milliseconds(harness.Quantile(of, 0.5))
		r[p99] = harness.Milliseconds(harness.Quantile(of, 0.99))
	}
}
