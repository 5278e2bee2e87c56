package opclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// longQueue is a token "t" with a head, of whose queue pages hold the middle: the
// serializer as a client sees it.
type longQueue struct {
	*fake
	front, tail []protocol.Record
	pages       []protocol.QueuePage
	// order is what queues, as a client must tell it.
	order []string
}

// pagedQueue has so many operations in memory before and after the pages, and so
// many pages of that size. The second operation of each page was cancelled, the
// third one postponed since.
func pagedQueue(front, pages, size, tail int) *longQueue {
	q := &longQueue{fake: &fake{histories: map[string][]*historypb.HistoryEvent{}, list: tokens("t")}}
	q.fake.query = q.answer
	var id int
	next := func() protocol.Record {
		id++
		r := record(fmt.Sprintf("o%06d", id), protocol.WaitingForResources)
		r.DependencyToken, r.BlockedBy = "t", "head"
		return r
	}
	memory := func(n int) (list []protocol.Record) {
		for range n {
			r := next()
			q.order = append(q.order, r.ID)
			r.Position = len(q.order)
			list = append(list, r)
		}
		return list
	}
	q.front = memory(front)
	for n := range pages {
		q.page(n+1, size, next)
	}
	q.tail = memory(tail)
	return q
}

func (q *longQueue) page(n, size int, next func() protocol.Record) {
	page := protocol.QueuePage{
		PageAddress: protocol.PageAddress{WorkflowID: protocol.PageWorkflowID("chain", int64(n)), RunID: fmt.Sprint("run-", n)},
		Offset:      len(q.order), Count: size,
	}
	var entries []map[string]any
	for i := range size {
		r := next()
		entries = append(entries, map[string]any{
			"operation": map[string]any{"id": r.ID, "operationType": "x", "dependencyToken": "t", "data": i},
			"sequence":  n*1000 + i, "createdOn": "2030-01-31T08:00:00Z", "hash": "h", "bytes": 9,
		})
		switch i {
		case 1:
			page.Changed = append(page.Changed, record(r.ID, protocol.Canceled))
			page.Count--
			continue
		case 2:
			until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
			r.PostponeUntil, r.StatusCode, r.LastAction = &until, protocol.Waiting, &protocol.Taken{Action: protocol.ActionPostpone, Reason: "later"}
			page.Changed = append(page.Changed, r)
		}
		q.order = append(q.order, r.ID)
	}
	q.histories[page.WorkflowID] = []*historypb.HistoryEvent{startedEvent(map[string]any{"token": "t", "n": n, "entries": entries})}
	q.pages = append(q.pages, page)
}

// answer answers the queries of the serializer.
func (q *longQueue) answer(_ context.Context, workflowID, name string, args []any) (any, error) {
	if workflowID != target("t") {
		return nil, errGone
	}
	switch name {
	case protocol.StateQueryName:
		head := record("head", protocol.InProgress)
		return protocol.SerializerState{Token: "t", Head: &head, Queued: len(q.order)}, nil
	case protocol.FindQueryName:
		id := args[0].(protocol.FindRequest).OperationID
		for _, r := range slices.Concat(q.front, q.tail) {
			if r.ID == id {
				return protocol.FindReply{Found: true, Record: &r}, nil
			}
		}
		return protocol.FindReply{Pages: q.pages, Seen: true}, nil
	}
	request := args[0].(protocol.ListRequest)
	reply := protocol.ListReply{Operations: []protocol.Record{}, Total: len(q.order)}
	last := request.Offset + request.Limit
	for _, r := range slices.Concat(q.front, q.tail) {
		if r.Position > request.Offset && r.Position <= last {
			reply.Operations = append(reply.Operations, r)
		}
	}
	for _, page := range q.pages {
		if page.Offset < last && page.Offset+page.Count > request.Offset {
			reply.Pages = append(reply.Pages, page)
		}
	}
	return reply, nil
}

// reads is how many pages were read.
func (q *longQueue) reads() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, call := range q.calls {
		if strings.HasPrefix(call, "history page:") {
			n++
		}
	}
	return n
}

func TestQueueIsExactAcrossMemoryAndPages(t *testing.T) {
	t.Parallel()
	for _, shape := range [][4]int{{3, 3, 5, 4}, {0, 2, 4, 0}, {1, 1, 3, 0}, {2, 0, 0, 2}} {
		q := pagedQueue(shape[0], shape[1], shape[2], shape[3])
		c := opclient.New(q, opclient.Options{})
		for offset := range len(q.order) + 2 {
			for limit := 1; limit <= len(q.order)+1; limit++ {
				page, err := c.Queue(t.Context(), "t", offset, limit)
				require.NoError(t, err)
				require.Equal(t, len(q.order), page.Total)
				require.Empty(t, page.Pages)
				from := min(offset, len(q.order))
				requireQueued(t, q.order[from:min(offset+limit, len(q.order))], offset, page.Operations)
			}
		}
	}
}

func requireQueued(t *testing.T, wanted []string, offset int, got []protocol.Record) {
	t.Helper()
	require.Len(t, got, len(wanted))
	for i, r := range got {
		require.Equal(t, wanted[i], r.ID)
		require.Equal(t, offset+i+1, r.Position)
		require.Equal(t, "head", r.BlockedBy)
		require.Nil(t, r.Data)
	}
}

func TestQueueShowsWhatWasAskedOfPagedOperations(t *testing.T) {
	t.Parallel()
	q := pagedQueue(0, 1, 4, 0)
	page, err := opclient.New(q, opclient.Options{}).Queue(t.Context(), "t", 0, 10)
	require.NoError(t, err)
	require.Len(t, page.Operations, 3, "one has left the queue")
	require.Equal(t, protocol.WaitingForResources, page.Operations[0].StatusCode)
	require.EqualValues(t, 1000, page.Operations[0].Sequence)
	postponed := page.Operations[1]
	require.Equal(t, protocol.SuspendPostponed, postponed.SuspendReason)
	require.Equal(t, "later", postponed.LastAction.Reason)
	require.NotNil(t, postponed.PostponeUntil)
}

// A window of a queue of 100,000 reads the pages that it touches, and all of it
// each page about once.
func TestHugeQueueIsReadPageByPage(t *testing.T) {
	t.Parallel()
	pages := 500
	if testing.Short() {
		pages = 50
	}
	q := pagedQueue(50, pages, 201, 50)
	require.Len(t, q.order, pages*200+100)
	c, at := opclient.New(q, opclient.Options{}), len(q.order)/2+34
	begin := time.Now()
	page, err := c.Queue(t.Context(), "t", at, 100)
	require.NoError(t, err)
	requireQueued(t, q.order[at:at+100], at, page.Operations)
	require.LessOrEqual(t, q.reads(), 2)
	t.Logf("a window in %s, %d pages read", time.Since(begin), q.reads())

	begin = time.Now()
	before := q.reads()
	found, err := c.Get(t.Context(), q.order[at+2000], "t")
	require.NoError(t, err)
	require.Equal(t, at+2001, found.Position)
	t.Logf("found by id in %s, %d pages read", time.Since(begin), q.reads()-before)
	before = q.reads()
	_, err = c.Get(t.Context(), q.order[at+2000], "t")
	require.NoError(t, err)
	require.Equal(t, 1, q.reads()-before, "it is still there")

	begin, before = time.Now(), q.reads()
	n := 0
	for found, err := range c.List(t.Context(), opclient.Filter{Token: "t", Limit: len(q.order)}) {
		require.NoError(t, err)
		require.Equal(t, q.order[n], found.ID)
		n++
	}
	require.Equal(t, len(q.order), n)
	require.LessOrEqual(t, q.reads()-before, pages+10, "each page once")
	t.Logf("all listed in %s, %d pages read", time.Since(begin), q.reads()-before)
}

func TestGetAndWhyFindWhatAPageHolds(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{"by its token": "t", "in all queues": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := pagedQueue(3, 40, 5, 4)
			c := opclient.New(q, opclient.Options{Parallel: 1})
			id := q.order[3+2]
			why, err := c.Why(t.Context(), id, token)
			require.NoError(t, err)
			require.Equal(t, opclient.FromQueue, why.Source)
			require.Equal(t, []any{6, "head"}, []any{why.Position, why.BlockedBy})
			require.Equal(t, json.RawMessage("3"), why.Data, "Get tells the data")
			require.Contains(t, strings.Join(why.Why, "\n"), "number 6 in the queue")
			require.Less(t, q.reads(), 10, "it stops at the first hit")

			found, err := c.Get(t.Context(), "o000005", token) // the cancelled one of the first page
			require.NoError(t, err)
			require.Equal(t, protocol.Canceled, found.StatusCode)
			require.Zero(t, found.Position)

			_, err = c.Get(t.Context(), "nobody's", token)
			require.ErrorIs(t, err, opclient.ErrNotFound)
			if token != "" {
				require.ErrorContains(t, err, "was accepted and has completed")
			}
		})
	}
}

// All of a page may have ended at once.
func TestGetTellsThatAWholePageWasCancelled(t *testing.T) {
	t.Parallel()
	q := pagedQueue(0, 1, 4, 0)
	q.pages[0].Ended = true
	found, err := opclient.New(q, opclient.Options{}).Get(t.Context(), q.order[0], "t")
	require.NoError(t, err)
	require.Equal(t, protocol.Canceled, found.StatusCode)
}

// SPEC 3.1: an operation in a page is acted on by its id alone.
func TestCancelFindsTheTokenOfWhatAPageHolds(t *testing.T) {
	t.Parallel()
	q := pagedQueue(1, 3, 5, 1)
	q.update = func(o client.UpdateWorkflowOptions) (any, error) {
		require.Equal(t, target("t"), o.WorkflowID)
		return record(o.Args[0].(protocol.ActionRequest).OperationID, protocol.Canceled), nil
	}
	r, err := opclient.New(q, opclient.Options{}).Cancel(t.Context(), q.order[7], "", "")
	require.NoError(t, err)
	require.Equal(t, q.order[7], r.ID)
}

func TestSelectFindsWhatPagesHold(t *testing.T) {
	t.Parallel()
	q := pagedQueue(1, 3, 5, 1)
	selected, err := opclient.New(q, opclient.Options{}).Select(t.Context(), opclient.Filter{}, protocol.ActionResume)
	require.NoError(t, err)
	require.Len(t, selected, 3, "one of each page is postponed")
}

func TestPageThatIsGoneIsNamed(t *testing.T) {
	t.Parallel()
	q := pagedQueue(2, 3, 5, 2)
	lost := q.pages[1].WorkflowID
	q.histories[lost] = nil
	c := opclient.New(q, opclient.Options{})
	page, err := c.Queue(t.Context(), "t", 0, 100)
	var unread *opclient.PageError
	require.ErrorAs(t, err, &unread)
	require.True(t, unread.Gone)
	require.Equal(t, 4, unread.Count)
	require.ErrorContains(t, err, lost+" (run run-2) with 4 operations of the queue is gone")
	require.NotErrorIs(t, err, opclient.ErrNotFound)
	require.Len(t, page.Operations, len(q.order)-4, "the rest is told")
	require.Equal(t, 11, page.Operations[6].Position)

	_, err = c.Queue(t.Context(), "t", 10, 100)
	require.NoError(t, err, "a window beside it")
	_, err = c.Get(t.Context(), q.order[11], "t")
	require.NoError(t, err, "one in another page")
	_, err = c.Get(t.Context(), q.order[8], "t")
	require.ErrorAs(t, err, &unread, "it may be in there")
	for _, err = range c.List(t.Context(), opclient.Filter{Token: "t"}) {
		if err != nil {
			break
		}
	}
	require.ErrorAs(t, err, &unread)
}

func TestPagesAreReadAFewAtATime(t *testing.T) {
	t.Parallel()
	q := pagedQueue(0, 30, 3, 0)
	f := &counting{longQueue: q}
	_, err := opclient.New(f, opclient.Options{Parallel: 3}).Queue(t.Context(), "t", 0, 500)
	require.NoError(t, err)
	require.LessOrEqual(t, f.most, 3)
	require.Equal(t, 30, q.reads())
}

// counting notes how many pages are read at once.
type counting struct {
	*longQueue
	mu         sync.Mutex
	busy, most int
}

func (f *counting) GetWorkflowHistory(ctx context.Context, workflowID, runID string, poll bool, filter eventFilter) client.HistoryEventIterator {
	f.mu.Lock()
	f.busy++
	f.most = max(f.most, f.busy)
	f.mu.Unlock()
	time.Sleep(time.Millisecond)
	f.mu.Lock()
	f.busy--
	f.mu.Unlock()
	return f.longQueue.GetWorkflowHistory(ctx, workflowID, runID, poll, filter)
}
