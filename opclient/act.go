package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// Cancel ends an operation Canceled, wherever it is (SPEC 3.1), and answers its
// record as it then is. reason is kept and shown, at most 1,000 bytes.
//
// ErrInvalidTransition says that its state does not allow it, with the actions
// that are allowed; ErrNotFound that nothing is known of it. A *NoWorkerError
// says that nobody answered in time; the operation may still be cancelled. token
// says in which queue to look; without it all running tokens are asked.
func (c *Client) Cancel(ctx context.Context, id, token, reason string) (protocol.Record, error) {
	return c.act(ctx, action{
		id: id, token: token, reason: reason, action: protocol.ActionCancel, update: protocol.CancelUpdateName,
		argument: func(queued string) any { return protocol.ActionRequest{OperationID: queued, Reason: reason} },
	})
}

// Postpone keeps an operation from starting before until (SPEC 5.3), as often
// as wanted; an instant in the past makes it Ready. Errors are those of Cancel.
func (c *Client) Postpone(ctx context.Context, id, token string, until time.Time, reason string) (protocol.Record, error) {
	return c.act(ctx, action{
		id: id, token: token, reason: reason, action: protocol.ActionPostpone, update: protocol.PostponeUpdateName,
		argument: func(queued string) any {
			return protocol.PostponeRequest{OperationID: queued, Until: until.UTC(), Reason: reason}
		},
	})
}

// action is one request about one operation.
type action struct {
	id, token, reason string
	action            protocol.Action
	update            string
	// argument builds the update's argument; queued is the id for a serializer
	// and empty for the operation itself.
	argument func(queued string) any
	// updateID is the same for all repeats, so that it is carried out once.
	updateID string
}

// maxRounds is how often an action follows an operation that moves from its
// queue to its own workflow, or a serializer from one run to the next.
const maxRounds = 10

func (c *Client) act(ctx context.Context, a action) (protocol.Record, error) {
	if err := errors.Join(protocol.ValidateID(a.id), protocol.ValidateReason(a.reason)); err != nil {
		return protocol.Record{}, err
	}
	a.updateID = uuid.NewString()
	wait := firstBackoff
	for round := 1; ; round++ {
		record, err := c.actOnce(ctx, a)
		if !errors.Is(err, errMoved) {
			return record, about(string(a.action), a.id, err)
		}
		if round == maxRounds || !pause(ctx, wait) {
			return protocol.Record{}, about(string(a.action), a.id, fmt.Errorf("%w; try again", err))
		}
		wait = min(2*wait, lastBackoff)
	}
}

// errMoved says that the operation, or its serializer, was about to move: ask
// again.
var errMoved = errors.New("the operation kept moving between its queue and its own workflow")

// actOnce asks the operation's own workflow, else the serializer that has it.
func (c *Client) actOnce(ctx context.Context, a action) (protocol.Record, error) {
	workflowID := protocol.OperationWorkflowID(a.id)
	there, err := c.describe(ctx, workflowID)
	switch {
	case err == nil && there.GetWorkflowExecutionInfo().GetCloseTime() != nil:
		return protocol.Record{}, c.refuseClosed(a, indexedStatus(there.GetWorkflowExecutionInfo().GetStatus(), ""))
	case err == nil:
		return c.request(ctx, a, workflowID, "")
	case !isGone(err):
		return protocol.Record{}, err
	}
	if a.token != "" {
		return c.requestQueued(ctx, a, protocol.SerializerWorkflowID(a.token))
	}
	where, err := c.locate(ctx, a.id, "")
	if err != nil {
		return protocol.Record{}, err
	}
	if !where.queued {
		return protocol.Record{}, errMoved
	}
	return c.requestQueued(ctx, a, where.workflowID)
}

// refuseClosed refuses what a completed operation does not take.
func (c *Client) refuseClosed(a action, status protocol.StatusCode) error {
	if err := protocol.CheckAction(a.id, status, a.action); err != nil {
		return err
	}
	return errMoved
}

// requestQueued asks a serializer; an operation that it does not have may have
// started and completed meanwhile.
func (c *Client) requestQueued(ctx context.Context, a action, workflowID string) (protocol.Record, error) {
	record, err := c.request(ctx, a, workflowID, a.id)
	if isRefusal(err, protocol.ErrTypeOperationNotFound) || isGone(err) {
		if _, err := c.locate(ctx, a.id, a.token); err != nil {
			return protocol.Record{}, err
		}
		return protocol.Record{}, errMoved
	}
	return record, err
}

// request sends the update to one workflow. errMoved asks for another round.
func (c *Client) request(ctx context.Context, a action, workflowID, queued string) (record protocol.Record, err error) {
	bounded, cancel := context.WithTimeout(ctx, c.options.UpdateTimeout)
	defer cancel()
	handle, err := c.temporal.UpdateWorkflow(bounded, client.UpdateWorkflowOptions{
		UpdateID:     a.updateID,
		WorkflowID:   workflowID,
		UpdateName:   a.update,
		Args:         []any{a.argument(queued)},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(bounded, &record)
	}
	if err = refusalOf(err); err == nil {
		return record, nil
	}
	switch {
	case ctx.Err() != nil:
		return record, ctx.Err()
	case isLateUpdate(err):
		return record, c.unansweredUpdate(ctx, workflowID, err)
	case isRefusal(err, protocol.ErrTypeOperationStarted), isRefusal(err, protocol.ErrTypeContinuingAsNew), endedMeanwhile(err):
		return record, errMoved
	case isGone(err) && queued == "":
		return record, errMoved // it closed since it was described
	}
	return record, err
}

// isLateUpdate says whether nobody took the update in time.
func isLateUpdate(err error) bool {
	var late *client.WorkflowUpdateServiceTimeoutOrCanceledError
	return errors.As(err, &late) || isLate(err)
}

func (c *Client) unansweredUpdate(ctx context.Context, workflowID string, cause error) error {
	err := c.noWorker(ctx, workflowID, cause)
	var unattended *NoWorkerError
	if errors.As(err, &unattended) {
		unattended.Pending = true
	}
	return err
}

// endedMeanwhile says whether the workflow's run closed over the update.
func endedMeanwhile(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == "AcceptedUpdateCompletedWorkflow"
}
