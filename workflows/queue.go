package workflows

import (
	"cmp"
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
	// Behind it wait, in the order of acceptance, Front, the operations in Pages,
	// and Waiting. Without pages Front may be empty before Waiting.
	Front   []Entry `json:"front,omitempty"`
	Pages   []Page  `json:"pages,omitempty"`
	Waiting []Entry `json:"waiting,omitempty"`
	// NextPage is the number of the last page of Chain, which is the run id of the
	// chain's first run.
	NextPage int64  `json:"nextPage,omitempty"`
	Chain    string `json:"chain,omitempty"`
	// Ended are those that ended while they queued and whose own execution,
	// their record, has not closed yet.
	Ended []Entry `json:"ended,omitempty"`
	// Recurring were submitted and have no workflow of their own yet.
	Recurring []Entry `json:"recurring,omitempty"`
	// Doomed are pages whose operations all ended, and have no records yet.
	Doomed  []Page            `json:"doomed,omitempty"`
	Seen    Seen              `json:"seen"`
	Rejects []protocol.Reject `json:"rejects,omitempty"`
	Counts  protocol.Counts   `json:"counts"`
	// Hold, Failure and Policy are the token's as a whole.
	Hold    *protocol.Hold        `json:"hold,omitempty"`
	Failure *protocol.FailureHold `json:"failure,omitempty"`
	Policy  protocol.Policy       `json:"policy"`
	// Recovered are the last runs of other chains whose rest went on here.
	Recovered []string `json:"recovered,omitempty"`
	// Bytes is what the entries in memory may take, encoded.
	Bytes int `json:"bytes"`

	// These are rebuilt after decoding: the ids that wait and are in memory, and
	// what Waiting takes.
	queued     map[string]bool
	tailBytes  int
	pageLimit  int // how much a page holds, where that is not the default
	restricted []restrictedType
	refused    []refusals // those that no metric has counted yet
}

// Entry is one accepted operation in its token's order.
type Entry struct {
	Operation protocol.Operation `json:"operation"`
	Sequence  int64              `json:"sequence"`
	CreatedOn time.Time          `json:"createdOn"`
	// Hash is the ContentHash of what was submitted; a later postponement does
	// not change it.
	Hash string `json:"hash,omitempty"`
	// Bytes is what the entry may take, encoded.
	Bytes int `json:"bytes,omitempty"`
	// Verdict is set where it ended while it queued.
	Verdict *Verdict `json:"verdict,omitempty"`
	// LastAction is what was last asked of it.
	LastAction *protocol.Taken `json:"lastAction,omitempty"`
	// RerunOf is the operation that it runs again, and N how often that one's
	// handler was scheduled where this one takes its place.
	RerunOf string `json:"rerunOf,omitempty"`
	N       int64  `json:"n,omitempty"`
	// Restrictions are those of its type, as they were when it was accepted, where
	// they keep it from being cancelled.
	Restrictions protocol.Restrictions `json:"restrictions,omitempty"`
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
		before.refused = q.refused
		before.adopt(q)
		q = before
	} else {
		q.Head, q.HeadSince = before.Head, before.HeadSince
		q.Hold, q.Failure, q.Policy = before.Hold, before.Failure, before.Policy
		if q.Head != nil {
			q.Bytes += q.Head.Bytes
			q.Seen.Add(q.Head.Operation.ID, q.Head.Hash)
		}
	}
	q.NextSequence = next
	return q
}

// left is how many operations a queue that nobody works on still had, besides its
// head.
func (q *Queue) left() int { return q.Len() + q.ending() + len(q.Recurring) }

// adopt makes the queue of a chain before that of the chain that q began: its
// pages keep the names that they have.
func (q *Queue) adopt(next *Queue) {
	for _, list := range [][]Page{q.Pages, q.Doomed} {
		for i := range list {
			list[i].Chain = cmp.Or(list[i].Chain, q.Chain)
		}
	}
	q.Chain, q.NextPage = next.Chain, next.NextPage
	q.restored(next.Chain, next.pageLimit)
	q.restrict(next.restricted)
}

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

// inMemory are the lists of entries that wait and are in memory.
func (q *Queue) inMemory() [][]Entry {
	lists := [][]Entry{q.Front, q.Waiting}
	for _, page := range q.Pages {
		if len(page.Entries) > 0 {
			lists = append(lists, page.Entries)
		}
	}
	return lists
}

// restored makes a queue that was decoded whole again; pageLimit is how much a
// page holds.
func (q *Queue) restored(chain string, pageLimit int) {
	q.queued, q.tailBytes, q.pageLimit = nil, bytesIn(q.Waiting), pageLimit
	if q.Chain == "" {
		q.Chain = chain
	}
}

// place is where an entry waits: in Waiting, or in Front.
type place struct {
	tail bool
	at   int
}

func (q *Queue) listOf(p place) *[]Entry {
	if p.tail {
		return &q.Waiting
	}
	return &q.Front
}

func (q *Queue) entryAt(p place) *Entry { return &(*q.listOf(p))[p.at] }

// positionOf is 1 for the next to start.
func (q *Queue) positionOf(p place) int {
	if p.tail {
		return len(q.Front) + q.paged() + p.at + 1
	}
	return p.at + 1
}

// positionByID is the position of one that waits and is in memory; 0 of any
// other.
func (q *Queue) positionByID(id string) int {
	byID := func(e Entry) bool { return e.Operation.ID == id }
	if p, err := q.waitingAt(id); err == nil {
		return q.positionOf(p)
	}
	for i := range q.Pages {
		if at := slices.IndexFunc(q.Pages[i].Entries, byID); at >= 0 {
			return q.offsetOf(&q.Pages[i]) + at + 1
		}
	}
	return 0
}

// next is where the first that waits is; false where none does, or where it is in
// a page.
func (q *Queue) next() (place, bool) {
	if len(q.Front) > 0 {
		return place{}, true
	}
	return place{tail: true}, len(q.Pages) == 0 && len(q.Waiting) > 0
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

// TakeHead makes the first that waits the head; nil where none may start.
func (q *Queue) TakeHead(now time.Time) *Entry {
	first, ok := q.next()
	if q.Head != nil || !ok || !q.MayStart() {
		return nil
	}
	return q.makeHead(first, now)
}

func (q *Queue) makeHead(at place, now time.Time) *Entry {
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

// remove takes the entry at that place out.
func (q *Queue) remove(p place) Entry {
	list := q.listOf(p)
	entry := (*list)[p.at]
	delete(q.index(), entry.Operation.ID)
	if p.at == 0 {
		*list = (*list)[1:] // the head is taken often: no copying
	} else {
		*list = slices.Delete(*list, p.at, p.at+1)
	}
	if p.tail {
		q.tailBytes -= entry.Bytes
	}
	return entry
}

// find answers the entry of an operation that has not completed, if it is in
// memory.
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
	for _, list := range q.inMemory() {
		if at := slices.IndexFunc(list, byID); at >= 0 {
			return &list[at]
		}
	}
	return nil
}

// Idle says that nothing is left to do, and nothing to remember.
func (q *Queue) Idle() bool {
	return q.Head == nil && q.Len() == 0 && q.ending() == 0 && len(q.Recurring) == 0 && q.MayStart() && q.Policy == protocol.Policy{}
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
