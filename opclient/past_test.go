package opclient

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// pastPlay is a history in the making.
type pastPlay struct {
	t    *testing.T
	past *past
	now  time.Time
}

func newPastPlay(t *testing.T, carried any) *pastPlay {
	p := &pastPlay{t: t, past: &past{token: "t", ids: map[string]bool{}}, now: time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)}
	args := []any{protocol.SerializerInput{Token: "t"}}
	if carried != nil {
		args = append(args, carried)
	}
	p.apply(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: p.payloads(args...)},
	}})
	return p
}

func (p *pastPlay) payloads(values ...any) *commonpb.Payloads {
	encoded, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	require.NoError(p.t, err)
	return encoded
}

func (p *pastPlay) apply(kind enumspb.EventType, event *historypb.HistoryEvent) {
	p.now = p.now.Add(time.Second)
	event.EventType, event.EventTime = kind, timestamppb.New(p.now)
	p.past.apply(event, New(nil, Options{}).decode)
}

func (p *pastPlay) submit(argument any) {
	p.apply(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
		WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
			SignalName: protocol.SubmitSignalName, Input: p.payloads(argument),
		},
	}})
}

func (p *pastPlay) start(id string, system any) {
	p.apply(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes{
		StartChildWorkflowExecutionInitiatedEventAttributes: &historypb.StartChildWorkflowExecutionInitiatedEventAttributes{
			WorkflowId: protocol.OperationWorkflowID(id), WorkflowType: &commonpb.WorkflowType{Name: protocol.OperationWorkflow},
			Input: p.payloads(o(id), system),
		},
	}})
}

func (p *pastPlay) fail(id string) {
	p.apply(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes{
		ChildWorkflowExecutionFailedEventAttributes: &historypb.ChildWorkflowExecutionFailedEventAttributes{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: protocol.OperationWorkflowID(id)},
		},
	}})
}

// queue is the head and what waits, in order.
func (p *pastPlay) queue() (ids []string) {
	state := p.past.state(p.now)
	if state.Head != nil {
		ids = append(ids, "head "+state.Head.ID)
	}
	for _, r := range p.past.list(0, 100, p.now).Operations {
		ids = append(ids, fmt.Sprintf("%d %s behind %s", r.Position, r.ID, r.BlockedBy))
	}
	return ids
}

func o(id string) map[string]any { return map[string]any{"id": id, "operationType": "x", "data": 1} }

func TestPastFollowsAQueue(t *testing.T) {
	t.Parallel()
	p := newPastPlay(t, nil)
	p.submit(o("a"))
	p.submit([]any{o("b"), o("b"), map[string]any{"id": "bad"}, o("c")})
	p.submit(map[string]any{"operations": []any{o("d"), map[string]any{"operationType": "x"}}})
	p.submit("nonsense")
	require.Equal(t, []string{"1 a behind ", "2 b behind a", "3 c behind a", "4 d behind a", "5  behind a"}, p.queue())
	p.start("a", map[string]any{"token": "t"})
	p.start("c", map[string]any{"token": "t", "verdict": map[string]any{"status": 32}})
	require.Equal(t, []string{"head a", "1 b behind a", "2 d behind a", "3  behind a"}, p.queue())
	p.fail("a")
	p.start("b", nil)
	p.fail("b")
	p.start("d", nil)
	p.fail("d")
	p.start("made-up-5", nil)
	require.Equal(t, []string{"head made-up-5"}, p.queue())
	state := p.past.state(p.now)
	require.EqualValues(t, 5, state.Counts.Accepted)
	require.EqualValues(t, 3, state.Counts.Failed)
	require.EqualValues(t, 1, state.Counts.Runs)
	require.Equal(t, p.now, *state.HeadSince)
}

// What the run before handed over is read as far as it is known here.
func TestPastTakesOverFromTheRunBefore(t *testing.T) {
	t.Parallel()
	since := time.Date(2030, 1, 30, 8, 0, 0, 0, time.UTC)
	p := newPastPlay(t, map[string]any{
		"answers": "of another shape",
		"queue": map[string]any{
			"chainStartedOn": since, "nextSequence": 9,
			"head":    map[string]any{"operation": o("a"), "sequence": 5},
			"waiting": []any{map[string]any{"operation": o("b"), "sequence": 6, "createdOn": since, "new": true}},
			"counts":  map[string]any{"accepted": 8, "runs": 3},
			"hold":    map[string]any{"on": since, "reason": "stocktaking"},
			"policy":  map[string]any{"onFailure": "hold"},
			"failure": map[string]any{"on": since, "operationId": "z"},
		},
	})
	p.submit(o("a"))
	p.submit(o("c"))
	require.Equal(t, []string{"head a", "1 b behind a", "2 c behind a"}, p.queue())
	state := p.past.state(p.now)
	require.Equal(t, "stocktaking", state.Hold.Reason)
	require.Equal(t, "z", state.Failure.OperationID)
	require.Equal(t, protocol.HoldOnFailure, state.Policy.OnFailure)
	require.EqualValues(t, 4, state.Counts.Runs)
	b, ok := p.past.find("b", p.now)
	require.True(t, ok)
	require.EqualValues(t, 6, b.Sequence)
	require.Equal(t, since, *b.CreatedOn)
	require.Nil(t, b.Data)
}
