package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// recoverRun reads what the last run of another chain of the token still had to
// do. A run that goes on, or that handed over to another, is refused.
func (e *engine) recoverRun(ctx context.Context, request protocol.RecoverRunRequest) (reply protocol.RecoverRunReply, err error) {
	if reply.Refused, err = e.refuseRecovery(ctx, request); err != nil || reply.Refused != "" {
		return reply, err
	}
	state, err := e.rebuildToken(ctx, protocol.PredecessorRequest{WorkflowID: request.WorkflowID, RunID: request.Asked.RunID})
	var unreadable *temporal.ApplicationError
	if errors.As(err, &unreadable) && unreadable.Type() == errTypeUnreadable {
		return protocol.RecoverRunReply{Refused: "runId: " + unreadable.Message()}, nil
	}
	if err == nil && e.rebuilder.KeepInPages != nil {
		state, err = e.rebuilder.KeepInPages(state, e.pageStarter(ctx, request.Asked.DryRun))
	}
	if err != nil {
		return reply, err
	}
	reply.State, err = json.Marshal(state)
	return reply, err
}

// refuseRecovery says why there is nothing to recover, empty where there is.
func (e *engine) refuseRecovery(ctx context.Context, request protocol.RecoverRunRequest) (string, error) {
	run := request.Asked.RunID
	described, err := e.client.DescribeWorkflowExecution(ctx, request.WorkflowID, run)
	if isNotFound(err) {
		return fmt.Sprintf("runId: the server has no run %q of workflow %q: it was deleted, or is no longer retained. Recover an earlier run of its chain: what has run since is not run again", run, request.WorkflowID), nil
	}
	if err != nil {
		return "", err
	}
	asking, err := e.client.DescribeWorkflowExecution(ctx, request.WorkflowID, request.RunID)
	if err != nil {
		return "", err
	}
	info := described.GetWorkflowExecutionInfo()
	switch {
	case info.GetFirstRunId() == asking.GetWorkflowExecutionInfo().GetFirstRunId():
		return fmt.Sprintf("runId: run %q belongs to the chain of runs that goes on: there is nothing to recover", run), nil
	case described.GetWorkflowExtendedInfo().GetResetRunId() != "":
		return fmt.Sprintf("runId: run %q was reset and goes on as run %q", run, described.GetWorkflowExtendedInfo().GetResetRunId()), nil
	}
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return fmt.Sprintf("runId: run %q has not ended", run), nil
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return fmt.Sprintf("runId: run %q ended as it should, with nothing left to do", run), nil
	}
	return "", nil
}
