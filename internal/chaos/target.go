package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// write is one write of a handler to the target. Its first one claims the
// register for its fence, so that every later write of an older attempt is
// refused.
type write struct {
	At       time.Time      `json:"at"`
	Register string         `json:"register"`
	ID       string         `json:"id"`
	Fence    protocol.Fence `json:"fence"`
	Accepted bool           `json:"accepted"`
}

// target is what handlers write to: a register a token that remembers the
// highest fence that it has seen and refuses older ones.
type target struct {
	server   *http.Server
	listener net.Listener

	mu      sync.Mutex
	highest map[string]protocol.Fence
	writes  []write
	// deliveries are the requests of httpType.
	deliveries []attempt
}

func startTarget() (*target, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the target: %w", err)
	}
	t := &target{listener: listener, highest: make(map[string]protocol.Fence)}
	mux := http.NewServeMux()
	mux.Handle("/", t)
	mux.HandleFunc("/"+deliveryPath, t.deliver)
	t.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = t.server.Serve(listener) }() // ends with close
	return t, nil
}

func (t *target) url() string { return "http://" + t.listener.Addr().String() }

func (t *target) close() { _ = t.server.Close() }

// ServeHTTP takes a write: 409 refuses it.
func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked write
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !t.take(asked) {
		http.Error(w, "the fence is older than one seen before", http.StatusConflict)
	}
}

func (t *target) take(w write) (accepted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.At = time.Now()
	w.Accepted = w.Fence.Compare(t.highest[w.Register]) >= 0
	if w.Accepted {
		t.highest[w.Register] = w.Fence
	}
	t.writes = append(t.writes, w)
	return w.Accepted
}

func (t *target) all() []write {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]write(nil), t.writes...)
}

// send asks the target at the address to take a write.
func send(ctx context.Context, url string, w write) (accepted bool, err error) {
	body, _ := json.Marshal(w) // plain data
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	_ = answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusConflict:
		return false, nil
	}
	return false, fmt.Errorf("the target answered %s", answer.Status)
}
