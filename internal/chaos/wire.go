package main

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// wire stands between the server and those that reach it over a network: workers
// and submitters. It can be cut, and bytes on it can stand still. The harness
// itself goes to the server directly.
type wire struct {
	listener net.Listener
	server   string // its address

	mu    sync.Mutex
	ends  map[net.Conn]struct{} // both of every connection
	flows chan struct{}         // closed while bytes flow
	off   bool                  // a new connection is closed at once
	cuts  []span                // of cuts and stalls
}

func startWire(server string) (*wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the wire: %w", err)
	}
	w := &wire{listener: listener, server: server, ends: make(map[net.Conn]struct{}), flows: make(chan struct{})}
	close(w.flows)
	go w.accept()
	return w, nil
}

func (w *wire) address() string { return w.listener.Addr().String() }

// accept ends with close.
func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.join(near)
	}
}

// join carries one connection until either end closes it, or it is cut.
func (w *wire) join(near net.Conn) {
	defer func() { _ = near.Close() }()
	far, err := net.DialTimeout("tcp", w.server, 5*time.Second)
	if err != nil {
		return // the server is away
	}
	defer func() { _ = far.Close() }()
	if !w.enter(near, far) {
		return
	}
	defer w.leave(near, far)
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			w.carry(way[1], way[0])
			done <- struct{}{}
		}()
	}
	<-done
}

func (w *wire) enter(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		return false
	}
	for _, end := range ends {
		w.ends[end] = struct{}{}
	}
	return true
}

func (w *wire) leave(ends ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, end := range ends {
		delete(w.ends, end)
	}
}

// carry copies one way. Bytes that were read before a stall wait for its end.
func (w *wire) carry(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		flows := w.flows
		w.mu.Unlock()
		<-flows
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// cut closes every connection; new ones are closed at once until mend.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = true
	w.cuts = append(w.cuts, span{from: time.Now()})
	for end := range w.ends {
		_ = end.Close()
	}
}

// stall has bytes stand still until mend. Connections stay open.
func (w *wire) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flows = make(chan struct{})
	w.cuts = append(w.cuts, span{from: time.Now()})
}

// mend ends a cut or a stall.
func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = false
	select {
	case <-w.flows:
	default:
		close(w.flows)
	}
	if n := len(w.cuts); n > 0 && w.cuts[n-1].to.IsZero() {
		w.cuts[n-1].to = time.Now()
	}
}

// broken are the spans of cuts and stalls.
func (w *wire) broken() []span {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]span(nil), w.cuts...)
}

func (w *wire) close() {
	_ = w.listener.Close()
	w.cut()
	w.mend()
}
