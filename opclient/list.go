package opclient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// List answers operations that match the filter: first, where a token is named,
// those in its queue, in order (from history where no worker answers, see
// FromHistory); then those that have started, the latest first, running and
// closed, as long as the namespace retains them. It ends after the first error.
//
// Started operations come from the server's index, which may lag some tenths of
// a second: see FromVisibility. Where the namespace lacks our search attributes
// they are filtered here, which is slow, and told to Options.Notice.
func (c *Client) List(ctx context.Context, f Filter) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		clauses, err := f.clauses(c.options.AttributeNames)
		if err != nil {
			yield(Found{}, err)
			return
		}
		l := &listing{client: c, filter: f, clauses: clauses, queued: make(map[string]bool), yield: yield}
		if l.rest = f.Limit; l.rest == 0 {
			l.rest = defaultListLimit
		}
		if err := l.run(ctx); err != nil && !errors.Is(err, errEnough) {
			yield(Found{}, fmt.Errorf("list operations: %w", err))
		}
	}
}

// listing is one List.
type listing struct {
	client  *Client
	filter  Filter
	clauses []clause
	// queued are the ids that were listed from the queue: one of them may have
	// started since.
	queued map[string]bool
	rest   int
	yield  func(Found, error) bool
}

// errEnough ends a listing early.
var errEnough = errors.New("enough")

func (l *listing) run(ctx context.Context) error {
	if l.filter.Token != "" {
		if err := l.queue(ctx); err != nil {
			return err
		}
	}
	attributes := !l.client.withoutAttributes.Load()
	err := l.started(ctx, attributes)
	if attributes && isMissingAttribute(err) {
		l.client.withoutAttributes.Store(true)
		err = l.started(ctx, false)
	}
	return err
}

// queue lists the token's queued operations. Where nobody answers and history
// does not tell, the rest is listed all the same.
func (l *listing) queue(ctx context.Context) error {
	err := l.client.eachQueued(ctx, protocol.SerializerWorkflowID(l.filter.Token), func(found Found) error {
		l.queued[found.ID] = true
		if !l.filter.matchesQueued(found.Record) {
			return nil
		}
		return l.offer(found)
	})
	var unattended *NoWorkerError
	switch {
	case isGone(err):
		return nil
	case errors.As(err, &unattended):
		l.client.options.Notice(fmt.Sprintf("queued operations are not listed: %v", err))
		return nil
	}
	return err
}

// eachQueued answers the queued operations of the token with that serializer, in
// order: from its history where no worker answers.
func (c *Client) eachQueued(ctx context.Context, workflowID string, each func(Found) error) error {
	queue := c.queueOf(workflowID)
	for offset := 0; ; {
		window, err := queue.window(ctx, offset, protocol.MaxListLimit)
		if err != nil {
			return err
		}
		for _, record := range window.Operations {
			if record.StatusCode.Terminal() {
				continue // the queue does not know yet; it is listed with what has started
			}
			if err := each(Found{Record: record, Source: queue.source(), WorkflowID: workflowID}); err != nil {
				return err
			}
		}
		offset += len(window.Operations)
		if len(window.Operations) == 0 || offset >= window.Total {
			return nil
		}
	}
}

func (l *listing) offer(found Found) error {
	if !l.yield(found, nil) {
		return errEnough
	}
	if l.rest--; l.rest == 0 {
		return errEnough
	}
	return nil
}

// started lists from the server's index.
func (l *listing) started(ctx context.Context, attributes bool) error {
	query, match, err := visibilityQuery(l.clauses, attributes)
	if err != nil {
		return err
	}
	if !attributes && len(l.clauses) > 1 {
		l.client.options.Notice("the namespace has no search attributes of Seriatim: operations are filtered here, which is slow, and Waiting shows as InProgress")
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: l.pageSize()}
	for {
		page, err := l.client.temporal.ListWorkflow(ctx, request)
		if err != nil {
			return err
		}
		for _, info := range page.GetExecutions() {
			record := l.client.indexedRecord(info)
			if record.ID == "" || l.queued[record.ID] || !match(record) {
				continue
			}
			workflowID := info.GetExecution().GetWorkflowId()
			if err := l.offer(Found{Record: record, Source: FromVisibility, WorkflowID: workflowID}); err != nil {
				return err
			}
		}
		if len(page.GetNextPageToken()) == 0 {
			return nil
		}
		request.NextPageToken = page.GetNextPageToken()
	}
}

// pageSize asks for no more than is wanted.
func (l *listing) pageSize() int32 {
	const most = 1000
	if l.rest < 0 || l.rest > most {
		return most
	}
	return int32(l.rest)
}

// isMissingAttribute says whether the namespace lacks a search attribute.
func isMissingAttribute(err error) bool {
	var invalid *serviceerror.InvalidArgument
	return errors.As(err, &invalid) && strings.Contains(strings.ToLower(invalid.Error()), "search attribute")
}
