package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/protocol"
)

// observer reads the server's own records into the evidence.
type observer struct {
	*site
	replayer *replayer

	mu        sync.Mutex
	evidence  *evidence
	runs      int               // of serializers
	adoptions int               // of them that took over an operation of the run before
	renewed   int               // operations' runs that continued another
	ahead     int               // operations that were started ahead of their turn
	firsts    map[string]string // the first run of each run of an operation
}

// observe reads every execution and every history that there is.
func (s *site) observe(ctx context.Context, e *evidence) (*observer, error) {
	o := &observer{site: s, evidence: e, replayer: newReplayer(), firsts: make(map[string]string)}
	e.open = make(map[string]bool)
	for workflowType, read := range map[string]func(context.Context, *workflowpb.WorkflowExecutionInfo) error{
		protocol.OperationWorkflow: o.readOperation, protocol.RecurrenceWorkflow: o.readOperation, protocol.SerializerWorkflow: o.readSerializer,
	} {
		found, err := o.list(ctx, "WorkflowType = "+protocol.QuoteForQuery(workflowType))
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", workflowType, err)
		}
		group, reading := errgroup.WithContext(ctx)
		group.SetLimit(4)
		for _, info := range found {
			group.Go(func() error { return read(reading, info) })
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
	}
	e.joinRuns(o.firsts)
	e.addDeliveries(s.target.requests())
	return o, nil
}

// list asks visibility, page by page.
func (s *site) list(ctx context.Context, query string) (found []*workflowpb.WorkflowExecutionInfo, err error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 500}
	for {
		page, err := s.temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		found = append(found, page.GetExecutions()...)
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return found, nil
		}
	}
}

// history reads a run's history and looks at what holds for every workflow: it
// replays, and its tasks do not fail.
func (o *observer) history(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) ([]*historypb.HistoryEvent, error) {
	id, runID := info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()
	var events []*historypb.HistoryEvent
	for each := o.temporal.GetWorkflowHistory(ctx, id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); each.HasNext(); {
		event, err := each.Next()
		if err != nil {
			return nil, fmt.Errorf("history of %s, run %s: %w", id, runID, err)
		}
		events = append(events, event)
	}
	failing, err := o.taskFails(ctx, info, events)
	if err != nil {
		return nil, err
	}
	replayErr := o.replayer.replay(info, events)
	o.mu.Lock()
	defer o.mu.Unlock()
	if failing {
		o.evidence.failingTasks = append(o.evidence.failingTasks, fmt.Sprintf("%s, run %s", id, runID))
	}
	if replayErr != nil {
		o.evidence.replayErrors = append(o.evidence.replayErrors, fmt.Sprintf("%s, run %s: %v", id, runID, replayErr))
	}
	return events, nil
}

// taskFails says that a workflow is stuck in failing tasks, or ended in one.
func (o *observer) taskFails(ctx context.Context, info *workflowpb.WorkflowExecutionInfo, events []*historypb.HistoryEvent) (bool, error) {
	if events[len(events)-1].GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED {
		return true, nil
	}
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return false, nil
	}
	described, err := o.temporal.DescribeWorkflowExecution(ctx, info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId())
	return described.GetPendingWorkflowTask().GetAttempt() > 1, err
}

// readOperation notes one run of an Operation, or of one that recurs.
func (o *observer) readOperation(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) error {
	events, err := o.history(ctx, info)
	if err != nil {
		return err
	}
	id, _ := protocol.OperationID(info.GetExecution().GetWorkflowId())
	x := execution{id: id, runID: info.GetExecution().GetRunId(), started: events[0].GetEventTime().AsTime(), status: "Running"}
	for key, value := range map[string]any{
		protocol.ContentHashMemo: &x.hash, protocol.TokenMemo: &x.token, protocol.SequenceMemo: &x.sequence,
	} {
		if payload := info.GetMemo().GetFields()[key]; payload != nil {
			if err := converter.GetDefaultDataConverter().FromPayload(payload, value); err != nil {
				return fmt.Errorf("memo %s of %s: %w", key, id, err)
			}
		}
	}
	reading := newReading(&x)
	for _, event := range events {
		reading.read(event)
	}
	first := events[0].GetWorkflowExecutionStartedEventAttributes().GetFirstExecutionRunId()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.firsts[x.runID] = first; first != x.runID {
		o.renewed++
	} else if info.GetMemo().GetFields()[protocol.GatedMemo] != nil {
		o.ahead++
	}
	o.evidence.executions = append(o.evidence.executions, x)
	return nil
}

// readSerializer notes one run of a Serializer.
func (o *observer) readSerializer(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) error {
	events, err := o.history(ctx, info)
	if err != nil {
		return err
	}
	var rejects []protocol.Reject
	running := info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
		if rejects, err = o.rejectsOf(ctx, info); err != nil && !running {
			return err
		}
	}
	key, _ := protocol.SerializerKey(info.GetExecution().GetWorkflowId())
	token, _ := protocol.TokenOfKey(key) // the plan's tokens are short
	o.mu.Lock()
	defer o.mu.Unlock()
	o.runs++
	if adopted(events[0]) {
		o.adoptions++
	}
	if running {
		o.evidence.open[token] = true
	}
	for _, r := range rejects {
		o.evidence.rejects = append(o.evidence.rejects, reject{token, r.OperationID, r.Type})
	}
	o.evidence.children = append(o.evidence.children, childStarts(events)...)
	return nil
}

func childStarts(events []*historypb.HistoryEvent) (starts []childStart) {
	for _, event := range events {
		if started := event.GetChildWorkflowExecutionStartedEventAttributes().GetWorkflowExecution(); started != nil {
			id, _ := protocol.OperationID(started.GetWorkflowId())
			starts = append(starts, childStart{id, started.GetRunId()})
		}
	}
	return starts
}

// rejectsOf asks the last run of a chain; it answers although it is closed.
func (o *observer) rejectsOf(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) ([]protocol.Reject, error) {
	id, runID := info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()
	var err error
	for range 3 {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		answer, queryErr := o.temporal.QueryWorkflow(attempt, id, runID, protocol.StateQueryName)
		cancel()
		var state protocol.SerializerState
		if err = queryErr; err == nil {
			err = answer.Get(&state)
			return state.Rejects, err
		}
	}
	return nil, fmt.Errorf("state of %s, run %s: %w", id, runID, err)
}

// adopted says that a run began with the head of the run before.
func adopted(started *historypb.HistoryEvent) bool {
	attributes := started.GetWorkflowExecutionStartedEventAttributes()
	payloads := attributes.GetInput().GetPayloads()
	if attributes.GetContinuedExecutionRunId() == "" || len(payloads) < 2 {
		return false
	}
	var carried struct {
		Queue struct {
			Head json.RawMessage `json:"head"`
		} `json:"queue"`
	}
	return json.Unmarshal(payloads[1].GetData(), &carried) == nil && carried.Queue.Head != nil
}
