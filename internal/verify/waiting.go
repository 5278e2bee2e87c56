package verify

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// queue tells the checker what waits: what the last run was given and has put
// into pages, by its history, and what it holds itself, if it answers.
func (w *walk) queue(ctx context.Context) error {
	if err := w.remains(ctx, w.last, w.queued); err != nil {
		return err
	}
	if w.answers {
		return w.held(ctx)
	}
	return nil
}

// remains tells what a run had to do, as far as it was given it or put it into
// pages. Much of it may have been started.
func (w *walk) remains(ctx context.Context, one *run, tell func(Ref)) error {
	var pages []protocol.PageAddress
	for _, q := range append([]*carriedQueue{one.state, one.restored, one.rest}, one.recovered...) {
		if q == nil || q == one.restored && !one.found.ByServer {
			continue // a person closed the run before: what that had to do does not go on
		}
		pages = append(pages, q.pages()...)
		for _, ref := range q.waiting() {
			w.tellUnknown(ref, tell)
		}
	}
	for _, page := range one.pages {
		pages = append(pages, page)
	}
	for _, page := range pages {
		refs, err := w.readPage(ctx, page)
		if err != nil && !isNotFound(err) {
			return err
		}
		for _, ref := range refs {
			w.tellUnknown(ref, tell)
		}
	}
	return nil
}

func (w *walk) queued(ref Ref) {
	w.options.EachQueued(ref)
	w.checker.Queued(ref)
}

func (w *walk) tellUnknown(ref Ref, tell func(Ref)) {
	if !w.knows(ref.Sequence) {
		tell(ref)
	}
}

// left tells what a run that was closed had to do.
func (w *walk) left(ctx context.Context, one *run) error {
	if one.rest == nil {
		w.report.limit(fmt.Sprintf("run %s was closed: what was submitted to it, and neither started nor carried over before, is not known", one.id))
	}
	return w.remains(ctx, one, w.checker.Left)
}

// readPage reads which operations a page was made with.
func (w *walk) readPage(ctx context.Context, at protocol.PageAddress) ([]Ref, error) {
	if at.RunID == "" {
		return nil, nil // it did not start
	}
	events := w.client.GetWorkflowHistory(ctx, at.WorkflowID, at.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return nil, nil
	}
	first, err := events.Next()
	if err != nil {
		return nil, fmt.Errorf("page %s, run %s: %w", at.WorkflowID, at.RunID, err)
	}
	var content pageContent
	argument(first.GetWorkflowExecutionStartedEventAttributes().GetInput(), 0, &content)
	return refsOf(content.Entries), nil
}

// state asks the serializer; false where no worker answers.
func (w *walk) state(ctx context.Context, runID string) (protocol.SerializerState, bool) {
	var state protocol.SerializerState
	ok := w.ask(ctx, runID, protocol.StateQueryName, &state)
	return state, ok
}

func (w *walk) ask(ctx context.Context, runID, query string, answer any, arguments ...any) bool {
	bounded, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := w.client.QueryWorkflow(bounded, w.workflowID, runID, query, arguments...)
	return err == nil && value.Get(answer) == nil
}

// held asks for what the serializer holds itself, the last ones first: while it
// looks they move forward, and none is missed.
func (w *walk) held(ctx context.Context) error {
	var list protocol.ListReply
	if !w.ask(ctx, "", protocol.ListQueryName, &list, protocol.ListRequest{Limit: 1}) {
		return ctx.Err()
	}
	for end := list.Total; end > 0; end -= protocol.MaxListLimit {
		list = protocol.ListReply{}
		from := max(0, end-protocol.MaxListLimit)
		if !w.ask(ctx, "", protocol.ListQueryName, &list, protocol.ListRequest{Offset: from, Limit: end - from}) {
			return ctx.Err()
		}
		for _, record := range list.Operations {
			w.tellUnknown(Ref{record.ID, record.Sequence}, w.queued)
		}
	}
	return nil
}
