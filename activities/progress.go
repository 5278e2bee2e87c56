package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/seriatim-go/seriatim/protocol"
)

// Progress is what a running handler reports of itself.
type Progress struct {
	// Checkpoint is where to go on after a pause, a retry or the loss of the
	// worker: anything that encodes as JSON of at most 64 KiB. nil keeps the one
	// before; what encodes as null gives it up.
	Checkpoint any
	// Done of Total units of work are done, in the handler's own units; Total is
	// 0 where it is not known.
	Done, Total int64
	// Note is for people; what is over 1000 bytes is cut.
	Note string
}

// Report tells how far the work is. Report after each unit of work: the SDK
// sends some of the reports and always the last one, so that reporting is cheap.
// It may be called by several goroutines at a time, and in a unit test without
// OnReport it only checks. A checkpoint that is over its limit or that is no
// JSON is a *protocol.FieldError: nothing is reported then, and the checkpoint
// before stays.
func (r Request) Report(p Progress) error {
	beat, err := p.heartbeat()
	if err != nil {
		return err
	}
	if r.OnReport != nil {
		r.OnReport(beat)
	}
	return nil
}

// Resume reads the checkpoint that the last attempt left behind into a pointer.
// Without one it leaves the value as it is. The error is a *protocol.FieldError:
// an earlier version of the handler may have written another form.
func (r Request) Resume(into any) error {
	if checkpointOf(r.Checkpoint) == nil {
		return nil
	}
	if err := json.Unmarshal(r.Checkpoint, into); err != nil {
		return &protocol.FieldError{Field: "checkpoint", Value: preview(r.Checkpoint), Problem: decodeProblem(err)}
	}
	return nil
}

// heartbeat is the progress as it travels.
func (p Progress) heartbeat() (protocol.Heartbeat, error) {
	beat := protocol.Heartbeat{Done: p.Done, Total: p.Total, Note: cut(p.Note, protocol.MaxNoteBytes)}
	if p.Checkpoint == nil {
		return beat, nil
	}
	encoded, err := json.Marshal(p.Checkpoint)
	if err != nil {
		return beat, &protocol.FieldError{Field: "checkpoint", Problem: fmt.Sprintf("cannot be encoded as JSON: %v", err)}
	}
	if n := len(encoded); n > protocol.MaxCheckpointBytes {
		return beat, &protocol.FieldError{
			Field: "checkpoint", Problem: fmt.Sprintf("has %d bytes, the limit is %d", n, protocol.MaxCheckpointBytes),
		}
	}
	beat.Checkpoint = encoded
	return beat, nil
}

// checkpointOf is the checkpoint as a handler gets it: null is none.
func checkpointOf(raw json.RawMessage) json.RawMessage {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}

// pulse is the heartbeats of one attempt. It keeps the last one and sends it
// again: one without details would wipe the checkpoint at the server.
type pulse struct {
	began   time.Time
	earlier float64 // seconds that earlier attempts ran
	record  func(protocol.Heartbeat)
	keep    func(context.Context, protocol.Heartbeat) error

	mu   sync.Mutex
	last protocol.Heartbeat
}

// newPulse carries on with the last heartbeat of the attempt before, where the
// engine tries again, else with the checkpoint that the workflow kept: a second
// crash before the first report must not lose it (SPEC 6.5). A heartbeat that
// cannot be read, or says nothing, is none.
func newPulse(ctx context.Context, in protocol.HandlerInput) *pulse {
	p := &pulse{began: time.Now(), last: protocol.Heartbeat{Checkpoint: in.Checkpoint}}
	var before *protocol.Heartbeat
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &before) == nil && before != nil {
		p.last, p.earlier = *before, max(before.Seconds, 0)
	}
	p.keep = keeper(ctx)
	// A heartbeat is sent although ctx has ended: a handler that takes its time to
	// stop holds its lock meanwhile, and one that its worker interrupts leaves its
	// checkpoint to the next attempt.
	ctx = context.WithoutCancel(ctx)
	p.record = func(beat protocol.Heartbeat) { activity.RecordHeartbeat(ctx, beat) }
	return p
}

// report takes what the handler says and sends it.
func (p *pulse) report(beat protocol.Heartbeat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(beat)
	p.send()
}

// take is called with the lock held.
func (p *pulse) take(beat protocol.Heartbeat) {
	if beat.Checkpoint == nil {
		beat.Checkpoint = p.last.Checkpoint
	}
	p.last = beat
}

// beat sends the last heartbeat once more.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send()
}

// send is called with the lock held, so that an older heartbeat never follows a
// newer one.
func (p *pulse) send() {
	p.last.Seconds = p.seconds()
	p.record(p.last)
}

// checkpoint is the last one, as it was reported.
func (p *pulse) checkpoint() json.RawMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last.Checkpoint
}

// seconds is how long the attempts of this schedule ran, this one included.
func (p *pulse) seconds() float64 {
	return math.Round((p.earlier+time.Since(p.began).Seconds())*100) / 100
}

// longestBeat is the longest that a handler does not ask whether it is to stop.
const longestBeat = 5 * time.Second

// keepAlive beats now and then until it is stopped, where the type has a
// heartbeat: a worker that is lost is noticed soon, and a request to cancel or to
// pause reaches the handler's ctx.
func (p *pulse) keepAlive(timeout time.Duration) (stop func()) {
	if timeout <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(min(timeout/3, longestBeat))
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.beat()
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}
