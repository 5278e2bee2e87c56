package workflows

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/seriatim-go/seriatim/protocol"
)

// recorded are the histories that a real server wrote, by the release that wrote
// them and the name of their shape: "v0.1.0/serializer-idle". Package
// internal/record records them.
func recorded(t *testing.T) map[string]*historypb.History {
	t.Helper()
	paths, err := filepath.Glob("testdata/replay/*/*.json")
	require.NoError(t, err)
	histories := make(map[string]*historypb.History)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		history, err := client.HistoryFromJSON(bytes.NewReader(text), client.HistoryJSONOptions{})
		require.NoError(t, err, path)
		release, file := filepath.Split(path)
		histories[filepath.Base(release)+"/"+strings.TrimSuffix(file, ".json")] = history
	}
	return histories
}

// replay has a worker's workflows go through a history. The id and the run come
// from it, since the id's key decides which token it is.
func replay(t *testing.T, history *historypb.History, register func(Registry)) error {
	t.Helper()
	replayer := worker.NewWorkflowReplayer()
	register(replayer)
	started := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	require.NotEmpty(t, started.GetWorkflowId())
	return replayer.ReplayWorkflowHistoryWithOptions(
		sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))), history,
		worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{
			ID: started.GetWorkflowId(), RunID: runOf(history),
		}})
}

// runOf is the run that wrote the history: after a reset another than the one
// that began it.
func runOf(history *historypb.History) string {
	run := ""
	for _, e := range history.GetEvents() {
		if a := e.GetWorkflowExecutionStartedEventAttributes(); a != nil {
			run = a.GetOriginalExecutionRunId()
		}
		if id := e.GetWorkflowTaskFailedEventAttributes().GetNewRunId(); id != "" {
			run = id
		}
	}
	return run
}

// registerReal is what a worker registers. Its options and its catalogue do not
// matter to a run that began with others.
func registerReal(w Registry) {
	Register(w, nil, Options{MaxRunSignals: 7, MaxRunEvents: 77, Linger: time.Minute})
}

// Every history that a released worker wrote goes on with this one.
func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	histories := recorded(t)
	require.GreaterOrEqual(t, len(histories), 12)
	for name, history := range histories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, replay(t, history, registerReal))
		})
	}
}

// A run goes on under the names of the search attributes that it recorded, whatever
// those of the worker that takes it over.
func TestRecordedHistoriesReplayUnderOtherNames(t *testing.T) {
	t.Parallel()
	names := make(protocol.AttributeNames)
	for attribute := range protocol.SearchAttributes() {
		names[attribute] = "Acme" + attribute
	}
	for name, history := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, replay(t, history, func(w Registry) {
				Register(w, nil, Options{SearchAttributes: true, AttributeNames: names})
			}))
		})
	}
}

// The shapes that a change of the serializer's commands must be replayed on.
func TestRecordedShapesHaveWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	histories := recorded(t)
	has := func(name string, kind enumspb.EventType, matches func(*historypb.HistoryEvent) bool) {
		t.Helper()
		if !strings.Contains(name, "/") {
			name = "v0.1.0/" + name
		}
		require.Contains(t, histories, name)
		require.True(t, slices.ContainsFunc(histories[name].GetEvents(), func(e *historypb.HistoryEvent) bool {
			return e.GetEventType() == kind && (matches == nil || matches(e))
		}), "%s has %s", name, kind)
	}
	asked := func(activity string) func(*historypb.HistoryEvent) bool {
		return func(e *historypb.HistoryEvent) bool { return isScheduled(e, activity) }
	}
	has("serializer-idle", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, nil)
	has("serializer-idle", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.FindPredecessorActivity))
	has("serializer-hand-off-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, nil)
	has("serializer-adoption-2", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.AwaitOperationActivity))
	has("serializer-adoption-postponed-2", enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, nil)
	has("serializer-adoption-postponed-2", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, func(e *historypb.HistoryEvent) bool {
		return e.GetWorkflowExecutionSignaledEventAttributes().GetSignalName() == protocol.OperationClosedSignalName
	})
	has("serializer-adoption-gone-2", enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED, nil)
	has("serializer-recovered-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED, nil)
	has("serializer-recovered-2", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.RebuildTokenActivity))
	has("serializer-terminated-2", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.RebuildTokenActivity))
	has("serializer-reset-1", enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED, nil)
	has("serializer-reset-1", enumspb.EVENT_TYPE_MARKER_RECORDED, func(e *historypb.HistoryEvent) bool {
		return e.GetMarkerRecordedEventAttributes().GetMarkerName() == "LocalActivity"
	})
	has("serializer-reset-2", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.AwaitOperationActivity))
	has("serializer-answered-again-2", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED, nil)
	has("serializer-cancel-duplicate", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.AwaitOperationActivity))
	has("serializer-cancelled", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, nil)
	has("serializer-duplicate-of-another", enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED, nil)
	has("operation-canceled", enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED, nil)
	for _, name := range []string{"operation-paused-resumed", "operation-postponed-running"} {
		has(name, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.ReadCheckpointActivity))
		has(name, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED, nil)
	}
	has("operation-suspended-resumed", enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, nil)
	has("operation-uncounted-retry", enumspb.EVENT_TYPE_TIMER_FIRED, nil)
	has("operation-lock-broken", enumspb.EVENT_TYPE_TIMER_FIRED, nil)
	has("operation-continued-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, nil)
	has("serializer-held", enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, nil)
	has("serializer-held-operation", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, nil)
	has("serializer-held-for-a-time", enumspb.EVENT_TYPE_TIMER_FIRED, nil)
	has("serializer-rerun-in-place", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.ReadOperationActivity))
	has("serializer-rerun-at-the-tail", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.ReadOperationActivity))
	has("serializer-cancel-rest", enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED, nil)
	has("serializer-cancel-all", enumspb.EVENT_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, nil)
	has("unreleased/serializer-recurring-1", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.StartRecurrenceActivity))
	has("unreleased/serializer-recurring-1", enumspb.EVENT_TYPE_MARKER_RECORDED, marksRecurring)
	glances := func(nothing bool) func(*historypb.HistoryEvent) bool {
		return func(e *historypb.HistoryEvent) bool {
			seen := glanceIn(e)
			return seen != nil && seen.nothing == nothing
		}
	}
	has("unreleased/serializer-idle", enumspb.EVENT_TYPE_MARKER_RECORDED, glances(true))
	has("unreleased/serializer-reset-1", enumspb.EVENT_TYPE_MARKER_RECORDED, glances(true))
	has("unreleased/serializer-recovered-2", enumspb.EVENT_TYPE_MARKER_RECORDED, glances(false))
	has("unreleased/serializer-recovered-2", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.RebuildTokenActivity))
	has("unreleased/recurrence", enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, nil)
	has("unreleased/recurrence-occurrence", enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, nil)
	has("unreleased/recurrence-with-token", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, asked(protocol.SubmitOccurrenceActivity))
	has("unreleased/recurrence-renewed-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, nil)
	has("operation-with-token", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, func(e *historypb.HistoryEvent) bool {
		return e.GetWorkflowExecutionStartedEventAttributes().GetParentWorkflowExecution() != nil
	})
}

// An update that waits for the worker does not let a new chain take anything in
// before it knows what the chain before it left: that would be lost.
func TestUpdateInTheFirstTaskWaitsForTheLookBack(t *testing.T) {
	t.Parallel()
	kinds := make(map[enumspb.EventType]int)
	for at, e := range slices.Backward(recorded(t)["v0.1.0/serializer-update-first"].GetEvents()) {
		kinds[e.GetEventType()] = at // the first of its kind
	}
	accepted := kinds[enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED]
	require.Less(t, accepted, kinds[enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED], "it was there in the first task")
	require.Greater(t, kinds[enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED], kinds[enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED])
}

// A replay that nothing turns red would prove nothing: a worker whose
// serializer issues one more command, and one whose operation issues none, are
// told from the real one; and so is a history that is not this worker's.
func TestChangedCommandsDoNotReplay(t *testing.T) {
	t.Parallel()
	histories := recorded(t)
	register := func(serializer, operation any) func(Registry) {
		return func(w Registry) {
			w.RegisterWorkflowWithOptions(serializer, workflow.RegisterOptions{Name: protocol.SerializerWorkflow})
			w.RegisterWorkflowWithOptions(operation, workflow.RegisterOptions{Name: protocol.OperationWorkflow})
		}
	}
	d := &definitions{options: Options{}.withDefaults()}
	moreCommands := func(ctx workflow.Context, input, state converter.RawValue) error {
		_ = workflow.NewTimer(ctx, time.Minute)
		return d.Serializer(ctx, input, state)
	}
	fewerCommands := func(workflow.Context, converter.RawValue, converter.RawValue) error { return nil }
	otherActivity := func(ctx workflow.Context, _, _ converter.RawValue) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		return workflow.ExecuteActivity(ctx, "another").Get(ctx, nil)
	}
	for _, tc := range []struct {
		name     string
		register func(Registry)
	}{
		{"serializer-postponed", register(moreCommands, d.Operation)},
		{"serializer-postponed", register(fewerCommands, d.Operation)},
		{"serializer-hand-off-2", register(moreCommands, d.Operation)},
		{"operation-direct", register(d.Serializer, fewerCommands)},
		{"operation-failed", register(d.Serializer, otherActivity)},
	} {
		requireNonDeterminism(t, replay(t, histories["v0.1.0/"+tc.name], tc.register), tc.name)
	}
	other := proto.CloneOf(histories["v0.1.0/serializer-idle"])
	for _, e := range other.GetEvents() {
		if a := e.GetStartChildWorkflowExecutionInitiatedEventAttributes(); a != nil {
			a.WorkflowId = protocol.OperationWorkflowID("another")
		}
	}
	requireNonDeterminism(t, replay(t, other, registerReal), "an operation that was not submitted")
}

func requireNonDeterminism(t *testing.T, err error, name string) {
	t.Helper()
	require.Error(t, err, name)
	require.Regexp(t, "TMPRL1100|nondeterministic|lookup failed", err.Error(), name)
}
