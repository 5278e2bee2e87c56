package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

const (
	// recordVariable asks for a recording: 1 is every shape, else one's name.
	recordVariable = "SERIATIM_RECORD"
	// folder is renamed to the version when one is released.
	folder   = "../../workflows/testdata/replay/unreleased"
	patience = 60 * time.Second
	identity = "recorder"
)

// stage is a server with a worker of ours for one shape. Its token and task
// queue are the shape's name.
type stage struct {
	client.Client
	t       *testing.T
	ctx     context.Context
	name    string
	options workflows.Options
	workers []worker.Worker
	// handle decides how a handler ends; nil succeeds at once.
	handle func(context.Context, protocol.HandlerInput) error
}

func newStage(t *testing.T, server *embedded.Server, name string, o workflows.Options) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	c, err := client.DialContext(ctx, client.Options{
		HostPort: server.Address(), Namespace: server.Namespace(), Identity: identity,
		Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	o.SearchAttributes = true
	s := &stage{Client: c, t: t, ctx: ctx, name: name, options: o}
	s.startWorker()
	t.Cleanup(s.stopWorker)
	return s
}

func (s *stage) startWorker() {
	s.startWorkerAs(func(w worker.Worker) workflows.Registry { return w })
}

// withoutSerializer fails the tasks of serializers.
type withoutSerializer struct{ worker.Worker }

// RegisterWorkflowWithOptions leaves one out.
func (w withoutSerializer) RegisterWorkflowWithOptions(definition any, o workflow.RegisterOptions) {
	if o.Name != protocol.SerializerWorkflow {
		w.Worker.RegisterWorkflowWithOptions(definition, o)
	}
}

// startWorkerAs starts a worker that has what the registry lets through.
func (s *stage) startWorkerAs(registry func(worker.Worker) workflows.Registry) {
	binding := catalogue.Binding{Activity: "record", Retry: catalogue.Retry{MaxAttempts: 2, InitialSeconds: 0.1}}
	heartbeats := binding
	heartbeats.HeartbeatSeconds, heartbeats.CancelTimeoutSeconds = 1, 1
	locally := binding
	locally.Execution = catalogue.ExecutionLocal
	types := []catalogue.Type{
		{Key: "test.record", Binding: binding}, {Key: "test.heartbeats", Binding: heartbeats}, {Key: localType, Binding: locally},
	}
	cat, err := catalogue.New(append(types, catalogueTypes...)...)
	require.NoError(s.t, err)
	cat, err = cat.WithEvents(catalogue.EventHandler{Name: "audit", MessageName: "update", Binding: binding})
	require.NoError(s.t, err)
	operations := worker.New(s.Client, s.name, worker.Options{Identity: identity})
	o := s.options
	looks := activities.NewLooks(s.Client)
	o.RunLocally, o.NothingBefore = s.recordLocally, looks.NothingBefore
	workflows.Register(registry(operations), cat, o)
	operations.RegisterWorkflowWithOptions(waits, workflow.RegisterOptions{Name: "waits"})
	operations.RegisterActivityWithOptions(s.record, activity.RegisterOptions{Name: "record"})
	engine := worker.New(s.Client, s.name+protocol.EngineTaskQueueSuffix, worker.Options{Identity: identity})
	activities.RegisterEngine(engine, s.Client, activities.Rebuilder{
		Rebuild: workflows.RebuildToken, LookedBack: workflows.RunLookedBack, KeepInPages: workflows.KeepInPages,
		Looks: looks,
	})
	s.workers = []worker.Worker{operations, engine}
	for _, w := range s.workers {
		require.NoError(s.t, w.Start())
	}
}

func (s *stage) stopWorker() {
	for _, w := range s.workers {
		w.Stop()
	}
	s.workers = nil
}

func (s *stage) record(ctx context.Context, in protocol.HandlerInput) (result protocol.HandlerResult, err error) {
	if s.handle != nil {
		err = s.handle(ctx, in)
	}
	return result, err
}

// localType has the first attempt of test.record as a local activity.
const localType = "test.local"

// recordLocally is record as a local activity.
func (s *stage) recordLocally(ctx context.Context, _ string, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	return s.record(ctx, in)
}

// token is the workflow id of the shape's serializer.
func (s *stage) token() string { return protocol.SerializerWorkflowID(s.name) }

// op is the shape's operation of that number.
func (s *stage) op(n int) protocol.Operation {
	return protocol.Operation{ID: fmt.Sprintf("%s-%02d", s.name, n), OperationType: "test.record"}
}

func (s *stage) postponed(n int, after time.Duration) protocol.Operation {
	o := s.op(n)
	until := time.Now().Add(after).UTC()
	o.PostponeUntil = &until
	return o
}

// submit sends each argument as a signal of its own, and answers the run.
func (s *stage) submit(submissions ...any) (runID string) {
	s.t.Helper()
	for _, submission := range submissions {
		run, err := s.trySubmit(submission)
		require.NoError(s.t, err)
		runID = run.GetRunID()
	}
	return runID
}

func (s *stage) trySubmit(submission any) (client.WorkflowRun, error) {
	return s.SignalWithStartWorkflow(s.ctx, s.token(), protocol.SubmitSignalName, submission,
		client.StartWorkflowOptions{ID: s.token(), TaskQueue: s.name}, protocol.SerializerWorkflow, protocol.SerializerInput{Token: s.name})
}

func (s *stage) state() (state protocol.SerializerState, err error) {
	answer, err := s.QueryWorkflow(s.ctx, s.token(), "", protocol.StateQueryName)
	if err != nil {
		return state, err
	}
	return state, answer.Get(&state)
}

// until waits for the token to be so.
func (s *stage) until(condition func(protocol.SerializerState) bool) {
	s.t.Helper()
	var state protocol.SerializerState
	defer func() {
		if s.t.Failed() {
			s.t.Logf("%+v", state)
		}
	}()
	require.Eventually(s.t, func() bool {
		now, err := s.state()
		state = now
		return err == nil && condition(now)
	}, patience, 50*time.Millisecond)
}

// update sends an update and waits for its answer; a refusal is one too.
func (s *stage) update(workflowID, name, updateID string, request any) {
	s.t.Helper()
	for {
		handle, err := s.UpdateWorkflow(s.ctx, client.UpdateWorkflowOptions{
			WorkflowID: workflowID, UpdateID: updateID, UpdateName: name, Args: []any{request},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if notReady := (*serviceerror.WorkflowNotReady)(nil); errors.As(err, &notReady) {
			continue // a signal came in the way of the task that would have answered
		}
		require.NoError(s.t, err)
		_ = handle.Get(s.ctx, nil)
		return
	}
}

func (s *stage) cancelQueued(n int) {
	s.t.Helper()
	s.update(s.token(), protocol.CancelUpdateName, "", protocol.ActionRequest{OperationID: s.op(n).ID, Reason: "not needed"})
}

func (s *stage) postponeQueued(n int, after time.Duration, updateID string) {
	s.t.Helper()
	s.update(s.token(), protocol.PostponeUpdateName, updateID,
		protocol.PostponeRequest{OperationID: s.op(n).ID, Until: time.Now().Add(after).UTC()})
}

// start starts an operation without a token.
func (s *stage) start(o protocol.Operation) {
	s.t.Helper()
	_, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{
		ID: protocol.OperationWorkflowID(o.ID), TaskQueue: s.name,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}, protocol.OperationWorkflow, o)
	require.NoError(s.t, err)
}

// closed waits until the run, the latest by default, has closed.
func (s *stage) closed(workflowID, runID string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, workflowID, runID)
		return err == nil && described.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}, patience, 50*time.Millisecond)
}

// current is the id of the workflow's latest run.
func (s *stage) current(workflowID string) string {
	s.t.Helper()
	described, err := s.DescribeWorkflowExecution(s.ctx, workflowID, "")
	require.NoError(s.t, err)
	return described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// has says whether the history of the workflow's latest run has such an event.
func (s *stage) has(workflowID string, kind enumspb.EventType) bool {
	s.t.Helper()
	each := s.GetWorkflowHistory(s.ctx, workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		require.NoError(s.t, err)
		if event.GetEventType() == kind {
			return true
		}
	}
	return false
}

// keep writes the history of a run, the latest by default, one event a line.
func (s *stage) keep(suffix, workflowID, runID string) {
	s.t.Helper()
	var lines [][]byte
	each := s.GetWorkflowHistory(s.ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		require.NoError(s.t, err)
		lines = append(lines, line(s.t, event))
	}
	text := append([]byte("{\"events\":[\n"), bytes.Join(lines, []byte(",\n"))...)
	text = append(text, "\n]}\n"...)
	require.NoError(s.t, os.MkdirAll(folder, 0o755))
	path := filepath.Join(folder, s.name+suffix+".json")
	require.NoError(s.t, os.WriteFile(path, text, 0o644))
	s.t.Logf("%s: %d events, %d bytes", path, len(lines), len(text))
}

// line is an event without the name of the machine that recorded it.
func line(t *testing.T, event *historypb.HistoryEvent) []byte {
	t.Helper()
	encoded, err := protojson.Marshal(event)
	require.NoError(t, err)
	var compact bytes.Buffer // protojson puts in blanks at random
	require.NoError(t, json.Compact(&compact, encoded))
	host, err := os.Hostname()
	require.NoError(t, err)
	return bytes.ReplaceAll(compact.Bytes(), []byte(host), []byte(identity))
}
