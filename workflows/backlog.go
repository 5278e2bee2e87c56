package workflows

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seriatim-go/seriatim/protocol"
)

// A long queue does not fit the state that one run hands to the next. What is in
// the middle of it is kept in pages: BacklogPage workflows that hold some
// operations each until their turn comes near. In memory are the first ones
// (Front), which are taken, and the last ones (Waiting), which are added to;
// without pages between them they are one queue.

// Bounds of the queue's parts, in bytes as entries count them.
const (
	defaultPageBytes = 64 << 10
	maxPageBytes     = 128 << 10
	// spillFactor is how many pages the tail may fill before it is spilled.
	spillFactor = 2
	// prefetchShare of a page is left in Front when the next one is loaded.
	prefetchShare = 6
	// maxUnspilled pauses intake until what was taken in is spilled.
	maxUnspilled = 1 << 20
	// maxEndedBytes makes further ends wait for the records of earlier ones.
	maxEndedBytes = 256 << 10
	// maxPages keeps their addresses within the state: at 64 KiB each, pages hold
	// some half a million small operations.
	maxPages = 3000
	// maxChangeBytes bounds what is remembered of changes in pages.
	maxChangeBytes = 64 << 10
)

// Page is a part of the queue that a BacklogPage holds.
type Page struct {
	// N and Chain make its workflow id; Chain is absent for the queue's own. RunID
	// is its run; a page without one is about to be started, and still has its
	// Entries.
	N       int64   `json:"n"`
	Chain   string  `json:"chain,omitempty"`
	RunID   string  `json:"runId,omitempty"`
	Count   int     `json:"count"`
	Entries []Entry `json:"entries,omitempty"`
	// Changes are those of its operations that something was asked of.
	Changes []Change `json:"changes,omitempty"`
	// Reason is why all of them ended, where they did.
	Reason string `json:"reason,omitempty"`
	// Restricted says that none of its operations may be cancelled; otherwise all
	// may.
	Restricted bool `json:"restricted,omitempty"`
	// Lost says that it cannot be read any more.
	Lost bool `json:"lost,omitempty"`
}

// Address is where a page is.
func (q *Queue) Address(p *Page) protocol.PageAddress {
	return protocol.PageAddress{WorkflowID: protocol.PageWorkflowID(cmp.Or(p.Chain, q.Chain), p.N), RunID: p.RunID}
}

func (p *Page) is(other *Page) bool { return p.N == other.N && p.Chain == other.Chain }

// Len is how many operations wait.
func (q *Queue) Len() int { return len(q.Front) + q.paged() + len(q.Waiting) }

// paged is how many of them are in pages.
func (q *Queue) paged() (n int) {
	for _, page := range q.Pages {
		n += page.Count
	}
	return n
}

// ending is how many ended while they queued and have no record yet.
func (q *Queue) ending() int {
	n := len(q.Ended)
	for _, page := range q.Doomed {
		n += page.Count
	}
	return n
}

func bytesIn(entries []Entry) (sum int) {
	for _, entry := range entries {
		sum += entry.Bytes
	}
	return sum
}

// pageBytes is how much a page holds.
func (q *Queue) pageBytes() int {
	if q.pageLimit > 0 {
		return q.pageLimit
	}
	return defaultPageBytes
}

// Saturated says that what was taken in must be in pages before more is.
func (q *Queue) Saturated() bool {
	if bytesIn(q.Recurring) >= maxRecurringBytes {
		return true
	}
	unspilled := q.tailBytes
	for _, page := range q.ToStart() {
		unspilled += bytesIn(page.Entries)
	}
	return unspilled >= maxUnspilled
}

// MustSpill says that the tail has grown too long to be carried.
func (q *Queue) MustSpill() bool {
	return q.tailBytes >= spillFactor*q.pageBytes()
}

// Spill moves the oldest of the tail into pages, which are then to be started.
// What is first in the whole queue stays in memory.
func (q *Queue) Spill() {
	if !q.MustSpill() {
		return
	}
	if len(q.Pages) == 0 {
		q.fillFront()
	}
	for q.tailBytes >= q.pageBytes() && len(q.Waiting) > 0 {
		q.Pages = append(q.Pages, q.newPage(q.cutPage()))
	}
}

// fillFront moves what follows Front into it, up to a page.
func (q *Queue) fillFront() {
	size := bytesIn(q.Front)
	for len(q.Waiting) > 0 && (len(q.Front) == 0 || size+q.Waiting[0].Bytes <= q.pageBytes()) {
		entry := q.Waiting[0]
		q.Waiting = q.Waiting[1:]
		q.tailBytes -= entry.Bytes
		size += entry.Bytes
		q.Front = append(q.Front, entry)
	}
}

// cutPage takes the first page off the tail.
func (q *Queue) cutPage() []Entry {
	n, size := q.aPageOf(q.Waiting)
	entries := slices.Clone(q.Waiting[:n])
	q.Waiting = q.Waiting[n:]
	q.tailBytes -= size
	return entries
}

// aPageOf is how many of the entries fill a page, and what they take. What may be
// cancelled and what may not never share one.
func (q *Queue) aPageOf(entries []Entry) (n, size int) {
	fits := func(e Entry) bool {
		return size+e.Bytes <= q.pageBytes() && e.Restrictions.MayCancel() == entries[0].Restrictions.MayCancel()
	}
	for n < len(entries) && (n == 0 || fits(entries[n])) {
		size += entries[n].Bytes
		n++
	}
	return n, size
}

func (q *Queue) newPage(entries []Entry) Page {
	q.NextPage++
	return Page{N: q.NextPage, Count: len(entries), Entries: entries, Restricted: !entries[0].Restrictions.MayCancel()}
}

// ToStart are the pages that have no execution yet.
func (q *Queue) ToStart() (pages []*Page) {
	for _, list := range [][]Page{q.Pages, q.Doomed} {
		for i := range list {
			if list[i].RunID == "" {
				pages = append(pages, &list[i])
			}
		}
	}
	return pages
}

// PageStarted notes that a page has an execution: it holds its operations now.
func (q *Queue) PageStarted(which *Page, runID string) {
	page, _ := q.findPage(which)
	if page == nil || page.RunID != "" {
		return
	}
	page.RunID = runID
	for _, entry := range page.Entries {
		delete(q.index(), entry.Operation.ID)
		q.Bytes -= entry.Bytes
	}
	page.Entries = nil
}

// PageTaken gives a page another number, since somebody has its workflow id.
func (q *Queue) PageTaken(which *Page) {
	if page, _ := q.findPage(which); page != nil {
		q.NextPage++
		page.N, page.Chain = q.NextPage, ""
	}
}

// findPage is the page, and whether all of it ended.
func (q *Queue) findPage(which *Page) (page *Page, doomed bool) {
	for i := range q.Pages {
		if q.Pages[i].is(which) {
			return &q.Pages[i], false
		}
	}
	for i := range q.Doomed {
		if q.Doomed[i].is(which) {
			return &q.Doomed[i], true
		}
	}
	return nil, false
}

// ToLoad is the page to read next: the first one, when its turn is near; else one
// whose operations all ended, and need their records. nil where there is none.
func (q *Queue) ToLoad() *Page {
	if len(q.Pages) > 0 && isReadable(&q.Pages[0]) && q.frontBytes() < q.pageBytes()/prefetchShare {
		return &q.Pages[0]
	}
	if len(q.Doomed) > 0 && isReadable(&q.Doomed[0]) && len(q.Ended) < maxEndedInFlight/2 {
		return &q.Doomed[0]
	}
	return nil
}

// frontBytes is what Front holds, without what has its execution already: a page is
// read for what may still be started.
func (q *Queue) frontBytes() (sum int) {
	for _, entry := range q.Front {
		if !entry.hasExecution() {
			sum += entry.Bytes
		}
	}
	return sum
}

func isReadable(p *Page) bool { return p.RunID != "" && !p.Lost }

// Loaded takes a page's operations back, as they are now. It answers the page,
// which is no longer needed; nil where it is not the queue's any more.
func (q *Queue) Loaded(which *Page, entries []Entry) *Page {
	found, doomed := q.findPage(which)
	if found == nil {
		return nil
	}
	page := *found
	for _, entry := range entries {
		if page.apply(&entry) {
			continue
		}
		if q.Bytes += entry.Bytes; q.unaware {
			entry.Ahead = ""
		}
		if doomed {
			entry.Verdict = canceledInQueue(page.Reason)
			q.Ended = append(q.Ended, entry)
		} else {
			q.Front = append(q.Front, entry)
			q.index()[entry.Operation.ID] = true
		}
	}
	same := func(p Page) bool { return p.is(&page) }
	q.Pages, q.Doomed = slices.DeleteFunc(q.Pages, same), slices.DeleteFunc(q.Doomed, same)
	return &page
}

// PageLost holds the token, since the operations of a page cannot be read: none
// may overtake them, and a person must know.
func (q *Queue) PageLost(which *Page, now protocol.Hold) {
	page, doomed := q.findPage(which)
	if page == nil {
		return
	}
	page.Lost = true
	if doomed {
		q.dropLost(now)
		return
	}
	q.holdLost(now)
}

// holdLost holds the token where a page of its queue is gone.
func (q *Queue) holdLost(now protocol.Hold) {
	for i := range q.Pages {
		if page := &q.Pages[i]; page.Lost {
			now.Reason = fmt.Sprintf("page %s with %d operations of its queue is gone: releasing the token goes on without them", q.Address(page).WorkflowID, page.Count)
			if q.Hold != nil { // a person's own hold is not forgotten, nor taken for this one
				now.Reason = cut(now.Reason+"; it was "+q.Hold.String()+" before", maxShownBytes)
			}
			q.Hold = &now
			return
		}
	}
}

// dropLost forgets the pages that cannot be read, visibly.
func (q *Queue) dropLost(now protocol.Hold) {
	for _, list := range []*[]Page{&q.Pages, &q.Doomed} {
		*list = slices.DeleteFunc(*list, func(p Page) bool {
			if p.Lost {
				q.Reject(protocol.ErrTypeOperationNotFound, "", fmt.Sprintf("page %s is gone, and with it %d accepted operations", q.Address(&p).WorkflowID, p.Count), now.On)
			}
			return p.Lost
		})
	}
}
