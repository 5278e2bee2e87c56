package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Actions on operations that wait (SPEC 3.1). Each keeps what was asked for, and
// the others keep their order (SPEC 4.6).

// Check refuses an action on an operation that does not wait here, or whose state
// does not take it.
func (q *Queue) Check(id string, action protocol.Action, now time.Time) error {
	_, err := q.acting(id, action, now)
	return err
}

// acting finds the operation for an action.
func (q *Queue) acting(id string, action protocol.Action, now time.Time) (at int, err error) {
	if at, err = q.waitingAt(id); err != nil {
		return 0, err
	}
	return at, protocol.CheckAction(id, q.record(q.Waiting[at], at+1, now).StatusCode, action)
}

// act carries out what needs no more than to be asked for.
func (q *Queue) act(id string, asked protocol.Taken) (protocol.Record, error) {
	switch asked.Action {
	case protocol.ActionCancel:
		return q.Cancel(id, asked)
	case protocol.ActionResume:
		return q.Resume(id, asked)
	}
	return protocol.Record{}, q.Check(id, asked.Action, asked.On)
}

// Cancel ends an operation that waits.
func (q *Queue) Cancel(id string, asked protocol.Taken) (protocol.Record, error) {
	at, err := q.acting(id, protocol.ActionCancel, asked.On)
	if err == nil {
		err = q.note(at, asked, len(asked.Reason))
	}
	if err != nil {
		return protocol.Record{}, err
	}
	return q.record(q.cancel(at, asked.Reason), 0, asked.On), nil
}

// cancel ends the entry at that place.
func (q *Queue) cancel(at int, reason string) Entry {
	entry := q.remove(at)
	entry.Verdict = &Verdict{Status: protocol.Canceled, Message: withReason("canceled while it queued", reason)}
	q.Ended = append(q.Ended, entry)
	return entry
}

// CancelAll ends everything that waits, whatever room there is: so the reason is
// cut to what all of them can carry.
func (q *Queue) CancelAll(reason string) {
	n := len(q.Waiting)
	if room := maxStateBytes - q.Bytes; n*jsonBytes(reason) > room {
		reason = cut(reason, max(shortReason, room/n/maxEscaped))
	}
	for range n {
		q.cancel(0, reason)
		more := jsonBytes(reason)
		q.Ended[len(q.Ended)-1].Bytes += more
		q.Bytes += more
	}
}

const (
	// shortReason is a reason that always fits the slack of an entry.
	shortReason = 24
	// maxEscaped is how many bytes of JSON one byte may take.
	maxEscaped = 6
)

// Postpone changes when an operation that waits may start; its place stays.
func (q *Queue) Postpone(id string, until time.Time, asked protocol.Taken) (protocol.Record, error) {
	at, err := q.acting(id, protocol.PostponeAction(until, asked.On), asked.On)
	if err == nil {
		err = q.note(at, asked, 0)
	}
	if err != nil {
		return protocol.Record{}, err
	}
	until = until.UTC()
	q.Waiting[at].Operation.PostponeUntil = &until
	if !until.After(asked.On) {
		q.Waiting[at].Operation.PostponeUntil = nil
	}
	return q.record(q.Waiting[at], at+1, asked.On), nil
}

// Resume makes an operation that is postponed Ready; it never overtakes.
func (q *Queue) Resume(id string, asked protocol.Taken) (protocol.Record, error) {
	at, err := q.acting(id, protocol.ActionResume, asked.On)
	if err == nil {
		err = q.note(at, asked, 0)
	}
	if err != nil {
		return protocol.Record{}, err
	}
	q.Waiting[at].Operation.PostponeUntil = nil
	return q.record(q.Waiting[at], at+1, asked.On), nil
}

// note keeps what was asked of the entry at that place, where there is room for
// it and so much more.
func (q *Queue) note(at int, asked protocol.Taken, more int) error {
	entry := &q.Waiting[at]
	before := 0
	if entry.LastAction != nil {
		before = jsonBytes(entry.LastAction)
	}
	if more > 0 {
		more = jsonBytes(asked.Reason)
	}
	more += jsonBytes(asked) - before
	if q.Bytes+more > maxStateBytes {
		return &protocol.Refusal{
			Type:    protocol.ErrTypeQueueFull,
			Message: fmt.Sprintf("the queue holds %d bytes, the limit is %d: send the request again without a reason, or when the queue is shorter", q.Bytes, maxStateBytes),
		}
	}
	entry.LastAction = &asked
	entry.Bytes += more
	q.Bytes += more
	return nil
}

func jsonBytes(value any) int {
	encoded, _ := json.Marshal(value) // plain data
	return len(encoded)
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
