package opclient

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// queueReader reads the queue of one token, a window at a time: what the
// serializer holds from itself, the rest from the queue's pages; all of it from
// history where no worker answers.
type queueReader struct {
	client     *Client
	workflowID string
	// past is the token from history, once no worker has answered.
	past *past
	// recent are the pages of the last window, by their run ids: the next one may
	// begin in the last of them.
	recent map[string][]queueEntry
	// first is what blocks those that queue, once it was asked for.
	first *blocker
}

// blocker is what those that queue wait behind.
type blocker struct {
	id    string
	since *time.Time
}

func (c *Client) queueOf(workflowID string) *queueReader {
	return &queueReader{client: c, workflowID: workflowID}
}

// source says where the answers come from.
func (q *queueReader) source() Source {
	if q.past != nil {
		return FromHistory
	}
	return FromQueue
}

// window answers what queues from that offset on, at most so many, in order, each as
// its own workflow has it where it was started ahead. Where a page cannot be read the
// error is a *PageError, and the answer what else there is.
func (q *queueReader) window(ctx context.Context, offset, limit int) (protocol.ListReply, error) {
	reply, err := q.pages(ctx, offset, limit)
	q.client.seeAhead(ctx, reply.Operations)
	return reply, err
}

// pages is window as the serializer and its pages have it.
func (q *queueReader) pages(ctx context.Context, offset, limit int) (protocol.ListReply, error) {
	reply, err := q.list(ctx, offset, limit)
	if err != nil || len(reply.Pages) == 0 {
		return reply, err
	}
	pages := reply.Pages
	reply.Pages = nil
	err = q.read(ctx, pages)
	b := q.blocker(ctx, reply.Operations)
	for _, page := range pages {
		entries, ok := q.recent[page.RunID]
		if !ok {
			continue // err tells of it
		}
		records, unread := remaining(page, entries, time.Now())
		err = cmp.Or(err, unread)
		for _, record := range records {
			if record.Position > offset && record.Position <= offset+limit {
				record.Data = nil
				b.blocks(&record)
				reply.Operations = append(reply.Operations, record)
			}
		}
	}
	slices.SortFunc(reply.Operations, func(a, b protocol.Record) int { return cmp.Compare(a.Position, b.Position) })
	return reply, err
}

// list is the answer of the query "list", or its like from history.
func (q *queueReader) list(ctx context.Context, offset, limit int) (reply protocol.ListReply, err error) {
	if q.past == nil {
		err = q.client.askSerializer(ctx, q.workflowID, protocol.ListQueryName, &reply, protocol.ListRequest{Offset: offset, Limit: limit})
		if err == nil {
			return reply, nil
		}
		if q.past, err = q.client.pastInstead(ctx, q.workflowID, err); err != nil {
			return protocol.ListReply{}, err
		}
	}
	return q.past.list(offset, limit, time.Now()), nil
}

// read has recent be the content of these pages, as far as they can be read.
func (q *queueReader) read(ctx context.Context, pages []protocol.QueuePage) (err error) {
	type answer struct {
		page    protocol.QueuePage
		entries []queueEntry
		err     error
	}
	before := q.recent
	q.recent = make(map[string][]queueEntry, len(pages))
	look := func(page protocol.QueuePage) answer {
		if entries, ok := before[page.RunID]; ok {
			return answer{page, entries, nil}
		}
		entries, err := q.client.readPage(ctx, page)
		return answer{page, entries, err}
	}
	for a := range inParallel(ctx, q.client.options.Parallel, pages, look) {
		if a.err == nil {
			q.recent[a.page.RunID] = a.entries
		}
		err = cmp.Or(err, a.err)
	}
	return cmp.Or(ctx.Err(), err)
}

// blocker is what blocks those in pages: what blocks the others of the window,
// else it is asked for once. Where that is not answered, it is left out.
func (q *queueReader) blocker(ctx context.Context, others []protocol.Record) blocker {
	for _, other := range others {
		if other.BlockedBy != "" {
			return blocker{other.BlockedBy, other.BlockedSince}
		}
	}
	if q.first == nil {
		b := q.askBlocker(ctx)
		q.first = &b
	}
	return *q.first
}

func (q *queueReader) askBlocker(ctx context.Context) blocker {
	if q.past != nil {
		return q.past.blocker()
	}
	var state protocol.SerializerState
	if err := q.client.askSerializer(ctx, q.workflowID, protocol.StateQueryName, &state); err != nil {
		return blocker{}
	}
	if state.Head != nil {
		return blocker{state.Head.ID, state.HeadSince}
	}
	if first, err := q.list(ctx, 0, 1); err == nil && len(first.Operations) > 0 {
		return blocker{id: first.Operations[0].ID}
	}
	return blocker{}
}

// blocks says in the record of one that queues what blocks it.
func (b blocker) blocks(record *protocol.Record) {
	if record.ID != b.id {
		record.BlockedBy, record.BlockedSince = b.id, b.since
	}
}
