package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// What is submitted is accepted, acknowledged as a repeat, or refused (SPEC 1.2, 4.9).

// Submit takes one operation of a submission in. It is accepted, acknowledged
// as a duplicate, or put on the list of rejects; it never fails.
func (q *Queue) Submit(raw json.RawMessage, now time.Time) { q.submit(raw, nil, now) }

// submit is Submit; recurs says whether recurring operations are taken in, and is
// asked only where there is one.
func (q *Queue) submit(raw json.RawMessage, recurs func() bool, now time.Time) {
	o, unknown, err := protocol.DecodeOperation(raw)
	q.Counts.UnknownFields += int64(len(unknown))
	if err == nil {
		err = q.check(o)
	}
	if err == nil && o.Recurs() && (recurs == nil || !recurs()) {
		err = refuseRecurring(o)
	}
	if err != nil {
		q.Reject(protocol.ErrTypeInvalidOperation, idToShow(o), err.Error(), now)
		return
	}
	o.DependencyToken = q.Token
	if o.ID != "" && q.isRepeat(o, now) {
		return
	}
	if o.Recurs() {
		q.acceptRecurring(o, now)
		return
	}
	q.accept(o, now)
}

// check refuses what only the token's serializer can judge.
func (q *Queue) check(o protocol.Operation) error {
	if o.DependencyToken != "" && o.DependencyToken != q.Token {
		return &protocol.FieldError{
			Field: "dependencyToken", Value: fmt.Sprintf("%q", o.DependencyToken),
			Problem: fmt.Sprintf("is not this serializer's token %q", q.Token),
		}
	}
	return nil
}

// refuseRecurring refuses a recurring operation in a run that began before they
// were taken in.
func refuseRecurring(o protocol.Operation) error {
	return &protocol.FieldError{
		Field: "recurrencePattern", Value: fmt.Sprintf("%q", o.RecurrencePattern),
		Problem: "this run of the token takes no recurring operations: submit it again later, or start it as workflow Recurrence", Code: protocol.CodeInvalidRecurrence,
	}
}

// isRepeat handles an id that is known: the same content is acknowledged, other
// content is refused (the id is the idempotency key).
func (q *Queue) isRepeat(o protocol.Operation, now time.Time) bool {
	found, same := q.known(o.ID, o.ContentHash())
	switch {
	case !found:
		return false
	case same:
		q.Counts.Duplicates++
	default:
		q.Reject(protocol.ErrTypeDuplicateID, o.ID, fmt.Sprintf("id: %q was accepted before with other content", o.ID), now)
	}
	return true
}

func (q *Queue) known(id, hash string) (found, same bool) {
	if entry := q.find(id); entry != nil {
		return true, entry.Hash == hash
	}
	return q.Seen.Find(id, hash)
}

// accept gives the operation its place.
func (q *Queue) accept(o protocol.Operation, now time.Time) {
	if o.ID == "" {
		o.ID = q.freeID()
	}
	entry := Entry{Operation: o, Sequence: q.NextSequence, CreatedOn: now, Hash: o.ContentHash()}
	if err := q.checkLength(); err != nil {
		q.Reject(protocol.ErrTypeQueueFull, o.ID, err.Error(), now)
		return
	}
	q.admit(&entry)
	q.NextSequence++
	q.push(entry)
}

// checkLength refuses what there is no place for: by the token's policy, or since
// the addresses of its pages would not fit the state.
func (q *Queue) checkLength() error {
	switch limit := q.Policy.MaxQueued; {
	case limit > 0 && q.Len() >= limit:
		return fmt.Errorf("the queue holds %d operations, and its maxQueued is %d: submit again when it is shorter", q.Len(), limit)
	case len(q.Pages)+len(q.Doomed) >= maxPages:
		return fmt.Errorf("the queue holds %d operations in %d pages, which is as many as there may be: submit again when it is shorter", q.Len(), maxPages)
	}
	return nil
}

// admit counts an entry in; the caller gives it its place.
func (q *Queue) admit(entry *Entry) {
	entry.Restrictions = q.restrictionsOf(entry.Operation.OperationType)
	entry.Bytes = entry.room()
	q.Counts.Accepted++
	q.Seen.Add(entry.Operation.ID, entry.Hash)
	q.Bytes += entry.Bytes
}

// room is what an entry may take, encoded. Its traceparent is left to the slack:
// workers before that field dropped it, and what goes into a page must not depend
// on which of them counts.
func (e Entry) room() int {
	e.Operation.Traceparent = ""
	return jsonBytes(e) + entrySlack
}

// freeID is the id of an operation that came without one. Where somebody chose
// that very id before, its number is skipped.
func (q *Queue) freeID() string {
	for {
		id := protocol.DefaultOperationID(q.Token, q.NextSequence)
		if found, _ := q.known(id, ""); !found {
			return id
		}
		q.NextSequence++
	}
}

func (q *Queue) push(entry Entry) {
	q.Waiting = append(q.Waiting, entry)
	q.index()[entry.Operation.ID] = true
	q.tailBytes += entry.Bytes
}

// index is the set of ids that wait and are in memory.
func (q *Queue) index() map[string]bool {
	if q.queued != nil {
		return q.queued
	}
	q.queued = make(map[string]bool, len(q.Front)+len(q.Waiting))
	for _, list := range q.inMemory() {
		for _, entry := range list {
			q.queued[entry.Operation.ID] = true
		}
	}
	return q.queued
}

// Reject records a submission that was not accepted, the last 50 of them.
func (q *Queue) Reject(errorType, id, reason string, now time.Time) {
	q.Counts.Rejected++
	q.refused = addRefusal(q.refused, errorType)
	if len(q.Rejects) == maxRejects {
		q.Rejects = slices.Delete(q.Rejects, 0, 1)
	}
	q.Rejects = append(q.Rejects, protocol.Reject{At: now, Type: errorType, OperationID: id, Reason: cut(reason, maxRejectBytes)})
}

// idToShow is the id where it could be read and may be shown.
func idToShow(o protocol.Operation) string {
	if protocol.ValidateID(o.ID) != nil {
		return ""
	}
	return o.ID
}
