package workflows

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// minRetryWait is the least wait before a retry that does not count: such
// retries have no end of their own.
const minRetryWait = time.Second

// Life is one operation's life: pure rules over the state table of protocol. It
// is asked what to do next, and told what happened. What one run of an Operation
// hands to the next is this struct.
type Life struct {
	Record protocol.Record `json:"record"`
	// Type says what runs it; nil where the catalogue does not know its type.
	Type    *catalogue.Type `json:"type,omitempty"`
	Verdict *Verdict        `json:"verdict,omitempty"`
	// Checkpoint is where its handler goes on.
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"`
	// Hold is set while its token is held.
	Hold *protocol.Hold `json:"hold,omitempty"`
	// Stop is what becomes of it once its handler has stopped, while it is
	// Pausing.
	Stop *Stop `json:"stop,omitempty"`
	// RetryOn is when it is retried, where the engine does not do that.
	RetryOn *time.Time `json:"retryOn,omitempty"`
	// Tried is how many of the attempts of the next call a local one has used up.
	Tried int32 `json:"tried,omitempty"`
	// EndedAhead says that it ended before its turn came.
	EndedAhead bool `json:"endedAhead,omitempty"`
}

// Stop is a pause, or a postponement, of an operation that runs.
type Stop struct {
	// Until is absent for a pause.
	Until *time.Time `json:"until,omitempty"`
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
// verdict, of an unknown type, too deep, or not started by its deadline.
func (l *Life) Next(now time.Time) Step {
	r := &l.Record
	switch {
	case r.StatusCode.Terminal():
	case l.Verdict != nil:
		v := l.Verdict
		l.end(v.Status, string(v.Code), v.Message, v.FriendlyMessage, now)
	case r.Gated: // all else is decided at its turn
		return l.nextOfLiving(now)
	case l.refuseType(now):
	case r.Depth > maxDepth(l.Type):
		l.end(protocol.Failed, string(protocol.CodeDepthTooHigh),
			fmt.Sprintf("depth: %d is over the limit %d", r.Depth, maxDepth(l.Type)), "Operations cause each other in a loop.", now)
	case r.Deadline != nil && r.N == 0 && !now.Before(*r.Deadline):
		l.end(protocol.Canceled, "", fmt.Sprintf("not started by its deadline %s", r.Deadline.Format(time.RFC3339)), "", now)
	default:
		return l.nextOfLiving(now)
	}
	return StepEnd
}

// codeTokenNotAllowed is the errorCode of an operation that has a dependency token
// and whose type takes none.
const codeTokenNotAllowed = "TokenNotAllowed"

// describe notes in the record what the catalogue says of its type.
func (l *Life) describe() {
	if t := l.Type; t != nil {
		l.Record.TypeKey, l.Record.TypeNumber, l.Record.Restrictions = t.Key, t.Number, t.Restrictions
	}
}

func (l *Life) nextOfLiving(now time.Time) Step {
	r := &l.Record
	switch {
	case r.SuspendReason == protocol.SuspendPaused, r.SuspendReason == protocol.SuspendError:
		return StepWait
	case r.PostponeUntil != nil && now.Before(*r.PostponeUntil):
		l.set(protocol.Waiting, protocol.SuspendPostponed, now)
		return StepWait
	case l.RetryOn != nil && now.Before(*l.RetryOn):
		l.set(protocol.Waiting, protocol.SuspendRetrying, now)
		return StepWait
	}
	l.set(protocol.WaitingForResources, "", now)
	if l.Hold != nil || r.Gated {
		return StepWait
	}
	return StepRun
}

// WaitUntil is the instant at which a StepWait is over by itself; false where
// only a request ends it.
func (l *Life) WaitUntil() (until time.Time, ok bool) {
	r := l.Record
	ends := []*time.Time{nil, nil}
	switch r.SuspendReason {
	case protocol.SuspendPostponed:
		ends[0] = r.PostponeUntil
	case protocol.SuspendRetrying:
		ends[0] = l.RetryOn
	}
	if r.N == 0 && !r.Gated {
		ends[1] = r.Deadline
	}
	for _, end := range ends {
		if end != nil && (!ok || end.Before(until)) {
			until, ok = *end, true
		}
	}
	return until, ok
}

// Scheduled locks the operation for one more call of its handler.
func (l *Life) Scheduled(now time.Time) protocol.Fence {
	r := &l.Record
	r.N++
	l.RetryOn = nil
	r.ErrorCode, r.Message, r.FriendlyMessage = "", "", ""
	l.set(protocol.InProgress, "", now)
	return protocol.Fence{Sequence: r.Sequence, N: r.N}
}

// Check refuses an action that its state does not take, and says which it does.
func (l *Life) Check(action protocol.Action) error {
	return protocol.CheckRestricted(l.Record.ID, l.Record.StatusCode, l.Record.Restrictions, action)
}

// Pause has a running operation stay Suspended, once its handler has stopped,
// until it is resumed. A pause that is pending already stays as it is.
func (l *Life) Pause(asked protocol.Taken) {
	if l.Record.StatusCode == protocol.Pausing && l.Stop.Until == nil {
		return
	}
	l.Stop = &Stop{}
	l.set(protocol.Pausing, "", asked.On)
	l.took(asked)
}

// Postpone moves the instant before which it does not start (SPEC 5.3): one in
// the past makes it Ready; one that runs is Suspended once its handler has
// stopped.
func (l *Life) Postpone(until time.Time, asked protocol.Taken) {
	until = until.UTC()
	r := &l.Record
	switch {
	case r.StatusCode.State() == protocol.Locked:
		l.Stop = &Stop{Until: &until}
		l.set(protocol.Pausing, "", asked.On)
	case until.After(asked.On):
		r.PostponeUntil, l.RetryOn = &until, nil // instead of whatever it waited for
		l.set(protocol.Waiting, protocol.SuspendPostponed, asked.On)
	default:
		l.ready(asked.On)
	}
	l.took(asked)
}

// Resume makes a Suspended operation Ready, whatever it waited for.
func (l *Life) Resume(asked protocol.Taken) {
	l.ready(asked.On)
	l.took(asked)
}

func (l *Life) ready(now time.Time) {
	l.Record.PostponeUntil, l.RetryOn = nil, nil
	l.set(protocol.WaitingForResources, "", now)
}

// Cancel asks for the end. One that waits ends at once; one that is Locked
// becomes Canceling, and its handler decides (SPEC 3.2).
func (l *Life) Cancel(asked protocol.Taken) {
	r := &l.Record
	switch {
	case r.StatusCode.Terminal(), r.StatusCode == protocol.Canceling:
		return
	case r.StatusCode.State() == protocol.Locked:
		l.Stop = nil
		l.set(protocol.Canceling, "", asked.On)
	case r.N == 0:
		l.end(protocol.Canceled, "", withReason("canceled before it started", asked.Reason), "", asked.On)
	default:
		l.end(protocol.Canceled, "", withReason("canceled while it waited", asked.Reason), "", asked.On)
	}
	l.took(asked)
}

func (l *Life) took(asked protocol.Taken) { l.Record.LastAction = &asked }

// TurnCame opens the gate of one that was started ahead; or it ended while it
// queued, with everything else of its token. It comes once; again, it says nothing.
func (l *Life) TurnCame(turn protocol.Turn) {
	if !l.Record.Gated {
		return
	}
	l.ungate()
	if turn.Canceled {
		l.Verdict = &Verdict{Status: protocol.Canceled, Message: turn.Message}
	}
}

func (l *Life) ungate() { l.Record.Gated, l.Record.BlockedBy = false, "" }

// TokenHeld notes that its token is held, or no longer.
func (l *Life) TokenHeld(hold *protocol.Hold) { l.Hold = hold }

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
	l.Record.CompletedOn = &now
	l.EndedAhead = l.Record.Gated
	l.ungate()
	l.explain(code, message, friendly)
}

func (l *Life) explain(code, message, friendly string) {
	r := &l.Record
	r.ErrorCode = cut(code, protocol.MaxReferenceBytes)
	r.Message, r.FriendlyMessage = cut(message, protocol.MaxErrorMessageBytes), cut(friendly, protocol.MaxErrorMessageBytes)
}

// taken is an action as records show it.
func taken(action protocol.Action, on time.Time, reason, identity string) protocol.Taken {
	if action == protocol.ActionPostponeToPast {
		action = protocol.ActionPostpone
	}
	return protocol.Taken{Action: action, On: on, Reason: reason, Identity: identity}
}
