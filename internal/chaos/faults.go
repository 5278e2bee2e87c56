package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// inflict does the plan's faults, each at its time, and returns when all are
// over, or ctx is done and what was broken is whole again. A fault waits for the one
// before it on the same process, or on the wire.
func (s *site) inflict(ctx context.Context, faults []fault, begin time.Time, progress io.Writer) {
	var server, wire, service, database sync.Mutex
	var all sync.WaitGroup
	for _, f := range faults {
		all.Go(func() {
			if !pause(ctx, time.Until(begin.Add(f.At))) {
				return
			}
			lock := &s.slots[f.Worker].mu
			switch f.Kind {
			case killServer:
				lock = &server
			case cutWire, stallWire:
				lock = &wire
			case stopType:
				lock = &service
			case endBackend, killBackend:
				lock = &database
			}
			lock.Lock()
			defer lock.Unlock()
			if ctx.Err() != nil {
				return
			}
			_, _ = fmt.Fprintf(progress, "%6.1f s  %s %s, %.1f s\n", time.Since(begin).Seconds(), f.Kind, f.what(), f.For.Seconds())
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

// what is the worker, or the type, that it is about.
func (f fault) what() string { return cmp.Or(string(f.Type), fmt.Sprint(f.Worker)) }

// do inflicts one fault; its lock is held.
func (s *site) do(ctx context.Context, f fault) error {
	switch f.Kind {
	case killServer:
		s.server.Kill()
		pause(ctx, f.For)
		return s.server.Start(context.WithoutCancel(ctx))
	case endBackend:
		return retry(ctx, s.database.TerminateBackend)
	case killBackend:
		return retry(ctx, s.database.KillBackend)
	case stopType:
		return s.stopService(ctx, f.Type, f.For)
	case cutWire, stallWire:
		s.breakWire(ctx, f)
		return nil
	}
	return s.doToWorker(ctx, f)
}

// retry repeats a fault of the database for a while: there is nothing to end while
// the server is away.
func retry(ctx context.Context, fault func(context.Context) error) (err error) {
	for begin := time.Now(); time.Since(begin) < 30*time.Second; {
		if err = fault(ctx); err == nil || !pause(ctx, 200*time.Millisecond) {
			break
		}
	}
	return err
}

func (s *site) breakWire(ctx context.Context, f fault) {
	defer s.wire.mend()
	if f.Kind == cutWire {
		s.wire.cut()
	} else {
		s.wire.stall()
	}
	pause(ctx, f.For)
}

func (s *site) doToWorker(ctx context.Context, f fault) error {
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
