package opclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// fake is a Temporal client that answers from functions; what a test does not
// set panics when it is called, except that no workflow exists.
type fake struct {
	client.Client

	signal   func(workflowID string, argument any) error
	start    func(client.StartWorkflowOptions, protocol.Operation) error
	starting func(args []any)
	raise    func(client.StartWorkflowOptions, protocol.Event) error
	// raised is the result of an event's workflow; closed is its failure.
	raised   protocol.EventOutcome
	count    func(query string) (int64, error)
	describe func(workflowID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	// describeRun is describe where a run is named.
	describeRun func(runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	query       func(ctx context.Context, workflowID, name string, args []any) (any, error)
	update      func(client.UpdateWorkflowOptions) (any, error)
	list        func(query string) ([]*workflowpb.WorkflowExecutionInfo, error)
	input       protocol.Operation
	closed      error
	// cut is what an answer to a wait for a workflow's end is in place of closed.
	cut     func() error
	service workflowservice.WorkflowServiceClient
	// pollers is how many workers poll.
	pollers int
	// histories are the events of workflows other than that of input; one without
	// events is not there.
	histories map[string][]*historypb.HistoryEvent

	mu    sync.Mutex
	calls []string
	// answered are the updates that were answered Busy, by their id: a server
	// answers a repeat the same.
	answered map[string]error
}

var errGone = serviceerror.NewNotFound("workflow not found")

func (f *fake) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *fake) SignalWithStartWorkflow(_ context.Context, workflowID, _ string, argument any,
	_ client.StartWorkflowOptions, _ any, _ ...any,
) (client.WorkflowRun, error) {
	f.note("signal " + workflowID)
	return nil, f.signal(workflowID, argument)
}

func (f *fake) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	f.note("start " + o.ID)
	if f.starting != nil {
		f.starting(args)
	}
	if event, ok := args[0].(protocol.Event); ok {
		return nil, f.raise(o, event)
	}
	return nil, f.start(o, args[0].(protocol.Operation))
}

func (f *fake) DescribeWorkflowExecution(_ context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	f.note("describe " + workflowID)
	if f.describeRun != nil && runID != "" {
		return f.describeRun(runID)
	}
	if f.describe == nil {
		return nil, errGone
	}
	return f.describe(workflowID)
}

func (f *fake) QueryWorkflow(ctx context.Context, workflowID, _, name string, args ...any) (converter.EncodedValue, error) {
	f.note("query " + workflowID + " " + name)
	answer, err := f.query(ctx, workflowID, name, args)
	if err != nil {
		return nil, err
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return client.NewValue(payloads), err
}

func (f *fake) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	f.note("update " + o.WorkflowID + " " + o.UpdateName)
	f.mu.Lock()
	before := f.answered[o.UpdateID]
	f.mu.Unlock()
	if before != nil {
		return nil, before
	}
	answer, err := f.update(o)
	var refused *temporal.ApplicationError
	if errors.As(err, &refused) && refused.Type() == protocol.ErrTypeBusy {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.answered == nil {
			f.answered = make(map[string]error)
		}
		f.answered[o.UpdateID] = err
	}
	return updateHandle{answer: answer}, err
}

// started is what UpdateWithStartWorkflow starts.
type started struct {
	client.WithStartWorkflowOperation
	options client.StartWorkflowOptions
	args    []any
}

func (f *fake) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, _ any, args ...any) client.WithStartWorkflowOperation {
	return started{options: o, args: args}
}

func (f *fake) UpdateWithStartWorkflow(ctx context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	s := o.StartWorkflowOperation.(started)
	f.note("start or use " + s.options.ID + " on " + s.options.TaskQueue + " " + s.options.WorkflowIDConflictPolicy.String())
	return f.UpdateWorkflow(ctx, o.UpdateOptions)
}

func (f *fake) WorkflowService() workflowservice.WorkflowServiceClient { return f.service }

type updateHandle struct {
	client.WorkflowUpdateHandle
	answer any
}

func (h updateHandle) Get(_ context.Context, value any) error {
	encoded, err := json.Marshal(h.answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(encoded, value)
}

func (f *fake) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	f.note("list " + r.Query)
	infos, err := f.list(r.Query)
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: infos}, err
}

func (f *fake) DescribeTaskQueue(context.Context, string, enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: make([]*taskqueuepb.PollerInfo, f.pollers)}, nil
}

func (f *fake) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	if f.cut != nil {
		if err := f.cut(); err != nil {
			return run{err: err}
		}
	}
	return run{err: f.closed, outcome: f.raised}
}

func (f *fake) CountWorkflow(_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	n, err := f.count(r.Query)
	return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, err
}

type run struct {
	client.WorkflowRun
	err     error
	outcome protocol.EventOutcome
}

func (r run) Get(_ context.Context, value any) error {
	if outcome, ok := value.(*protocol.EventOutcome); ok {
		*outcome = r.outcome
	}
	return r.err
}

func (f *fake) GetWorkflowHistory(_ context.Context, workflowID, runID string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	f.note(strings.TrimSpace("history " + workflowID + " " + runID))
	if list, ok := f.histories[workflowID]; ok && len(list) == 0 {
		return &events{list: make([]*historypb.HistoryEvent, 1), err: errGone}
	} else if ok {
		return &events{list: list}
	}
	return &events{list: []*historypb.HistoryEvent{startedEvent(f.input)}}
}

// eventFilter is short for the type of an argument.
type eventFilter = enumspb.HistoryEventFilterType

type events struct {
	client.HistoryEventIterator
	list []*historypb.HistoryEvent
	err  error
}

func (e *events) HasNext() bool { return len(e.list) > 0 }

func (e *events) Next() (*historypb.HistoryEvent, error) {
	event := e.list[0]
	e.list = e.list[1:]
	return event, e.err
}

// execution describes a workflow that is there.
func execution(workflowID string, status enumspb.WorkflowExecutionStatus, memo map[string]any) *workflowservice.DescribeWorkflowExecutionResponse {
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: "run"},
		Status:    status, Memo: &commonpb.Memo{Fields: payloads(memo)}, TaskQueue: "operations",
	}
	if status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		info.CloseTime = timestamppb.Now()
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}
}

func payloads(values map[string]any) map[string]*commonpb.Payload {
	encoded := make(map[string]*commonpb.Payload, len(values))
	for name, value := range values {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			panic(err)
		}
		encoded[name] = payload
	}
	return encoded
}

// arguments encodes what a workflow, signal or activity is given.
func arguments(values ...any) *commonpb.Payloads {
	encoded, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	if err != nil {
		panic(err)
	}
	return encoded
}

// startedEvent begins a history.
func startedEvent(args ...any) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, EventTime: timestamppb.Now(),
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: arguments(args...)},
		},
	}
}

// tokens lists the serializers of running tokens, and nothing else.
func tokens(names ...string) func(string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	return func(query string) (infos []*workflowpb.WorkflowExecutionInfo, _ error) {
		if !strings.Contains(query, protocol.SerializerWorkflow) {
			return nil, nil
		}
		for _, name := range names {
			infos = append(infos, execution(protocol.SerializerWorkflowID(name), enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil).GetWorkflowExecutionInfo())
		}
		return infos, nil
	}
}
