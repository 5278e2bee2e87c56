package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"

	commonpb "go.temporal.io/api/common/v1"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// request sends what an attempt of an operation of httpType sends.
func request(t *testing.T, to *target, id string, fence protocol.Fence, w work) (status int) {
	t.Helper()
	body, err := json.Marshal(delivery{Register: "token t", Work: w})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/"+deliveryPath, bytes.NewReader(body))
	r.Header.Set(activities.IdempotencyKeyHeader, id)
	r.Header.Set(activities.FenceHeader, fence.String())
	r.Header.Set(processHeader, "w1")
	answer := httptest.NewRecorder()
	to.deliver(answer, r)
	return answer.Code
}

func TestARequestIsAnAttempt(t *testing.T) {
	t.Parallel()
	to := &target{highest: make(map[string]protocol.Fence)}
	fence := func(sequence int64, number int32) protocol.Fence {
		return protocol.Fence{Sequence: sequence, N: 1, Attempt: number}
	}
	retries := work{Kind: workRetries, Failures: 1, Version: 2}
	require.Equal(t, http.StatusBadGateway, request(t, to, "a", fence(1, 1), retries))
	require.Equal(t, http.StatusOK, request(t, to, "a", fence(1, 2), retries))
	require.Equal(t, http.StatusUnprocessableEntity, request(t, to, "b", fence(2, 1), work{Kind: workFails}))
	require.Equal(t, http.StatusConflict, request(t, to, "a", fence(1, 3), retries), "it is stale")

	e := evidence{executions: []execution{
		{id: "a", token: "t", runID: "first"},
		{id: "a", token: "t", runID: "later", started: to.requests()[3].end.Add(1)},
	}}
	e.addDeliveries(to.requests())
	require.Len(t, e.attempts, 4)
	got := e.attempts[1]
	require.False(t, got.end.Before(got.start))
	got.start, got.end = at(0), at(0)
	require.Equal(t, attempt{id: "a", token: "t", runID: "first", process: "w1", version: 2, fence: fence(1, 2), start: at(0), end: at(0)}, got)
}

func TestACallOfAWorkflowIsReadFromItsParent(t *testing.T) {
	t.Parallel()
	called := func(id int64) *historypb.HistoryEvent {
		return &historypb.HistoryEvent{
			EventId: id, EventType: enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
			Attributes: &historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes{
				StartChildWorkflowExecutionInitiatedEventAttributes: &historypb.StartChildWorkflowExecutionInitiatedEventAttributes{
					WorkflowType: &commonpb.WorkflowType{Name: flowWorkflow},
				},
			},
		}
	}
	failed := &historypb.HistoryEvent{
		EventId: 6, EventType: enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
		Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes{
			ChildWorkflowExecutionFailedEventAttributes: &historypb.ChildWorkflowExecutionFailedEventAttributes{
				InitiatedEventId: 5,
				Failure: &failurepb.Failure{Cause: &failurepb.Failure{FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
					ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: staleCode},
				}}},
			},
		},
	}
	var x execution
	reading := newReading(&x)
	reading.read(called(5))
	reading.read(failed)
	reading.read(called(7))
	require.Len(t, x.calls, 2)
	require.True(t, x.stale)
	require.False(t, x.doubled)
	reading.read(called(8))
	require.True(t, x.doubled, "one while the last ran")
}
