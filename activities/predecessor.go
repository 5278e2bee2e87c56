package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// Rebuilder knows a serializer's rules: it reads what a closed run still had to
// do from its history. The worker passes in the functions of package workflows.
type Rebuilder struct {
	// Rebuild answers the state after those events, following before, which it
	// answered for the chain before, closed by the server or not.
	Rebuild func(workflowID string, events []*historypb.HistoryEvent, before any, byServer bool) (any, error)
	// LookedBack says whether the run knew how the chain before it ended.
	LookedBack func(events []*historypb.HistoryEvent) bool
	// KeepInPages puts what does not fit one payload of such a state into pages,
	// which start starts; with start nil it only leaves it out.
	KeepInPages func(state any, start func(workflowID string, content any) (runID string, err error)) (any, error)
	// AttributeNames are those of workflows.Options, for the operations that the
	// engine starts.
	AttributeNames protocol.AttributeNames
	// Looks are those of workflows.Options.NothingBefore, so that both share one
	// rate; nil has its own.
	Looks *Looks
}

// findPredecessor looks for the run of this workflow id before the one that
// asks, and says whether it ended as it should. The first question is shared
// with other tokens' looks, since a server answers few of them a second.
func (e *engine) findPredecessor(ctx context.Context, request protocol.PredecessorRequest) (protocol.Predecessor, error) {
	none := protocol.Predecessor{Look: protocol.PredecessorNone}
	if !protocol.IsExactInQuery(request.WorkflowID) {
		return protocol.Predecessor{Look: protocol.PredecessorUnchecked, Reason: "the server cannot search for this token's characters"}, nil
	}
	switch suspicious, err := e.looks.suspicious(ctx, request); {
	case err != nil:
		return protocol.Predecessor{}, err
	case !suspicious:
		return none, nil
	}
	run, err := e.runBefore(ctx, request)
	if err != nil || run == nil {
		return none, err
	}
	return e.judge(ctx, request.WorkflowID, run.GetRunId())
}

// runBefore is the latest run of the workflow id that began before the one that
// asks and belongs to another chain of runs; nil where there is none. A run that
// was reset begins its chain anew, so that the asking run may find itself before
// itself; and what a run that was reset had to do goes on in the one after the
// reset.
func (e *engine) runBefore(ctx context.Context, request protocol.PredecessorRequest) (*commonpb.WorkflowExecution, error) {
	asking, err := e.client.DescribeWorkflowExecution(ctx, request.WorkflowID, request.RunID)
	if err != nil {
		return nil, err
	}
	began := asking.GetWorkflowExecutionInfo().GetStartTime().AsTime()
	reply, err := e.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 10,
		Query: fmt.Sprintf("WorkflowId = %s AND StartTime <= '%s'",
			protocol.QuoteForQuery(request.WorkflowID), began.Format(time.RFC3339Nano)),
	})
	if err != nil {
		return nil, err
	}
	runs := reply.GetExecutions()
	slices.SortStableFunc(runs, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return b.GetStartTime().AsTime().Compare(a.GetStartTime().AsTime())
	})
	for _, run := range runs {
		other, err := e.isAnotherChain(ctx, run.GetExecution(), asking)
		if err != nil || other {
			return run.GetExecution(), err
		}
	}
	return nil, nil
}

// isAnotherChain says whether the run is of a chain before that of the asking
// one, and was not reset.
func (e *engine) isAnotherChain(ctx context.Context, run *commonpb.WorkflowExecution, asking *workflowservice.DescribeWorkflowExecutionResponse) (bool, error) {
	described, err := e.client.DescribeWorkflowExecution(ctx, run.GetWorkflowId(), run.GetRunId())
	if isNotFound(err) {
		return false, nil
	}
	return described.GetWorkflowExecutionInfo().GetFirstRunId() != asking.GetWorkflowExecutionInfo().GetFirstRunId() &&
		described.GetWorkflowExtendedInfo().GetResetRunId() == "", err
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
	if isNotFound(err) {
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

// errTypeUnreadable is a history that is not that of a serializer, or one that this
// worker does not understand.
const errTypeUnreadable = "Unreadable"

// rebuild is the engine's activity: what a closed serializer still had to do, in
// pages where it is much.
func (e *engine) rebuild(ctx context.Context, request protocol.PredecessorRequest) (any, error) {
	state, err := e.rebuildToken(ctx, request)
	if err != nil || e.rebuilder.KeepInPages == nil {
		return state, err
	}
	return e.rebuilder.KeepInPages(state, e.pageStarter(ctx, false))
}

// pageStarter is startPage as KeepInPages takes it; nil for a look that is to
// change nothing.
func (e *engine) pageStarter(ctx context.Context, look bool) func(string, any) (string, error) {
	if look {
		return nil
	}
	return func(id string, content any) (string, error) { return e.startPage(ctx, id, content) }
}

// startPage starts a page, or finds it where an earlier attempt has.
func (e *engine) startPage(ctx context.Context, id string, content any) (string, error) {
	activity.RecordHeartbeat(ctx)
	page, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                strings.TrimSuffix(activity.GetInfo(ctx).TaskQueue, protocol.EngineTaskQueueSuffix),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "holds operations that a serializer which was closed had left",
	}, protocol.BacklogPageWorkflow, content)
	if err != nil {
		return "", err
	}
	return page.GetRunID(), nil
}

// rebuildToken reads the history of a closed serializer. With no worker up,
// several chains may have been closed in a row, none of which could look at the
// one before: they are read from the oldest on.
func (e *engine) rebuildToken(ctx context.Context, request protocol.PredecessorRequest) (any, error) {
	if e.rebuilder.Rebuild == nil {
		return nil, errors.New("this worker was registered without a way to read a serializer's history")
	}
	events, err := e.history(ctx, request)
	if err != nil {
		return nil, err
	}
	var before any
	byServer := false
	if !e.rebuilder.LookedBack(events) {
		if before, byServer, err = e.rebuildBefore(ctx, request); err != nil {
			return nil, err
		}
	}
	state, err := e.rebuilder.Rebuild(request.WorkflowID, events, before, byServer)
	if err != nil { // it has closed, and reads the same the next time
		return nil, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("history of %s, run %s: %v", request.WorkflowID, request.RunID, err), errTypeUnreadable, err)
	}
	return state, nil
}

// rebuildBefore reads the chain before that run, nil where it ended as it
// should.
func (e *engine) rebuildBefore(ctx context.Context, request protocol.PredecessorRequest) (state any, byServer bool, err error) {
	run, err := e.runBefore(ctx, request)
	if err != nil || run == nil {
		return nil, false, err
	}
	found, err := e.judge(ctx, request.WorkflowID, run.GetRunId())
	if err != nil || found.Look != protocol.PredecessorAbnormal {
		return nil, false, err
	}
	state, err = e.rebuildToken(ctx, protocol.PredecessorRequest{WorkflowID: request.WorkflowID, RunID: found.RunID})
	return state, found.ByServer, err
}

// history is the whole history of a run.
func (e *engine) history(ctx context.Context, request protocol.PredecessorRequest) (events []*historypb.HistoryEvent, err error) {
	each := e.client.GetWorkflowHistory(ctx, request.WorkflowID, request.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		if err != nil {
			return nil, err
		}
		activity.RecordHeartbeat(ctx)
		events = append(events, event)
	}
	return events, nil
}
