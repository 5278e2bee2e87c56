package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seriatim-go/seriatim/activities"
)

// work is how long the receiver takes over a delivery, so that two at a time
// would be seen to overlap.
const work = 20 * time.Millisecond

// delivery is one request as the receiver saw it.
type delivery struct {
	ID         string
	Fence      string
	Path       string
	Start, End time.Time
	Refused    bool
}

// receiver is the shops' end: an HTTP server that records what came and when,
// and answers that endpoints under /closed are gone.
type receiver struct {
	server   *http.Server
	listener net.Listener

	mu        sync.Mutex
	delivered []delivery
}

func startReceiver() (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	r := &receiver{listener: listener}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with Close
	return r, nil
}

func (r *receiver) url() string { return "http://" + r.listener.Addr().String() }

func (r *receiver) close() { _ = r.server.Close() }

// ServeHTTP takes a delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	d := delivery{
		ID:    request.Header.Get(activities.IdempotencyKeyHeader),
		Fence: request.Header.Get(activities.FenceHeader),
		Path:  request.URL.Path, Start: time.Now(),
		Refused: strings.HasPrefix(request.URL.Path, "/closed/"),
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(request.Body, 1<<20))
	time.Sleep(work)
	d.End = time.Now()
	r.mu.Lock()
	r.delivered = append(r.delivered, d)
	n := len(r.delivered)
	r.mu.Unlock()
	if d.Refused {
		http.Error(w, "this shop has closed its endpoint", http.StatusGone)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"received": n})
}

// all are the deliveries so far, in the order in which they were complete.
func (r *receiver) all() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivery(nil), r.delivered...)
}
