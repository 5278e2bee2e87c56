package workflows

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// What the end of a handler means for its operation (SPEC 6.1).

// Succeeded ends it with its handler's result.
func (l *Life) Succeeded(result protocol.HandlerResult, now time.Time) {
	l.held(result.Held)
	if n := len(result.Result); n > protocol.MaxResultBytes {
		l.end(protocol.Failed, "ResultTooLarge", fmt.Sprintf("result: has %d bytes, the limit is %d", n, protocol.MaxResultBytes), "", now)
		return
	}
	l.Record.Result = result.Result
	l.end(protocol.Succeeded, "", "", "", now)
}

// Failed ends it with its handler's last error.
func (l *Life) Failed(code, message string, details protocol.FailureDetails, now time.Time) {
	l.leave(details)
	l.end(protocol.Failed, orCode(details, code), message, details.FriendlyMessage, now)
}

// Stopped is a handler that stopped before its work was done: since it was asked
// to, or since it was lost after it was asked.
func (l *Life) Stopped(details protocol.FailureDetails, now time.Time) {
	l.leave(details)
	r := &l.Record
	if r.StatusCode != protocol.Pausing {
		l.end(protocol.Canceled, "", withReason("canceled while it ran", l.reason()), "", now)
		return
	}
	stop := *l.Stop
	l.Stop = nil
	switch {
	case stop.Until == nil:
		l.set(protocol.Waiting, protocol.SuspendPaused, now)
	default:
		r.PostponeUntil = stop.Until
		l.set(protocol.Waiting, protocol.SuspendPostponed, now)
	}
}

// LockBroken ends one whose handler ignores that it was cancelled (SPEC 3.2).
func (l *Life) LockBroken(now time.Time) {
	l.end(protocol.Canceled, "LockBroken", withReason(fmt.Sprintf("canceled while it ran; its handler did not stop within %v s, so its lock was broken",
		l.Type.Binding.CancelTimeoutSeconds), l.reason()), "", now)
}

func (l *Life) reason() string {
	if l.Record.LastAction == nil {
		return ""
	}
	return l.Record.LastAction.Reason
}

// AskedForPerson is a handler that cannot go on without one: it is Suspended
// until it is resumed (SPEC 6.1). A cancellation that is pending wins.
func (l *Life) AskedForPerson(message string, details protocol.FailureDetails, now time.Time) {
	if l.Record.StatusCode == protocol.Canceling {
		l.Stopped(details, now)
		return
	}
	l.leave(details)
	l.Stop = nil
	l.waitFor(protocol.SuspendError, message, details, now)
}

// Retried is a handler that wants to be called again without that being counted.
// A request that is pending wins.
func (l *Life) Retried(message string, details protocol.FailureDetails, now time.Time) {
	if l.Record.StatusCode != protocol.InProgress {
		l.Stopped(details, now)
		return
	}
	l.leave(details)
	on := now.Add(max(seconds(details.AfterSeconds), minRetryWait))
	if details.At != nil && details.At.After(on) {
		on = details.At.UTC()
	}
	l.RetryOn = &on
	l.waitFor(protocol.SuspendRetrying, message, details, now)
}

func (l *Life) waitFor(reason protocol.SuspendReason, message string, details protocol.FailureDetails, now time.Time) {
	l.explain(details.Code, message, details.FriendlyMessage)
	l.set(protocol.Waiting, reason, now)
}

// leave keeps what a handler left behind.
func (l *Life) leave(details protocol.FailureDetails) {
	l.KeepCheckpoint(details.Checkpoint)
	l.held(details.Held)
}

// KeepCheckpoint notes where the handler goes on; one that is absent, or larger
// than a handler may leave, leaves it as it was, and null gives it up.
func (l *Life) KeepCheckpoint(checkpoint json.RawMessage) {
	switch n := len(checkpoint); {
	case string(checkpoint) == "null":
		l.Checkpoint = nil
	case n > 0 && n <= protocol.MaxCheckpointBytes:
		l.Checkpoint = checkpoint
	}
}

// held notes who held it, as its handler's worker says.
func (l *Life) held(held *protocol.Held) {
	if held == nil {
		return
	}
	r := &l.Record
	if !held.StartedOn.IsZero() && r.StartedOn == nil {
		started := held.StartedOn.UTC()
		r.StartedOn = &started
	}
	r.HostID = cut(held.HostID, protocol.MaxReferenceBytes)
	r.RetryCount += held.Retries
	r.ExecutionTimeSpan = math.Round((r.ExecutionTimeSpan+held.Seconds)*100) / 100
}

// orCode is the handler's own code, where it gave one.
func orCode(details protocol.FailureDetails, code string) string {
	if details.Code != "" {
		return details.Code
	}
	return code
}
