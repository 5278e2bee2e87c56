package workflows

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// What the catalogue brought has recorded histories too, whichever release wrote
// them.
func TestRecordedShapesOfTheCatalogueHaveWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	histories := recorded(t)
	has := func(name string, kind enumspb.EventType, matches func(*historypb.HistoryEvent) bool) {
		t.Helper()
		found := false
		for path, history := range histories {
			found = found || strings.HasSuffix("/"+path, "/"+name) && slices.ContainsFunc(history.GetEvents(), func(e *historypb.HistoryEvent) bool {
				return e.GetEventType() == kind && (matches == nil || matches(e))
			})
		}
		require.True(t, found, "%s has %s", name, kind)
	}
	has("operation-workflow", enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED, nil)
	has("operation-workflow-canceled", enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED, nil)
	has("operation-restricted", enumspb.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED, nil)
	has("operation-restricted", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, nil)
	has("operation-restricted", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, nil)
	has("serializer-restricted", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED, nil)
	local := func(e *historypb.HistoryEvent) bool {
		return e.GetMarkerRecordedEventAttributes().GetMarkerName() == protocol.LocalMarker
	}
	for _, name := range []string{"operation-local", "operation-local-direct", "operation-local-retried", "operation-local-elsewhere"} {
		has(name, enumspb.EVENT_TYPE_MARKER_RECORDED, local)
	}
	has("operation-local-retried", enumspb.EVENT_TYPE_TIMER_FIRED, nil)
	for _, name := range []string{"operation-local-retried", "operation-local-elsewhere", "operation-local-again"} {
		has(name, enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, nil)
	}
	has("operation-local-again", enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED, nil)
	turn := func(e *historypb.HistoryEvent) bool {
		return e.GetSignalExternalWorkflowExecutionInitiatedEventAttributes().GetSignalName() == protocol.TurnSignalName
	}
	turned := func(e *historypb.HistoryEvent) bool {
		return e.GetWorkflowExecutionSignaledEventAttributes().GetSignalName() == protocol.TurnSignalName
	}
	for _, name := range []string{"serializer-ahead", "serializer-ahead-runs-2", "serializer-ahead-cancel-all"} {
		has(name, enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, turn)
	}
	has("serializer-ahead", enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED, nil)
	has("serializer-ahead-operation", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, turned)
	has("serializer-ahead-cancel-all-operation", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, nil)
	has("event", enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, func(e *historypb.HistoryEvent) bool {
		return isScheduled(e, protocol.SubmitForEventActivity)
	})
}
