package opclient

import (
	"encoding/json"
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
	p := &pastPlay{t: t, past: newPast("t", "", New(nil, Options{}).decode), now: time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)}
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
	p.past.apply(event)
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

func (p *pastPlay) startPage(workflowID string, ids ...string) {
	var entries []any
	for _, id := range ids {
		entries = append(entries, map[string]any{"operation": o(id)})
	}
	p.apply(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes{
		StartChildWorkflowExecutionInitiatedEventAttributes: &historypb.StartChildWorkflowExecutionInitiatedEventAttributes{
			WorkflowId: workflowID, WorkflowType: &commonpb.WorkflowType{Name: protocol.BacklogPageWorkflow},
			Input: p.payloads(map[string]any{"token": "t", "entries": entries}),
		},
	}})
}

func (p *pastPlay) pageStarted(workflowID, runID string) {
	p.apply(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes{
		ChildWorkflowExecutionStartedEventAttributes: &historypb.ChildWorkflowExecutionStartedEventAttributes{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
		},
	}})
}

// engine plays one of the engine's activities.
func (p *pastPlay) engine(name string, input, answer any) {
	p.apply(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, &historypb.HistoryEvent{EventId: 77, Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: name}, Input: p.payloads(input),
		},
	}})
	p.apply(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{ScheduledEventId: 77, Result: p.payloads(answer)},
	}})
}

// told is the queue as the query "list" tells it: ids, and pages as
// "<workflow id>/<run id> +offset count".
func (p *pastPlay) told() (list []string) {
	reply := p.past.list(0, 1000, p.now)
	rows := map[int]string{}
	for _, page := range reply.Pages {
		rows[page.Offset+1] = fmt.Sprintf("%s/%s %d", page.WorkflowID, page.RunID, page.Count)
	}
	for _, r := range reply.Operations {
		rows[r.Position] = r.ID
	}
	for position := 1; position <= reply.Total; position++ {
		if row, ok := rows[position]; ok {
			list = append(list, row)
		}
	}
	return list
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

// What was started ahead keeps its place until its turn.
func TestPastFollowsWhatIsAhead(t *testing.T) {
	t.Parallel()
	p := newPastPlay(t, nil)
	p.submit([]any{o("a"), o("b"), o("c"), o("d"), o("e")})
	p.start("a", nil)
	p.start("b", map[string]any{"gated": true})
	p.start("c", map[string]any{"gated": true})
	p.start("d", map[string]any{"gated": true})
	require.Equal(t, []string{"head a", "1 b behind a", "2 c behind a", "3 d behind a", "4 e behind a"}, p.queue())
	require.Equal(t, "3 ahead, each in its own workflow; 1 more from position 4 on", p.past.state(p.now).AheadText())
	require.True(t, p.past.list(0, 1, p.now).Operations[0].Gated)
	p.cancel("c")
	p.fail("a")
	p.turn("b", protocol.Turn{})
	p.turn("d", protocol.Turn{Canceled: true})
	require.Equal(t, []string{"head b", "1 e behind b"}, p.queue())
	p.cancel("d")
	counts := p.past.state(p.now).Counts
	require.Equal(t, []int64{1, 2}, []int64{counts.Failed, counts.Canceled})
}

func (p *pastPlay) cancel(id string) {
	p.apply(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ChildWorkflowExecutionCanceledEventAttributes{
		ChildWorkflowExecutionCanceledEventAttributes: &historypb.ChildWorkflowExecutionCanceledEventAttributes{
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: protocol.OperationWorkflowID(id)},
		},
	}})
}

func (p *pastPlay) turn(id string, turn protocol.Turn) {
	p.apply(enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_SignalExternalWorkflowExecutionInitiatedEventAttributes{
		SignalExternalWorkflowExecutionInitiatedEventAttributes: &historypb.SignalExternalWorkflowExecutionInitiatedEventAttributes{
			SignalName: protocol.TurnSignalName, Input: p.payloads(turn), WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: protocol.OperationWorkflowID(id)},
		},
	}})
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

// A long queue goes into pages and comes back from them.
func TestPastFollowsAQueueThroughPages(t *testing.T) {
	t.Parallel()
	p := newPastPlay(t, map[string]any{"queue": map[string]any{
		"chainStartedOn": time.Now(), "chain": "c",
		"front":   []any{map[string]any{"operation": o("a")}},
		"pages":   []any{map[string]any{"n": 4, "runId": "r4", "count": 2, "changes": []any{map[string]any{"id": "p3", "removed": true}}}},
		"doomed":  []any{map[string]any{"n": 3, "chain": "old", "runId": "r3", "count": 5}},
		"ended":   []any{map[string]any{"operation": o("e")}},
		"waiting": []any{map[string]any{"operation": o("b")}, map[string]any{"operation": o("c")}},
	}})
	p.submit([]any{o("d"), map[string]any{"operationType": "x"}, o("f"), o("g")})
	require.Equal(t, []string{"a", "page:c:4/r4 2", "b", "c", "d", "", "f", "g"}, p.told())
	require.Equal(t, []int{9, 1, 6}, []int{p.past.state(p.now).Queued, p.past.state(p.now).Pages, p.past.state(p.now).Ending})

	p.startPage("page:c:5", "b", "c", "d")
	require.Equal(t, []string{"a", "page:c:4/r4 2", "b", "c", "d", "", "f", "g"}, p.told(), "it still holds them")
	p.startPage("page:c:6", "b", "c", "d") // the id was taken
	p.pageStarted("page:c:6", "r6")
	p.startPage("page:c:7", "made-up", "f")
	p.pageStarted("page:c:7", "r7")
	require.Equal(t, []string{"a", "page:c:4/r4 2", "page:c:6/r6 3", "page:c:7/r7 2", "g"}, p.told())
	require.Equal(t, 9, p.past.state(p.now).Queued)

	p.start("a", nil)
	page := map[string]any{"entries": []any{map[string]any{"operation": o("p1")}, map[string]any{"operation": o("p2")}, map[string]any{"operation": o("p3")}}}
	p.engine(protocol.LoadPageActivity, protocol.PageAddress{WorkflowID: "page:c:4", RunID: "r4"}, page)
	require.Equal(t, []string{"p1", "p2", "page:c:6/r6 3", "page:c:7/r7 2", "g"}, p.told())
	p.engine(protocol.FindInPagesActivity, protocol.FindInPagesRequest{OperationID: "c", Pages: []protocol.PageAddress{{WorkflowID: "page:c:6", RunID: "r6"}}},
		protocol.FindInPagesReply{Found: true})
	p.start("c", map[string]any{"verdict": map[string]any{"status": 32}})
	require.Equal(t, []string{"p1", "p2", "page:c:6/r6 2", "page:c:7/r7 2", "g"}, p.told())
	p.engine(protocol.LoadPageActivity, protocol.PageAddress{WorkflowID: "page:old:3", RunID: "r3"}, page)
	require.Equal(t, 5, p.past.state(p.now).Ending, "e, c, and three that are known now")
	require.Len(t, p.past.pages(p.now), 2)
	found, ok := p.past.find("g", p.now)
	require.True(t, ok)
	require.Equal(t, []any{7, "a"}, []any{found.Position, found.BlockedBy})
}

// What spills first leaves before it what is first in the queue.
func TestPastFollowsTheFirstSpill(t *testing.T) {
	t.Parallel()
	p := newPastPlay(t, nil)
	p.past.Chain = "c"
	p.submit([]any{o("a"), o("b"), o("c"), o("d"), o("e")})
	p.startPage("page:c:1", "b", "c")
	p.pageStarted("page:c:1", "r")
	require.Equal(t, []string{"a", "page:c:1/r 2", "d", "e"}, p.told())
	p.start("a", nil)
	p.fail("a")
	p.fail("nobody's")
	require.Equal(t, []string{"page:c:1/r 2", "d", "e"}, p.told())
}

// What another chain had comes first, none twice, also between pages.
func TestPastTakesInWhatWasRecovered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ before, wanted []string }{
		"no pages":     {nil, []string{"h", "a", "b", "n", "o"}},
		"pages before": {[]string{"1"}, []string{"h", "a", "page:old:1/r1 2", "b", "n", "o"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPastPlay(t, nil)
			p.submit([]any{o("n"), o("o"), o("z")})
			old := map[string]any{
				"chain": "old", "head": map[string]any{"operation": o("h")},
				"front": []any{map[string]any{"operation": o("a")}}, "waiting": []any{map[string]any{"operation": o("b")}, map[string]any{"operation": o("z")}},
			}
			if test.before != nil {
				old["pages"] = []any{map[string]any{"n": 1, "runId": "r1", "count": 2}}
			}
			state, err := json.Marshal(map[string]any{"queue": old})
			require.NoError(t, err)
			asked := protocol.RecoverRunRequest{Asked: protocol.PrependRequest{DryRun: true}}
			p.engine(protocol.RecoverRunActivity, asked, protocol.RecoverRunReply{State: state})
			require.Equal(t, []string{"n", "o", "z"}, p.told(), "a look changes nothing")
			asked.Asked.DryRun = false
			for range 2 {
				p.engine(protocol.RecoverRunActivity, asked, protocol.RecoverRunReply{State: state})
				require.Equal(t, append(test.wanted, "z"), p.told())
			}
			p.startPage("page:c:9", "x")
			p.pageStarted("page:c:9", "r9")
		})
	}
}

// What the server closed goes on in the next chain; what a person terminated
// leaves its head and its hold.
func TestPastTakesOverFromTheChainBefore(t *testing.T) {
	t.Parallel()
	for byServer, wanted := range map[bool][]string{true: {"a", "page:old:1/r1 2", "b", "n"}, false: {"n"}} {
		p := newPastPlay(t, nil)
		p.submit(o("n"))
		p.engine(protocol.FindPredecessorActivity, protocol.PredecessorRequest{}, protocol.Predecessor{ByServer: byServer})
		p.engine(protocol.RebuildTokenActivity, protocol.PredecessorRequest{}, map[string]any{"queue": map[string]any{
			"chain": "old", "head": map[string]any{"operation": o("h")}, "hold": map[string]any{"reason": "why"},
			"front": []any{map[string]any{"operation": o("a")}}, "waiting": []any{map[string]any{"operation": o("b")}},
			"pages": []any{map[string]any{"n": 1, "runId": "r1", "count": 2}},
		}})
		require.Equal(t, wanted, p.told())
		require.Equal(t, "h", p.past.Head.Operation.ID)
		require.Equal(t, "why", p.past.Hold.Reason)
	}
}

// What stands between pages after a recovery goes into pages of its own.
func TestPastCutsWhatStandsBetweenPages(t *testing.T) {
	t.Parallel()
	p := newPastPlay(t, map[string]any{"queue": map[string]any{
		"chainStartedOn": time.Now(), "chain": "c", "front": []any{map[string]any{"operation": o("f")}},
		"pages": []any{map[string]any{"n": 1, "runId": "r1", "count": 2}},
	}})
	p.past.prepend(pastQueue{
		Chain: "old", Front: []queueEntry{{Operation: protocol.Operation{ID: "a"}}}, Pages: []pastPage{{N: 7, RunID: "r7", Count: 3}},
		Waiting: []queueEntry{{Operation: protocol.Operation{ID: "b"}}},
	})
	require.Equal(t, []string{"a", "page:old:7/r7 3", "b", "f", "page:c:1/r1 2"}, p.told())
	p.startPage("page:c:2", "b")
	p.pageStarted("page:c:2", "r2")
	p.startPage("page:c:3", "f")
	p.pageStarted("page:c:3", "r3")
	require.Equal(t, []string{"a", "page:old:7/r7 3", "page:c:2/r2 1", "page:c:3/r3 1", "page:c:1/r1 2"}, p.told())
}
