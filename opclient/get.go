package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"

	"github.com/seriatim-go/seriatim/protocol"
)

// Source says where a record comes from, and so how much it knows.
type Source string

// The sources.
const (
	// FromQuery: the operation's own workflow answered; the record is complete.
	FromQuery Source = "query"
	// FromDescribe: no worker answered, so the record is put together from what
	// the server knows. A succeeded operation's result is missing.
	FromDescribe Source = "describe"
	// FromQueue: the serializer answered for an operation that waits in its
	// queue.
	FromQueue Source = "queue"
	// FromVisibility: the server's index, for lists. It may lag some tenths of a
	// second, holds no data, and tells running operations apart as InProgress or
	// Waiting only.
	FromVisibility Source = "visibility"
	// FromHistory: no worker answered, so a queue is put together from the
	// history of its token's serializer. What was refused, was a repeat, or was
	// asked for in the current run is not known; an operation that was postponed
	// or cancelled since may show as it was submitted.
	FromHistory Source = "history"
)

// Found is an operation that was found.
type Found struct {
	protocol.Record
	// Source says where the record comes from.
	Source Source `json:"source,omitempty"`
	// WorkflowID is the workflow that has it.
	WorkflowID string `json:"workflowId,omitempty"`
	// NextAttempt is when the engine tries again, for one that waits for a
	// retry.
	NextAttempt *time.Time `json:"nextAttempt,omitempty"`
	// Progress is how far its handler says that it is, while it is Locked or waits
	// for the engine's next attempt; nil where it said nothing.
	Progress *protocol.Progress `json:"progress,omitempty"`
}

// Get finds an operation by its id: as a workflow of its own, else in the queue
// of the token, else in the queues of all running tokens, which may take long
// and is told to Options.Notice.
//
// Without a worker an operation that has started is answered with FromDescribe,
// one that queues with FromHistory; the error is a *NoWorkerError where neither
// knows it. ErrNotFound says that nothing is known of it. A submission that the
// serializer refused is answered as that *protocol.Refusal.
func (c *Client) Get(ctx context.Context, id, token string) (Found, error) {
	if err := protocol.ValidateID(id); err != nil {
		return Found{}, err
	}
	found, err := c.find(ctx, id, token)
	return found, about("find", id, err)
}

// about names the operation in an error that does not name it itself.
func about(what, id string, err error) error {
	var refusal *protocol.Refusal
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return fmt.Errorf("%s operation %q: %w", what, id, err)
}

// find looks in all places, following an operation that moves from its queue to
// its own workflow meanwhile.
func (c *Client) find(ctx context.Context, id, token string) (Found, error) {
	for wait := firstBackoff; ; wait *= 2 {
		found, err := c.execution(ctx, id)
		if !isGone(err) {
			c.placeAhead(ctx, &found.Record)
			return found, err
		}
		where, err := c.locate(ctx, id, token)
		var unattended *NoWorkerError
		if errors.As(err, &unattended) {
			return c.findPast(ctx, id, token, err)
		}
		if err != nil {
			return Found{}, err
		}
		if where.queued {
			return fromQueue(where), nil
		}
		if wait >= time.Second || !pause(ctx, wait) { // it has started and must show soon
			return fromQueue(where), absent(ctx, id, where)
		}
	}
}

func fromQueue(where place) Found {
	if where.record == nil {
		return Found{}
	}
	return Found{Record: *where.record, Source: FromQueue, WorkflowID: where.workflowID}
}

// absent is the error for an operation that was started and does not show.
func absent(ctx context.Context, id string, where place) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case where.record != nil:
		return nil
	}
	return notFound(id, fmt.Sprintf("operation %q was started and has no execution now: it was deleted", id))
}

// execution reads the operation's own workflow; isGone(err) where there is none.
func (c *Client) execution(ctx context.Context, id string) (Found, error) {
	workflowID := protocol.OperationWorkflowID(id)
	there, err := c.describe(ctx, workflowID)
	if err != nil {
		return Found{}, err
	}
	var record protocol.Record
	runID := there.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	err = c.query(ctx, workflowID, runID, protocol.OperationQueryName, &record)
	found := Found{Record: record, Source: FromQuery, WorkflowID: workflowID}
	if err != nil || record.ID != id {
		if ctx.Err() != nil {
			return Found{}, ctx.Err()
		}
		found.Source = FromDescribe
		found.Record = c.describedRecord(ctx, there)
	}
	if found.StatusCode.State() == protocol.Locked {
		found.Progress = c.progress(there.GetPendingActivities())
	}
	found.refine(there.GetPendingActivities())
	return found, nil
}

func (c *Client) describe(ctx context.Context, workflowID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return c.temporal.DescribeWorkflowExecution(ctx, workflowID, "")
}

// query asks a workflow and decodes the answer. A worker that does not answer
// in time is an error that isLate or isUnattended knows.
func (c *Client) query(ctx context.Context, workflowID, runID, name string, answer any, args ...any) error {
	// The SDK gives one request half of what the context has left.
	bounded, cancel := context.WithTimeout(ctx, 2*c.options.QueryTimeout)
	defer cancel()
	value, err := c.temporal.QueryWorkflow(bounded, workflowID, runID, name, args...)
	if err != nil {
		return err
	}
	return value.Get(answer)
}

// isUnattended says whether a query has no answer for want of a worker that
// could give one.
func isUnattended(err error) bool {
	var answer serviceerror.ServiceError
	return isLate(err) || errors.As(err, &answer) && answer.Status().Code() == codes.FailedPrecondition
}

// askSerializer queries a serializer. isGone(err) where the token never had
// one; a *NoWorkerError where nobody answers.
func (c *Client) askSerializer(ctx context.Context, workflowID, name string, answer any, args ...any) error {
	err := c.query(ctx, workflowID, "", name, answer, args...)
	if err == nil || isGone(err) || ctx.Err() != nil || !isUnattended(err) {
		return err
	}
	return c.noWorker(ctx, workflowID, err)
}
