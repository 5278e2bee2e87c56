package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// fake is a Temporal server with the operations in records, some of them queued
// behind a token's head.
type fake struct {
	client.Client
	options   client.Options
	records   map[string]protocol.Record
	state     protocol.SerializerState
	queue     []protocol.Record
	refusal   error
	signals   int
	submitted []any
	// answer is that of an update with that name; sent are its arguments.
	answer func(name string) any
	mu     sync.Mutex
	sent   []any
	// serializers are the tokens that run.
	serializers []string
	// listed are the executions of operations in the server's index; queries are
	// what it was asked.
	listed  []*workflowpb.WorkflowExecutionInfo
	queries []string
	deleted map[string]bool
	// outcome is what an event became; raised counts them.
	outcome protocol.EventOutcome
	raised  int
	// operator is what setup looks at, and patient what doctor does.
	operator *operator
	patient  *patient
	// terminal says that a person sits at stdin, screen that one sits at stdout.
	terminal, screen bool
	// beats are the heartbeats of the handler of operation "b", one for each look;
	// after the last one it has succeeded.
	beats []protocol.Heartbeat
}

func (f *fake) Close() {}

func (f *fake) dialled(_ context.Context, o client.Options) (client.Client, error) {
	f.options = o
	return f, nil
}

func (f *fake) SignalWithStartWorkflow(_ context.Context, _, _ string, argument any, _ client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	f.signals++
	f.mu.Lock()
	defer f.mu.Unlock()
	f.submitted = append(f.submitted, argument)
	return nil, f.refusal
}

func (f *fake) ExecuteWorkflow(_ context.Context, _ client.StartWorkflowOptions, workflow any, _ ...any) (client.WorkflowRun, error) {
	if workflow == protocol.EventWorkflow {
		f.raised++
	}
	return nil, f.refusal
}

func (f *fake) DescribeWorkflowExecution(_ context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	id, isOperation := protocol.OperationID(workflowID)
	f.mu.Lock()
	defer f.mu.Unlock()
	pending := f.beat(id)
	record, ok := f.records[id]
	if isOperation && (!ok || f.deleted[id]) {
		return nil, serviceerror.NewNotFound("none")
	}
	info := &workflowpb.WorkflowExecutionInfo{
		Execution:     &commonpb.WorkflowExecution{WorkflowId: workflowID},
		Status:        enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		HistoryLength: 7,
	}
	if runID == f.state.Predecessor.RunID && runID != "" {
		info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	}
	if record.StatusCode.Terminal() {
		info.Status, info.CloseTime = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, timestamppb.Now()
	}
	if record.StatusCode == protocol.Failed {
		info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
		info.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
		info.Memo.Fields[protocol.TokenMemo], _ = converter.GetDefaultDataConverter().ToPayload("customer-42")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info, PendingActivities: pending}, nil
}

// beat is the running handler with its next heartbeat.
func (f *fake) beat(id string) []*workflowpb.PendingActivityInfo {
	if id != "b" || f.beats == nil {
		return nil
	}
	if len(f.beats) == 0 {
		f.records[id] = record(id, protocol.Succeeded)
		return nil
	}
	details, _ := converter.GetDefaultDataConverter().ToPayloads(f.beats[0])
	f.beats = f.beats[1:]
	return []*workflowpb.PendingActivityInfo{{
		State: enumspb.PENDING_ACTIVITY_STATE_STARTED, Attempt: 2, LastWorkerIdentity: "7@host", HeartbeatDetails: details,
		LastHeartbeatTime: timestamppb.New(*at("08:10:00")), LastStartedTime: timestamppb.New(*at("08:05:00")),
	}}
}

func (f *fake) QueryWorkflow(_ context.Context, workflowID, _, name string, args ...any) (converter.EncodedValue, error) {
	id, _ := protocol.OperationID(workflowID)
	answers := map[string]func() any{
		protocol.OperationQueryName: func() any { return f.records[id] },
		protocol.StateQueryName:     func() any { return f.state },
		protocol.ListQueryName:      func() any { return protocol.ListReply{Operations: f.queue, Total: len(f.queue)} },
		protocol.FindQueryName:      func() any { return f.find(args[0].(protocol.FindRequest).OperationID) },
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(answers[name]())
	return client.NewValue(payloads), err
}

func (f *fake) find(id string) protocol.FindReply {
	for _, record := range f.queue {
		if record.ID == id {
			return protocol.FindReply{Found: true, Record: &record}
		}
	}
	return protocol.FindReply{}
}

func (f *fake) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, o.Args[0])
	if f.refusal != nil {
		return nil, f.refusal
	}
	return updated{answer: f.answer(o.UpdateName)}, nil
}

type withStart struct {
	client.WithStartWorkflowOperation
}

func (f *fake) NewWithStartWorkflowOperation(client.StartWorkflowOptions, any, ...any) client.WithStartWorkflowOperation {
	return withStart{}
}

func (f *fake) UpdateWithStartWorkflow(ctx context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return f.UpdateWorkflow(ctx, o.UpdateOptions)
}

type updated struct {
	client.WorkflowUpdateHandle
	answer any
}

func (u updated) Get(_ context.Context, value any) error {
	encoded, err := json.Marshal(u.answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(encoded, value)
}

func (f *fake) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	page := &workflowservice.ListWorkflowExecutionsResponse{}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = append(f.queries, r.Query)
	if strings.Contains(r.Query, protocol.SerializerWorkflow) {
		for _, token := range f.serializers {
			page.Executions = append(page.Executions, &workflowpb.WorkflowExecutionInfo{
				Execution: &commonpb.WorkflowExecution{WorkflowId: protocol.SerializerWorkflowID(token)},
			})
		}
		return page, nil
	}
	page.Executions = f.listed
	return page, nil
}

func (f *fake) WorkflowService() workflowservice.WorkflowServiceClient { return server{fake: f} }

type server struct {
	workflowservice.WorkflowServiceClient
	fake *fake
}

func (s server) DeleteWorkflowExecution(_ context.Context, r *workflowservice.DeleteWorkflowExecutionRequest, _ ...grpc.CallOption) (*workflowservice.DeleteWorkflowExecutionResponse, error) {
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	id, _ := protocol.OperationID(r.WorkflowExecution.WorkflowId)
	s.fake.deleted[id] = true
	return nil, nil
}

func (f *fake) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return closedRun{outcome: f.outcome}
}

type closedRun struct {
	client.WorkflowRun
	outcome protocol.EventOutcome
}

func (r closedRun) Get(_ context.Context, value any) error {
	if outcome, ok := value.(*protocol.EventOutcome); ok {
		*outcome = r.outcome
	}
	return nil
}

// environment is a fixed environment.
type environment map[string]string

func (e environment) Environ() (all []string) {
	for name, value := range e {
		all = append(all, name+"="+value)
	}
	return all
}

func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// result is what a run left behind.
type result struct {
	code           int
	stdout, stderr string
}

// start runs the command line against the fake.
func start(t *testing.T, f *fake, stdin string, args ...string) result {
	t.Helper()
	return startIn(t.Context(), t, f, environment{"TEMPORAL_CONFIG_FILE": t.TempDir() + "/none.toml"}, stdin, args...)
}

func startIn(ctx context.Context, t *testing.T, f *fake, env environment, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{
		stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr, environment: env, terminal: isTerminal, size: terminalSize,
		dial: func(ctx context.Context, o client.Options) (client.Client, error) {
			require.NotNil(t, f, "dialled")
			return f.dialled(ctx, o)
		},
	}
	if f != nil && (f.terminal || f.screen) {
		a.terminal = func(stream any) bool { return f.terminal && stream == a.stdin || f.screen && stream == a.stdout }
	}
	code := a.run(ctx, args)
	return result{code, stdout.String(), stderr.String()}
}
