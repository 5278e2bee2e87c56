package workflows

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seriatim-go/seriatim/protocol"
)

// record is what is known of an entry at a position in Waiting (1 is the next),
// or of one that has left it (0).
func (q *Queue) record(entry Entry, position int, now time.Time) protocol.Record {
	created := entry.CreatedOn
	r := protocol.Record{
		Operation: entry.Operation, Sequence: entry.Sequence, CreatedOn: &created, ModifiedOn: &created,
		StatusCode: protocol.InProgress, Position: position,
		LastAction: entry.LastAction, RerunOf: entry.RerunOf, N: entry.N,
	}
	if asked := entry.LastAction; asked != nil {
		r.ModifiedOn = &asked.On
	}
	r.Data = nil
	postponed := entry.Operation.PostponeUntil != nil && entry.Operation.PostponeUntil.After(now)
	switch {
	case entry.Verdict != nil:
		r.StatusCode, r.Message = entry.Verdict.Status, entry.Verdict.Message
		r.CompletedOn, r.ModifiedOn = &now, &now
	case postponed:
		r.StatusCode, r.SuspendReason = protocol.Waiting, protocol.SuspendPostponed
	case position > 0:
		r.StatusCode = protocol.WaitingForResources
	}
	if position > 0 && q.Head != nil {
		r.BlockedBy, r.BlockedSince = q.Head.Operation.ID, q.HeadSince
	} else if position > 1 {
		r.BlockedBy = q.Waiting[0].Operation.ID
	}
	r.StateCode = r.StatusCode.State()
	return r
}

// State answers the query "state".
func (q *Queue) State(now time.Time) protocol.SerializerState {
	state := protocol.SerializerState{
		Token: q.Token, ChainStartedOn: q.ChainStartedOn, Queued: len(q.Waiting), Ending: len(q.Ended),
		NextSequence: q.NextSequence, Counts: q.Counts, Rejects: q.Rejects,
		Hold: q.Hold, Failure: q.Failure, Policy: q.Policy, HeadSince: q.HeadSince,
	}
	if q.Head != nil {
		head := q.record(*q.Head, 0, now)
		state.Head = &head
	}
	return state
}

// List answers the query "list".
func (q *Queue) List(request protocol.ListRequest, now time.Time) (protocol.ListReply, error) {
	limit := request.Limit
	if limit == 0 {
		limit = protocol.DefaultListLimit
	}
	if limit < 1 || limit > protocol.MaxListLimit {
		return protocol.ListReply{}, fmt.Errorf("limit: %d is not in 1..%d", request.Limit, protocol.MaxListLimit)
	}
	if request.Offset < 0 {
		return protocol.ListReply{}, fmt.Errorf("offset: %d is less than 0", request.Offset)
	}
	reply := protocol.ListReply{Operations: []protocol.Record{}, Total: len(q.Waiting)}
	for at := request.Offset; at < len(q.Waiting) && len(reply.Operations) < limit; at++ {
		reply.Operations = append(reply.Operations, q.record(q.Waiting[at], at+1, now))
	}
	return reply, nil
}

// Find answers the query "find".
func (q *Queue) Find(id string, now time.Time) protocol.FindReply {
	reply := protocol.FindReply{}
	if id == "" {
		return reply
	}
	for _, reject := range q.Rejects {
		if reject.OperationID == id {
			reply.Reject = &reject
		}
	}
	reply.Seen, _ = q.Seen.Find(id, "")
	entry := q.find(id)
	if entry == nil {
		return reply
	}
	reply.Found = true
	at, err := q.waitingAt(id)
	if err != nil {
		reply.WorkflowID = protocol.OperationWorkflowID(id)
		at = -1
	}
	record := q.record(*entry, at+1, now)
	record.Data = entry.Operation.Data
	reply.Record = &record
	return reply
}

// detailRows is how many queued operations the Web UI's details show.
const detailRows = 10

// Details is the token as Markdown for the Web UI: the head, the first that
// wait, the counts.
func (q *Queue) Details(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**Token** %s\n\n", escape(q.Token))
	if q.Head == nil {
		b.WriteString("**Head** none: nothing runs\n\n")
	} else {
		fmt.Fprintf(&b, "**Head** %s\n\n", q.row(q.record(*q.Head, 0, now)))
	}
	q.writeHolds(&b)
	fmt.Fprintf(&b, "**Queue** %d waiting\n\n", len(q.Waiting))
	for at := 0; at < len(q.Waiting) && at < detailRows; at++ {
		fmt.Fprintf(&b, "%d. %s\n", at+1, q.row(q.record(q.Waiting[at], at+1, now)))
	}
	if more := len(q.Waiting) - detailRows; more > 0 {
		fmt.Fprintf(&b, "\n… and %d more\n", more)
	}
	c := q.Counts
	fmt.Fprintf(&b, "\n**So far** %d accepted, %d duplicates, %d refused; %d succeeded, %d failed, %d canceled; run %d\n",
		c.Accepted, c.Duplicates, c.Rejected, c.Succeeded, c.Failed, c.Canceled, c.Runs)
	if n := len(q.Rejects); n > 0 {
		last := q.Rejects[n-1]
		fmt.Fprintf(&b, "\n**Last refused** %s %s\n", last.At.UTC().Format(time.RFC3339), escape(last.Reason))
	}
	return b.String()
}

// writeHolds says what keeps the token from starting the next, and its policy
// where that is not the default.
func (q *Queue) writeHolds(b *strings.Builder) {
	if q.Hold != nil {
		fmt.Fprintf(b, "**Held** %s\n\n", escape(cut(q.Hold.String(), maxShownBytes)))
	}
	if q.Failure != nil {
		fmt.Fprintf(b, "**Held by a failure** %s\n\n", escape(q.Failure.String()))
	}
	if q.Policy.OnFailure != "" {
		fmt.Fprintf(b, "**On failure** %s\n\n", q.Policy.OnFailure)
	}
	if q.Policy.MaxQueued > 0 {
		fmt.Fprintf(b, "**At most** %d queued\n\n", q.Policy.MaxQueued)
	}
}

// row is one operation in a line.
func (q *Queue) row(r protocol.Record) string {
	text := fmt.Sprintf("%s (%s)", escape(r.ID), escape(string(r.OperationType)))
	if r.Name != "" {
		text += " " + escape(r.Name)
	}
	if r.SuspendReason == protocol.SuspendPostponed {
		text += ", postponed until " + r.PostponeUntil.UTC().Format(time.RFC3339)
	}
	return text
}

// escape keeps what a caller wrote from being read as Markdown or HTML.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]()<>#+-=.!|~&:@", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// cut shortens text to at most limit bytes, on a character's boundary.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	limit -= len("…")
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
