package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"

	"github.com/seriatim-go/seriatim/protocol"
)

// Rebuild reads a closed serializer's history, event by event until next
// answers nil, and answers what it still had to do. The worker passes in the
// one that knows the serializer's rules.
type Rebuild func(workflowID string, next func() (*historypb.HistoryEvent, error)) (any, error)

// findPredecessor looks for the run of this workflow id before the one that
// asks, and says whether it ended as it should. The first question is shared
// with other tokens' looks, since a server answers few of them a second.
func (e *engine) findPredecessor(ctx context.Context, request protocol.PredecessorRequest) (protocol.Predecessor, error) {
	none := protocol.Predecessor{Look: protocol.PredecessorNone}
	if !protocol.IsExactInQuery(request.WorkflowID) {
		return protocol.Predecessor{Look: protocol.PredecessorUnchecked, Reason: "the server cannot search for this token's characters"}, nil
	}
	suspects, err := e.looks.find(ctx, request.WorkflowID)
	if err != nil {
		return protocol.Predecessor{}, err
	}
	suspicious := false
	for _, run := range suspects {
		suspicious = suspicious || run != request.RunID
	}
	if !suspicious {
		return none, nil
	}
	run, err := e.runBefore(ctx, request)
	if err != nil || run == nil {
		return none, err
	}
	return e.judge(ctx, request.WorkflowID, run.GetExecution().GetRunId())
}

// runBefore is the latest run of the workflow id but the one that asks.
func (e *engine) runBefore(ctx context.Context, request protocol.PredecessorRequest) (latest *workflowpb.WorkflowExecutionInfo, err error) {
	reply, err := e.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 10, Query: "WorkflowId = " + protocol.QuoteForQuery(request.WorkflowID),
	})
	if err != nil {
		return nil, err
	}
	for _, run := range reply.GetExecutions() {
		if run.GetExecution().GetRunId() == request.RunID {
			continue
		}
		if latest == nil || run.GetStartTime().AsTime().After(latest.GetStartTime().AsTime()) {
			latest = run
		}
	}
	return latest, nil
}

// serverIdentity and limitReason mark what the history service terminates since
// it is over a limit.
const (
	serverIdentity = "history-service"
	limitReason    = "exceeds limit."
)

// judge says how a run ended, by its own history: the index may lag.
func (e *engine) judge(ctx context.Context, workflowID, runID string) (protocol.Predecessor, error) {
	p := protocol.Predecessor{Look: protocol.PredecessorNone, RunID: runID}
	described, err := e.client.DescribeWorkflowExecution(ctx, workflowID, runID)
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return protocol.Predecessor{Look: protocol.PredecessorNone}, nil
	}
	if err != nil {
		return p, err
	}
	status := described.GetWorkflowExecutionInfo().GetStatus()
	p.Status = status.String()
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		p.Look, p.ByServer = protocol.PredecessorAbnormal, true
		p.Reason = "the server closed it"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		p.Look = protocol.PredecessorAbnormal
		err = e.readTermination(ctx, workflowID, &p)
	default:
		return protocol.Predecessor{Look: protocol.PredecessorNone}, nil
	}
	return p, err
}

// readTermination finds out who terminated a run, and why.
func (e *engine) readTermination(ctx context.Context, workflowID string, p *protocol.Predecessor) error {
	last := e.client.GetWorkflowHistory(ctx, workflowID, p.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for last.HasNext() {
		event, err := last.Next()
		if err != nil {
			return err
		}
		a := event.GetWorkflowExecutionTerminatedEventAttributes()
		p.Identity, p.Reason = a.GetIdentity(), a.GetReason()
		p.ByServer = a.GetIdentity() == serverIdentity && strings.HasSuffix(a.GetReason(), limitReason)
	}
	return nil
}

// rebuildToken reads the history of a closed serializer.
func (e *engine) rebuildToken(ctx context.Context, request protocol.PredecessorRequest) (any, error) {
	if e.rebuild == nil {
		return nil, errors.New("this worker was registered without a way to read a serializer's history")
	}
	events := e.client.GetWorkflowHistory(ctx, request.WorkflowID, request.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	state, err := e.rebuild(request.WorkflowID, func() (*historypb.HistoryEvent, error) {
		if !events.HasNext() {
			return nil, nil
		}
		activity.RecordHeartbeat(ctx)
		return events.Next()
	})
	if err != nil {
		return nil, fmt.Errorf("history of %s, run %s: %w", request.WorkflowID, request.RunID, err)
	}
	return state, nil
}
