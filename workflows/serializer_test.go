package workflows

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 4.1, 4.2, 4.4
func TestPostponedHeadHoldsBackTheRest(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	due := b.Now().Add(time.Hour)
	b.submit(0, op("A"), postponed("B", due), op("C"))
	b.start(testToken)
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, []string{"A", "B", "C"}, b.ids())
	require.True(t, b.runs[0].At.Before(due), "A runs at once")
	require.False(t, b.runs[1].At.Before(due), "B never starts before its time")
	require.Equal(t, int64(3), b.state().Counts.Succeeded)
}

// SPEC 4.5, 6.3
func TestFailedOperationLetsTheNextRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.handle = func(in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == "A" {
			return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError("no such customer", protocol.ErrTypeFail, nil,
				protocol.FailureDetails{Code: "E7"})
		}
		return protocol.HandlerResult{}, nil
	}
	b.submit(0, []protocol.Operation{op("A"), op("B")})
	b.start(testToken)
	require.Equal(t, []string{"A", "B"}, b.ids())
	require.Equal(t, int64(1), b.state().Counts.Failed)
	require.Equal(t, int64(1), b.state().Counts.Succeeded)
}

// SPEC 3.1, 4.6: what ends in the queue gets its own record and runs nothing.
func TestCancelledInTheQueueIsTakenOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), op("B"), op("C"))
	cancel := b.update(time.Minute, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: "B", Reason: "not needed"})
	b.start(testToken)
	require.Equal(t, []string{"A", "C"}, b.ids())
	require.Equal(t, protocol.Canceled, cancel.record.StatusCode)
	require.Equal(t, int64(1), b.state().Counts.Canceled)
}

// SPEC 3.1
func TestCancelOfTheHeadIsReferredToItsOwnWorkflow(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.submit(0, postponed("A", b.Now().Add(time.Hour)))
	cancel := b.update(time.Minute, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: "A"})
	b.start(testToken)
	var refusal *temporal.ApplicationError
	require.True(t, cancel.rejected, "no trace in history")
	require.ErrorAs(t, cancel.err, &refusal)
	require.Equal(t, protocol.ErrTypeOperationStarted, refusal.Type())
	var details protocol.Refusal
	require.NoError(t, refusal.Details(&details))
	require.Equal(t, "operation:A", details.WorkflowID)
}

// SPEC 5.3
func TestPostponedInTheQueueStartsAtItsNewTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	due := b.Now().Add(3 * time.Hour)
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), op("B"), op("C"))
	postpone := b.update(time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{OperationID: "B", Until: due})
	b.start(testToken)
	require.NoError(t, postpone.err)
	require.Equal(t, []string{"A", "B", "C"}, b.ids())
	require.False(t, b.runs[1].At.Before(due))
}

// SPEC 1.2: the id is the idempotency key.
func TestDuplicates(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	other := op("A")
	other.Name = "another"
	b.submit(0, op("A"), op("A"), other)
	b.submit(time.Minute, op("A"), other, op("B"))
	b.start(testToken)
	require.Equal(t, []string{"A", "B"}, b.ids())
	state := b.state()
	require.Equal(t, int64(2), state.Counts.Duplicates)
	require.Len(t, state.Rejects, 2)
	for _, reject := range state.Rejects {
		require.Equal(t, protocol.ErrTypeDuplicateID, reject.Type)
		require.Equal(t, "A", reject.OperationID)
	}
}

// A postponement in the queue is not other content.
func TestDuplicateOfAPostponedOneIsAcknowledged(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), op("B"))
	b.update(time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{OperationID: "B", Until: b.Now().Add(2 * time.Hour)})
	b.submit(2*time.Minute, op("B"))
	b.start(testToken)
	require.Equal(t, int64(1), b.state().Counts.Duplicates)
	require.Empty(t, b.state().Rejects)
}

// Whatever a client sends, it is on the list of rejects and the next good one
// runs.
func TestBadSubmissionsAreRefusedVisibly(t *testing.T) {
	t.Parallel()
	payload := func(encoding string, data []byte) converter.RawValue {
		return converter.NewRawValue(&commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding)}, Data: data,
		})
	}
	deep := make([]byte, 0, 20_000)
	for range 10_001 {
		deep = append(deep, '[')
	}
	for _, tc := range []struct {
		name, reason string
		sent         any
	}{
		{"not JSON", "not JSON", payload("json/plain", []byte(`{"id":`))},
		{"empty", "empty", payload("json/plain", nil)},
		{"null", "null", payload("json/plain", []byte(`null`))},
		{"a number", "42", payload("json/plain", []byte(`42`))},
		{"bytes", "binary/plain", payload("binary/plain", []byte("x"))},
		{"nothing", "binary/null", payload("binary/null", nil)},
		{"foreign encoding", "x/y", payload("x/y", []byte("{}"))},
		{"bad UTF-8", "UTF-8", payload("json/plain", []byte("{\"id\":\"\xff\"}"))},
		{"10,000 deep", "JSON", payload("json/plain", deep)},
		{"no type", "operationType", map[string]any{"id": "x"}},
		{"a type that is no key", "operationType", map[string]any{"operationType": "NOT A KEY"}},
		{"another token", "dependencyToken", map[string]any{"operationType": "a", "dependencyToken": "other"}},
		{"wrong type of a field", "name", map[string]any{"operationType": "a", "name": 7}},
		{"an instant that is none", "postponeUntil", map[string]any{"operationType": "a", "postponeUntil": "tomorrow"}},
		{"a state", "stateCode", map[string]any{"operationType": "a", "stateCode": 3}},
		{"a recurrence", "recurrence", map[string]any{"operationType": "a", "recurrencePattern": "FREQ=SECONDLY"}},
		{"a long id", "129", map[string]any{"operationType": "a", "id": fmt.Sprintf("%0129d", 1)}},
		{"a huge operation", "262144", map[string]any{"operationType": "a", "data": fmt.Sprintf("%0300000d", 1)}},
		{"501 operations", "501", make([]int, 501)},
		{"an element that is no object", "object", []any{7}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{})
			b.submit(0, tc.sent, op("good"))
			b.start(testToken)
			require.Equal(t, []string{"good"}, b.ids())
			state := b.state()
			require.Len(t, state.Rejects, 1)
			require.Equal(t, protocol.ErrTypeInvalidOperation, state.Rejects[0].Type)
			require.Contains(t, state.Rejects[0].Reason, tc.reason)
		})
	}
}

func TestRawSubmissionsAreAccepted(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	b.submit(0,
		raw(`{"id":"one","operationType":"test.record","unknownField":1}`),
		raw(`[{"id":"two","operationType":100100},{"id":"three","operationType":"100100"}]`),
		raw(`{"operations":[{"id":"four","operationType":"test.record","dependencyToken":"customer-42"},{"id":"five","operationType":"test.record","dependencyToken":null}]}`),
		raw(`{"operationType":"test.record"}`))
	b.start(testToken)
	state := b.state()
	require.Empty(t, state.Rejects)
	require.Equal(t, int64(1), state.Counts.UnknownFields)
	require.Equal(t, []string{"one", "two", "three", "four", "five"}, b.ids()[:5])
	require.Equal(t, protocol.DefaultOperationID(testToken, b.runs[5].Fence.Sequence), b.runs[5].ID)
	for i := 1; i < len(b.runs); i++ {
		require.Positive(t, b.runs[i].Fence.Compare(b.runs[i-1].Fence), "the fence grows")
	}
}

// The workflow id's key decides which token it is.
func TestStartInput(t *testing.T) {
	t.Parallel()
	long := fmt.Sprintf("%0250d", 7)
	for _, tc := range []struct {
		name, token string
		input       []any
		runs        bool
		reject      string
	}{
		{"absent", testToken, nil, true, ""},
		{"null", testToken, []any{nil}, true, "start input ignored"},
		{"unreadable", testToken, []any{"not an object"}, true, "start input ignored"},
		{"two arguments", testToken, []any{protocol.SerializerInput{Token: testToken}, "second"}, true, ""},
		{"another token's", testToken, []any{protocol.SerializerInput{Token: "other"}}, false, "other"},
		{"a long token", long, []any{protocol.SerializerInput{Token: long}}, true, ""},
		{"a long token without input", long, nil, false, "does not tell"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{})
			b.submit(0, op("A"))
			b.startWith(tc.token, tc.input...)
			require.Equal(t, tc.runs, len(b.runs) == 1)
			if tc.reject != "" {
				require.NotEmpty(t, b.state().Rejects)
				require.Contains(t, b.state().Rejects[0].Reason, tc.reject)
			} else {
				require.Empty(t, b.state().Rejects)
			}
		})
	}
}

// SPEC 8.3: the worker's word is final.
func TestUnknownTypeEndsFailedAndTheNextRuns(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	unknown := op("A")
	unknown.OperationType = "no.such.type"
	b.submit(0, unknown, op("B"))
	b.start(testToken)
	require.Equal(t, []string{"B"}, b.ids())
	require.Equal(t, int64(1), b.state().Counts.Failed)
}

func TestCancellationFromOutsideEndsWhatIsAcceptedAndKeepsTheToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), op("B"))
	b.RegisterDelayedCallback(b.CancelWorkflow, time.Minute)
	b.submit(2*time.Minute, op("C"))
	b.start(testToken)
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, []string{"C"}, b.ids())
	require.Equal(t, int64(2), b.state().Counts.Canceled)
}

// An idle serializer completes after its linger, not before, and a submission
// in between starts the linger anew.
func TestIdleSerializerCompletes(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{Linger: 10 * time.Minute})
	begin := b.Now()
	b.submit(0, op("A"))
	b.submit(8*time.Minute, op("B"))
	b.start(testToken)
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, []string{"A", "B"}, b.ids())
	require.GreaterOrEqual(t, b.Now().Sub(begin), 18*time.Minute)
	require.Less(t, b.Now().Sub(begin), 20*time.Minute)
}

// A run ends at a hand-off and carries the rest of the queue over.
func TestRunEndsAtAHandOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{MaxRunSignals: 3})
	b.submit(0, postponed("A", b.Now().Add(time.Minute)), op("B"), op("C"))
	b.start(testToken)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, b.GetWorkflowError(), &next)
	require.Equal(t, []string{"A"}, b.ids())
	var state carried
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(next.Input.Payloads[1], &state))
	require.Len(t, state.Queue.Waiting, 2)
	require.Equal(t, "B", state.Queue.Waiting[0].Operation.ID)
}
