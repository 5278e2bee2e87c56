package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/seriatim-go/seriatim/opclient"
)

// site is everything that the harness runs.
type site struct {
	folder     string
	serverLog  *os.File
	target     *target
	bulk       *bulk
	wire       *wire
	address    string
	namespace  string
	temporal   client.Client
	slots      []*slot
	submitters []*process

	mu           sync.Mutex
	server       server
	database     database   // nil: the server keeps a file
	started      []*process // every worker, the dead ones too
	counts       map[faultKind]int
	problems     []error
	serviceStops []typeStop
}

// slot is the place of a worker: one at a time, a new one after the last.
type slot struct {
	mu     sync.Mutex
	worker *process
}

// openSite starts the server on its database, the target and the workers.
func openSite(ctx context.Context, o options, folder string, progress io.Writer) (s *site, err error) {
	s = &site{folder: folder, counts: make(map[faultKind]int)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if o.db == onPostgres {
		s.server, s.database, err = startCluster(ctx, folder, progress)
	} else {
		s.server, err = s.startEmbedded(ctx, progress)
	}
	if err != nil {
		return s, err
	}
	s.address, s.namespace = s.server.Address(), s.server.Namespace()
	if s.target, err = startTarget(); err != nil {
		return s, err
	}
	if s.bulk, err = startBulk(folder); err != nil {
		return s, err
	}
	if s.wire, err = startWire(s.address); err != nil {
		return s, err
	}
	s.temporal, err = client.DialContext(ctx, opclient.DialOptions(client.Options{
		HostPort: s.address, Namespace: s.namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	}))
	if err != nil {
		return s, err
	}
	for range o.workers {
		s.slots = append(s.slots, &slot{})
		if err := s.startWorker(s.slots[len(s.slots)-1]); err != nil {
			return s, err
		}
	}
	return s, nil
}

// startWorker puts a new worker into a slot. The caller holds its lock, or is
// alone.
func (s *site) startWorker(at *slot) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprintf("worker-%03d", len(s.started))
	started, err := startProcess(s.folder, name, workerCommand,
		"--name", name, "--address", s.wire.address(), "--namespace", s.namespace, "--target", s.target.url(),
		"--files", s.bulk.folder, "--rows", s.bulk.rows, "--smtp-port", fmt.Sprint(s.bulk.mailbox.Port()))
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	at.worker, s.started = started, append(s.started, started)
	return nil
}

// startSubmitters hands each its steps.
func (s *site) startSubmitters(p plan, begin, until time.Time) error {
	for number, steps := range p.Steps {
		name := fmt.Sprintf("submitter-%d", number)
		encoded, _ := json.Marshal(steps) // plain data
		file := filepath.Join(s.folder, name+".plan.json")
		if err := os.WriteFile(file, encoded, 0o600); err != nil {
			return err
		}
		started, err := startProcess(s.folder, name, submitCommand,
			"--number", fmt.Sprint(number), "--address", s.wire.address(), "--namespace", s.namespace, "--plan", file,
			"--begin", begin.Format(time.RFC3339Nano), "--until", until.Format(time.RFC3339Nano))
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		s.submitters = append(s.submitters, started)
	}
	return nil
}

// problem notes what kept the run from being what was asked for.
func (s *site) problem(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err)
}

func (s *site) problemsSoFar() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.problems...)
}

// lives are those of all workers.
func (s *site) lives() (lives []processLife) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.started {
		lives = append(lives, p.lived())
	}
	return lives
}

// close ends every process that was started, and waits for it.
func (s *site) close() {
	if s.temporal != nil {
		s.temporal.Close()
	}
	var ending sync.WaitGroup
	for _, p := range append(s.submitters, s.started...) {
		if !p.hasExited() {
			ending.Go(func() { _ = p.terminate() })
		}
	}
	ending.Wait()
	if s.server != nil {
		s.server.Stop()
	}
	if s.target != nil {
		s.target.close()
	}
	if s.bulk != nil {
		s.bulk.close()
	}
	if s.wire != nil {
		s.wire.close()
	}
	if s.serverLog != nil {
		_ = s.serverLog.Close()
	}
}
