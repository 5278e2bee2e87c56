package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of what a recovery answers and remembers.
const (
	maxFirstRecovered = 20
	maxRecovered      = 20
)

// prependRead is prepend for what the engine read.
func (q *Queue) prependRead(r protocol.PrependRequest, read protocol.RecoverRunReply, now time.Time) (reply protocol.PrependReply, err error) {
	if read.Refused != "" {
		return reply, &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: read.Refused}
	}
	if err := q.checkRecovered(r.RunID); err != nil {
		return reply, err
	}
	var before carried
	if err := json.Unmarshal(read.State, &before); err != nil || before.Queue == nil {
		return reply, &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: fmt.Sprintf("runId: the history of run %q is not that of a serializer: %v", r.RunID, err)}
	}
	reply = q.Prepend(before.Queue, r.DryRun, now)
	if !r.DryRun {
		q.noteRecovered(append(before.Queue.Recovered, r.RunID)...)
	}
	return reply, nil
}

// checkRecovered refuses a run whose rest goes on here.
func (q *Queue) checkRecovered(run string) error {
	if !slices.Contains(q.Recovered, run) {
		return nil
	}
	return &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: fmt.Sprintf("runId: run %q was recovered before", run)}
}

// noteRecovered remembers the runs whose rest goes on here, so that none is taken
// in twice.
func (q *Queue) noteRecovered(runs ...string) {
	for _, run := range runs {
		if run != "" && !slices.Contains(q.Recovered, run) {
			q.Recovered = append(q.Recovered, run)
		}
	}
	q.Recovered = q.Recovered[max(0, len(q.Recovered)-maxRecovered):]
}

// Prepend puts what another chain's queue still had before this one's. Its head
// comes first: where that has run, its own execution tells, and it does not run
// again. What this queue has accepted again is left out, as far as it is in
// memory; of the rest the execution tells as well.
func (q *Queue) Prepend(before *Queue, dryRun bool, now time.Time) (reply protocol.PrependReply) {
	before.adopt(q)
	first := before.Front
	if before.Head != nil {
		first = append([]Entry{*before.Head}, first...)
	}
	first, known := q.unknown(first)
	last, more := q.unknown(before.Waiting)
	recurring, again := q.unknown(before.Recurring)
	before.Pages, before.Doomed = q.unknownPages(before.Pages), q.unknownPages(before.Doomed)
	reply = protocol.PrependReply{
		Recovered: len(first) + before.paged() + len(last) + before.ending() + len(recurring), Known: known + more + again, First: []protocol.Record{},
	}
	shown := first
	if len(before.Pages) == 0 {
		shown = slices.Concat(first, last)
	}
	for i, entry := range shown[:min(maxFirstRecovered, len(shown))] {
		record := q.record(entry, i+1, now)
		record.Data = nil
		reply.First = append(reply.First, record)
	}
	if dryRun {
		return reply
	}
	q.Counts.Accepted += int64(reply.Recovered - len(recurring))
	q.join(first, before.Pages, last)
	q.Recurring = append(q.Recurring, recurring...)
	q.Ended, q.Doomed = append(q.Ended, before.Ended...), append(q.Doomed, before.Doomed...)
	q.restored(q.Chain, q.pageLimit)
	q.restrict(q.restricted)
	q.Bytes += bytesIn(first) + bytesIn(last) + bytesIn(before.Ended) + bytesIn(recurring)
	return reply
}

// unknown leaves out what this queue has accepted, and counts it.
func (q *Queue) unknown(entries []Entry) (rest []Entry, known int) {
	for _, entry := range entries {
		if found, _ := q.known(entry.Operation.ID, entry.Hash); found {
			known++
			continue
		}
		rest = append(rest, entry)
	}
	return rest, known
}

// unknownPages leaves out the pages that this queue has, and has a page that could
// not be read be tried again.
func (q *Queue) unknownPages(pages []Page) (rest []Page) {
	for _, page := range pages {
		page.Lost = false
		if known, _ := q.findPage(&page); known == nil {
			rest = append(rest, page)
		}
	}
	return rest
}

// join puts two lists and the pages between them before the queue. What then
// stands between pages goes into pages itself.
func (q *Queue) join(first []Entry, pages []Page, last []Entry) {
	for _, entry := range slices.Concat(first, last) {
		q.Seen.Add(entry.Operation.ID, entry.Hash)
	}
	last = append(last, q.Front...)
	switch {
	case len(pages) == 0 && len(q.Pages) == 0:
		q.Front, q.Waiting = nil, slices.Concat(first, last, q.Waiting)
		q.advance(q.lastAhead() + 1)
	case len(pages) == 0:
		q.Front = append(first, last...)
	case len(q.Pages) == 0:
		q.Front, q.Pages, q.Waiting = first, pages, append(last, q.Waiting...)
	default:
		q.Front, q.Pages = first, slices.Concat(pages, q.intoPages(last), q.Pages)
	}
}

// intoPages cuts entries into pages that are to be started.
func (q *Queue) intoPages(entries []Entry) (pages []Page) {
	for len(entries) > 0 {
		n, _ := q.aPageOf(entries)
		pages = append(pages, q.newPage(slices.Clone(entries[:n])))
		entries = entries[n:]
	}
	return pages
}
