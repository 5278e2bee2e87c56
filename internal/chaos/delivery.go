package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

const (
	// deliveryPath is where the target takes the requests of httpType.
	deliveryPath = "deliveries"
	// processHeader says which worker sends.
	processHeader = "Chaos-Process"
	// refusedCode is the code of a request that the target refused as stale.
	refusedCode = "HTTP 409"
)

// deliver does the work of an operation of httpType, as handler.attempt does it
// for chaosType: a request is an attempt, from its arrival until it is answered
// or its sender has gone.
func (t *target) deliver(w http.ResponseWriter, r *http.Request) {
	var asked delivery
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var fence protocol.Fence
	if _, err := fmt.Sscanf(r.Header.Get(activities.FenceHeader), "%d.%d.%d", &fence.Sequence, &fence.N, &fence.Attempt); err != nil {
		http.Error(w, activities.FenceHeader+": "+err.Error(), http.StatusBadRequest)
		return
	}
	id := r.Header.Get(activities.IdempotencyKeyHeader)
	end := t.begin(attempt{id: id, process: r.Header.Get(processHeader), version: asked.Work.Version, fence: fence, start: time.Now()})
	defer end()
	status := http.StatusConflict
	if own := (write{Register: asked.Register, ID: id, Fence: fence}); t.take(own) {
		pause(r.Context(), time.Duration(asked.Work.Milliseconds)*time.Millisecond)
		if status = asked.Work.status(fence); r.Context().Err() == nil && !t.take(own) {
			status = http.StatusConflict
		}
	}
	w.WriteHeader(status)
}

// status is what an attempt of that work is answered.
func (w work) status(fence protocol.Fence) int {
	switch {
	case w.Kind == workFails:
		return http.StatusUnprocessableEntity
	case w.Kind == workRetries && int(fence.Attempt) <= w.Failures:
		return http.StatusBadGateway
	}
	return http.StatusOK
}

// begin notes an attempt; end is to be called at its end.
func (t *target) begin(a attempt) (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := len(t.deliveries)
	t.deliveries = append(t.deliveries, a)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.deliveries[at].end = time.Now()
	}
}

// requests are the attempts so far.
func (t *target) requests() []attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]attempt(nil), t.deliveries...)
}

// addDeliveries adds requests to the attempts, once executions are known: a
// request tells neither token nor run.
func (e *evidence) addDeliveries(requests []attempt) {
	for _, a := range requests {
		for _, x := range e.executions {
			if x.id == a.id && !x.started.After(a.start) {
				a.token, a.runID = x.token, x.runID
			}
		}
		e.attempts = append(e.attempts, a)
	}
}
