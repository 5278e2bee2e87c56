package opclient

import (
	"context"
	"errors"
	"fmt"
	"sync"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/protocol"
)

// place is where a serializer says that an operation is.
type place struct {
	// workflowID is the serializer's.
	workflowID string
	// record is what it knows of the operation; nil where the operation was
	// found to have a workflow of its own by now.
	record *protocol.Record
	// queued says that it waits there; else it has been started, or is about to
	// be.
	queued bool
}

// locate asks serializers for an operation that has no workflow of its own, or
// had none a moment ago: the token's, or all running ones where token is empty.
func (c *Client) locate(ctx context.Context, id, token string) (place, error) {
	where, err := c.locateQueued(ctx, id, token)
	if !isRefusal(err, protocol.ErrTypeOperationNotFound) {
		return where, err
	}
	if _, gone := c.describe(ctx, protocol.OperationWorkflowID(id)); gone == nil {
		return place{}, nil // it has started, and may have completed, meanwhile
	}
	return place{}, err
}

func (c *Client) locateQueued(ctx context.Context, id, token string) (place, error) {
	if token != "" {
		return c.locateIn(ctx, id, protocol.SerializerWorkflowID(token))
	}
	serializers, err := c.runningSerializers(ctx)
	if err != nil {
		return place{}, err
	}
	if len(serializers) > 1 {
		c.options.Notice(fmt.Sprintf("looking for operation %q in the queues of %d tokens; naming its dependency token is faster", id, len(serializers)))
	}
	return c.locateAmong(ctx, id, serializers)
}

// search is one question to many serializers.
type search struct {
	mu      sync.Mutex
	located *place
	// silent is how many did not answer, first why one did not.
	silent int
	first  error
}

// errSearched ends a search early.
var errSearched = errors.New("searched enough")

// take notes one serializer's answer; errSearched where no other is needed.
func (s *search) take(where place, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var refusal *protocol.Refusal
	var unattended *NoWorkerError
	switch {
	case err == nil:
		s.located = &where
		return errSearched
	case isRefusal(err, protocol.ErrTypeOperationNotFound):
		return nil
	}
	s.silent++
	if s.first == nil || errors.As(err, &refusal) {
		s.first = err
	}
	if errors.As(err, &unattended) && unattended.Pollers == 0 {
		return errSearched // the others wait for the same workers
	}
	return nil
}

// locateAmong asks the serializers in bounded parallel until one has it. One
// that does not answer keeps none of the others from being asked (SPEC 4.7).
func (c *Client) locateAmong(ctx context.Context, id string, serializers []string) (place, error) {
	group, searching := errgroup.WithContext(ctx)
	group.SetLimit(c.options.Parallel)
	var s search
	for _, workflowID := range serializers {
		group.Go(func() error {
			if searching.Err() != nil {
				return nil
			}
			return s.take(c.locateIn(searching, id, workflowID))
		})
	}
	err := group.Wait()
	switch {
	case s.located != nil:
		return *s.located, nil
	case ctx.Err() != nil:
		return place{}, ctx.Err()
	case err == nil && s.silent == 0:
		return place{}, notFound(id, fmt.Sprintf("operation %q is not known: it has no execution and is in none of %d queues", id, len(serializers)))
	case s.silent == 1 || errors.Is(err, errSearched):
		return place{}, s.first
	}
	return place{}, fmt.Errorf("%d of %d queues did not answer; the first: %w", s.silent, len(serializers), s.first)
}

// locateIn asks one serializer.
func (c *Client) locateIn(ctx context.Context, id, workflowID string) (place, error) {
	reply, err := c.findIn(ctx, id, workflowID)
	if isGone(err) {
		return place{}, notFound(id, fmt.Sprintf("operation %q is not known: it has no execution, and its token has no queue", id))
	}
	if err != nil {
		return place{}, err
	}
	if reply.Found {
		return place{workflowID: workflowID, record: reply.Record, queued: reply.WorkflowID == ""}, nil
	}
	if where, err := c.locateInPages(ctx, id, reply.Pages); err != nil || where.record != nil {
		return c.fromPage(ctx, where, workflowID), err
	}
	switch {
	case reply.Reject != nil:
		return place{}, rejected(id, *reply.Reject)
	case reply.Seen:
		return place{}, notFound(id, fmt.Sprintf("operation %q was accepted and has completed; its record is no longer retained", id))
	case reply.Reading:
		return place{}, notFound(id, fmt.Sprintf("operation %q is not known yet: its token is still reading what was submitted", id))
	}
	return place{}, notFound(id, fmt.Sprintf("operation %q is not known: it has no execution and is not in the queue of its token", id))
}

// fromPage is a place in a page of the token with that serializer.
func (c *Client) fromPage(ctx context.Context, where place, workflowID string) place {
	where.workflowID = workflowID
	if where.queued {
		c.queueOf(workflowID).blocker(ctx, nil).blocks(where.record)
	}
	return where
}

// findIn asks one serializer, again for a while where it is still reading.
func (c *Client) findIn(ctx context.Context, id, workflowID string) (reply protocol.FindReply, err error) {
	patience, cancel := context.WithTimeout(ctx, c.options.QueryTimeout)
	defer cancel()
	for wait := firstBackoff; ; wait *= 2 {
		reply = protocol.FindReply{}
		err = c.askSerializer(ctx, workflowID, protocol.FindQueryName, &reply, protocol.FindRequest{OperationID: id})
		if err != nil || reply.Found || !reply.Reading || !pause(patience, wait) {
			return reply, err
		}
	}
}

// rejected is a submission that the serializer did not accept.
func rejected(id string, r protocol.Reject) error {
	return &protocol.Refusal{
		Type:        r.Type,
		Message:     fmt.Sprintf("operation %q was refused at %s: %s", id, r.At.UTC().Format("2006-01-02T15:04:05Z"), r.Reason),
		OperationID: id,
	}
}

// runningSerializers lists the workflow ids of all running serializers.
func (c *Client) runningSerializers(ctx context.Context) ([]string, error) {
	var ids []string
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1000,
		Query:    "WorkflowType = " + protocol.QuoteForQuery(protocol.SerializerWorkflow) + " AND ExecutionStatus = " + protocol.QuoteForQuery(enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING.String()),
	}
	for {
		page, err := c.temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list the running tokens: %w", err)
		}
		for _, info := range page.GetExecutions() {
			if id := info.GetExecution().GetWorkflowId(); isSerializer(id) {
				ids = append(ids, id)
			}
		}
		if len(page.GetNextPageToken()) == 0 {
			return ids, nil
		}
		request.NextPageToken = page.GetNextPageToken()
	}
}

func isSerializer(workflowID string) bool {
	_, ok := protocol.SerializerKey(workflowID)
	return ok
}
