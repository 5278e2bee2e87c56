package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// rawSubmit sends a signal with any payloads, as a client in any language may.
func (s *site) rawSubmit(token string, input, signal *commonpb.Payloads) {
	s.t.Helper()
	require.NoError(s.t, s.tryRawSubmit(s.ctx, token, input, signal))
}

func (s *site) tryRawSubmit(ctx context.Context, token string, input, signal *commonpb.Payloads) error {
	_, err := s.WorkflowService().SignalWithStartWorkflowExecution(ctx, &workflowservice.SignalWithStartWorkflowExecutionRequest{
		Namespace: s.namespace, WorkflowId: protocol.SerializerWorkflowID(token), RequestId: uuid.NewString(),
		WorkflowType: &commonpb.WorkflowType{Name: protocol.SerializerWorkflow},
		TaskQueue:    &taskqueuepb.TaskQueue{Name: s.taskQueue},
		Input:        input, SignalName: protocol.SubmitSignalName, SignalInput: signal,
	})
	return err
}

func payload(encoding, data string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding)}, Data: []byte(data)}
}

func payloads(list ...*commonpb.Payload) *commonpb.Payloads {
	return &commonpb.Payloads{Payloads: list}
}

// SPEC 4.7, 8.3: whatever a client sends, it is refused with a reason that can
// be queried, and the next good operation runs.
func TestMalformedSignalsAreRefusedVisiblyAndTheNextRuns(t *testing.T) {
	t.Parallel()
	malformed := []struct {
		name, reason string
		signal       *commonpb.Payloads
	}{
		{"no payload", "no argument", nil},
		{"an empty list of payloads", "no argument", payloads()},
		{"null", "binary/null", payloads(payload("binary/null", ""))},
		{"JSON null", "null", payloads(payload("json/plain", "null"))},
		{"bytes", "binary/plain", payloads(payload("binary/plain", "\x00\x01"))},
		{"an unknown encoding", "x/unknown", payloads(payload("x/unknown", "{}"))},
		{"no encoding", `encoding is ""`, payloads(&commonpb.Payload{Data: []byte("{}")})},
		{"cut JSON", "not JSON", payloads(payload("json/plain", `{"id":"x"`))},
		{"bad UTF-8", "UTF-8", payloads(payload("json/plain", "{\"id\":\"\xc3\x28\"}"))},
		{"a wrong type", "name", payloads(payload("json/plain", `{"operationType":"a","name":{}}`))},
		{"a control character", "control", payloads(payload("json/plain", `{"operationType":"a","id":"a\u0000b"}`))},
		{"an owner of 300,000 bytes", "262144", payloads(payload("json/plain", fmt.Sprintf(`{"operationType":"a","ownerId":"%0300000d"}`, 1)))},
		{"an owner of 256 bytes", "ownerId", payloads(payload("json/plain", fmt.Sprintf(`{"operationType":"a","ownerId":"%0256d"}`, 1)))},
		{"another token", "dependencyToken", payloads(payload("json/plain", `{"operationType":"a","dependencyToken":"other"}`))},
	}
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	input := payloads(payload("json/plain", "not even JSON"))
	for _, tc := range malformed {
		s.rawSubmit(token, input, tc.signal)
	}
	good := operation(token, 1)
	s.submit(token, good)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(good.ID))
	rejects := s.state(token).Rejects
	require.Len(t, rejects, len(malformed)+1)
	require.Contains(t, rejects[0].Reason, "start input ignored")
	for i, tc := range malformed {
		require.Contains(t, rejects[i+1].Reason, tc.reason, tc.name)
	}
	requireNoFailedTasks(t, s, token)
}

// hasFailed says that a workflow task failed by its own fault: the workflow was not
// reset there, nor did something arrive while the task ended the run, for which the
// server has it done again.
func hasFailed(event *historypb.HistoryEvent) bool {
	failed := event.GetWorkflowTaskFailedEventAttributes()
	return failed != nil && failed.GetCause() != enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW &&
		failed.GetCause() != enumspb.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
}

// requireNoFailedTasks checks that no workflow task of the serializer failed. One
// that no worker took in time, on a busy machine, has not failed: it goes to whoever
// comes first.
func requireNoFailedTasks(t *testing.T, s *site, token string) {
	t.Helper()
	for _, event := range s.history(protocol.SerializerWorkflowID(token), "") {
		require.False(t, hasFailed(event), event.String())
		if event.GetWorkflowTaskTimedOutEventAttributes().GetTimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START {
			continue
		}
		require.NotEqual(t, enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, event.GetEventType(), event.String())
	}
}

// SPEC 1.2: the id is the idempotency key.
func TestDuplicatesRunOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token, elsewhere := unique(t), unique(t)
	first := operation(token, 1)
	other := first
	other.Name = "another"
	s.submit(token, []protocol.Operation{first, first})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(first.ID))
	s.submit(token, first)
	s.submit(token, other)
	s.submit(elsewhere, first) // the same id on another token
	last := operation(elsewhere, 2)
	s.submit(elsewhere, last)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(last.ID))
	require.Equal(t, []string{first.ID}, ids(s.ran(token)))
	require.Equal(t, []string{last.ID}, ids(s.ran(elsewhere)))

	require.Eventually(t, func() bool { return s.state(token).Counts.Rejected == 1 }, patience, 50*time.Millisecond)
	require.Equal(t, int64(2), s.state(token).Counts.Duplicates)
	rejects := s.state(elsewhere).Rejects
	require.Len(t, rejects, 1)
	require.Equal(t, protocol.ErrTypeDuplicateID, rejects[0].Type)
	require.Contains(t, rejects[0].Reason, token, "the place of the first")
}

// A token whose ring and run have forgotten an id still does not run it twice.
func TestRepeatAfterIdleEndRunsOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{Linger: time.Second})
	token := unique(t)
	first, second := operation(token, 1), operation(token, 2)
	s.submit(token, first)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(first.ID))
	s.idle(token)
	s.submit(token, []protocol.Operation{first, second})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(second.ID))
	requireInOrder(t, []string{first.ID, second.ID}, s.ran(token))
	require.Equal(t, int64(1), s.state(token).Counts.Duplicates)
}

// idle waits until the token's serializer has completed.
func (s *site) idle(token string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, protocol.SerializerWorkflowID(token), "")
		return err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}, patience, 50*time.Millisecond)
}

// An idle serializer ends; the next submission starts it again, and the
// sequence goes on growing.
func TestIdleEndThenANewSubmission(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{Linger: time.Second})
	token := unique(t)
	var wanted []string
	for n := range 3 {
		o := operation(token, n)
		wanted = append(wanted, o.ID)
		s.submit(token, o)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(o.ID))
		s.idle(token)
	}
	requireInOrder(t, wanted, s.ran(token))
}

// A namespace without our search attributes works; only filters are missing.
func TestNamespaceWithoutSearchAttributes(t *testing.T) {
	t.Parallel()
	namespace := "seriatim-test-" + uuid.NewString()
	require.NoError(t, embedded.Namespace(t.Context(), shared.Address(), namespace))
	s := newSiteIn(t, shared, namespace, workflows.Options{SearchAttributes: false})
	token := unique(t)
	due := time.Now().Add(time.Second)
	a, b := operation(token, 1), operation(token, 2)
	a.PostponeUntil, a.OwnerID = &due, "somebody"
	s.submit(token, []protocol.Operation{a, b})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(b.ID))
	requireInOrder(t, []string{a.ID, b.ID}, s.ran(token))
}

// With the search attributes there, filters see an operation.
func TestSearchAttributes(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	token := unique(t)
	due := time.Now().Add(2 * time.Second)
	a := operation(token, 1)
	a.PostponeUntil, a.OwnerID = &due, "o'hara"
	s.submit(token, a)
	count := func(query string) int64 {
		reply, err := s.WorkflowService().CountWorkflowExecutions(s.ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: s.namespace, Query: query})
		require.NoError(t, err)
		return reply.GetCount()
	}
	where := fmt.Sprintf("WorkflowType = 'Operation' AND DependencyToken = '%s' AND OperationOwner = \"o'hara\" AND OperationStatus = ", token)
	require.Eventually(t, func() bool { return count(where+"'Waiting'") == 1 }, patience, 50*time.Millisecond)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(a.ID))
	require.Eventually(t, func() bool { return count(where+"'InProgress'") == 1 }, patience, 50*time.Millisecond)
}

// The server's HTTP API is enough to submit (docs/protocol.md).
func TestSubmitOverHTTP(t *testing.T) {
	t.Parallel()
	if shared.HTTPAddress() == "" {
		t.Skip("the server's HTTP address is not known")
	}
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	post := func(path string, body any) {
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		response, err := http.Post(fmt.Sprintf("http://%s/api/v1/namespaces/%s/workflows/%s", shared.HTTPAddress(), s.namespace, path),
			"application/json", bytes.NewReader(encoded))
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		answer, _ := io.ReadAll(response.Body)
		require.Equal(t, http.StatusOK, response.StatusCode, string(answer))
	}
	queued, free := operation(token, 1), operation(token, 2)
	post(protocol.SerializerWorkflowID(token)+"/signal-with-start/submit", map[string]any{
		"workflowType": map[string]string{"name": "Serializer"}, "taskQueue": map[string]string{"name": s.taskQueue},
		"input": []any{map[string]string{"token": token}}, "signalInput": []any{queued},
	})
	post(protocol.OperationWorkflowID(free.ID), map[string]any{
		"workflowType": map[string]string{"name": "Operation"}, "taskQueue": map[string]string{"name": s.taskQueue},
		"input": []any{free}, "workflowIdReusePolicy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
	})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(queued.ID))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(free.ID))
}
