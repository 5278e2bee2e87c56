package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// The token as a whole: held and released by a person (SPEC 4.10), and what
// becomes of the rest when an operation fails (SPEC 4.5).

// MayStart says that nothing holds the token.
func (q *Queue) MayStart() bool { return q.Hold == nil && q.Failure == nil }

// HoldToken keeps the token from starting anything. One that is held already gets
// the new reason and end.
func (q *Queue) HoldToken(r protocol.HoldRequest, now time.Time) {
	hold := protocol.Hold{On: now, Reason: r.Reason, Identity: r.Identity}
	if r.Until != nil {
		until := r.Until.UTC()
		hold.Until = &until
	}
	q.Hold = &hold
}

// Release lets the token go on, whatever held it.
func (q *Queue) Release(now time.Time) {
	q.Hold, q.Failure = nil, nil
	q.dropLost(protocol.Hold{On: now})
}

// ReleaseIfDue ends a hold whose time is over. What only a person may go on without
// holds the token on.
func (q *Queue) ReleaseIfDue(now time.Time) {
	if q.Hold != nil && q.Hold.Until != nil && !now.Before(*q.Hold.Until) {
		q.Hold = nil
		q.holdLost(protocol.Hold{On: now})
	}
}

// Skip goes on past the failure that holds the token.
func (q *Queue) Skip() { q.Failure = nil }

// CheckSkip refuses where no failure holds the token.
func (q *Queue) CheckSkip() error {
	if q.Failure != nil {
		return nil
	}
	return &protocol.Refusal{
		Type: protocol.ErrTypeInvalidTransition, Code: protocol.CodeInvalidStateChange,
		Message: fmt.Sprintf("token %q is not held by a failure: there is nothing to skip", cut(q.Token, 64)),
	}
}

// SetPolicy changes what the request names.
func (q *Queue) SetPolicy(r protocol.PolicyRequest) {
	switch r.OnFailure {
	case "":
	case protocol.ContinueOnFailure:
		q.Policy.OnFailure = ""
	default:
		q.Policy.OnFailure = r.OnFailure
	}
	if r.MaxQueued != nil {
		q.Policy.MaxQueued = *r.MaxQueued
	}
}

// headFailed does what the policy says.
func (q *Queue) headFailed(head Entry, now time.Time) {
	switch q.Policy.OnFailure {
	case protocol.HoldOnFailure:
		q.Failure = &protocol.FailureHold{On: now, OperationID: head.Operation.ID, Sequence: head.Sequence}
	case protocol.CancelRestOnFailure:
		q.CancelAll(fmt.Sprintf("operation %q failed", cut(head.Operation.ID, 40)))
	}
}

// Rerun accepts an operation that Failed or was Canceled again, under a new id:
// in its old place where its failure holds the token, else at the end. was is
// what the server knows of it; updateID makes the new id where the request names
// none.
func (q *Queue) Rerun(r protocol.RerunRequest, updateID string, was protocol.ReadOperationReply, now time.Time) (protocol.Record, error) {
	if entry := q.find(r.OperationID); entry != nil && entry.Verdict != nil && !was.Closed {
		if entry.hasExecution() {
			return protocol.Record{}, busy(fmt.Sprintf("operation %q is ending: send the request again", r.OperationID))
		}
		// It ended while it queued; that is known here before it has a record.
		was = protocol.ReadOperationReply{Found: true, Closed: true, Status: entry.Verdict.Status, Operation: entry.Operation, N: entry.N}
	}
	if err := q.checkRerun(r.OperationID, was, now); err != nil {
		return protocol.Record{}, err
	}
	entry := Entry{Operation: was.Operation, Sequence: q.NextSequence, CreatedOn: now, RerunOf: r.OperationID}
	o := &entry.Operation
	o.ID, o.DependencyToken = newID(r, updateID), q.Token
	// Both belonged to the run that ended.
	o.PostponeUntil, o.Deadline = nil, nil
	if err := protocol.ValidateID(o.ID); err != nil {
		return protocol.Record{}, err
	}
	if known, _ := q.known(o.ID, ""); known {
		return protocol.Record{}, &protocol.Refusal{
			Type: protocol.ErrTypeDuplicateID, OperationID: o.ID,
			Message: fmt.Sprintf("newId: %q was accepted before: name another one", o.ID),
		}
	}
	asked := taken(protocol.ActionRerun, now, r.Reason, r.Identity)
	entry.LastAction, entry.Hash = &asked, o.ContentHash()
	inPlace := q.Failure != nil && q.Failure.OperationID == r.OperationID
	if inPlace {
		entry.Sequence, entry.N = q.Failure.Sequence, was.N
	}
	q.admit(&entry)
	if inPlace {
		q.Failure = nil
		q.Front = slices.Insert(q.Front, 0, entry)
		q.index()[o.ID] = true
		return q.record(entry, 1, now), nil
	}
	q.NextSequence++
	q.push(entry)
	return q.record(entry, q.Len(), now), nil
}

// checkRerun refuses what is not an operation of this token that Failed or was
// Canceled.
func (q *Queue) checkRerun(id string, was protocol.ReadOperationReply, now time.Time) error {
	switch entry := q.find(id); {
	case entry != nil && entry == q.Head && was.Closed:
		return &protocol.Refusal{
			Type: protocol.ErrTypeBusy, OperationID: id,
			Message: fmt.Sprintf("operation %q has just ended: what that means to its token is about to be seen, send the request again", id),
		}
	case entry != nil && !was.Closed:
		return protocol.CheckAction(id, q.record(*entry, q.positionByID(id), now).StatusCode, protocol.ActionRerun)
	case !was.Found, was.Operation.DependencyToken != q.Token:
		return &protocol.Refusal{
			Type: protocol.ErrTypeOperationNotFound, Code: protocol.CodeMissingID, OperationID: id,
			Message: fmt.Sprintf("operation %q is not known under token %q, or no longer retained", id, cut(q.Token, 64)),
		}
	case !was.Closed:
		return protocol.CheckAction(id, protocol.InProgress, protocol.ActionRerun)
	}
	return protocol.CheckAction(id, was.Status, protocol.ActionRerun)
}

// newID is the id of an operation that runs another again.
func newID(r protocol.RerunRequest, updateID string) string {
	if r.NewID != "" {
		return r.NewID
	}
	sum := sha256.Sum256([]byte(updateID))
	return cut(r.OperationID, protocol.MaxIDBytes-17) + "~" + hex.EncodeToString(sum[:8])
}
