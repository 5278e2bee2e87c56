package workflows

import (
	"slices"

	"github.com/seriatim-go/seriatim/protocol"
)

// What is asked of an operation while a page holds it is kept beside the page, and
// applied when its operations are taken back.

// Change is what became of an operation while a page held it.
type Change struct {
	ID string `json:"id"`
	// Removed says that it has left the queue.
	Removed bool `json:"removed,omitempty"`
	// Operation's fields that were changed, as they are now.
	Postponed  *protocol.PostponeRequest `json:"postponed,omitempty"`
	LastAction *protocol.Taken           `json:"lastAction,omitempty"`
}

// apply changes an entry as was asked for while it was in the page.
func (p *Page) apply(entry *Entry) (removed bool) {
	for _, change := range p.Changes {
		if change.ID != entry.Operation.ID {
			continue
		}
		if change.Removed {
			return true
		}
		change.applyTo(entry)
	}
	return false
}

func (c Change) applyTo(entry *Entry) {
	if c.LastAction != nil {
		entry.Bytes += jsonBytes(c.LastAction)
		entry.LastAction = c.LastAction
	}
	if c.Postponed == nil {
		return
	}
	entry.Operation.PostponeUntil = nil
	if until := c.Postponed.Until; !until.IsZero() {
		entry.Operation.PostponeUntil = &until
	}
}

// changeBytes is what is remembered of changes in pages.
func (q *Queue) changeBytes() (sum int) {
	for _, page := range q.Pages {
		for _, change := range page.Changes {
			sum += jsonBytes(change)
		}
	}
	return sum
}

// ActPaged carries an action out on an operation in a page: entry is what the
// page holds of it, at its place there. A cancelled one leaves the page at once.
func (q *Queue) ActPaged(which *Page, at int, entry Entry, action protocol.Action, postpone protocol.PostponeRequest, asked protocol.Taken) (protocol.Record, error) {
	page, doomed := q.findPage(which)
	if page == nil {
		return protocol.Record{}, q.notFound(entry.Operation.ID) // it has left the queue meanwhile
	}
	if removed := page.apply(&entry); removed || doomed {
		return protocol.Record{}, protocol.CheckAction(entry.Operation.ID, protocol.Canceled, action)
	}
	if entry.hasExecution() {
		return protocol.Record{}, askItself(entry.Operation.ID)
	}
	position := q.offsetOf(page) + at + 1
	if err := entry.check(q.record(entry, position, asked.On).StatusCode, action); err != nil {
		return protocol.Record{}, err
	}
	change := Change{ID: entry.Operation.ID, LastAction: &asked}
	switch action {
	case protocol.ActionCancel:
		change = Change{ID: entry.Operation.ID, Removed: true}
	case protocol.ActionPostpone:
		change.Postponed = &protocol.PostponeRequest{Until: postpone.Until.UTC()}
	default:
		change.Postponed = &protocol.PostponeRequest{}
	}
	if q.changeBytes()+jsonBytes(change) > maxChangeBytes || bytesIn(q.Ended) > maxEndedBytes {
		return protocol.Record{}, busy("too many queued operations are being changed: send the request again")
	}
	page.Changes = append(slices.DeleteFunc(page.Changes, func(c Change) bool { return c.ID == change.ID }), change)
	if !change.Removed {
		change.applyTo(&entry)
		return q.record(entry, position, asked.On), nil
	}
	page.Count--
	entry.LastAction, entry.Verdict = &asked, canceledInQueue(asked.Reason)
	entry.Bytes += jsonBytes(asked) + jsonBytes(asked.Reason)
	q.Bytes += entry.Bytes
	q.Ended = append(q.Ended, entry)
	return q.record(entry, 0, asked.On), nil
}

// offsetOf is how many operations wait before those of the page.
func (q *Queue) offsetOf(page *Page) int {
	n := len(q.Front)
	for i := range q.Pages {
		if q.Pages[i].is(page) {
			break
		}
		n += q.Pages[i].Count
	}
	return n
}

func busy(message string) error {
	return &protocol.Refusal{Type: protocol.ErrTypeBusy, Message: message}
}

// canceledInQueue is the end of one that was cancelled while it queued.
func canceledInQueue(reason string) *Verdict {
	return &Verdict{Status: protocol.Canceled, Message: withReason("canceled while it queued", reason)}
}
