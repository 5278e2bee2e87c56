package opclient

import (
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// state is the answer that the query "state" would have given, as far as it is
// known.
func (p *past) state(now time.Time) protocol.SerializerState {
	state := protocol.SerializerState{
		Token: p.token, ChainStartedOn: p.ChainStartedOn, Queued: p.queued(), Pages: len(p.Pages), Ending: len(p.ending),
		HeadSince: p.headSince, Hold: p.Hold, Failure: p.Failure, Policy: p.Policy, NextSequence: p.NextSequence, Counts: p.Counts,
		Predecessor: protocol.Predecessor{Look: protocol.PredecessorUnchecked},
	}
	for _, page := range p.Doomed {
		state.Ending += page.Count
	}
	state.Ahead, state.NextPosition = p.ahead()
	if p.Head != nil {
		head := p.record(*p.Head, 0, now)
		state.Head = &head
	}
	return state
}

// ahead is how many were started ahead, and the position of the first that was not.
func (p *past) ahead() (n, next int) {
	for i, entry := range slices.Concat(p.Front, p.Waiting) {
		switch {
		case entry.isAhead():
			n++
		case next == 0:
			next = i + 1
		}
	}
	if n == 0 {
		return 0, 0
	}
	return n, next
}

// queued is how many wait.
func (p *past) queued() int {
	n := len(p.Front) + len(p.Waiting)
	for _, page := range p.Pages {
		n += page.Count
	}
	return n
}

// list is what the query "list" would have answered.
func (p *past) list(offset, limit int, now time.Time) protocol.ListReply {
	l := &pastLister{past: p, from: max(offset, 0), now: now}
	l.to = l.from + limit
	l.reply = protocol.ListReply{Operations: []protocol.Record{}, Total: p.queued()}
	l.entries(p.Front)
	for i := range p.Pages {
		l.page(&p.Pages[i])
	}
	l.entries(p.Waiting)
	return l.reply
}

// pastLister goes through the queue from its first operation on.
type pastLister struct {
	past             *past
	from, to, offset int
	now              time.Time
	reply            protocol.ListReply
}

func (l *pastLister) entries(list []queueEntry) {
	for at := max(0, l.from-l.offset); at < len(list) && l.offset+at < l.to; at++ {
		record := l.past.record(list[at], l.offset+at+1, l.now)
		record.Data = nil
		l.reply.Operations = append(l.reply.Operations, record)
	}
	l.offset += len(list)
}

func (l *pastLister) page(page *pastPage) {
	if page.RunID == "" {
		l.entries(page.Entries)
		return
	}
	if l.offset < l.to && l.offset+page.Count > l.from {
		l.reply.Pages = append(l.reply.Pages, l.past.queuePage(page, l.offset, l.now))
	}
	l.offset += page.Count
}

// queuePage is a page as the query "find" would have told of it.
func (p *past) queuePage(page *pastPage, offset int, now time.Time) protocol.QueuePage {
	told := protocol.QueuePage{PageAddress: p.address(page), Offset: offset, Count: page.Count}
	for _, change := range page.Changes {
		entry := queueEntry{Operation: protocol.Operation{ID: change.ID}, LastAction: change.LastAction}
		change.applyTo(&entry)
		record := entry.record(1, now)
		if change.Removed {
			record.StatusCode, record.StateCode = protocol.Canceled, protocol.Completed
		}
		told.Changed = append(told.Changed, record)
	}
	return told
}

// pages are all pages of the token, those whose operations all ended too.
func (p *past) pages(now time.Time) []protocol.QueuePage {
	told := p.list(len(p.Front), p.queued(), now).Pages
	for i := range p.Doomed {
		page := p.queuePage(&p.Doomed[i], 0, now)
		page.Ended = true
		told = append(told, page)
	}
	return told
}

// find is what is known of one operation that is in no page.
func (p *past) find(id string, now time.Time) (record protocol.Record, ok bool) {
	if p.Head != nil && p.Head.Operation.ID == id {
		return p.record(*p.Head, 0, now), true
	}
	offset := 0
	look := func(list []queueEntry) bool {
		at := slices.IndexFunc(list, func(e queueEntry) bool { return e.Operation.ID == id })
		if at >= 0 {
			record = p.record(list[at], offset+at+1, now)
		}
		return at >= 0
	}
	if look(p.Front) {
		return record, true
	}
	offset = len(p.Front)
	for _, page := range p.Pages {
		if look(page.Entries) {
			return record, true
		}
		offset += page.Count
	}
	return record, look(p.Waiting)
}

// record is an operation at a position of the queue, from 1; 0 is the head.
func (p *past) record(e queueEntry, position int, now time.Time) protocol.Record {
	r := e.record(position, now)
	if position > 0 {
		p.blocker().blocks(&r)
	}
	return r
}

// blocker is what those that queue wait behind: the head, else the first of them.
func (p *past) blocker() blocker {
	switch {
	case p.Head != nil:
		return blocker{p.Head.Operation.ID, p.headSince}
	case len(p.Front) > 0:
		return blocker{id: p.Front[0].Operation.ID}
	case len(p.Pages) == 0 && len(p.Waiting) > 0:
		return blocker{id: p.Waiting[0].Operation.ID}
	}
	return blocker{}
}
