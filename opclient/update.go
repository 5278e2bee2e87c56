package opclient

import (
	"context"
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// update is one update of one workflow.
type update struct {
	workflowID, name string
	// id is the same for all repeats, so that it is carried out once.
	id       string
	argument any
	// token is set where the serializer of that token is started if it idles.
	token string
}

// ask sends the update and decodes its answer, for at most
// Options.UpdateTimeout. An againError says that a repeat with the same id is
// in order; a *NoWorkerError that nobody answered.
func (c *Client) ask(ctx context.Context, u update, answer any) error {
	bounded, cancel := context.WithTimeout(ctx, c.options.UpdateTimeout)
	defer cancel()
	handle, err := c.sendUpdate(bounded, u)
	if err == nil {
		err = handle.Get(bounded, answer)
	}
	if err = refusalOf(err); err == nil {
		return nil
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isLateUpdate(err):
		return c.unansweredUpdate(ctx, u.workflowID, err)
	case askAgain(err), u.token != "" && isGone(err): // it closed before it took the update
		return &againError{err}
	}
	return err
}

// askAgain says whether the update, with the same id, may be taken the next time:
// the run is ending or busy, too many updates are in flight, or the server gave
// its task up, as it does when more arrives while a workflow is about to close.
func askAgain(err error) bool {
	var notReady *serviceerror.WorkflowNotReady
	if errors.Is(err, ErrBusy) || isRefusal(err, protocol.ErrTypeContinuingAsNew) || endedMeanwhile(err) || errors.As(err, &notReady) {
		return true
	}
	class := classify(err)
	return class == busy || class == unanswered
}

// sendUpdate sends an update, and starts the serializer where that is asked for:
// with the input and on the task queue that a submission uses.
func (c *Client) sendUpdate(ctx context.Context, u update) (client.WorkflowUpdateHandle, error) {
	options := client.UpdateWorkflowOptions{
		UpdateID:     u.id,
		WorkflowID:   u.workflowID,
		UpdateName:   u.name,
		Args:         []any{u.argument},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	}
	if u.token == "" {
		return c.temporal.UpdateWorkflow(ctx, options)
	}
	start := c.serializerOptions(u.token)
	start.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	return c.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: c.temporal.NewWithStartWorkflowOperation(start, protocol.SerializerWorkflow, protocol.SerializerInput{Token: u.token}),
		UpdateOptions:          options,
	})
}

// serializerOptions start a token's serializer.
func (c *Client) serializerOptions(token string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:            protocol.SerializerWorkflowID(token),
		TaskQueue:     c.options.TaskQueue,
		StaticSummary: summary("operations of token " + token),
	}
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
