package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// attemptNow schedules the next attempt of a handler at once, where the engine
// waits for its time or a person paused it there: the workflow sees neither
// (SPEC 3.1). done is false where it is the workflow that has to be asked.
//
// The server's own way to "reset" an activity would begin its attempts anew, and
// so its fence (SPEC 2.2). Pausing it and unpausing it at once keeps attempt,
// heartbeat and retry policy.
func (c *Client) attemptNow(ctx context.Context, a action, there *workflowservice.DescribeWorkflowExecutionResponse) (record protocol.Record, done bool, err error) {
	handler := handlerOf(there.GetPendingActivities())
	if !waitsForAttempt(handler, time.Now()) {
		return record, false, nil
	}
	restrictions := c.restrictionsOf(there.GetWorkflowExecutionInfo())
	if err := protocol.CheckRestricted(a.id, protocol.Waiting, restrictions, protocol.ActionResume); err != nil {
		return record, true, err
	}
	execution := there.GetWorkflowExecutionInfo().GetExecution()
	if err := c.unpark(ctx, execution, handler, a.reason); err != nil {
		return record, true, c.notUnparked(a.id, handler, err)
	}
	found, err := c.execution(ctx, a.id)
	return found.Record, true, err
}

// waitsForAttempt says whether the engine holds back the handler's next attempt.
func waitsForAttempt(handler *workflowpb.PendingActivityInfo, now time.Time) bool {
	switch handler.GetState() {
	case enumspb.PENDING_ACTIVITY_STATE_PAUSED:
		return true
	case enumspb.PENDING_ACTIVITY_STATE_SCHEDULED:
		next := instant(handler.GetNextAttemptScheduleTime())
		return handler.GetAttempt() > 1 && next != nil && next.After(now)
	}
	return false
}

// unpark pauses the activity and lets it go at once. The second half is not left
// out when ctx is done.
func (c *Client) unpark(ctx context.Context, execution *commonpb.WorkflowExecution, handler *workflowpb.PendingActivityInfo, reason string) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.UpdateTimeout)
	defer cancel()
	service, id := c.temporal.WorkflowService(), handler.GetActivityId()
	if handler.GetState() != enumspb.PENDING_ACTIVITY_STATE_PAUSED {
		_, err := service.PauseActivity(bounded, &workflowservice.PauseActivityRequest{
			Namespace: c.options.Namespace, Execution: execution, Identity: c.options.Identity,
			Activity: &workflowservice.PauseActivityRequest_Id{Id: id},
			Reason:   reason, RequestId: uuid.NewString(),
		})
		var paused *serviceerror.FailedPrecondition
		if err != nil && !errors.As(err, &paused) {
			return err
		}
	}
	_, err := service.UnpauseActivity(bounded, &workflowservice.UnpauseActivityRequest{
		Namespace: c.options.Namespace, Execution: execution, Identity: c.options.Identity,
		Activity: &workflowservice.UnpauseActivityRequest_Id{Id: id},
	})
	return err
}

// notUnparked says why the next attempt was not scheduled.
func (c *Client) notUnparked(id string, handler *workflowpb.PendingActivityInfo, err error) error {
	var unimplemented *serviceerror.Unimplemented
	switch {
	case errors.As(err, &unimplemented):
		return &protocol.Refusal{
			Type: protocol.ErrTypeInvalidTransition, Code: protocol.CodeInvalidStateChangeToReady, OperationID: id,
			Message: fmt.Sprintf("operation %q waits for attempt %d, and this Temporal server cannot bring an attempt forward (%v)", id, handler.GetAttempt(), err),
			Allowed: protocol.AllowedActions(protocol.InProgress),
		}
	case isGone(err):
		return &againError{fmt.Errorf("its attempt has ended meanwhile, or Options.Namespace %q is not that of the Temporal client (%v)", c.options.Namespace, err)}
	}
	return err
}

// handlerOf is the activity of an operation's handler; nil where none is
// pending. The engine's own are passed over.
func handlerOf(pending []*workflowpb.PendingActivityInfo) *workflowpb.PendingActivityInfo {
	for _, activity := range pending {
		if !protocol.IsEngineActivity(activity.GetActivityType().GetName()) {
			return activity
		}
	}
	return nil
}
