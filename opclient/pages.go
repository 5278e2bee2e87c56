package opclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// pageTimeout bounds the reading of one page.
const pageTimeout = 15 * time.Second

// PageError says that a page, which holds a part of a token's queue, cannot be
// read. What it holds is not known meanwhile; the rest of the queue is.
type PageError struct {
	// Page is the page, Count how many operations of the queue it holds.
	Page  protocol.PageAddress
	Count int
	// Gone says that the server no longer has it, so that a repeat cannot help.
	Gone bool
	// Err is what the server said.
	Err error
}

// Error names the page and says what became of it.
func (e *PageError) Error() string {
	what := "cannot be read"
	if e.Gone {
		what = "is gone"
	}
	return fmt.Sprintf("page %s (run %s) with %d operations of the queue %s: %v", e.Page.WorkflowID, e.Page.RunID, e.Count, what, e.Err)
}

// Unwrap is what the server said.
func (e *PageError) Unwrap() error { return e.Err }

// queueEntry is one operation of a token, as a serializer hands it on and as pages
// hold it.
type queueEntry struct {
	Operation  protocol.Operation `json:"operation"`
	Sequence   int64              `json:"sequence"`
	CreatedOn  time.Time          `json:"createdOn"`
	LastAction *protocol.Taken    `json:"lastAction"`
	RerunOf    string             `json:"rerunOf"`
	N          int64              `json:"n"`
	// Ahead is startedAhead where it has its own workflow before its turn.
	Ahead string `json:"ahead"`

	Restrictions protocol.Restrictions `json:"restrictions"`
}

// startedAhead marks an entry that has its own workflow before its turn.
const startedAhead = "started"

func (e queueEntry) isAhead() bool { return e.Ahead == startedAhead }

// record is the operation at a position of the queue, from 1; 0 is the head.
func (e queueEntry) record(position int, now time.Time) protocol.Record {
	r := protocol.Record{
		Operation: e.Operation, Sequence: e.Sequence, CreatedOn: &e.CreatedOn, ModifiedOn: &e.CreatedOn, Position: position,
		StatusCode: protocol.InProgress, LastAction: e.LastAction, RerunOf: e.RerunOf, N: e.N,
		Restrictions: e.Restrictions, Gated: position > 0 && e.isAhead(),
	}
	if e.LastAction != nil {
		r.ModifiedOn = &e.LastAction.On
	}
	switch until := e.Operation.PostponeUntil; {
	case until != nil && until.After(now):
		r.StatusCode, r.SuspendReason = protocol.Waiting, protocol.SuspendPostponed
	case position > 0:
		r.StatusCode = protocol.WaitingForResources
	}
	r.StateCode = r.StatusCode.State()
	return r
}

// pageContent is what a BacklogPage is started with.
type pageContent struct {
	Entries []queueEntry `json:"entries"`
}

// readPage reads what a page was made with: it never changes, and is there for as
// long as the namespace retains the page. The client reads so many at once as
// Options.Parallel says. The error is a *PageError, or ctx's.
func (c *Client) readPage(ctx context.Context, page protocol.QueuePage) ([]queueEntry, error) {
	select {
	case c.reading <- struct{}{}:
		defer func() { <-c.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	bounded, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	content, err := c.firstInput(bounded, page.PageAddress)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &PageError{Page: page.PageAddress, Count: page.Count, Gone: isGone(err), Err: err}
	}
	return content.Entries, nil
}

// firstInput is the start input of a page.
func (c *Client) firstInput(ctx context.Context, at protocol.PageAddress) (content pageContent, err error) {
	events := c.temporal.GetWorkflowHistory(ctx, at.WorkflowID, at.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return content, errors.New("its history is empty")
	}
	first, err := events.Next()
	if err != nil {
		return content, err
	}
	payloads := first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
	if len(payloads) == 0 || !c.decode(payloads[0], &content) {
		return content, errors.New("its start input is not that of a page")
	}
	return content, nil
}

// remaining are the entries of a page that still queue, as they are now, with
// their places.
func remaining(page protocol.QueuePage, entries []queueEntry, now time.Time) ([]protocol.Record, error) {
	changed := changes(page)
	records := make([]protocol.Record, 0, page.Count)
	for _, entry := range entries {
		if change, ok := changed[entry.Operation.ID]; ok {
			if change.StatusCode.Terminal() {
				continue
			}
			entry.Operation.PostponeUntil, entry.LastAction = change.PostponeUntil, change.LastAction
		}
		records = append(records, entry.record(page.Offset+len(records)+1, now))
	}
	if len(records) != page.Count {
		return nil, &PageError{Page: page.PageAddress, Count: page.Count, Err: fmt.Errorf("it holds %d operations", len(records))}
	}
	return records, nil
}

// changes are the operations of a page that were changed, by their ids.
func changes(page protocol.QueuePage) map[string]protocol.Record {
	changed := make(map[string]protocol.Record, len(page.Changed))
	for _, record := range page.Changed {
		changed[record.ID] = record
	}
	return changed
}

// pagedPlace is the place of an operation in a page; false where it is not there.
// One that has ended since has left the queue.
func pagedPlace(page protocol.QueuePage, entries []queueEntry, id string, now time.Time) (p place, ok bool, err error) {
	for _, entry := range entries {
		if entry.Operation.ID != id {
			continue
		}
		change, changed := changes(page)[id]
		if page.Ended || changed && change.StatusCode.Terminal() {
			record := entry.record(0, now)
			record.StatusCode, record.StateCode, record.SuspendReason = protocol.Canceled, protocol.Completed, ""
			return place{record: &record}, true, nil
		}
		records, err := remaining(page, entries, now)
		for i := range records {
			if records[i].ID == id {
				return place{record: &records[i], queued: true}, true, nil
			}
		}
		return place{}, false, err
	}
	return place{}, false, nil
}

// pageMemory remembers in which page an operation was found, so that one that is
// asked for again is found at once.
type pageMemory struct {
	mu   sync.Mutex
	runs map[string]string // the page's run id by the operation's id
}

func (m *pageMemory) note(id, runID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs == nil || len(m.runs) >= maxWatched {
		m.runs = make(map[string]string) // forgetting costs a search, no more
	}
	m.runs[id] = runID
}

func (m *pageMemory) find(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id]
}

// locateInPages looks for an operation in pages, until one has it. place.record is
// nil where none has. A page that cannot be read is an error only then.
func (c *Client) locateInPages(ctx context.Context, id string, pages []protocol.QueuePage) (place, error) {
	last := c.paged.find(id)
	for _, page := range pages {
		if page.RunID != last {
			continue
		}
		if answer := c.lookInPage(ctx, page, id); answer.found {
			return answer.place, answer.err
		}
	}
	searching, stop := context.WithCancel(ctx)
	defer stop()
	var unread error
	for answer := range inParallel(searching, c.options.Parallel, pages, func(page protocol.QueuePage) pageAnswer { return c.lookInPage(searching, page, id) }) {
		if answer.found {
			stop()
			return answer.place, answer.err
		}
		unread = cmp.Or(unread, answer.err)
	}
	if ctx.Err() != nil {
		return place{}, ctx.Err()
	}
	return place{}, unread
}

// pageAnswer is what looking for an operation in a page brought.
type pageAnswer struct {
	place place
	found bool
	err   error
}

func (c *Client) lookInPage(ctx context.Context, page protocol.QueuePage, id string) (a pageAnswer) {
	entries, err := c.readPage(ctx, page)
	if err != nil {
		return pageAnswer{err: err}
	}
	a.place, a.found, a.err = pagedPlace(page, entries, id, time.Now())
	if a.found {
		c.paged.note(id, page.RunID)
	}
	return a
}
