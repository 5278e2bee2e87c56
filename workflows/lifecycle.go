package workflows

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// maxDepth is how long a chain of operations that cause each other may get
// before it counts as a loop (SPEC 6.6).
const maxDepth = 8

// Life is one operation's life: pure rules over the state table of protocol. It
// is asked what to do next, and told what happened.
type Life struct {
	Record protocol.Record
	// Type says what runs it; nil where the catalogue does not know its type.
	Type    *catalogue.Type
	Verdict *Verdict
	// N counts how often a handler was scheduled.
	N int64
}

// Step is what an operation does next.
type Step int

// The steps of an operation.
const (
	// StepEnd: it is Completed.
	StepEnd Step = iota
	// StepWait: nothing until Life.WaitUntil, or a request.
	StepWait
	// StepRun: schedule its handler.
	StepRun
)

// Next decides the next step, and ends what must not run: an operation with a
// verdict, of an unknown type, too deep, or past its deadline.
func (l *Life) Next(now time.Time) Step {
	r := &l.Record
	switch {
	case r.StatusCode.Terminal():
	case l.Verdict != nil:
		v := l.Verdict
		l.end(v.Status, string(v.Code), v.Message, v.FriendlyMessage, now)
	case l.Type == nil:
		l.end(protocol.Failed, string(protocol.CodeTypeNotRecognised),
			fmt.Sprintf("operationType %q is not in the catalogue of the worker that started it", r.OperationType),
			fmt.Sprintf("Add the type %q to the worker's configuration (types: in config.yaml) and submit the operation again.", r.OperationType), now)
	case r.Depth > maxDepth:
		l.end(protocol.Failed, string(protocol.CodeDepthTooHigh),
			fmt.Sprintf("depth: %d is over the limit %d", r.Depth, maxDepth), "Operations cause each other in a loop.", now)
	case r.Deadline != nil && !now.Before(*r.Deadline):
		l.end(protocol.Canceled, "", fmt.Sprintf("not started by its deadline %s", r.Deadline.Format(time.RFC3339)), "", now)
	case r.PostponeUntil != nil && now.Before(*r.PostponeUntil):
		l.set(protocol.Waiting, protocol.SuspendPostponed, now)
		return StepWait
	default:
		l.set(protocol.WaitingForResources, "", now)
		return StepRun
	}
	return StepEnd
}

// WaitUntil is the instant at which a StepWait is over by itself.
func (l *Life) WaitUntil() time.Time {
	until := *l.Record.PostponeUntil
	if d := l.Record.Deadline; d != nil && d.Before(until) {
		return *d
	}
	return until
}

// Scheduled locks the operation for one more call of its handler.
func (l *Life) Scheduled(now time.Time) protocol.Fence {
	l.N++
	l.set(protocol.InProgress, "", now)
	return protocol.Fence{Sequence: l.Record.Sequence, N: l.N}
}

// Cancel asks for the end. One that waits ends at once; one that is Locked
// becomes Canceling, and its handler decides (SPEC 3.2).
func (l *Life) Cancel(reason string, now time.Time) {
	switch l.Record.StatusCode.State() {
	case protocol.Completed:
	case protocol.Locked:
		l.set(protocol.Canceling, "", now)
	default:
		l.end(protocol.Canceled, "", withReason("canceled before it started", reason), "", now)
	}
}

// Postpone moves the instant before which it does not start; one in the past
// makes it Ready (SPEC 5.3).
func (l *Life) Postpone(until, now time.Time) {
	until = until.UTC()
	l.Record.PostponeUntil = &until
	if !until.After(now) {
		l.Record.PostponeUntil = nil
		l.set(protocol.WaitingForResources, "", now)
		return
	}
	l.set(protocol.Waiting, protocol.SuspendPostponed, now)
}

// Check refuses an action that its state, or this version, does not take, and
// says which it does.
func (l *Life) Check(action protocol.Action) error {
	r := l.Record
	err := protocol.CheckAction(r.ID, r.StatusCode, action)
	if err == nil && slices.Contains(available(r.StatusCode), action) {
		return nil
	}
	refusal := protocol.Refusal{
		Type: protocol.ErrTypeInvalidTransition, Code: protocol.CodeInvalidStateChange, OperationID: r.ID,
		Message: fmt.Sprintf("operation %q is %s: this version cannot %s it then", r.ID, r.StatusCode, action),
	}
	if byState := (*protocol.Refusal)(nil); errors.As(err, &byState) {
		refusal = *byState
	}
	refusal.Allowed = available(r.StatusCode)
	return &refusal
}

// available are the actions that this version carries out.
func available(status protocol.StatusCode) []protocol.Action {
	return slices.DeleteFunc(protocol.AllowedActions(status), func(a protocol.Action) bool {
		switch a {
		case protocol.ActionCancel:
			return false
		case protocol.ActionPostpone:
			return status.State() == protocol.Locked
		}
		return true
	})
}

// Succeeded, Failed and Canceled end it with what its handler reported.
func (l *Life) Succeeded(result protocol.HandlerResult, now time.Time) {
	l.hold(result.Held)
	if n := len(result.Result); n > protocol.MaxResultBytes {
		l.end(protocol.Failed, "ResultTooLarge", fmt.Sprintf("result: has %d bytes, the limit is %d", n, protocol.MaxResultBytes), "", now)
		return
	}
	l.Record.Result = result.Result
	l.end(protocol.Succeeded, "", "", "", now)
}

// Failed ends it with its handler's last error.
func (l *Life) Failed(code, message string, details protocol.FailureDetails, now time.Time) {
	l.hold(details.Held)
	if details.Code != "" {
		code = details.Code
	}
	l.end(protocol.Failed, code, message, details.FriendlyMessage, now)
}

// Canceled ends it since its handler stopped when it was asked to.
func (l *Life) Canceled(details protocol.FailureDetails, now time.Time) {
	l.hold(details.Held)
	l.end(protocol.Canceled, "", "canceled while it ran", "", now)
}

// hold notes who held it, as its handler's worker says.
func (l *Life) hold(held *protocol.Held) {
	if held == nil {
		return
	}
	r := &l.Record
	if !held.StartedOn.IsZero() {
		started := held.StartedOn.UTC()
		r.StartedOn = &started
	}
	r.HostID, r.RetryCount = cut(held.HostID, protocol.MaxReferenceBytes), held.Retries
	r.ExecutionTimeSpan = math.Round(held.Seconds*100) / 100
}

// set changes the status of a record that has not ended.
func (l *Life) set(status protocol.StatusCode, reason protocol.SuspendReason, now time.Time) {
	r := &l.Record
	if r.StatusCode == status && r.SuspendReason == reason {
		return
	}
	r.StatusCode, r.StateCode, r.SuspendReason, r.ModifiedOn = status, status.State(), reason, &now
}

// end completes the record: it never changes again (SPEC 2.1).
func (l *Life) end(status protocol.StatusCode, code, message, friendly string, now time.Time) {
	l.set(status, "", now)
	r := &l.Record
	r.CompletedOn, r.ErrorCode = &now, cut(code, protocol.MaxReferenceBytes)
	r.Message, r.FriendlyMessage = cut(message, protocol.MaxErrorMessageBytes), cut(friendly, protocol.MaxErrorMessageBytes)
}
