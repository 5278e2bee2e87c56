package protocol

import (
	"fmt"
	"time"
)

// ActionRequest is the argument of the updates "cancel", "pause" and "resume".
type ActionRequest struct {
	// OperationID addresses a queued operation on a Serializer; absent on
	// Operation.
	OperationID string `json:"operationId,omitempty"`
	// Reason is kept and shown, at most 1000 bytes.
	Reason string `json:"reason,omitempty"`
	// Identity is who asks, kept and shown, at most 255 bytes. The Go client
	// fills in that of its Temporal client.
	Identity string `json:"identity,omitempty"`
}

// PostponeRequest is the argument of the update "postpone".
type PostponeRequest struct {
	OperationID string `json:"operationId,omitempty"`
	// Until is the new instant before which the operation does not start. One in
	// the past makes it Ready.
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason,omitempty"`
	Identity string    `json:"identity,omitempty"`
}

// SetRecurrenceRequest is the argument of the update "setRecurrence": it changes
// the rule of a recurring operation, its start, or both; what is absent stays.
// Points that have passed are not run for the new rule. A start in the past
// anchors the grid.
type SetRecurrenceRequest struct {
	// OperationID is for a Serializer, which refuses the update.
	OperationID         string     `json:"operationId,omitempty"`
	RecurrencePattern   string     `json:"recurrencePattern,omitempty"`
	RecurrenceStartTime *time.Time `json:"recurrenceStartTime,omitempty"`
	Reason              string     `json:"reason,omitempty"`
	Identity            string     `json:"identity,omitempty"`
}

// Apply is the operation with what the request changes, checked by itself:
// anchor is the start where neither says one.
func (r SetRecurrenceRequest) Apply(o Operation, anchor time.Time) (Operation, error) {
	if r.RecurrencePattern == "" && r.RecurrenceStartTime == nil {
		return o, &FieldError{
			Field: "recurrencePattern", Problem: "is missing, and so is recurrenceStartTime: set one; cancel ends a recurrence",
			Code: CodeCannotUpdateRecurring,
		}
	}
	if r.RecurrencePattern != "" {
		o.RecurrencePattern = r.RecurrencePattern
	}
	if r.RecurrenceStartTime != nil {
		start := r.RecurrenceStartTime.UTC()
		o.RecurrenceStartTime, anchor = &start, RecurrenceAnchor(&start, start)
	}
	if err := o.Validate(); err != nil {
		return o, err
	}
	rule, err := ParseRecurrence(o.RecurrencePattern)
	if err == nil {
		_, err = rule.Anchored(anchor)
	}
	return o, err
}

// RecurrenceAnchor is the first instant of a recurrence's grid: its start, else
// the acceptance, in whole seconds and never before the start.
func RecurrenceAnchor(start *time.Time, accepted time.Time) time.Time {
	if start == nil {
		return accepted.UTC().Truncate(time.Second)
	}
	anchor := start.UTC().Truncate(time.Second)
	if anchor.Before(*start) {
		anchor = anchor.Add(time.Second)
	}
	return anchor
}

// RefuseNonrecurring refuses to change the rule of an operation that does not
// recur (SPEC 7.7).
func RefuseNonrecurring(id string) error {
	return &Refusal{
		Type: ErrTypeInvalidOperation, Code: CodeCannotUpdateNonrecurring, Name: CodeCannotUpdateNonrecurring.Name(), OperationID: id,
		Message: fmt.Sprintf("operation %q does not recur: it has no rule to change", id),
	}
}

// Taken is an action that was carried out, by whom and why.
type Taken struct {
	Action Action `json:"action"`
	// On is when it was asked for.
	On       time.Time `json:"on"`
	Identity string    `json:"identity,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

// RerunRequest is the argument of the update "rerun" on a Serializer: run an
// operation that Failed or was Canceled again, as a new one. It takes the old
// one's place where that failure holds the token, else it goes to the end.
type RerunRequest struct {
	OperationID string `json:"operationId"`
	// NewID is the new operation's id; without it one is made from the old id.
	NewID    string `json:"newId,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Identity string `json:"identity,omitempty"`
}

// HoldRequest is the argument of the update "hold" on a Serializer: start no
// operation of the token until it is released.
type HoldRequest struct {
	// Until is when it releases itself; absent, it stays until it is released.
	Until    *time.Time `json:"until,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Identity string     `json:"identity,omitempty"`
}

// TokenRequest is the argument of the updates "release", "skip" and "cancelAll"
// on a Serializer.
type TokenRequest struct {
	Reason   string `json:"reason,omitempty"`
	Identity string `json:"identity,omitempty"`
}

// PolicyRequest is the argument of the update "setPolicy" on a Serializer. What
// is absent stays as it is.
type PolicyRequest struct {
	OnFailure FailurePolicy `json:"onFailure,omitempty"`
	MaxQueued *int          `json:"maxQueued,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Identity  string        `json:"identity,omitempty"`
}

// Validate refuses a policy that there is not, by field and value.
func (r PolicyRequest) Validate() error {
	switch r.OnFailure {
	case "", ContinueOnFailure, HoldOnFailure, CancelRestOnFailure:
	default:
		return &FieldError{
			Field: "onFailure", Value: quoted(string(r.OnFailure)),
			Problem: fmt.Sprintf("is not %q, %q or %q", ContinueOnFailure, HoldOnFailure, CancelRestOnFailure),
		}
	}
	if r.MaxQueued != nil && (*r.MaxQueued < 0 || *r.MaxQueued > MaxMaxQueued) {
		return &FieldError{Field: "maxQueued", Value: fmt.Sprint(*r.MaxQueued), Problem: fmt.Sprintf("is not in 0..%d", MaxMaxQueued)}
	}
	if r.OnFailure == "" && r.MaxQueued == nil {
		return &FieldError{Field: "onFailure", Problem: "is missing, and so is maxQueued: set one"}
	}
	return nil
}

// FailurePolicy is what a token does when one of its operations ends Failed
// (SPEC 4.5).
type FailurePolicy string

// The policies of SPEC 4.5.
const (
	// ContinueOnFailure, the default, starts the next one.
	ContinueOnFailure FailurePolicy = "continue"
	// HoldOnFailure stops until a person reruns the failed operation, skips it or
	// releases the token.
	HoldOnFailure FailurePolicy = "hold"
	// CancelRestOnFailure cancels what queues at that moment.
	CancelRestOnFailure FailurePolicy = "cancelRest"
)

// MaxMaxQueued is the largest bound that a token's queue can be given.
const MaxMaxQueued = 1_000_000_000

// Policy is how a token is set up; its zero value is the default.
type Policy struct {
	// OnFailure is absent for ContinueOnFailure.
	OnFailure FailurePolicy `json:"onFailure,omitempty"`
	// MaxQueued refuses submissions while so many operations queue; 0 is no
	// bound.
	MaxQueued int `json:"maxQueued,omitempty"`
}

// Hold is what a person asked: that a token starts nothing.
type Hold struct {
	On       time.Time  `json:"on"`
	Until    *time.Time `json:"until,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Identity string     `json:"identity,omitempty"`
}

// FailureHold is a token that stands since an operation of it ended Failed and
// its policy is "hold".
type FailureHold struct {
	On time.Time `json:"on"`
	// OperationID and Sequence are the failed operation's.
	OperationID string `json:"operationId"`
	Sequence    int64  `json:"sequence"`
}

// TokenHold is the argument of the signal "tokenHold" with which a serializer
// tells an operation that has started, and waits, whether its token is held.
type TokenHold struct {
	// Hold is absent once the token was released.
	Hold *Hold `json:"hold,omitempty"`
}

// PrependRequest is the argument of the update "prepend" on a Serializer: put what
// a chain of runs that was terminated still had to do before all that queues now.
// The token is best held meanwhile.
type PrependRequest struct {
	// RunID is the last run of that chain, closed and not one of the present chain.
	RunID string `json:"runId"`
	// DryRun only answers what would be put there.
	DryRun   bool   `json:"dryRun,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Identity string `json:"identity,omitempty"`
}

// PrependReply is the answer of the update "prepend".
type PrependReply struct {
	// Recovered is how many operations were put there, those in pages among them.
	Recovered int `json:"recovered"`
	// Known is how many of that chain are left out, since the token has accepted
	// the same again.
	Known int `json:"known,omitempty"`
	// First are the first of them, at most 20, in order.
	First []Record `json:"first"`
}
