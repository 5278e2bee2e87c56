package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// inflict does the plan's faults, each at its time, and returns when all are
// over. A fault waits for the one before it on the same process.
func (s *site) inflict(ctx context.Context, faults []fault, begin time.Time, progress io.Writer) {
	var server sync.Mutex
	var all sync.WaitGroup
	for _, f := range faults {
		all.Go(func() {
			if !pause(ctx, time.Until(begin.Add(f.At))) {
				return
			}
			lock := &server
			if f.Kind != killServer {
				lock = &s.slots[f.Worker].mu
			}
			lock.Lock()
			defer lock.Unlock()
			if ctx.Err() != nil {
				return
			}
			_, _ = fmt.Fprintf(progress, "%6.1f s  %s %d, %.1f s\n", time.Since(begin).Seconds(), f.Kind, f.Worker, f.For.Seconds())
			err := s.do(ctx, f)
			s.mu.Lock()
			s.counts[f.Kind]++
			s.mu.Unlock()
			if err != nil && ctx.Err() == nil {
				s.problem(fmt.Errorf("%s %d: %w", f.Kind, f.Worker, err))
			}
		})
	}
	all.Wait()
}

// do inflicts one fault; the process's lock is held.
func (s *site) do(ctx context.Context, f fault) error {
	if f.Kind == killServer {
		s.server.Kill()
		pause(ctx, f.For)
		again, err := s.server.Restart(ctx)
		if err == nil {
			s.server = again
		}
		return err
	}
	at := s.slots[f.Worker]
	if at.worker.hasExited() {
		err := fmt.Errorf("%s had ended by itself: %v", at.worker.name, at.worker.err)
		return errors.Join(err, s.startWorker(at))
	}
	switch f.Kind {
	case stopWorker:
		err := at.worker.freeze()
		pause(ctx, f.For)
		return errors.Join(err, at.worker.thaw())
	case restartWorker:
		if err := at.worker.terminate(); err != nil {
			return fmt.Errorf("%s was told to stop: %w", at.worker.name, errors.Join(err, s.startWorker(at)))
		}
	default:
		at.worker.kill()
	}
	pause(ctx, f.For)
	return s.startWorker(at)
}
