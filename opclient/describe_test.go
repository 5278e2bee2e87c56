package opclient

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 2.1: the coarse status of the search attribute counts only while the
// workflow runs.
func TestIndexedStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status    enumspb.WorkflowExecutionStatus
		attribute string
		want      protocol.StatusCode
	}{
		{enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, "", protocol.InProgress},
		{enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, "Waiting", protocol.Waiting},
		{enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, "Succeeded", protocol.InProgress},
		{enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, "InProgress", protocol.Succeeded},
		{enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, "InProgress", protocol.Failed},
		{enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, "Waiting", protocol.Failed},
		{enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, "Canceled", protocol.Canceled},
		{enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, "", protocol.Canceled},
	} {
		require.Equal(t, test.want, indexedStatus(test.status, test.attribute), "%v %q", test.status, test.attribute)
	}
}

func TestIndexedRecord(t *testing.T) {
	t.Parallel()
	names := protocol.AttributeNames{protocol.OperationStatusAttribute: "AcmeStatus", protocol.PostponeUntilAttribute: "AcmeUntil"}
	for name, o := range map[string]Options{"default names": {}, "other names": {AttributeNames: names}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireIndexedRecord(t, o)
		})
	}
}

func requireIndexedRecord(t *testing.T, o Options) {
	t.Helper()
	begin := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	record := New(nil, o).indexedRecord(&workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: protocol.OperationWorkflowID("a")},
		Status:    enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		StartTime: timestamppb.New(begin),
		Memo: &commonpb.Memo{Fields: encoded(t, map[string]any{
			protocol.TokenMemo: "customer-42", protocol.SequenceMemo: 7, protocol.NameMemo: "n", protocol.TypeMemo: "x",
		})},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: encoded(t, map[string]any{
			o.AttributeNames.Of(protocol.OperationStatusAttribute): "Waiting", o.AttributeNames.Of(protocol.OperationOwnerAttribute): "me",
			o.AttributeNames.Of(protocol.PostponeUntilAttribute): begin.Add(time.Hour),
		})},
	})
	until := begin.Add(time.Hour)
	require.Equal(t, protocol.Record{
		Operation: protocol.Operation{
			ID: "a", Name: "n", OperationType: "x", DependencyToken: "customer-42", OwnerID: "me", PostponeUntil: &until,
		},
		StateCode: protocol.Suspended, StatusCode: protocol.Waiting, SuspendReason: protocol.SuspendPostponed,
		Sequence: 7, CreatedOn: &begin,
	}, record)
}

func encoded(t *testing.T, values map[string]any) map[string]*commonpb.Payload {
	t.Helper()
	payloads := make(map[string]*commonpb.Payload)
	for name, value := range values {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		require.NoError(t, err)
		payloads[name] = payload
	}
	return payloads
}

// SPEC 3.1: only a shown record splits what a workflow sees as Locked.
func TestRefineSplitsLocked(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	scheduled, started := enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, enumspb.PENDING_ACTIVITY_STATE_STARTED
	for name, test := range map[string]struct {
		before  protocol.StatusCode
		pending *workflowpb.PendingActivityInfo
		want    protocol.StatusCode
		reason  protocol.SuspendReason
		retries int
	}{
		"no worker has it": {protocol.InProgress, &workflowpb.PendingActivityInfo{State: scheduled, Attempt: 1}, protocol.WaitingForResources, "", 0},
		"a worker has it": {protocol.InProgress, &workflowpb.PendingActivityInfo{
			State: started, Attempt: 2, LastStartedTime: timestamppb.New(at), LastWorkerIdentity: "w1",
		}, protocol.InProgress, "", 1},
		"it waits for a retry": {
			protocol.InProgress, &workflowpb.PendingActivityInfo{
				State: scheduled, Attempt: 3, NextAttemptScheduleTime: timestamppb.New(at), LastFailure: &failurepb.Failure{Message: "503"},
			},
			protocol.Waiting, protocol.SuspendRetrying, 2,
		},
		"a cancel is pending": {protocol.Canceling, &workflowpb.PendingActivityInfo{State: scheduled, Attempt: 1}, protocol.Canceling, "", 0},
		"postponed":           {protocol.Waiting, &workflowpb.PendingActivityInfo{State: scheduled, Attempt: 1}, protocol.Waiting, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := Found{Record: protocol.Record{StatusCode: test.before, StateCode: test.before.State()}}
			found.refine([]*workflowpb.PendingActivityInfo{test.pending})
			require.Equal(t, test.want, found.StatusCode)
			require.Equal(t, test.want.State(), found.StateCode)
			require.Equal(t, test.reason, found.SuspendReason)
			require.Equal(t, test.retries, found.RetryCount)
		})
	}
}
