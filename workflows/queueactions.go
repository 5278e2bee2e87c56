package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Actions on operations that wait (SPEC 3.1). Each keeps what was asked for, and
// the others keep their order (SPEC 4.6).

// Check refuses an action on an operation that does not wait here, or whose state
// does not take it. What is in a page can only be judged once it is found there.
func (q *Queue) Check(id string, action protocol.Action, now time.Time) error {
	_, err := q.acting(id, action, now)
	if isPaged(err) || q.isMoving(id) {
		return nil
	}
	return err
}

// isMoving says that the operation is in a page that is about to be started.
func (q *Queue) isMoving(id string) bool {
	return slices.ContainsFunc(q.ToStart(), func(p *Page) bool {
		return slices.ContainsFunc(p.Entries, func(e Entry) bool { return e.Operation.ID == id })
	})
}

// acting finds the operation for an action.
func (q *Queue) acting(id string, action protocol.Action, now time.Time) (p place, err error) {
	if p, err = q.waitingAt(id); err != nil {
		return p, err
	}
	entry := *q.entryAt(p)
	return p, entry.check(q.record(entry, q.positionOf(p), now).StatusCode, action)
}

// pagedError says that an operation may be in a page.
type pagedError struct{}

// Error implements error; nobody is shown it.
func (pagedError) Error() string { return "the operation may be in a page" }

func isPaged(err error) bool { return errors.Is(err, pagedError{}) }

// act carries an action out on an operation in memory; postpone is the request of
// a postponement. isPaged(err) where it may be in a page.
func (q *Queue) act(id string, postpone protocol.PostponeRequest, asked protocol.Taken) (protocol.Record, error) {
	switch asked.Action {
	case protocol.ActionCancel:
		return q.Cancel(id, asked)
	case protocol.ActionResume:
		return q.Resume(id, asked)
	case protocol.ActionPostpone:
		return q.Postpone(id, postpone.Until, asked)
	}
	_, err := q.acting(id, asked.Action, asked.On)
	return protocol.Record{}, err
}

// searchable are the pages in which an operation can be looked for.
func (q *Queue) searchable() []Page {
	return slices.DeleteFunc(slices.Concat(q.Pages, q.Doomed), func(p Page) bool { return p.RunID == "" })
}

// actFound carries an action out on what was found, or not, in these pages. The
// queue went on meanwhile: the operation may be in memory by now.
func (q *Queue) actFound(pages []Page, found protocol.FindInPagesReply, id string, postpone protocol.PostponeRequest, asked protocol.Taken) (protocol.Record, error) {
	if record, err := q.act(id, postpone, asked); !isPaged(err) {
		return record, err
	}
	var entry Entry
	if !found.Found || found.Page >= len(pages) || json.Unmarshal(found.Entry, &entry) != nil {
		return protocol.Record{}, q.notFound(id)
	}
	entry.complete()
	action := asked.Action
	if action == protocol.ActionPostpone {
		action = protocol.PostponeAction(postpone.Until, asked.On)
	}
	return q.ActPaged(&pages[found.Page], found.At, entry, action, postpone, asked)
}

// Cancel ends an operation that waits.
func (q *Queue) Cancel(id string, asked protocol.Taken) (protocol.Record, error) {
	at, err := q.acting(id, protocol.ActionCancel, asked.On)
	if err == nil && bytesIn(q.Ended) > maxEndedBytes {
		err = busy("too many operations are ending: send the request again")
	}
	if err != nil {
		return protocol.Record{}, err
	}
	q.note(at, asked, jsonBytes(asked.Reason))
	return q.record(q.cancel(at, asked.Reason), 0, asked.On), nil
}

// cancel ends the entry at that place.
func (q *Queue) cancel(at place, reason string) Entry {
	entry := q.remove(at)
	entry.Verdict = canceledInQueue(reason)
	q.Ended = append(q.Ended, entry)
	return entry
}

// CancelAll ends everything that waits and may be cancelled. What is more than a
// few get their records page by page.
func (q *Queue) CancelAll(reason string) {
	for (len(q.Pages) > 0 || q.tailBytes >= q.pageBytes()) && len(q.Waiting) > 0 {
		q.Pages = append(q.Pages, q.newPage(q.cutPage())) // what is behind pages gets its records after them
	}
	if n := len(q.Front) + len(q.Waiting) + len(q.Pages); n*jsonBytes(reason) > maxReasonsBytes {
		reason = cut(reason, max(shortReason, maxReasonsBytes/n/maxEscaped))
	}
	q.doomPages(reason)
	for _, tail := range []bool{false, true} {
		for at := (place{tail: tail}); at.at < len(*q.listOf(at)); {
			if !q.entryAt(at).Restrictions.MayCancel() {
				at.at++
				continue
			}
			q.cancel(at, reason)
			more := jsonBytes(reason)
			q.Ended[len(q.Ended)-1].Bytes += more
			q.Bytes += more
		}
	}
}

// doomPages ends all that is in pages, except for those that hold what may not be
// cancelled: no page holds both.
func (q *Queue) doomPages(reason string) {
	var kept []Page
	for _, page := range q.Pages {
		if page.Restricted {
			kept = append(kept, page)
			continue
		}
		for _, entry := range page.Entries {
			delete(q.index(), entry.Operation.ID)
		}
		page.Reason = reason
		q.Doomed = append(q.Doomed, page)
	}
	q.Pages = kept
}

const (
	// maxReasonsBytes is what the reasons of all that end at once may take.
	maxReasonsBytes = 128 << 10
	// shortReason is a reason that always fits the slack of an entry.
	shortReason = 24
	// maxEscaped is how many bytes of JSON one byte may take.
	maxEscaped = 6
)

// Postpone changes when an operation that waits may start; its place stays.
func (q *Queue) Postpone(id string, until time.Time, asked protocol.Taken) (protocol.Record, error) {
	at, err := q.acting(id, protocol.PostponeAction(until, asked.On), asked.On)
	if err != nil {
		return protocol.Record{}, err
	}
	q.note(at, asked, 0)
	until = until.UTC()
	entry := q.entryAt(at)
	entry.Operation.PostponeUntil = &until
	if !until.After(asked.On) {
		entry.Operation.PostponeUntil = nil
	}
	return q.record(*entry, q.positionOf(at), asked.On), nil
}

// Resume makes an operation that is postponed Ready; it never overtakes.
func (q *Queue) Resume(id string, asked protocol.Taken) (protocol.Record, error) {
	at, err := q.acting(id, protocol.ActionResume, asked.On)
	if err != nil {
		return protocol.Record{}, err
	}
	q.note(at, asked, 0)
	q.entryAt(at).Operation.PostponeUntil = nil
	return q.record(*q.entryAt(at), q.positionOf(at), asked.On), nil
}

// note keeps what was asked of the entry at that place, which may take so many
// bytes more.
func (q *Queue) note(at place, asked protocol.Taken, more int) {
	entry := q.entryAt(at)
	if entry.LastAction != nil {
		more -= jsonBytes(entry.LastAction)
	}
	more += jsonBytes(asked)
	entry.LastAction = &asked
	entry.Bytes += more
	q.Bytes += more
	if at.tail {
		q.tailBytes += more
	}
}

func jsonBytes(value any) int {
	encoded, _ := json.Marshal(value) // plain data
	return len(encoded)
}

// waitingAt finds an operation that waits without an execution of its own, or says
// where it is instead.
func (q *Queue) waitingAt(id string) (place, error) {
	p, err := q.placeOf(id)
	if err == nil && q.entryAt(p).hasExecution() {
		return place{}, askItself(id)
	}
	return p, err
}

// askItself refers to an operation's own workflow.
func askItself(id string) error {
	return &protocol.Refusal{
		Type: protocol.ErrTypeOperationStarted, OperationID: id, WorkflowID: protocol.OperationWorkflowID(id),
		Message: fmt.Sprintf("operation %q no longer queues: ask its own workflow %q", id, protocol.OperationWorkflowID(id)),
	}
}

// placeOf finds an operation that waits, or says where it is instead.
func (q *Queue) placeOf(id string) (place, error) {
	byID := func(e Entry) bool { return e.Operation.ID == id }
	for _, p := range []place{{tail: false}, {tail: true}} {
		if p.at = slices.IndexFunc(*q.listOf(p), byID); p.at >= 0 {
			return p, nil
		}
	}
	switch entry := q.find(id); {
	case entry != nil && q.index()[id]:
		return place{}, busy(fmt.Sprintf("operation %q is being put into a page: send the request again", id))
	case entry != nil:
		return place{}, askItself(id)
	case len(q.Pages)+len(q.Doomed) > 0:
		return place{}, pagedError{}
	}
	return place{}, q.notFound(id)
}

func (q *Queue) notFound(id string) error {
	return &protocol.Refusal{
		Type: protocol.ErrTypeOperationNotFound, Code: protocol.CodeMissingID, OperationID: id,
		Message: fmt.Sprintf("operation %q does not queue under token %q", id, q.Token),
	}
}
