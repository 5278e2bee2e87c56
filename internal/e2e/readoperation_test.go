package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// engine runs one of the engine's own activities against the server.
func engine[Reply any](s *site, name string, request any) (reply Reply, err error) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	activities.RegisterEngine(env, s.Client, activities.Rebuilder{})
	value, err := env.ExecuteActivity(name, request)
	if err != nil {
		return reply, err
	}
	return reply, value.Get(&reply)
}

// anyOperation is a workflow that ends as the operation's name says, in place of
// Operation: what the engine reads must hold for each way to end.
func anyOperation(ctx workflow.Context, submitted, system converter.RawValue) error {
	var o protocol.Operation
	_ = json.Unmarshal(submitted.Payload().GetData(), &o)
	life := map[string]any{"life": map[string]any{"record": protocol.Record{N: 4}}}
	switch {
	case system.Payload() != nil: // continued
		return workflow.NewTimer(ctx, 1<<40).Get(ctx, nil)
	case o.Name == "fails with its record":
		return temporal.NewNonRetryableApplicationError("", protocol.ErrTypeOperationFailed, nil, protocol.Record{N: 7})
	case o.Name == "is canceled with its record":
		return temporal.NewCanceledError(protocol.Record{N: 7})
	case o.Name == "fails in an odd way":
		return temporal.NewNonRetryableApplicationError("", "Odd", nil, "n", 5)
	case o.Name == "goes on in another run":
		return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, map[string]any{"name": "changed"}, life)
	}
	return workflow.NewTimer(ctx, 1<<40).Get(ctx, nil)
}

// SPEC 3.1, rerun: the operation as it was submitted, its place, and how often
// its handler was scheduled, so that the fence goes on growing (2.2).
func TestEngineReadsAnOperationThatIsToRunAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	queue := s.taskQueue + "-any"
	w := worker.New(s.Client, queue, worker.Options{})
	w.RegisterWorkflow(anyOperation)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	for name, c := range map[string]struct {
		memo      map[string]any
		input     string // of the operation, beside id and name
		terminate bool
		status    protocol.StatusCode
		wanted    protocol.ReadOperationReply
		problem   string
	}{
		"fails with its record": {
			status: protocol.Failed,
			wanted: protocol.ReadOperationReply{N: 7},
		},
		"is canceled with its record": {
			memo:   map[string]any{protocol.TokenMemo: "t", protocol.SequenceMemo: 12},
			status: protocol.Canceled,
			wanted: protocol.ReadOperationReply{N: 7, Sequence: 12, Operation: protocol.Operation{DependencyToken: "t"}},
		},
		"fails in an odd way": {
			memo:   map[string]any{protocol.SequenceMemo: "twelve"},
			status: protocol.Failed,
		},
		"is terminated": {
			terminate: true, status: protocol.Canceled,
		},
		"goes on in another run": {
			terminate: true, status: protocol.Canceled,
			wanted: protocol.ReadOperationReply{N: 4},
		},
		"runs": {status: protocol.InProgress},
		"cannot be read": {
			input: `,"priority":9`, terminate: true, problem: "what was submitted cannot be read: priority: is not in 1..5",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := uuid.NewString()
			input := json.RawMessage(`{"operationType":"test.record","name":"` + name + `"` + c.input + `}`)
			_, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{
				ID: protocol.OperationWorkflowID(id), TaskQueue: queue, Memo: c.memo,
			}, "anyOperation", input)
			require.NoError(t, err)
			if name == "goes on in another run" {
				require.Eventually(t, func() bool {
					described, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(id), "")
					info := described.GetWorkflowExecutionInfo()
					return err == nil && info.GetFirstRunId() != "" && info.GetFirstRunId() != info.GetExecution().GetRunId()
				}, patience, 50*time.Millisecond)
			}
			if c.terminate {
				require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.OperationWorkflowID(id), "", ""))
			}
			if c.status.Terminal() {
				s.closed(id)
			}
			read, err := engine[protocol.ReadOperationReply](s, protocol.ReadOperationActivity,
				protocol.ReadOperationRequest{Rerun: protocol.RerunRequest{OperationID: id}})
			if c.problem != "" {
				var application *temporal.ApplicationError
				require.ErrorAs(t, err, &application)
				require.Contains(t, application.Message(), id)
				require.Contains(t, err.Error(), c.problem)
				require.ErrorContains(t, err, protocol.ErrTypeInvalidOperation)
				return
			}
			require.NoError(t, err)
			c.wanted.Found, c.wanted.Status, c.wanted.Closed = true, c.status, c.status.Terminal()
			c.wanted.Operation.ID, c.wanted.Operation.OperationType, c.wanted.Operation.Name = id, "test.record", name
			require.Equal(t, c.wanted, read)
		})
	}
	read, err := engine[protocol.ReadOperationReply](s, protocol.ReadOperationActivity,
		protocol.ReadOperationRequest{Rerun: protocol.RerunRequest{OperationID: "none"}})
	require.NoError(t, err)
	require.Zero(t, read)
}

// What our own Operation leaves is read the same way, a token's included.
func TestEngineReadsAnOperationOfAToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	s.handle = failsForGood
	o := operation(token, 1)
	o.Data = json.RawMessage(`{"a":[1.0,null]}`)
	s.submit(token, o)
	s.closed(o.ID)
	read, err := engine[protocol.ReadOperationReply](s, protocol.ReadOperationActivity,
		protocol.ReadOperationRequest{Rerun: protocol.RerunRequest{OperationID: o.ID}})
	require.NoError(t, err)
	require.Equal(t, s.state(token).NextSequence-1, read.Sequence)
	o.DependencyToken = token
	require.Equal(t, protocol.ReadOperationReply{
		Found: true, Closed: true, Status: protocol.Failed, Operation: o, Sequence: read.Sequence, N: 1,
	}, read)
}

func failsForGood(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error) {
	return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError("broken", protocol.ErrTypeFail, nil)
}
