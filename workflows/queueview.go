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
		LastAction: entry.LastAction, RerunOf: entry.RerunOf, N: entry.N, Restrictions: entry.Restrictions,
	}
	r.RecurrenceOf, r.Occurrence, _ = protocol.ParseOccurrenceID(r.ID)
	if asked := entry.LastAction; asked != nil {
		r.ModifiedOn = &asked.On
	}
	r.Data = nil
	r.Gated = position > 0 && entry.hasExecution()
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
	} else if first, ok := q.next(); ok && position > 1 {
		r.BlockedBy = q.entryAt(first).Operation.ID
	}
	r.StateCode = r.StatusCode.State()
	return r
}

// State answers the query "state".
func (q *Queue) State(now time.Time) protocol.SerializerState {
	state := protocol.SerializerState{
		Token: q.Token, ChainStartedOn: q.ChainStartedOn, Queued: q.Len(), Pages: len(q.Pages), Ending: q.ending(),
		NextSequence: q.NextSequence, Counts: q.Counts, Rejects: q.Rejects,
		Hold: q.Hold, Failure: q.Failure, Policy: q.Policy, HeadSince: q.HeadSince, Recovered: q.Recovered,
	}
	state.Ahead, state.NextPosition = q.ahead()
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
	r := &lister{queue: q, from: request.Offset, to: request.Offset + limit, now: now}
	r.reply = protocol.ListReply{Operations: []protocol.Record{}, Total: q.Len()}
	r.entries(q.Front)
	for i := range q.Pages {
		r.page(&q.Pages[i])
	}
	r.entries(q.Waiting)
	return r.reply, nil
}

// lister goes through the queue from its first operation on.
type lister struct {
	queue            *Queue
	from, to, offset int
	now              time.Time
	reply            protocol.ListReply
}

func (l *lister) entries(list []Entry) {
	for at := max(0, l.from-l.offset); at < len(list) && l.offset+at < l.to; at++ {
		l.reply.Operations = append(l.reply.Operations, l.queue.record(list[at], l.offset+at+1, l.now))
	}
	l.offset += len(list)
}

func (l *lister) page(page *Page) {
	if page.RunID == "" {
		l.entries(page.Entries)
		return
	}
	if l.offset < l.to && l.offset+page.Count > l.from {
		l.reply.Pages = append(l.reply.Pages, protocol.QueuePage{
			PageAddress: l.queue.Address(page), Offset: l.offset, Count: page.Count, Changed: l.queue.changedIn(page, l.now),
		})
	}
	l.offset += page.Count
}

// changedIn are the operations of a page that something was asked of, as far as
// the queue itself knows them.
func (q *Queue) changedIn(page *Page, now time.Time) (records []protocol.Record) {
	for _, change := range page.Changes {
		record := protocol.Record{Operation: protocol.Operation{ID: change.ID}, LastAction: change.LastAction, StatusCode: protocol.Canceled}
		if change.Removed {
			record.StateCode = record.StatusCode.State()
			records = append(records, record)
			continue
		}
		entry := Entry{Operation: record.Operation}
		change.applyTo(&entry)
		record.PostponeUntil = entry.Operation.PostponeUntil
		record.StatusCode = protocol.WaitingForResources
		if record.PostponeUntil != nil && record.PostponeUntil.After(now) {
			record.StatusCode, record.SuspendReason = protocol.Waiting, protocol.SuspendPostponed
		}
		record.StateCode = record.StatusCode.State()
		records = append(records, record)
	}
	return records
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
		list := &lister{queue: q, to: q.Len(), now: now, offset: len(q.Front)}
		for i := range q.Pages {
			list.page(&q.Pages[i])
		}
		for i := range q.Doomed {
			list.reply.Pages = append(list.reply.Pages, protocol.QueuePage{
				PageAddress: q.Address(&q.Doomed[i]), Count: q.Doomed[i].Count, Changed: q.changedIn(&q.Doomed[i], now), Ended: true,
			})
		}
		reply.Pages = list.reply.Pages
		return reply
	}
	reply.Found = true
	position := q.positionByID(id)
	if position == 0 || entry.hasExecution() {
		reply.WorkflowID = protocol.OperationWorkflowID(id)
	}
	record := q.record(*entry, position, now)
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
	fmt.Fprintf(&b, "**Queue** %d waiting", q.Len())
	if text := q.State(now).AheadText(); text != "" {
		fmt.Fprintf(&b, ": %s", text)
	}
	b.WriteString("\n\n")
	shown, _ := q.List(protocol.ListRequest{Limit: detailRows}, now) // the limit is a good one
	for _, record := range shown.Operations {
		fmt.Fprintf(&b, "%d. %s\n", record.Position, q.row(record))
	}
	if more := q.Len() - len(shown.Operations); more > 0 {
		fmt.Fprintf(&b, "\n… and %d more", more)
		if len(q.Pages) > 0 {
			fmt.Fprintf(&b, ", in %d pages", len(q.Pages))
		}
		b.WriteString("\n")
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
		fmt.Fprintf(b, "**Token is** %s\n\n", escape(cut(q.Hold.String(), maxShownBytes)))
	}
	if q.Failure != nil {
		fmt.Fprintf(b, "**Token is** %s\n\n", escape(q.Failure.String()))
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
		if strings.ContainsRune("\\`*_{}[]()<>#+-=.!|~&:", r) {
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
