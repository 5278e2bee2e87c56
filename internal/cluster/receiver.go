package main

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/services"
)

// work is how long the receiver takes over a delivery, so that two at a time would
// be seen to overlap.
const work = 250 * time.Millisecond

// receiver is an HTTP server that records what came, by the last part of the path.
type receiver struct {
	server   *http.Server
	listener net.Listener

	mu      sync.Mutex
	arrived map[string][]string // token to ids, a repeated attempt of the last one left out
	open    map[string]int      // requests of a token at this moment
	broken  []string
	count   int
}

func startReceiver() (*receiver, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(services.Loopback, "0"))
	if err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	r := &receiver{listener: listener, arrived: map[string][]string{}, open: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{token}", r.take)
	r.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }() // ends with Close
	return r, nil
}

func (r *receiver) url(token string) string {
	return "http://" + r.listener.Addr().String() + "/" + token
}

func (r *receiver) close() { _ = r.server.Close() }

// take records a delivery. A worker that is killed leaves a request that has no
// reader any more: it is over at once.
func (r *receiver) take(_ http.ResponseWriter, request *http.Request) {
	token, id := request.PathValue("token"), request.Header.Get(activities.IdempotencyKeyHeader)
	r.mu.Lock()
	r.count++
	if r.open[token]++; r.open[token] > 1 {
		r.broken = append(r.broken, id+" overlaps another operation of its token")
	}
	if ids := r.arrived[token]; len(ids) == 0 || ids[len(ids)-1] != id {
		r.arrived[token] = append(ids, id)
	}
	r.mu.Unlock()
	select {
	case <-time.After(work):
	case <-request.Context().Done():
	}
	r.mu.Lock()
	r.open[token]--
	r.mu.Unlock()
}

// received is how many deliveries came, repeated attempts included.
func (r *receiver) received() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// check compares what came with what was submitted.
func (r *receiver) check(submitted map[string][]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.broken) > 0 {
		return fmt.Errorf("%d overlaps, the first: %s", len(r.broken), r.broken[0])
	}
	for token, ids := range submitted {
		if got := fmt.Sprint(r.arrived[token]); got != fmt.Sprint(ids) {
			return fmt.Errorf("token %s: submitted %v, received %v", token, ids, got)
		}
	}
	return nil
}
