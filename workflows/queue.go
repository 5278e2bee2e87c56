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
	// maxQueuedBytes and, with what was asked of it, maxStateBytes keep the state
	// that a run hands to the next one under the server's 2 MiB for one payload.
	maxQueuedBytes = 3 << 19
	maxStateBytes  = maxQueuedBytes + 1<<18
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
	// Head is started, since HeadSince, and has not completed.
	Head      *Entry     `json:"head,omitempty"`
	HeadSince *time.Time `json:"headSince,omitempty"`
	// HeadTold is the hold that the head was told of; it is told when that is no
	// longer Hold.
	HeadTold *protocol.Hold `json:"headTold,omitempty"`
	// Waiting is behind it, in the order of acceptance.
	Waiting []Entry `json:"waiting,omitempty"`
	// Ended are those that ended while they queued and whose own execution,
	// their record, has not closed yet.
	Ended   []Entry           `json:"ended,omitempty"`
	Seen    Seen              `json:"seen"`
	Rejects []protocol.Reject `json:"rejects,omitempty"`
	Counts  protocol.Counts   `json:"counts"`
	// Hold, Failure and Policy are the token's as a whole.
	Hold    *protocol.Hold        `json:"hold,omitempty"`
	Failure *protocol.FailureHold `json:"failure,omitempty"`
	Policy  protocol.Policy       `json:"policy"`
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
	// LastAction is what was last asked of it.
	LastAction *protocol.Taken `json:"lastAction,omitempty"`
	// RerunOf is the operation that it runs again, and N how often that one's
	// handler was scheduled where this one takes its place.
	RerunOf string `json:"rerunOf,omitempty"`
	N       int64  `json:"n,omitempty"`
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
// person did, only the operation that may still run, and what protects the
// token: its hold and its policy. Sequences go on growing.
func (q *Queue) takeOver(before *Queue, byServer bool) *Queue {
	next := max(q.NextSequence, before.NextSequence)
	if byServer {
		before.Counts.Runs++
		q = before
	} else {
		q.Head, q.HeadSince = before.Head, before.HeadSince
		q.Hold, q.Failure, q.Policy = before.Hold, before.Failure, before.Policy
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
	err := q.checkLength()
	if err == nil {
		err = q.admit(&entry)
	}
	if err != nil {
		q.Reject(protocol.ErrTypeQueueFull, o.ID, err.Error(), now)
		return
	}
	q.NextSequence++
	q.push(entry)
}

// checkLength refuses what the token's policy has no place for.
func (q *Queue) checkLength() error {
	if limit := q.Policy.MaxQueued; limit > 0 && len(q.Waiting) >= limit {
		return fmt.Errorf("the queue holds %d operations, and its maxQueued is %d: submit again when it is shorter", len(q.Waiting), limit)
	}
	return nil
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
func (q *Queue) TakeHead(now time.Time) *Entry {
	if q.Head != nil || len(q.Waiting) == 0 || !q.MayStart() {
		return nil
	}
	return q.makeHead(0, now)
}

func (q *Queue) makeHead(at int, now time.Time) *Entry {
	entry := q.remove(at)
	q.Head, q.HeadSince, q.HeadTold = &entry, &now, nil
	return q.Head
}

// HeadCompleted counts the head's end and frees its place. Where the head's id
// turned out to be another operation's, its sequence stays used, as that
// duplicate.
func (q *Queue) HeadCompleted(e end, now time.Time) {
	head := *q.Head
	q.conclude(head, e, now)
	q.Head, q.HeadSince, q.HeadTold = nil, nil, nil
	if e.status == protocol.Failed && !e.duplicate {
		q.headFailed(head, now)
	}
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

// Idle says that nothing is left to do, and nothing to remember.
func (q *Queue) Idle() bool {
	return q.Head == nil && len(q.Waiting) == 0 && len(q.Ended) == 0 && q.MayStart() && q.Policy == protocol.Policy{}
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
