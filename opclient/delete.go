package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// Delete removes the record of a Completed operation, and with it the protection
// against a repeat of its id (SPEC 3.1). It returns once the server no longer
// knows the operation, which for one that has just completed takes some 30 s;
// deleted is false where it knew none to begin with, so that a repeat does no
// harm.
//
// ErrInvalidTransition says that it is not Completed, with
// protocol.CodeCannotDeleteUnlessCompleted, or that its type keeps its records,
// with protocol.CodeCannotDeleteOrCancel. An *UnansweredError says that the
// server took the request and still shows the operation after Options.RetryFor. A *NoWorkerError says that it may be in a queue that
// nobody answers for; token says in which, without it all running ones are
// asked.
func (c *Client) Delete(ctx context.Context, id, token string) (deleted bool, err error) {
	if err := protocol.ValidateID(id); err != nil {
		return false, err
	}
	err = rounds(ctx, func() error {
		deleted, err = c.deleteOnce(ctx, id, token)
		return err
	})
	return deleted, about(string(protocol.ActionDelete), id, err)
}

func (c *Client) deleteOnce(ctx context.Context, id, token string) (bool, error) {
	there, err := c.describe(ctx, protocol.OperationWorkflowID(id))
	switch {
	case isGone(err):
		err := c.refuseUnstarted(ctx, id, token, protocol.ActionDelete)
		if isRefusal(err, protocol.ErrTypeOperationNotFound) {
			return false, nil
		}
		return false, err
	case err != nil:
		return false, err
	case there.GetWorkflowExecutionInfo().GetCloseTime() == nil:
		return false, c.refuseStarted(ctx, id, protocol.ActionDelete)
	}
	info := there.GetWorkflowExecutionInfo()
	if err := protocol.CheckRestricted(id, indexedStatus(info.GetStatus(), ""), c.restrictionsOf(info), protocol.ActionDelete); err != nil {
		return false, err
	}
	latest := there.GetWorkflowExecutionInfo().GetExecution()
	if err := c.deleteEarlier(ctx, latest); err != nil {
		return false, err
	}
	if err := c.deleteRun(ctx, latest); err != nil {
		return false, err
	}
	return true, c.awaitGone(ctx, latest.GetWorkflowId())
}

// deleteEarlier deletes the runs before the latest: first, so that the operation
// is not gone while some of it is left.
func (c *Client) deleteEarlier(ctx context.Context, latest *commonpb.WorkflowExecution) error {
	if !protocol.IsExactInQuery(latest.GetWorkflowId()) {
		return nil // the index cannot be asked for it
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = " + protocol.QuoteForQuery(latest.GetWorkflowId())}
	for {
		page, err := c.temporal.ListWorkflow(ctx, request)
		if err != nil {
			return err
		}
		for _, info := range page.GetExecutions() {
			run := info.GetExecution()
			if run.GetWorkflowId() != latest.GetWorkflowId() || run.GetRunId() == latest.GetRunId() {
				continue
			}
			if err := c.deleteRun(ctx, run); err != nil {
				return err
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return nil
		}
	}
}

// deleteRun deletes one run; one that is gone already is as good. It names the
// run, so that it never meets another operation of the same id.
func (c *Client) deleteRun(ctx context.Context, run *commonpb.WorkflowExecution) error {
	_, err := c.temporal.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: c.options.Namespace, WorkflowExecution: run,
	})
	if isGone(err) {
		return nil
	}
	return err
}

// awaitGone waits until the server no longer knows the workflow. It deletes one
// only after its queues have noted the close, which they do every 30 s
// (history.transferProcessorUpdateAckInterval).
func (c *Client) awaitGone(ctx context.Context, workflowID string) error {
	bounded, cancel := context.WithTimeout(ctx, c.options.RetryFor)
	defer cancel()
	for wait := firstBackoff; ; wait = min(2*wait, time.Second) {
		_, err := c.describe(ctx, workflowID)
		if isGone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if !pause(bounded, wait) {
			return errors.Join(ctx.Err(), &UnansweredError{Err: fmt.Errorf(
				"workflow %q is still there; is Options.Namespace %q that of the Temporal client?", workflowID, c.options.Namespace)})
		}
	}
}
