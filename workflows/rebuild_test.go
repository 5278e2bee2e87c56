package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// The server may close a run after any event. Whenever it does, what is rebuilt
// is what the run itself went on with: the same operations, in the same order,
// with the same ids and sequences.
func TestRebuiltAfterAnyEvent(t *testing.T) {
	t.Parallel()
	for name, history := range recorded(t) {
		if !strings.HasPrefix(name, "serializer-") || strings.HasSuffix(name, "-operation") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRebuilt(t, history.GetEvents())
		})
	}
}

// The same of histories that nobody would record: any order of signals, updates
// and ends.
func TestRebuiltAfterAnyEventOfAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { requireRebuilt(t, drawHistory(t)) })
}

// requireRebuilt compares, after each event, what is rebuilt with what the whole
// history tells.
func requireRebuilt(t require.TestingT, events []*historypb.HistoryEvent) {
	whole := read(t, events)
	id := events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
	for cut := firstTask(events); cut <= len(events); cut++ {
		at := fmt.Sprintf("after event %d, %s", events[cut-1].GetEventId(), events[cut-1].GetEventType())
		answer, err := RebuildToken(id, events[:cut], nil, false)
		require.NoError(t, err, at)
		wanted, queue := read(t, events[:cut]), answer.(carried).Queue
		if wanted.closed != "" {
			continue // it had nothing left, or handed it over by itself
		}
		requireHead(t, wanted, queue, at)
		requireQueued(t, whole, wanted, queue, at)
	}
}

// firstTask is how many events there are before a run takes anything in: the
// number that the first sequence is made of is not known earlier.
func firstTask(events []*historypb.HistoryEvent) int {
	return 1 + slices.IndexFunc(events, func(e *historypb.HistoryEvent) bool {
		return e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
	})
}

func requireHead(t require.TestingT, wanted *reading, queue *Queue, at string) {
	head := ""
	if queue.Head != nil {
		head = queue.Head.Operation.ID
	}
	require.Equal(t, wanted.head, head, "head %s", at)
}

// requireQueued: whatever was accepted and has no execution is there once, in
// order; what was cancelled waits for its record and for nothing else.
func requireQueued(t require.TestingT, whole, wanted *reading, queue *Queue, at string) {
	var waiting, ended []string
	left := slices.Concat(queue.Waiting, queue.Ended)
	for _, entry := range left {
		id := entry.Operation.ID
		if started := whole.started[id]; started != nil {
			require.Equal(t, started.Sequence, entry.Sequence, "sequence of %s %s", id, at)
			if wanted.tasks[started.CreatedOn] { // else no worker had read it
				require.Equal(t, started.CreatedOn, entry.CreatedOn, "createdOn of %s %s", id, at)
			}
			if whole.postponements[id] == wanted.postponements[id] {
				require.Equal(t, started.until, entry.Operation.PostponeUntil, "postponeUntil of %s %s", id, at)
			}
		}
	}
	for _, entry := range queue.Waiting {
		waiting = append(waiting, entry.Operation.ID)
	}
	for _, entry := range queue.Ended {
		if wanted.started[entry.Operation.ID] == nil { // else it is about to be forgotten
			ended = append(ended, entry.Operation.ID)
		}
	}
	var wantedWaiting, wantedEnded []string
	for _, id := range wanted.accepted {
		if name := whole.names[id]; name != "" {
			id = name
		}
		switch {
		case wanted.started[id] != nil:
		case wanted.cancelled[id]:
			wantedEnded = append(wantedEnded, id)
		default:
			wantedWaiting = append(wantedWaiting, id)
		}
	}
	require.Equal(t, wantedWaiting, waiting, "waiting %s", at)
	require.ElementsMatch(t, wantedEnded, ended, "ended %s", at)
}

// reading is what a history says, read with no rule of the queue's.
type reading struct {
	accepted      []string           // in order
	names         map[string]string  // what the serializer called those without an id
	tasks         map[time.Time]bool // that were completed, by their start
	started       map[string]*readStart
	cancelled     map[string]bool
	postponements map[string]int
	head          string
	closed        string

	initiated map[int64]string // executions by their event
	looks     map[int64]string // engine looks by theirs
	updates   map[int64]*historypb.WorkflowExecutionUpdateAcceptedEventAttributes
	byServer  bool // the chain before was closed by the server
	task      time.Time
}

// readStart is an operation as it was started.
type readStart struct {
	OperationStart
	until *time.Time
}

func read(t require.TestingT, events []*historypb.HistoryEvent) *reading {
	r := &reading{
		names: map[string]string{}, tasks: map[time.Time]bool{}, started: map[string]*readStart{}, cancelled: map[string]bool{}, postponements: map[string]int{},
		initiated: map[int64]string{}, looks: map[int64]string{},
		updates: map[int64]*historypb.WorkflowExecutionUpdateAcceptedEventAttributes{},
	}
	for _, e := range events {
		r.event(t, e)
	}
	return r
}

func (r *reading) event(t require.TestingT, e *historypb.HistoryEvent) {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		r.begin(t, e.GetWorkflowExecutionStartedEventAttributes())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		if a := e.GetWorkflowExecutionSignaledEventAttributes(); a.GetSignalName() == protocol.SubmitSignalName {
			r.submitted(a.GetInput().GetPayloads()[0].GetData())
		}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		r.updates[e.GetEventId()] = e.GetWorkflowExecutionUpdateAcceptedEventAttributes()
		r.updated(t, r.updates[e.GetEventId()])
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		r.cancelAll()
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		r.initiate(t, e)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		r.scheduled(t, e)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		r.looked(t, e.GetActivityTaskCompletedEventAttributes())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		r.closed = e.GetEventType().String()
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		r.task = e.GetEventTime().AsTime()
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		r.tasks[r.task] = true
	default:
		r.executionClosed(e)
	}
}

// begin takes over from the run before.
func (r *reading) begin(t require.TestingT, a *historypb.WorkflowExecutionStartedEventAttributes) {
	if a.GetContinuedExecutionRunId() == "" {
		return
	}
	var before carried
	require.NoError(t, json.Unmarshal(a.GetInput().GetPayloads()[1].GetData(), &before))
	r.takeOver(before.Queue, true)
}

func (r *reading) takeOver(before *Queue, all bool) {
	if before.Head != nil {
		r.head = before.Head.Operation.ID
	}
	if !all {
		return
	}
	for _, entry := range before.Ended {
		r.cancelled[entry.Operation.ID] = true
	}
	left := slices.Concat(before.Waiting, before.Ended)
	slices.SortFunc(left, func(a, b Entry) int { return int(a.Sequence - b.Sequence) })
	var accepted []string
	for _, entry := range left {
		accepted = append(accepted, entry.Operation.ID)
	}
	r.accepted = append(accepted, r.accepted...)
}

// submitted takes operations by what their ids are: in these histories one
// without a type is bad, and an id that comes again is refused or a repeat.
func (r *reading) submitted(data []byte) {
	one, batch := struct {
		ID, OperationType, RecurrencePattern string
		Operations                           []json.RawMessage
	}{}, []json.RawMessage(nil)
	if json.Unmarshal(data, &batch) == nil {
		one.Operations = batch
	} else if json.Unmarshal(data, &one) != nil {
		return
	}
	for _, each := range one.Operations {
		r.submitted(each)
	}
	if one.ID == "" {
		one.ID = fmt.Sprintf("?%d", len(r.accepted))
	}
	known := slices.Contains(r.accepted, one.ID) || r.started[one.ID] != nil || r.head == one.ID
	if one.OperationType == "" || one.RecurrencePattern != "" || known {
		return
	}
	r.accepted = append(r.accepted, one.ID)
}

// updated: these histories have no update that was accepted and then refused.
func (r *reading) updated(t require.TestingT, a *historypb.WorkflowExecutionUpdateAcceptedEventAttributes) {
	var request protocol.PostponeRequest
	input := a.GetAcceptedRequest().GetInput()
	require.NoError(t, json.Unmarshal(input.GetArgs().GetPayloads()[0].GetData(), &request))
	if input.GetName() == protocol.PostponeUpdateName {
		r.postponements[request.OperationID]++
	} else {
		r.cancelled[request.OperationID] = true
	}
}

func (r *reading) cancelAll() {
	for _, id := range r.accepted {
		if r.started[id] == nil {
			r.cancelled[id] = true
		}
	}
}

func (r *reading) initiate(t require.TestingT, e *historypb.HistoryEvent) {
	a := e.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	id, _ := protocol.OperationID(a.GetWorkflowId())
	var start readStart
	var o protocol.Operation
	require.NoError(t, json.Unmarshal(a.GetInput().GetPayloads()[0].GetData(), &o))
	require.NoError(t, json.Unmarshal(a.GetInput().GetPayloads()[1].GetData(), &start.OperationStart))
	start.until = o.PostponeUntil
	r.started[id], r.initiated[e.GetEventId()] = &start, id
	for at, placeholder := range r.accepted {
		if strings.HasPrefix(placeholder, "?") && !slices.Contains(r.accepted, id) {
			r.names[placeholder], r.accepted[at] = id, id
		}
	}
	if start.Verdict == nil {
		r.head = id
	}
}

func (r *reading) scheduled(t require.TestingT, e *historypb.HistoryEvent) {
	a := e.GetActivityTaskScheduledEventAttributes()
	r.looks[e.GetEventId()] = a.GetActivityType().GetName()
	if a.GetActivityType().GetName() == protocol.AwaitOperationActivity {
		var request protocol.AwaitRequest
		require.NoError(t, json.Unmarshal(a.GetInput().GetPayloads()[0].GetData(), &request))
		r.looks[e.GetEventId()] = protocol.OperationWorkflowID(request.OperationID)
	}
}

func (r *reading) looked(t require.TestingT, a *historypb.ActivityTaskCompletedEventAttributes) {
	look := r.looks[a.GetScheduledEventId()]
	if look == protocol.RebuildTokenActivity {
		var before carried
		require.NoError(t, json.Unmarshal(a.GetResult().GetPayloads()[0].GetData(), &before))
		r.takeOver(before.Queue, r.byServer)
		return
	}
	if look == protocol.FindPredecessorActivity {
		var found protocol.Predecessor
		require.NoError(t, json.Unmarshal(a.GetResult().GetPayloads()[0].GetData(), &found))
		r.byServer = found.ByServer
		return
	}
	var seen protocol.AwaitReply
	require.NoError(t, json.Unmarshal(a.GetResult().GetPayloads()[0].GetData(), &seen))
	if seen.Closed && look == protocol.OperationWorkflowID(r.head) {
		r.head = ""
	}
}

func (r *reading) executionClosed(e *historypb.HistoryEvent) {
	initiated := int64(0)
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		initiated = e.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId()
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		initiated = e.GetChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId()
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		initiated = e.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId()
	}
	if id := r.initiated[initiated]; id != "" && id == r.head {
		r.head = ""
	}
}
