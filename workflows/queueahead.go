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
	// aheadStarting: it was asked for, and is not known to be there. Where its id has an
	// execution already, or the run that asked has ended, the engine looks.
	aheadStarting Ahead = "starting"
	// aheadStarted: it is there, and has the operation's data, which the entry has no
	// longer.
	aheadStarted Ahead = "started"
	// aheadTaken: its id is another operation's. At its turn it is started as any other,
	// which shows what is to be said of that.
	aheadTaken Ahead = "taken"
)

// hasExecution says that the entry's own execution was asked for.
func (e Entry) hasExecution() bool { return e.Ahead == aheadStarting || e.Ahead == aheadStarted }

// leaveAhead has the queue leave the marks of entries out, in a run that began on a
// worker without them: what was started ahead is found there at its turn.
func (q *Queue) leaveAhead(out bool) {
	if q.unaware = out; !out {
		return
	}
	for _, list := range [][]Entry{q.Front, q.Waiting, q.Ended} {
		for i := range list {
			list[i].Ahead = ""
		}
	}
	if q.Head != nil {
		q.Head.Ahead = ""
	}
}

// Rests says that the queue is known not to move for that long: its head is postponed,
// or the token is held and has none.
func (q *Queue) Rests(after time.Duration, now time.Time) bool {
	if q.Head == nil {
		return !q.MayStart()
	}
	until := q.Head.Operation.PostponeUntil
	if q.Head.Ahead != "" {
		until = nil // its own workflow may have been asked otherwise since
	}
	return until != nil && until.Sub(now) > after
}

// Lingers says that one operation has been the head for that long.
func (q *Queue) Lingers(after time.Duration, now time.Time) bool {
	return q.Head != nil && (q.HeadSince == nil || now.Sub(*q.HeadSince) >= after)
}

// aheadPace is when a serializer looks whether its head lingers. Where a timer comes
// late the server or the workers have more to do than they can: then heads linger
// since nothing moves, and to start more would make it worse.
type aheadPace struct {
	due    time.Time     // the timer that is set
	pause  time.Duration // of the next one
	stands string        // the head that was found to linger
}

// A timer is late by more than a part of LookAhead.After. The pause after it is some times
// as long as the one before it, or as it was late, and after one in time as many times
// shorter: so timers stay a small part of all work, however late everything is and however
// long that lasts.
const (
	lateParts    = 4
	paceFactor   = 4
	longestPause = time.Hour
)

// set is the pause until the next timer.
func (p *aheadPace) set(after time.Duration, now time.Time) time.Duration {
	p.pause = max(p.pause, after)
	p.due = now.Add(p.pause)
	return p.pause
}

// came takes note of a timer: where it came in time, of the head that lingers.
func (p *aheadPace) came(q *Queue, after time.Duration, now time.Time) {
	if late := now.Sub(p.due); late > after/lateParts {
		p.pause = min(paceFactor*max(p.pause, late), longestPause)
		return
	}
	if p.pause /= paceFactor; q.Lingers(after, now) {
		p.stands = q.Head.Operation.ID
	}
}

// standsAt says that the queue's head was found to linger.
func (p *aheadPace) standsAt(q *Queue) bool { return q.Head != nil && q.Head.Operation.ID == p.stands }

// TakeAhead are those of the next operations in the queue, up to that many, whose
// executions are to be started ahead. They stay where they are.
func (q *Queue) TakeAhead(window int) (entries []Entry) {
	q.advance(window)
	for i := range q.Front[:min(window, len(q.Front))] {
		if entry := &q.Front[i]; entry.Ahead == "" {
			entry.Ahead = aheadStarting
			entries = append(entries, *entry)
		}
	}
	return entries
}

// markAhead is TakeAhead for one that a run is known to have started.
func (q *Queue) markAhead(id string) {
	p, err := q.placeOf(id)
	if err != nil {
		return
	}
	if p.tail && len(q.Pages) == 0 {
		at := len(q.Front) + p.at
		q.advance(at + 1)
		p = place{at: at}
	}
	q.entryAt(p).Ahead = aheadStarting
}

// advance moves what is first in the tail into Front, until that has so many.
func (q *Queue) advance(n int) {
	missing := min(n-len(q.Front), len(q.Waiting))
	if missing <= 0 || len(q.Pages) > 0 {
		return
	}
	moved := q.Waiting[:missing]
	q.Front, q.Waiting = slices.Concat(q.Front, moved), q.Waiting[missing:]
	q.tailBytes -= bytesIn(moved)
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

// AheadLeaves notes that an execution which was started ahead says that it is about to
// close; it answers whether there is such a one.
func (q *Queue) AheadLeaves(id string) bool {
	entry := q.findAhead(id)
	if entry != nil {
		entry.Leaving = true
	}
	return entry != nil
}

// AheadInDoubt are those in Front whose execution may be there, or may have closed,
// except for those that somebody knows of.
func (q *Queue) AheadInDoubt(known func(id string) bool) (entries []Entry) {
	for _, entry := range q.Front {
		if (entry.Ahead == aheadStarting || entry.Ahead == aheadStarted && entry.Leaving) && !known(entry.Operation.ID) {
			entries = append(entries, entry)
		}
	}
	return entries
}

// AheadSeen takes in what the engine saw of an execution that was in doubt.
func (q *Queue) AheadSeen(id string, seen protocol.AwaitReply, now time.Time) {
	entry := q.findAhead(id)
	switch {
	case entry == nil:
	case !seen.Found && entry.Ahead == aheadStarted: // it was there: its turn shows
		entry.Leaving = false
	case !seen.Found:
		entry.Ahead, entry.Leaving = "", false
	case seen.Token != q.Token || seen.Sequence != entry.Sequence:
		entry.Ahead = aheadTaken
	default:
		entry.Leaving = false
		q.AheadStarted(id)
		if seen.Closed {
			q.AheadClosed(id, end{status: seen.Status}, now)
		}
	}
}

// ahead is how many were started ahead, and the position of the first that was not, 0
// where all were or none was.
func (q *Queue) ahead() (n, next int) {
	for i, entry := range q.Front {
		if entry.hasExecution() {
			n++
		} else if next == 0 {
			next = i + 1
		}
	}
	if next == 0 && q.Len() > len(q.Front) {
		next = len(q.Front) + 1
	}
	if n == 0 {
		next = 0
	}
	return n, next
}

// lastAhead is where in the tail the last one is that was started ahead; -1 without
// any.
func (q *Queue) lastAhead() int {
	for at := len(q.Waiting) - 1; at >= 0; at-- {
		if q.Waiting[at].Ahead != "" {
			return at
		}
	}
	return -1
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
