package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/seriatim-go/seriatim/activities"
)

// target is where operations are delivered to.
type target struct {
	server   *http.Server
	listener net.Listener

	mu   sync.Mutex
	seen map[string]bool // ids
}

func startTarget() (*target, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &target{listener: listener, seen: make(map[string]bool)}
	t.server = &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = t.server.Serve(listener) }() // ends with Close
	return t, nil
}

// ServeHTTP takes a delivery.
func (t *target) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen[r.Header.Get(activities.IdempotencyKeyHeader)] = true
}

func (t *target) done() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen)
}

// missing counts those of the ids that do not come, however long it waits.
func (t *target) missing(ctx context.Context, ids []string, patience time.Duration) (n int) {
	for begin := time.Now(); time.Since(begin) < patience && ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
		t.mu.Lock()
		rest := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return t.seen[id] })
		t.mu.Unlock()
		if n = len(rest); n == 0 {
			break
		}
	}
	return n
}
