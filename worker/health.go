package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// lookedFor is how long an answer of the server stands for the probes that
	// follow, so that they cost it little.
	lookedFor = 5 * time.Second
	// lookTimeout bounds one look at the server.
	lookTimeout = 3 * time.Second
)

// health is what a worker says of itself. It is alive unless it failed for good:
// to restart it helps with nothing else, and least of all with a server that is
// away. It is ready when it takes work and its server answers; a worker whose
// handlers were stopped by request is ready too, since it was told so.
type health struct {
	mu sync.Mutex
	// waiting is why it does not take work yet, "" where it does.
	waiting  string
	stopping bool
	failure  error
	// look asks whether the server is there; set with the connection.
	look func(context.Context) error

	// looking is held while the server is asked, which must not keep anybody from
	// hearing that the worker is alive.
	looking  sync.Mutex
	lookedAt time.Time
	seen     error
}

func newHealth() *health { return &health{waiting: "the worker starts"} }

// waits says why no work is taken yet.
func (h *health) waits(reason string) { h.set(func() { h.waiting = reason }) }

// connected takes over how the server is asked from now on.
func (h *health) connected(look func(context.Context) error) {
	h.set(func() { h.look, h.waiting = look, "the worker starts" })
}

// takesWork says that it polls.
func (h *health) takesWork() { h.set(func() { h.waiting = "" }) }

// ends says that it takes no more work, for good; err is why, where it was not
// told to.
func (h *health) ends(err error) {
	h.set(func() { h.stopping, h.failure = true, errors.Join(h.failure, err) })
}

func (h *health) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// alive is nil unless the worker failed for good.
func (h *health) alive() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failure
}

// ready is nil where the worker takes work and its server answers.
func (h *health) ready() error {
	if err := h.takes(); err != nil {
		return err
	}
	if err := h.server(); err != nil {
		return err
	}
	return h.takes() // it may have been told to stop meanwhile
}

// takes is nil where the worker takes work.
func (h *health) takes() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.failure != nil:
		return h.failure
	case h.stopping:
		return errors.New("the worker stops")
	case h.waiting != "":
		return errors.New(h.waiting)
	}
	return nil
}

// server is nil where the server answers. Probes at the same time share one look,
// which is theirs all: that one of them gives up does not end it.
func (h *health) server() error {
	h.looking.Lock()
	defer h.looking.Unlock()
	if time.Since(h.lookedAt) < lookedFor {
		return h.seen
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	h.seen, h.lookedAt = h.look(ctx), time.Now()
	return h.seen
}
