package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// SetRecurrence changes the rule of a recurring operation, its start, or both, and
// answers its record: an empty pattern, or a nil start, stays as it is. Points of
// the new grid that have passed are not run; an occurrence that is open goes on.
//
// A *protocol.Refusal with CodeCannotUpdateNonrecurring says that the operation
// does not recur (SPEC 7.7), one with CodeInvalidRecurrence what is wrong with the
// rule. Other errors are those of Cancel; token says in which queue an operation
// may be that does not recur.
func (c *Client) SetRecurrence(ctx context.Context, id, token, pattern string, start *time.Time, reason string) (record protocol.Record, err error) {
	request := protocol.SetRecurrenceRequest{RecurrencePattern: pattern, RecurrenceStartTime: start, Reason: reason, Identity: c.options.Identity}
	if err := errors.Join(protocol.ValidateID(id), protocol.ValidateAsked(reason, c.options.Identity), checkSetRecurrence(request)); err != nil {
		return record, err
	}
	updateID := uuid.NewString()
	err = rounds(ctx, func() error {
		record, err = c.setRecurrenceOnce(ctx, id, token, request, updateID)
		updateID = nextUpdateID(updateID, err)
		return err
	})
	if err != nil {
		return protocol.Record{}, about(string(protocol.ActionSetRecurrence), id, err)
	}
	return record, nil
}

// checkSetRecurrence refuses what is wrong whatever the operation is.
func checkSetRecurrence(r protocol.SetRecurrenceRequest) error {
	probe := protocol.Operation{ID: "probe", OperationType: "probe", RecurrencePattern: "FREQ=DAILY"}
	_, err := r.Apply(probe, time.Now())
	return err
}

func (c *Client) setRecurrenceOnce(ctx context.Context, id, token string, request protocol.SetRecurrenceRequest, updateID string) (record protocol.Record, err error) {
	workflowID := protocol.OperationWorkflowID(id)
	there, err := c.describe(ctx, workflowID)
	switch {
	case isGone(err):
		if _, err := c.locate(ctx, id, token); err != nil {
			return record, err
		}
		return record, protocol.RefuseNonrecurring(id) // it queues, which none that recurs does
	case err != nil:
		return record, err
	case !isRecurrence(there):
		return record, protocol.RefuseNonrecurring(id)
	case there.GetWorkflowExecutionInfo().GetCloseTime() != nil:
		status := indexedStatus(there.GetWorkflowExecutionInfo().GetStatus(), "")
		return record, &protocol.Refusal{
			Type: protocol.ErrTypeInvalidTransition, Code: protocol.CodeCannotUpdateRecurring, Name: protocol.CodeCannotUpdateRecurring.Name(),
			Message: fmt.Sprintf("operation %q is %s: its recurrence cannot be changed", id, status), OperationID: id,
			Allowed: protocol.AllowedActions(status),
		}
	}
	err = c.ask(ctx, update{workflowID: workflowID, name: protocol.SetRecurrenceUpdateName, id: updateID, argument: request}, &record)
	if isGone(err) {
		return record, errMoved // it closed since it was described
	}
	return record, err
}

// isRecurrence says that an execution is that of a recurring operation.
func isRecurrence(there *workflowservice.DescribeWorkflowExecutionResponse) bool {
	return there.GetWorkflowExecutionInfo().GetType().GetName() == protocol.RecurrenceWorkflow
}

// SetRecurrence changes the rule or the start of the recurring operation; see
// [Client.SetRecurrence].
func (h *Handle) SetRecurrence(ctx context.Context, pattern string, start *time.Time, reason string) (protocol.Record, error) {
	return h.client.SetRecurrence(ctx, h.ID, h.Token, pattern, start, reason)
}
