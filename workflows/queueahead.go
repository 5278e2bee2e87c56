package workflows

import (
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Look-ahead: while the head stands still, the executions of the next operations are
// started ahead of their turn, and wait behind a gate. Each keeps its place in the
// queue, so that nothing about order is decided here.

// Ahead is how far an entry's execution has come before its turn.
type Ahead string

const (
	// aheadStarting: it was asked for, and is not known to be there.
	aheadStarting Ahead = "starting"
	// aheadStarted: it is there, and has the operation's data, which the entry has no
	// longer.
	aheadStarted Ahead = "started"
	// aheadTaken: its id has an execution already; whose, its turn tells.
	aheadTaken Ahead = "taken"
)

// hasExecution says that the entry's own execution was asked for.
func (e Entry) hasExecution() bool { return e.Ahead == aheadStarting || e.Ahead == aheadStarted }

// Stands says that the queue does not move: its head is postponed, or has been the
// head for that long, or the token is held and has none.
func (q *Queue) Stands(after time.Duration, now time.Time) bool {
	if q.Head == nil {
		return !q.MayStart()
	}
	until := q.Head.Operation.PostponeUntil
	return until != nil && until.Sub(now) > after || q.HeadSince == nil || now.Sub(*q.HeadSince) >= after
}

// TakeAhead are those of the next operations in the queue, up to that many, whose
// executions are to be started ahead. They stay where they are.
func (q *Queue) TakeAhead(window int) (entries []Entry) {
	if missing := window - len(q.Front); missing > 0 && len(q.Pages) == 0 && len(q.Waiting) > 0 {
		moved := q.Waiting[:min(missing, len(q.Waiting))]
		q.Front, q.Waiting = slices.Concat(q.Front, moved), q.Waiting[len(moved):]
		q.tailBytes -= bytesIn(moved)
	}
	for i := range q.Front[:min(window, len(q.Front))] {
		if entry := &q.Front[i]; entry.Ahead == "" {
			entry.Ahead = aheadStarting
			entries = append(entries, *entry)
		}
	}
	return entries
}

// AheadStarted notes that the execution is there: it has the operation's data.
func (q *Queue) AheadStarted(id string) {
	entry := q.findAhead(id)
	if entry == nil {
		return
	}
	entry.Ahead = aheadStarted
	entry.Operation.Data = nil
	before := entry.Bytes
	entry.Bytes = entry.room()
	q.grow(id, entry.Bytes-before)
}

// AheadTaken notes that the id has an execution that was not started now.
func (q *Queue) AheadTaken(id string) {
	if entry := q.findAhead(id); entry != nil {
		entry.Ahead = aheadTaken
	}
}

// findAhead is an entry that waits, or that ended while it did, and whose execution
// was asked for.
func (q *Queue) findAhead(id string) *Entry {
	entry := q.find(id)
	if entry == nil || entry == q.Head || !entry.hasExecution() {
		return nil
	}
	return entry
}

// grow counts what an entry takes more.
func (q *Queue) grow(id string, bytes int) {
	q.Bytes += bytes
	if slices.ContainsFunc(q.Waiting, func(e Entry) bool { return e.Operation.ID == id }) {
		q.tailBytes += bytes
	}
}

// AheadClosed takes one out that was cancelled before its turn; it answers whether it
// did. Any other end counts when its turn has come, since only then may it mean
// something to the rest.
func (q *Queue) AheadClosed(id string, e end, now time.Time) bool {
	p, err := q.placeOf(id)
	if err != nil || e.status != protocol.Canceled || !q.entryAt(p).hasExecution() {
		return false
	}
	q.conclude(q.remove(p), e, now)
	return true
}
