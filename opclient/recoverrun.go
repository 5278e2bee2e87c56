package opclient

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// find chooses the run to recover, or says why there is nothing to recover.
func (r *recovery) find(ctx context.Context) error {
	latest, err := r.client.describe(ctx, r.WorkflowID)
	if err != nil && !isGone(err) {
		return err
	}
	if err == nil {
		if err := r.readToken(ctx, latest); err != nil {
			return err
		}
	}
	info := latest.GetWorkflowExecutionInfo()
	switch {
	case r.asked.RunID != "":
		return r.take(ctx, r.asked.RunID, info)
	case wasStopped(latest):
		return r.take(ctx, info.GetExecution().GetRunId(), info)
	}
	switch p := r.state.Predecessor; {
	case p.RunID == "":
		return r.search(ctx, info)
	case p.Look == protocol.PredecessorRecovered:
		r.Nothing = fmt.Sprintf("what run %s still had to do goes on in the present chain: %d operations", p.RunID, p.Queued)
		return nil
	default:
		return r.take(ctx, p.RunID, info)
	}
}

// readToken reads the token's state; that of a run that has ended is not needed.
func (r *recovery) readToken(ctx context.Context, latest *workflowservice.DescribeWorkflowExecutionResponse) error {
	state, err := r.client.tokenAt(ctx, r.WorkflowID)
	r.state, r.running = state.SerializerState, latest.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	if r.running {
		return err
	}
	return ctx.Err()
}

// wasStopped says whether a run ended before it was done, and was not reset.
func wasStopped(run *workflowservice.DescribeWorkflowExecutionResponse) bool {
	if run.GetWorkflowExtendedInfo().GetResetRunId() != "" {
		return false
	}
	switch run.GetWorkflowExecutionInfo().GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
		enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return true
	}
	return false
}

// take has this run be recovered, if that is still to be done and it is retained.
func (r *recovery) take(ctx context.Context, runID string, latest *workflowpb.WorkflowExecutionInfo) error {
	if slices.Contains(r.state.Recovered, runID) {
		r.Nothing = fmt.Sprintf("run %s was recovered before", runID)
		return nil
	}
	run, err := r.client.temporal.DescribeWorkflowExecution(ctx, r.WorkflowID, runID)
	if isGone(err) {
		return r.refuseDeleted(ctx, fmt.Sprintf("run %s was deleted, or is no longer retained", runID), latest)
	}
	r.RunID = runID
	r.Ended = run.GetWorkflowExecutionInfo().GetStatus().String()
	return err
}

// search looks among the retained runs for a chain that nobody told of: the last
// one before the present chain.
func (r *recovery) search(ctx context.Context, latest *workflowpb.WorkflowExecutionInfo) error {
	runs, err := r.others(ctx, latest)
	switch {
	case err != nil:
		return err
	case len(runs) == 0 && latest == nil:
		return noToken(r.token)
	case len(runs) > 0 && slices.Contains(r.state.Recovered, runs[0].GetWorkflowExecutionInfo().GetExecution().GetRunId()):
		r.Nothing = "what the chain before still had to do goes on in the present one"
		return nil
	case len(runs) > 0 && wasStopped(runs[0]):
		return r.take(ctx, runs[0].GetWorkflowExecutionInfo().GetExecution().GetRunId(), latest)
	case len(runs) > 0 && runs[0].GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return r.refuseDeleted(ctx, "the last run of the chain before was deleted", latest)
	}
	r.Nothing = "the token's serializer before the present one ended as it should"
	if r.state.Predecessor.Look == protocol.PredecessorUnchecked && len(runs) == 0 {
		r.Nothing = "how the token's serializer before the present one ended is not known: name its last run"
	}
	return nil
}

// maxRunsLooked is how many of a token's last runs are looked at.
const maxRunsLooked = 20

// others are the retained runs of the token that are not of its present chain and
// were not reset, the latest first. The index lags, and cannot search for all
// tokens.
func (r *recovery) others(ctx context.Context, latest *workflowpb.WorkflowExecutionInfo) (others []*workflowservice.DescribeWorkflowExecutionResponse, err error) {
	if !protocol.IsExactInQuery(r.WorkflowID) {
		return nil, nil
	}
	page, err := r.client.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: "WorkflowId = " + protocol.QuoteForQuery(r.WorkflowID), PageSize: maxRunsLooked,
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs of the token: %w", err)
	}
	for _, listed := range page.GetExecutions() {
		execution := listed.GetExecution()
		run, err := r.client.temporal.DescribeWorkflowExecution(ctx, execution.GetWorkflowId(), execution.GetRunId())
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		present := latest != nil && run.GetWorkflowExecutionInfo().GetFirstRunId() == latest.GetFirstRunId()
		if execution.GetWorkflowId() == r.WorkflowID && !present && run.GetWorkflowExtendedInfo().GetResetRunId() == "" {
			others = append(others, run)
		}
	}
	slices.SortStableFunc(others, func(a, b *workflowservice.DescribeWorkflowExecutionResponse) int {
		return cmp.Compare(startOf(b).UnixNano(), startOf(a).UnixNano())
	})
	return others, nil
}

func startOf(run *workflowservice.DescribeWorkflowExecutionResponse) time.Time {
	return run.GetWorkflowExecutionInfo().GetStartTime().AsTime()
}

// refuseDeleted says which of the earlier runs can be recovered instead.
func (r *recovery) refuseDeleted(ctx context.Context, what string, latest *workflowpb.WorkflowExecutionInfo) error {
	runs, err := r.others(ctx, latest)
	if err != nil {
		return err
	}
	message := what + ": nothing else is retained of that chain"
	if len(runs) > 0 {
		message = what + ". Recover an earlier run of its chain, the latest first; what has run since is not run again, what was submitted to a deleted run has to be submitted again. Retained:"
		for _, run := range runs {
			info := run.GetWorkflowExecutionInfo()
			message += fmt.Sprintf(" %s (%s, began %s),", info.GetExecution().GetRunId(), info.GetStatus(), startOf(run).UTC().Format(time.RFC3339))
		}
	}
	return &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: "runId: " + strings.TrimSuffix(message, ","), WorkflowID: r.WorkflowID}
}
