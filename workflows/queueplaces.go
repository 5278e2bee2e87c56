package workflows

import "slices"

// Where an operation waits: in one of the lists that are in memory.

// place is where an entry waits: in Waiting, or in Front.
type place struct {
	tail bool
	at   int
}

// inMemory are the lists of entries that wait and are in memory.
func (q *Queue) inMemory() [][]Entry {
	lists := [][]Entry{q.Front, q.Waiting}
	for _, page := range q.Pages {
		if len(page.Entries) > 0 {
			lists = append(lists, page.Entries)
		}
	}
	return lists
}

func (q *Queue) listOf(p place) *[]Entry {
	if p.tail {
		return &q.Waiting
	}
	return &q.Front
}

func (q *Queue) entryAt(p place) *Entry { return &(*q.listOf(p))[p.at] }

// positionOf is 1 for the next to start.
func (q *Queue) positionOf(p place) int {
	if p.tail {
		return len(q.Front) + q.paged() + p.at + 1
	}
	return p.at + 1
}

// positionByID is the position of one that waits and is in memory; 0 of any
// other.
func (q *Queue) positionByID(id string) int {
	byID := func(e Entry) bool { return e.Operation.ID == id }
	if p, err := q.placeOf(id); err == nil {
		return q.positionOf(p)
	}
	for i := range q.Pages {
		if at := slices.IndexFunc(q.Pages[i].Entries, byID); at >= 0 {
			return q.offsetOf(&q.Pages[i]) + at + 1
		}
	}
	return 0
}

// next is where the first that waits is; false where none does, or where it is in
// a page.
func (q *Queue) next() (place, bool) {
	if len(q.Front) > 0 {
		return place{}, true
	}
	return place{tail: true}, len(q.Pages) == 0 && len(q.Waiting) > 0
}

// find answers the entry of an operation that has not completed, if it is in
// memory.
func (q *Queue) find(id string) *Entry {
	if q.Head != nil && q.Head.Operation.ID == id {
		return q.Head
	}
	byID := func(e Entry) bool { return e.Operation.ID == id }
	if at := slices.IndexFunc(q.Ended, byID); at >= 0 {
		return &q.Ended[at]
	}
	if !q.index()[id] {
		return nil
	}
	for _, list := range q.inMemory() {
		if at := slices.IndexFunc(list, byID); at >= 0 {
			return &list[at]
		}
	}
	return nil
}

// remove takes the entry at that place out.
func (q *Queue) remove(p place) Entry {
	list := q.listOf(p)
	entry := (*list)[p.at]
	delete(q.index(), entry.Operation.ID)
	if p.at == 0 {
		*list = (*list)[1:] // the head is taken often: no copying
	} else {
		*list = slices.Delete(*list, p.at, p.at+1)
	}
	if p.tail {
		q.tailBytes -= entry.Bytes
	}
	return entry
}
