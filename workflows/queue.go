package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of what a Queue keeps.
const (
	maxRejects     = 50
	maxRejectBytes = 400
	// maxQueuedBytes keeps the state that a run hands to the next one under the
	// server's 2 MiB for one payload.
	maxQueuedBytes = 3 << 19
	// entrySlack is what an entry may grow by a postponement and an end without
	// a reason, so that neither can be refused for want of room.
	entrySlack = 192
	// cancelledReason is why what queued ended when the workflow was cancelled.
	cancelledReason = "the token was cancelled"
)

// Queue is the order of one dependency token: what was accepted, what runs,
// what was turned down. It is pure: no Temporal, no clock of its own. What a
// serializer's run hands to the next one is this struct.
type Queue struct {
	Token string `json:"token"`
	// ChainStartedOn is when the token's first run in a row began.
	ChainStartedOn time.Time `json:"chainStartedOn"`
	// NextSequence is what the next accepted operation gets.
	NextSequence int64 `json:"nextSequence"`
	// Head is started and has not completed.
	Head *Entry `json:"head,omitempty"`
	// Waiting is behind it, in the order of acceptance.
	Waiting []Entry `json:"waiting,omitempty"`
	// Ended are those that ended while they queued and whose own execution,
	// their record, has not closed yet.
	Ended   []Entry           `json:"ended,omitempty"`
	Seen    Seen              `json:"seen"`
	Rejects []protocol.Reject `json:"rejects,omitempty"`
	Counts  protocol.Counts   `json:"counts"`
	// Bytes is what Head, Waiting and Ended may take, encoded.
	Bytes int `json:"bytes"`

	queued map[string]bool // ids in Waiting; rebuilt after decoding
}

// Entry is one accepted operation in its token's order.
type Entry struct {
	Operation protocol.Operation `json:"operation"`
	Sequence  int64              `json:"sequence"`
	CreatedOn time.Time          `json:"createdOn"`
	// Hash is the ContentHash of what was submitted; a later postponement does
	// not change it.
	Hash string `json:"hash"`
	// Bytes is what the entry may take, encoded.
	Bytes int `json:"bytes"`
	// Verdict is set where it ended while it queued.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// Verdict is the end of an operation that never ran.
type Verdict struct {
	Status          protocol.StatusCode `json:"status"`
	Code            protocol.Code       `json:"code,omitempty"`
	Message         string              `json:"message,omitempty"`
	FriendlyMessage string              `json:"friendlyMessage,omitempty"`
}

// NewQueue begins a chain. Sequences start at its start in microseconds, so
// that they grow over the chains of one token too, and are the same again after
// a reset.
func NewQueue(token string, started time.Time) *Queue {
	return &Queue{Token: token, ChainStartedOn: started, NextSequence: started.UnixMicro()}
}

// takeOver is the queue with which a new chain begins that follows one which
// ended before its time: all of the old one where the server closed it; where a
// person did, only the operation that may still run. Sequences go on growing.
func (q *Queue) takeOver(before *Queue, byServer bool) *Queue {
	next := max(q.NextSequence, before.NextSequence)
	if byServer {
		before.Counts.Runs++
		q = before
	} else {
		q.Head = before.Head
		if q.Head != nil {
			q.Bytes += q.Head.Bytes
		}
	}
	q.NextSequence = next
	return q
}

// Submit takes one operation of a submission in. It is accepted, acknowledged
// as a duplicate, or put on the list of rejects; it never fails.
func (q *Queue) Submit(raw json.RawMessage, now time.Time) {
	o, unknown, err := protocol.DecodeOperation(raw)
	q.Counts.UnknownFields += int64(len(unknown))
	if err == nil {
		err = q.check(o)
	}
	if err != nil {
		q.Reject(protocol.ErrTypeInvalidOperation, idToShow(o), err.Error(), now)
		return
	}
	o.DependencyToken = q.Token
	if o.ID != "" && q.isRepeat(o, now) {
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
	return checkRecurrence(o)
}

// checkRecurrence refuses what this version cannot do rather than ignore it.
func checkRecurrence(o protocol.Operation) error {
	if o.RecurrencePattern == "" && o.RecurrenceStartTime == nil {
		return nil
	}
	return &protocol.FieldError{
		Field: "recurrencePattern", Value: fmt.Sprintf("%q", o.RecurrencePattern),
		Problem: fmt.Sprintf("recurrence is not available in this version (%s)", protocol.CodeInvalidRecurrence),
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
	encoded, err := json.Marshal(entry)
	entry.Bytes = len(encoded) + entrySlack
	if err != nil || q.Bytes+entry.Bytes > maxQueuedBytes {
		q.Reject(protocol.ErrTypeQueueFull, o.ID,
			fmt.Sprintf("the queue holds %d operations in %d bytes, the limit is %d: submit again when it is shorter", len(q.Waiting), q.Bytes, maxQueuedBytes), now)
		return
	}
	q.NextSequence++
	q.Counts.Accepted++
	q.Seen.Add(o.ID, entry.Hash)
	q.Bytes += entry.Bytes
	q.push(entry)
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
}

// index is the set of ids in Waiting.
func (q *Queue) index() map[string]bool {
	if q.queued == nil {
		q.queued = make(map[string]bool, len(q.Waiting))
		for _, entry := range q.Waiting {
			q.queued[entry.Operation.ID] = true
		}
	}
	return q.queued
}

// Reject records a submission that was not accepted, the last 50 of them.
func (q *Queue) Reject(errorType, id, reason string, now time.Time) {
	q.Counts.Rejected++
	if len(q.Rejects) == maxRejects {
		q.Rejects = slices.Delete(q.Rejects, 0, 1)
	}
	q.Rejects = append(q.Rejects, protocol.Reject{At: now, Type: errorType, OperationID: id, Reason: cut(reason, maxRejectBytes)})
}

// TakeHead makes the first that waits the head; nil where none may start.
func (q *Queue) TakeHead() *Entry {
	if q.Head != nil || len(q.Waiting) == 0 {
		return nil
	}
	entry := q.remove(0)
	q.Head = &entry
	return q.Head
}

// HeadCompleted counts the head's end and frees its place. Where the head's id
// turned out to be another operation's, its sequence stays used, as that
// duplicate.
func (q *Queue) HeadCompleted(e end, now time.Time) {
	q.conclude(*q.Head, e, now)
	q.Head = nil
}

// EndedClosed forgets one of Ended: its record is written.
func (q *Queue) EndedClosed(id string, e end, now time.Time) {
	at := slices.IndexFunc(q.Ended, func(e Entry) bool { return e.Operation.ID == id })
	if at < 0 {
		return
	}
	q.conclude(q.Ended[at], e, now)
	q.Ended = slices.Delete(q.Ended, at, at+1)
}

func (q *Queue) conclude(entry Entry, e end, now time.Time) {
	q.Bytes -= entry.Bytes
	switch {
	case e.refusal != "":
		q.Reject(protocol.ErrTypeDuplicateID, entry.Operation.ID, e.refusal, now)
	case e.duplicate:
		q.Counts.Duplicates++
	default:
		q.count(e.status)
	}
}

func (q *Queue) count(status protocol.StatusCode) {
	switch status {
	case protocol.Succeeded:
		q.Counts.Succeeded++
	case protocol.Failed:
		q.Counts.Failed++
	default:
		q.Counts.Canceled++
	}
}

// Cancel ends an operation that waits; the others keep their order (SPEC 4.6).
func (q *Queue) Cancel(id, reason string, now time.Time) (protocol.Record, error) {
	at, err := q.waitingAt(id)
	encoded, _ := json.Marshal(reason) // a string
	if err == nil && reason != "" {
		err = q.checkRoom(len(encoded))
	}
	if err != nil {
		return protocol.Record{}, err
	}
	return q.record(q.cancel(at, reason, len(encoded)), 0, now), nil
}

// cancel ends the entry at that place; its reason takes so many bytes more.
func (q *Queue) cancel(at int, reason string, more int) Entry {
	entry := q.remove(at)
	entry.Verdict = &Verdict{Status: protocol.Canceled, Message: withReason("canceled while it queued", reason)}
	entry.Bytes += more
	q.Bytes += more
	q.Ended = append(q.Ended, entry)
	return entry
}

// checkRoom refuses what would not fit the state that a run hands over.
func (q *Queue) checkRoom(more int) error {
	if q.Bytes+more <= maxQueuedBytes {
		return nil
	}
	return &protocol.Refusal{
		Type:    protocol.ErrTypeQueueFull,
		Message: fmt.Sprintf("the queue holds %d bytes, the limit is %d: send the request again without a reason, or when the queue is shorter", q.Bytes, maxQueuedBytes),
	}
}

// CancelAll ends everything that waits. The reason is short enough for the slack
// of an entry.
func (q *Queue) CancelAll(reason string) {
	for len(q.Waiting) > 0 {
		q.cancel(0, reason, 0)
	}
}

// Postpone changes when an operation that waits may start; its place stays.
func (q *Queue) Postpone(id string, until, now time.Time) (protocol.Record, error) {
	at, err := q.waitingAt(id)
	if err != nil {
		return protocol.Record{}, err
	}
	entry := &q.Waiting[at]
	until = until.UTC()
	entry.Operation.PostponeUntil = &until
	if !until.After(now) {
		entry.Operation.PostponeUntil = nil
	}
	record := q.record(*entry, at+1, now)
	record.ModifiedOn = &now
	return record, nil
}

// waitingAt finds an operation that waits, or says where it is instead.
func (q *Queue) waitingAt(id string) (int, error) {
	at := slices.IndexFunc(q.Waiting, func(e Entry) bool { return e.Operation.ID == id })
	if at >= 0 {
		return at, nil
	}
	if entry := q.find(id); entry != nil {
		return 0, &protocol.Refusal{
			Type: protocol.ErrTypeOperationStarted, OperationID: id, WorkflowID: protocol.OperationWorkflowID(id),
			Message: fmt.Sprintf("operation %q no longer queues: ask its own workflow %q", id, protocol.OperationWorkflowID(id)),
		}
	}
	return 0, &protocol.Refusal{
		Type: protocol.ErrTypeOperationNotFound, Code: protocol.CodeMissingID, OperationID: id,
		Message: fmt.Sprintf("operation %q does not queue under token %q", id, q.Token),
	}
}

// remove takes the entry at that place out of Waiting.
func (q *Queue) remove(at int) Entry {
	entry := q.Waiting[at]
	delete(q.index(), entry.Operation.ID)
	if at == 0 {
		q.Waiting = q.Waiting[1:] // the head is taken often: no copying
	} else {
		q.Waiting = slices.Delete(q.Waiting, at, at+1)
	}
	return entry
}

// find answers the entry of an operation that has not completed.
func (q *Queue) find(id string) *Entry {
	if q.Head != nil && q.Head.Operation.ID == id {
		return q.Head
	}
	byID := func(e Entry) bool { return e.Operation.ID == id }
	if at := slices.IndexFunc(q.Ended, byID); at >= 0 {
		return &q.Ended[at]
	}
	if !q.index()[id] {
		return nil
	}
	return &q.Waiting[slices.IndexFunc(q.Waiting, byID)]
}

// Idle says that nothing is left to do.
func (q *Queue) Idle() bool {
	return q.Head == nil && len(q.Waiting) == 0 && len(q.Ended) == 0
}

// idToShow is the id where it could be read and may be shown.
func idToShow(o protocol.Operation) string {
	if protocol.ValidateID(o.ID) != nil {
		return ""
	}
	return o.ID
}

func withReason(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}
