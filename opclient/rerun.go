package opclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// Rerun runs an operation that Failed or was Canceled again, as a new operation
// with another id, and answers the new one's record; the old one stays as it is
// (SPEC 3.1). newID is empty for a new UUIDv7; with an id of the caller's own the
// same request can be repeated. The new operation has the old one's content, but
// neither its postponeUntil nor its deadline. With a dependency token it takes
// the old one's place where that failure holds the token, else it goes to the
// end.
//
// ErrInvalidTransition says that the operation did not end Failed or Canceled;
// ErrNotFound that nothing is retained of it; ErrDuplicateID that another
// operation has newID. Other errors are those of Cancel and Submit. token says
// where the operation may queue, and is not needed for one that has completed.
func (c *Client) Rerun(ctx context.Context, id, token, newID, reason string) (record protocol.Record, err error) {
	r := rerun{id: id, token: token, newID: newID, reason: reason, updateID: uuid.NewString()}
	if r.newID == "" {
		generated, err := uuid.NewV7()
		if err != nil {
			return record, fmt.Errorf("choose an id: %w", err)
		}
		r.newID = generated.String()
	}
	err = errors.Join(protocol.ValidateID(r.id), protocol.ValidateID(r.newID), protocol.ValidateAsked(reason, c.options.Identity))
	if err != nil {
		return record, err
	}
	err = rounds(ctx, func() error {
		record, err = c.rerunOnce(ctx, r)
		return err
	})
	return record, about(string(protocol.ActionRerun), id, err)
}

// rerun is one request to run an operation again.
type rerun struct {
	id, token, newID, reason string
	// updateID is the same for all repeats, so that it is carried out once.
	updateID string
}

// rerunOnce finds out what became of the operation, and asks its token or starts
// the new one.
func (c *Client) rerunOnce(ctx context.Context, r rerun) (record protocol.Record, err error) {
	there, err := c.describe(ctx, protocol.OperationWorkflowID(r.id))
	switch {
	case isGone(err):
		return record, c.refuseUnstarted(ctx, r.id, r.token, protocol.ActionRerun)
	case err != nil:
		return record, err
	case there.GetWorkflowExecutionInfo().GetCloseTime() == nil:
		return record, c.refuseStarted(ctx, r.id, protocol.ActionRerun)
	}
	info := there.GetWorkflowExecutionInfo()
	if err := protocol.CheckAction(r.id, indexedStatus(info.GetStatus(), ""), protocol.ActionRerun); err != nil {
		return record, err
	}
	if token := c.memoString(info.GetMemo(), protocol.TokenMemo); token != "" {
		return c.rerunInToken(ctx, r, token)
	}
	return c.rerunAlone(ctx, r, info)
}

// rerunInToken asks the token's serializer, which starts where it idles.
func (c *Client) rerunInToken(ctx context.Context, r rerun, token string) (record protocol.Record, err error) {
	err = c.ask(ctx, update{
		workflowID: protocol.SerializerWorkflowID(token), name: protocol.RerunUpdateName, id: r.updateID, token: token,
		argument: protocol.RerunRequest{OperationID: r.id, NewID: r.newID, Reason: r.reason, Identity: c.options.Identity},
	}, &record)
	return record, err
}

// origin is the second argument of an operation that a client starts.
type origin struct {
	RerunOf string `json:"rerunOf"`
}

// rerunAlone starts the new operation of one without a token.
func (c *Client) rerunAlone(ctx context.Context, r rerun, info *workflowpb.WorkflowExecutionInfo) (record protocol.Record, err error) {
	o, err := c.contentOf(ctx, info.GetExecution())
	if err != nil {
		return record, err
	}
	o.ID = r.newID
	if err := o.Validate(); err != nil {
		return record, err
	}
	if _, err := c.start(ctx, ctx, o, origin{r.id}); err != nil {
		return record, err
	}
	found, err := c.execution(ctx, o.ID)
	found.RerunOf = cmp.Or(found.RerunOf, r.id)
	return found.Record, err
}

// contentOf is what was submitted, without what was meant for then only.
func (c *Client) contentOf(ctx context.Context, execution *commonpb.WorkflowExecution) (protocol.Operation, error) {
	o, err := c.submitted(ctx, execution)
	o.PostponeUntil, o.Deadline = nil, nil
	return o, err
}

// refuseUnstarted is why an operation without an execution cannot be asked for
// what only completed ones take: it queues, or nothing is known of it.
func (c *Client) refuseUnstarted(ctx context.Context, id, token string, kind protocol.Action) error {
	where, err := c.locate(ctx, id, token)
	if err != nil {
		return err
	}
	if where.record == nil || !where.queued {
		return errMoved
	}
	if err := protocol.CheckAction(id, where.record.StatusCode, kind); err != nil {
		return err
	}
	return errMoved // it has ended and gets its execution soon
}

// refuseStarted is why an operation that has not completed cannot be asked for
// what only completed ones take.
func (c *Client) refuseStarted(ctx context.Context, id string, kind protocol.Action) error {
	found, err := c.execution(ctx, id)
	if isGone(err) {
		return errMoved
	}
	if err != nil {
		return err
	}
	if err := protocol.CheckAction(id, found.StatusCode, kind); err != nil {
		return err
	}
	return errMoved // it has completed meanwhile
}
