package workflows

import (
	"cmp"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Recurring is one recurring operation: pure rules, with the time as an argument.
// It is asked what to do next, and told what happened. Which instants its rule
// means is computed elsewhere and told to it as absolute times.
type Recurring struct {
	Record protocol.Record `json:"record"`
	// Anchor is the first instant of the grid.
	Anchor time.Time `json:"anchor"`
	// After is the instant by which every point of the grid has had its run, or
	// shares one that was late (SPEC 7.4).
	After time.Time `json:"after"`
	// Pending is the next occurrence, nil while it is not known.
	Pending *Pending `json:"pending,omitempty"`
	// NotBefore postpones the next occurrence that becomes known.
	NotBefore *time.Time `json:"notBefore,omitempty"`
	// Over says that the rule has no more points.
	Over bool `json:"over,omitempty"`
	// Open is the occurrence that was begun and has not ended.
	Open *Occurrence `json:"open,omitempty"`
	// CancelOpen says that Open is still to be asked to cancel itself.
	CancelOpen bool `json:"cancelOpen,omitempty"`
}

// Pending is an occurrence that is due at On: at its point of the grid, unless it
// was moved (SPEC 7.8).
type Pending struct {
	Point time.Time `json:"point"`
	On    time.Time `json:"on"`
}

// Occurrence is one that was begun.
type Occurrence struct {
	N         int64     `json:"n"`
	DecidedOn time.Time `json:"decidedOn"`
	// There says that it has an execution, or a place in its token's queue.
	There bool `json:"there,omitempty"`
}

// RecurringStep is what a recurring operation does next.
type RecurringStep int

// The steps of a recurring operation.
const (
	// RecurringEnd: it is Completed.
	RecurringEnd RecurringStep = iota
	// RecurringWait: nothing until Recurring.WaitUntil, or a request.
	RecurringWait
	// RecurringCompute: the next point of the grid has to be computed.
	RecurringCompute
	// RecurringBegin: an occurrence is due.
	RecurringBegin
	// RecurringWatch: an occurrence is open.
	RecurringWatch
)

// newRecurring is one that was just accepted.
func newRecurring(o protocol.Operation, accepted time.Time) *Recurring {
	anchor := protocol.RecurrenceAnchor(o.RecurrenceStartTime, accepted)
	r := &Recurring{
		Record: protocol.Record{Operation: o, CreatedOn: &accepted, ModifiedOn: &accepted},
		Anchor: anchor, After: anchor.Add(-time.Nanosecond), NotBefore: o.PostponeUntil,
	}
	r.Record.PostponeUntil = nil
	return r
}

// Next decides the next step, and ends what has no more to do.
func (r *Recurring) Next(now time.Time) RecurringStep {
	record := &r.Record
	switch {
	case record.StatusCode.Terminal():
		return RecurringEnd
	case r.Open != nil:
		return RecurringWatch
	case r.Over && record.Occurrence == 0:
		r.end(protocol.Failed, protocol.CodeInvalidRecurrence,
			fmt.Sprintf("recurrencePattern: %q has no point from %s on", record.RecurrencePattern, r.Anchor.Format(time.RFC3339)), now)
		return RecurringEnd
	case r.Over:
		r.end(protocol.Succeeded, "", "", now)
		return RecurringEnd
	case record.Deadline != nil && record.Occurrence == 0 && !now.Before(*record.Deadline):
		r.end(protocol.Canceled, "", fmt.Sprintf("its first occurrence had not begun by its deadline %s", record.Deadline.Format(time.RFC3339)), now)
		return RecurringEnd
	case r.Pending == nil:
		return RecurringCompute
	case now.Before(r.Pending.On):
		on := r.Pending.On
		record.PostponeUntil = &on
		r.set(protocol.Waiting, protocol.SuspendNextOccurrence, now)
		return RecurringWait
	}
	return RecurringBegin
}

// WaitUntil is the instant at which a RecurringWait is over by itself.
func (r *Recurring) WaitUntil() time.Time {
	until := r.Pending.On
	if d := r.Record.Deadline; d != nil && r.Record.Occurrence == 0 && d.Before(until) {
		return *d
	}
	return until
}

// Computing is the question for the next point of the grid.
func (r *Recurring) Computing() protocol.NextPointRequest {
	return protocol.NextPointRequest{RecurrencePattern: r.Record.RecurrencePattern, Anchor: r.Anchor, After: r.After}
}

// Computed takes the answer to that question, nil where the rule has no more
// points. It does not count where the question is another by now.
func (r *Recurring) Computed(asked protocol.NextPointRequest, point *time.Time) {
	if asked != r.Computing() || r.Open != nil || r.Record.StatusCode.Terminal() {
		return
	}
	if point == nil {
		r.Over = true
		return
	}
	r.Pending = &Pending{Point: *point, On: *point}
	if r.NotBefore != nil && r.NotBefore.After(*point) {
		r.Pending.On = *r.NotBefore
	}
	r.NotBefore = nil
}

// Begin makes the occurrence that is due. It stands for its own point and for
// all that have passed: what was missed is run once (SPEC 7.4).
func (r *Recurring) Begin(now time.Time) {
	r.After = now
	if r.Pending.Point.After(now) { // it was brought forward
		r.After = r.Pending.Point
	}
	r.Pending = nil
	record := &r.Record
	record.PostponeUntil = nil
	record.Occurrence++
	r.Open = &Occurrence{N: record.Occurrence, DecidedOn: now}
	if record.StartedOn == nil {
		record.StartedOn = &now
	}
	r.set(protocol.InProgress, "", now)
}

// Renumber gives the open occurrence the next number, since its id is that of
// another operation.
func (r *Recurring) Renumber() {
	r.Open.N++
	r.Record.Occurrence = r.Open.N
}

// Occurrence is the open occurrence as an operation: the content of the recurring
// one, an id of its own, and what belongs together in one correlation.
func (r *Recurring) Occurrence() protocol.Operation {
	return occurrenceOf(r.Record.Operation, r.Open.N)
}

// occurrenceOf is the n-th occurrence of a recurring operation.
func occurrenceOf(o protocol.Operation, n int64) protocol.Operation {
	o.CorrelationID = cmp.Or(o.CorrelationID, o.ID)
	o.ID = protocol.OccurrenceID(o.ID, n)
	o.RecurrencePattern, o.RecurrenceStartTime, o.PostponeUntil, o.Deadline = "", nil, nil, nil
	return o
}

// Ended notes how the open occurrence ended: whatever it was, the recurrence goes
// on (SPEC 7.5), unless it was cancelled.
func (r *Recurring) Ended(status protocol.StatusCode, message string, now time.Time) {
	r.Record.LastOccurrence = &protocol.OccurrenceEnd{
		ID: protocol.OccurrenceID(r.Record.ID, r.Open.N), StatusCode: status, On: now, Message: cut(message, maxShownBytes),
	}
	r.Open, r.CancelOpen = nil, false
	if r.Record.StatusCode == protocol.Canceling {
		r.end(protocol.Canceled, "", withReason("canceled while an occurrence was open", r.reason()), now)
		return
	}
	r.set(protocol.WaitingForResources, "", now)
}

func (r *Recurring) reason() string {
	if r.Record.LastAction == nil {
		return ""
	}
	return r.Record.LastAction.Reason
}

// Passes says that an action is for the open occurrence, which decides by itself.
func (r *Recurring) Passes(action protocol.Action) bool {
	if r.Open == nil || r.Record.StatusCode == protocol.Canceling {
		return false
	}
	switch action {
	case protocol.ActionPause, protocol.ActionResume, protocol.ActionPostpone, protocol.ActionPostponeToPast:
		return true
	}
	return false
}

// Check refuses an action that its state does not take.
func (r *Recurring) Check(action protocol.Action) error {
	status := r.Record.StatusCode
	switch {
	case r.Passes(action):
		return nil
	case action != protocol.ActionSetRecurrence:
		return protocol.CheckAction(r.Record.ID, status, action)
	case status.Terminal(), status == protocol.Canceling:
		return &protocol.Refusal{
			Type: protocol.ErrTypeInvalidTransition, Code: protocol.CodeCannotUpdateRecurring, OperationID: r.Record.ID,
			Message: fmt.Sprintf("operation %q is %s: its recurrence cannot be changed", r.Record.ID, status),
			Allowed: protocol.AllowedActions(status),
		}
	}
	return nil
}

// Cancel ends the recurrence; with an occurrence open once that has ended, which
// is asked to cancel itself.
func (r *Recurring) Cancel(asked protocol.Taken) {
	switch {
	case r.Record.StatusCode.Terminal(), r.Record.StatusCode == protocol.Canceling:
		return
	case r.Open != nil:
		r.CancelOpen = true
		r.set(protocol.Canceling, "", asked.On)
	default:
		r.end(protocol.Canceled, "", withReason("canceled between its occurrences", asked.Reason), asked.On)
	}
	r.took(asked)
}

// Resume runs the pending occurrence now (SPEC 7.8).
func (r *Recurring) Resume(asked protocol.Taken) {
	r.move(asked.On)
	r.set(protocol.WaitingForResources, "", asked.On)
	r.took(asked)
}

// Postpone moves the pending occurrence, and no other: the grid stays (SPEC 7.8).
func (r *Recurring) Postpone(until time.Time, asked protocol.Taken) {
	until = until.UTC()
	if !until.After(asked.On) {
		r.Resume(asked)
		return
	}
	r.move(until)
	r.took(asked)
}

func (r *Recurring) move(on time.Time) {
	r.Record.PostponeUntil = nil
	if r.Pending == nil {
		r.NotBefore = &on
		return
	}
	r.Pending.On = on
}

// SetRule changes the grid: what passed on the new one before now is not run.
func (r *Recurring) SetRule(o protocol.Operation, asked protocol.Taken) {
	if o.RecurrenceStartTime != nil {
		r.Anchor = protocol.RecurrenceAnchor(o.RecurrenceStartTime, asked.On)
	}
	r.Record.RecurrencePattern, r.Record.RecurrenceStartTime = o.RecurrencePattern, o.RecurrenceStartTime
	if asked.On.After(r.After) || r.Anchor.After(asked.On) {
		r.After = asked.On
	}
	r.Pending, r.NotBefore, r.Over = nil, nil, false
	r.Record.PostponeUntil = nil
	if r.Open == nil {
		r.set(protocol.WaitingForResources, "", asked.On)
	}
	r.took(asked)
}

func (r *Recurring) took(asked protocol.Taken) { r.Record.LastAction = &asked }

// set changes the status of a record that has not ended.
func (r *Recurring) set(status protocol.StatusCode, reason protocol.SuspendReason, now time.Time) {
	record := &r.Record
	if record.StatusCode == status && record.SuspendReason == reason {
		return
	}
	record.StatusCode, record.StateCode, record.SuspendReason, record.ModifiedOn = status, status.State(), reason, &now
}

func (r *Recurring) end(status protocol.StatusCode, code protocol.Code, message string, now time.Time) {
	r.set(status, "", now)
	r.Record.CompletedOn, r.Record.PostponeUntil = &now, nil
	r.Record.ErrorCode, r.Record.Message = string(code), cut(message, protocol.MaxErrorMessageBytes)
}
