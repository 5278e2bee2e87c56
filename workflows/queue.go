package workflows

import (
	"cmp"
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
	unaware    bool       // of what was started ahead
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
	// Ahead is how far its execution has come, where that was asked for before its
	// turn.
	Ahead Ahead `json:"ahead,omitempty"`
	// Leaving says that this execution was about to close before its turn.
	Leaving bool `json:"leaving,omitempty"`
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
		q.leaveAhead(q.unaware)
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
	q.leaveAhead(next.unaware)
}

// restored makes a queue that was decoded whole again; pageLimit is how much a
// page holds.
func (q *Queue) restored(chain string, pageLimit int) {
	q.queued, q.tailBytes, q.pageLimit = nil, bytesIn(q.Waiting), pageLimit
	if q.Chain == "" {
		q.Chain = chain
	}
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

// Idle says that nothing is left to do, and nothing to remember.
func (q *Queue) Idle() bool {
	return q.Head == nil && q.Len() == 0 && q.ending() == 0 && len(q.Recurring) == 0 && q.MayStart() && q.Policy == protocol.Policy{}
}

func withReason(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}
