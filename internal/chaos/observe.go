package main

import (
	"context"
	"encoding/json"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// replayedOperations is how many operations' histories are replayed, besides
// every serializer's.
const replayedOperations = 100

// serverCounts is what the server's records count.
type serverCounts struct{ runs, adoptions int }

// observe reads what the logs and the server know.
func (s *site) observe(ctx context.Context) (e evidence, seen serverCounts, err error) {
	e = evidence{open: make(map[string]bool), processes: s.lives(), writes: s.target.all()}
	if err = e.readSubmitters(s.folder); err == nil {
		err = e.readWorkers(s.folder)
	}
	if err != nil {
		return e, seen, err
	}
	o := observer{site: s, e: &e, replayer: worker.NewWorkflowReplayer()}
	workflows.Register(o.replayer, chaosCatalogue(), chaosOptions)
	if err = o.each(ctx, protocol.OperationWorkflow, o.operation); err != nil {
		return e, seen, err
	}
	err = o.each(ctx, protocol.SerializerWorkflow, o.serializer)
	return e, o.seen, err
}

// observer reads workflows one by one.
type observer struct {
	*site
	e        *evidence
	seen     serverCounts
	replayer worker.WorkflowReplayer
	replayed int
}

// each visits every run of a workflow type.
func (o *observer) each(ctx context.Context, workflowType string, visit func(context.Context, *workflowpb.WorkflowExecutionInfo) error) error {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: o.namespace, PageSize: 500, Query: "WorkflowType = " + protocol.QuoteForQuery(workflowType),
	}
	for {
		reply, err := o.temporal.ListWorkflow(ctx, request)
		if err != nil {
			return err
		}
		for _, info := range reply.GetExecutions() {
			if err := visit(ctx, info); err != nil {
				return fmt.Errorf("%s, run %s: %w", info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), err)
			}
		}
		if request.NextPageToken = reply.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return nil
		}
	}
}

// operation reads one operation's execution.
func (o *observer) operation(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) error {
	id, _ := protocol.OperationID(info.GetExecution().GetWorkflowId())
	x := execution{
		id: id, runID: info.GetExecution().GetRunId(), status: info.GetStatus().String(),
		started: info.GetStartTime().AsTime(),
	}
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		x.closed = info.GetCloseTime().AsTime()
	}
	memo := info.GetMemo().GetFields()
	for key, value := range map[string]any{
		protocol.ContentHashMemo: &x.hash, protocol.TokenMemo: &x.token, protocol.SequenceMemo: &x.sequence,
	} {
		if payload := memo[key]; payload != nil {
			if err := converter.GetDefaultDataConverter().FromPayload(payload, value); err != nil {
				return err
			}
		}
	}
	events, err := o.history(ctx, info)
	if err != nil {
		return err
	}
	for _, event := range events {
		x.read(event)
	}
	o.e.executions = append(o.e.executions, x)
	if o.replayed++; o.replayed <= replayedOperations {
		o.replay(info, events)
	}
	return o.checkTask(ctx, info)
}

// read takes in what an event says of the handler.
func (x *execution) read(event *historypb.HistoryEvent) {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		x.schedules++
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		x.timedOut = true
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		details := event.GetActivityTaskFailedEventAttributes().GetFailure().GetApplicationFailureInfo().GetDetails().GetPayloads()
		var failure protocol.FailureDetails
		if len(details) > 0 && json.Unmarshal(details[0].GetData(), &failure) == nil {
			x.stale = failure.Code == staleCode
		}
	}
}

// serializer reads one run of a token's serializer.
func (o *observer) serializer(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) error {
	events, err := o.history(ctx, info)
	if err != nil {
		return err
	}
	o.seen.runs++
	for _, event := range events {
		if a := event.GetChildWorkflowExecutionStartedEventAttributes(); a != nil {
			id, _ := protocol.OperationID(a.GetWorkflowExecution().GetWorkflowId())
			o.e.children = append(o.e.children, childStart{id, a.GetWorkflowExecution().GetRunId()})
		}
		if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == protocol.AwaitOperationActivity {
			o.seen.adoptions++
		}
	}
	o.replay(info, events)
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
		return nil // its rejects went on with the next run
	}
	if err := o.state(ctx, info); err != nil {
		return err
	}
	return o.checkTask(ctx, info)
}

// state asks the last run of a chain what it turned down.
func (o *observer) state(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) error {
	answer, err := o.temporal.QueryWorkflow(ctx, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), protocol.StateQueryName)
	if err != nil {
		return err
	}
	var state protocol.SerializerState
	if err := answer.Get(&state); err != nil {
		return err
	}
	for _, r := range state.Rejects {
		o.e.rejects = append(o.e.rejects, reject{state.Token, r.OperationID, r.Type})
	}
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		o.e.open[state.Token] = true
	}
	return nil
}

func (o *observer) history(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) (events []*historypb.HistoryEvent, err error) {
	each := o.temporal.GetWorkflowHistory(ctx, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	return events, nil
}

// replay runs the workflow code over a history: it must ask for the same again.
func (o *observer) replay(info *workflowpb.WorkflowExecutionInfo, events []*historypb.HistoryEvent) {
	err := o.replayer.ReplayWorkflowHistoryWithOptions(nil, &historypb.History{Events: events}, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId()},
	})
	if err != nil {
		o.e.replayErrors = append(o.e.replayErrors, fmt.Sprintf("%s, run %s: %v", info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), err))
	}
}

// checkTask finds a workflow whose task fails again and again.
func (o *observer) checkTask(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) error {
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil
	}
	described, err := o.temporal.DescribeWorkflowExecution(ctx, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId())
	if err == nil && described.GetPendingWorkflowTask().GetAttempt() > 1 {
		o.e.failingTasks = append(o.e.failingTasks, info.GetExecution().GetWorkflowId())
	}
	return err
}
