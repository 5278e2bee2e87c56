package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// reading is what a history says, read with no rule of the queue's.
type reading struct {
	accepted      []string           // in order
	names         map[string]string  // what the serializer called those without an id
	tasks         map[time.Time]bool // that were completed, by their start
	started       map[string]*readStart
	cancelled     map[string]bool
	kept          map[string]bool // that may not be cancelled
	postponements map[string]int
	head          string
	closed        string
	policy        protocol.Policy
	held          bool // by a person
	heldUntil     *time.Time
	failure       string // the operation whose failure holds the token
	justFailed    string // the head, as the next task will see

	// ahead were started before their turn; gone have had it since, or ended.
	ahead, gone map[string]bool

	initiated map[int64]string // executions by their event
	looks     map[int64]string // engine looks by theirs
	updates   map[int64]*historypb.WorkflowExecutionUpdateAcceptedEventAttributes
	reruns    map[int64]protocol.RerunRequest // by the event that read what they run again
	byServer  bool                            // the chain before was closed by the server
	task      time.Time
}

// readStart is an operation as it was started.
type readStart struct {
	OperationStart
	until *time.Time
}

func read(t require.TestingT, events []*historypb.HistoryEvent) *reading {
	r := &reading{
		names: map[string]string{}, tasks: map[time.Time]bool{}, started: map[string]*readStart{}, cancelled: map[string]bool{}, kept: map[string]bool{}, postponements: map[string]int{},
		ahead: map[string]bool{}, gone: map[string]bool{}, initiated: map[int64]string{}, looks: map[int64]string{}, reruns: map[int64]protocol.RerunRequest{},
		updates: map[int64]*historypb.WorkflowExecutionUpdateAcceptedEventAttributes{},
	}
	for _, e := range events {
		r.event(t, e)
	}
	r.failed()
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
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		r.turn(t, e.GetSignalExternalWorkflowExecutionInitiatedEventAttributes())
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
		r.failed()
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
	if r.held, r.policy = before.Hold != nil, before.Policy; r.held {
		r.heldUntil = before.Hold.Until
	}
	if before.Failure != nil {
		r.failure = before.Failure.OperationID
	}
	if !all {
		return
	}
	for _, entry := range before.Ended {
		r.cancelled[entry.Operation.ID] = true
	}
	left := slices.Concat(before.Front, before.Waiting, before.Ended)
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
	if r.policy.MaxQueued > 0 && len(r.queued()) >= r.policy.MaxQueued {
		return
	}
	r.kept[one.ID] = one.OperationType == "rollup.field" // R, in the one shape that has it
	r.accepted = append(r.accepted, one.ID)
}

// left says that the operation no longer waits for its turn.
func (r *reading) left(id string) bool { return r.gone[id] || r.started[id] != nil && !r.ahead[id] }

// turn is that of one that was started ahead, or its end in the queue.
func (r *reading) turn(t require.TestingT, a *historypb.SignalExternalWorkflowExecutionInitiatedEventAttributes) {
	if a.GetSignalName() != protocol.TurnSignalName {
		return
	}
	var told protocol.Turn
	require.NoError(t, json.Unmarshal(a.GetInput().GetPayloads()[0].GetData(), &told))
	id, _ := protocol.OperationID(a.GetWorkflowExecution().GetWorkflowId())
	if r.gone[id] = true; !told.Canceled {
		r.head = id
	}
}

// queued are those that were accepted, have not been started and not ended.
func (r *reading) queued() (ids []string) {
	for _, id := range r.accepted {
		if !r.left(id) && !r.cancelled[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// updated: these histories have no update that was accepted and then refused.
func (r *reading) updated(t require.TestingT, a *historypb.WorkflowExecutionUpdateAcceptedEventAttributes) {
	var request struct {
		protocol.PolicyRequest
		OperationID string
		Until       *time.Time
	}
	input := a.GetAcceptedRequest().GetInput()
	require.NoError(t, json.Unmarshal(input.GetArgs().GetPayloads()[0].GetData(), &request))
	switch input.GetName() {
	case protocol.PostponeUpdateName, protocol.ResumeUpdateName:
		r.postponements[request.OperationID]++
	case protocol.CancelUpdateName:
		r.cancelled[request.OperationID] = true
	case protocol.CancelAllUpdateName:
		r.cancelAll()
	case protocol.HoldUpdateName:
		r.held, r.heldUntil = true, request.Until
	case protocol.ReleaseUpdateName:
		r.held, r.heldUntil, r.failure = false, nil, ""
	case protocol.SkipUpdateName:
		r.failure = ""
	case protocol.SetPolicyUpdateName:
		r.setPolicy(request.PolicyRequest)
	}
}

func (r *reading) setPolicy(request protocol.PolicyRequest) {
	if request.OnFailure != "" {
		r.policy.OnFailure = request.OnFailure
	}
	if request.MaxQueued != nil {
		r.policy.MaxQueued = *request.MaxQueued
	}
}

func (r *reading) cancelAll() {
	for _, id := range r.queued() {
		r.cancelled[id] = !r.kept[id]
	}
}

// reread is an operation that is accepted again: every rerun of these histories
// names its id and is granted.
func (r *reading) reread(request protocol.RerunRequest) {
	if r.failure != request.OperationID {
		r.accepted = append(r.accepted, request.NewID)
		return
	}
	r.failure = ""
	at := len(r.accepted) - len(r.queued()) // nothing was started out of order
	r.accepted = slices.Insert(r.accepted, at, request.NewID)
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
	if r.ahead[id] = start.Gated; start.Verdict == nil && !start.Gated {
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
	if a.GetActivityType().GetName() == protocol.ReadOperationActivity {
		var request protocol.ReadOperationRequest
		require.NoError(t, json.Unmarshal(a.GetInput().GetPayloads()[0].GetData(), &request))
		r.reruns[e.GetEventId()] = request.Rerun
	}
}

func (r *reading) looked(t require.TestingT, a *historypb.ActivityTaskCompletedEventAttributes) {
	look := r.looks[a.GetScheduledEventId()]
	if look == protocol.ReadOperationActivity {
		r.reread(r.reruns[a.GetScheduledEventId()])
		return
	}
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
	id, _ := protocol.OperationID(look)
	switch {
	case seen.Closed && id == r.head:
		r.head = ""
	case seen.Closed && seen.Status == protocol.Canceled: // one that was started ahead
		r.gone[id] = true
	}
}

// failed is SPEC 4.5, as a task sees it: after all that was submitted before.
func (r *reading) failed() {
	switch {
	case r.justFailed == "":
	case r.policy.OnFailure == protocol.HoldOnFailure:
		r.failure = r.justFailed
	case r.policy.OnFailure == protocol.CancelRestOnFailure:
		r.cancelAll()
	}
	r.justFailed = ""
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
		if e.GetEventType() == enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED {
			r.justFailed = id
		}
	} else if id != "" {
		r.gone[id] = true
	}
}
