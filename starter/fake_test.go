package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/protocol"
)

// fake is a Temporal server with the operations in records, some of them queued
// behind a token's head.
type fake struct {
	client.Client
	options client.Options
	records map[string]protocol.Record
	state   protocol.SerializerState
	queue   []protocol.Record
	refusal error
	signals int
}

func (f *fake) Close() {}

func (f *fake) SignalWithStartWorkflow(context.Context, string, string, any, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	f.signals++
	return nil, f.refusal
}

func (f *fake) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, f.refusal
}

func (f *fake) DescribeWorkflowExecution(_ context.Context, workflowID, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	id, isOperation := protocol.OperationID(workflowID)
	record, ok := f.records[id]
	if isOperation && !ok {
		return nil, serviceerror.NewNotFound("none")
	}
	info := &workflowpb.WorkflowExecutionInfo{
		Execution:     &commonpb.WorkflowExecution{WorkflowId: workflowID},
		Status:        enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		HistoryLength: 7,
	}
	if record.StatusCode == protocol.Failed {
		info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
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

func (f *fake) UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return nil, f.refusal
}

func (f *fake) GetWorkflow(context.Context, string, string) client.WorkflowRun { return closedRun{} }

type closedRun struct{ client.WorkflowRun }

func (closedRun) Get(context.Context, any) error { return nil }

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
		stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr, environment: env,
		dial: func(_ context.Context, o client.Options) (client.Client, error) {
			require.NotNil(t, f, "dialled")
			f.options = o
			return f, nil
		},
	}
	code := a.run(ctx, args)
	return result{code, stdout.String(), stderr.String()}
}
