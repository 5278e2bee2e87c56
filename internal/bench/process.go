package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seriatim-go/seriatim/internal/harness"
)

// process is a worker: this program with a subcommand.
type process struct {
	*harness.Child

	mu      sync.Mutex
	ready   bool
	handled int
	news    chan struct{} // closed with all that the worker writes
}

// startWorker runs this program once more, and waits until it polls.
func startWorker(ctx context.Context, args ...string) (*process, error) {
	child, err := harness.NewChild(append([]string{workerCommand}, args...)...)
	if err != nil {
		return nil, err
	}
	p := &process{Child: child, news: make(chan struct{})}
	child.Command.Stdout = p
	if err := p.Start(); err != nil {
		return nil, err
	}
	if err := p.wait(ctx, func() bool { return p.ready }); err != nil {
		p.Stop()
		return nil, fmt.Errorf("a worker does not get ready: %w", err)
	}
	return p, nil
}

// Write takes what the worker tells.
func (p *process) Write(told []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, what := range told {
		switch what {
		case isReady:
			p.ready = true
		case handled:
			p.handled++
		}
	}
	close(p.news)
	p.news = make(chan struct{})
	return len(told), nil
}

// wait waits until what the worker told meets the condition.
func (p *process) wait(ctx context.Context, condition func() bool) error {
	for {
		p.mu.Lock()
		met, news := condition(), p.news
		p.mu.Unlock()
		if met {
			return nil
		}
		select {
		case <-news:
		case <-p.Exited():
			return errors.New("the worker has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handledSoFar is how many handlers have run.
func (p *process) handledSoFar() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled
}

// waitHandled waits until so many handlers have run in all.
func (p *process) waitHandled(ctx context.Context, total int) error {
	return p.wait(ctx, func() bool { return p.handled >= total })
}
