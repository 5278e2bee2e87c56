package verify

import (
	"encoding/json"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// life follows an operation's own histories, run by run.
type life struct {
	x         Execution
	notBefore time.Time
	held      bool
	// handler is the name of the handler's activity; calls are the open ones by
	// their events, and updates those that were accepted.
	calls   map[int64]int
	updates map[int64]*updatepb.Request
	nextRun string
	task    time.Time // when the last workflow task began
}

// lockBrokenCode is the errorCode of an operation whose lock was broken.
const lockBrokenCode = "LockBroken"

// read takes one event in.
func (l *life) read(event *historypb.HistoryEvent) {
	at := event.GetEventTime().AsTime()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		l.begin(event.GetWorkflowExecutionStartedEventAttributes(), at)
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		a := event.GetWorkflowExecutionSignaledEventAttributes()
		if a.GetSignalName() == protocol.TokenHoldSignalName {
			var told protocol.TokenHold
			argument(a.GetInput(), 0, &told)
			l.held = told.Hold != nil
		}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		l.updates[event.GetEventId()] = event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest()
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
		a := event.GetWorkflowExecutionUpdateCompletedEventAttributes()
		if a.GetOutcome().GetFailure() == nil {
			l.updated(l.updates[a.GetAcceptedEventId()])
		}
		delete(l.updates, a.GetAcceptedEventId())
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		l.task = at
	case enumspb.EVENT_TYPE_MARKER_RECORDED:
		l.ranLocally(event.GetMarkerRecordedEventAttributes(), at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		l.scheduled(event, at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		l.ended(event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId(), at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		l.ended(event.GetActivityTaskFailedEventAttributes().GetScheduledEventId(), at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		l.ended(event.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId(), at)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		l.ended(event.GetActivityTaskCanceledEventAttributes().GetScheduledEventId(), at)
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		l.called(event.GetEventId(), at)
	default:
		l.childEnded(event, at)
		l.close(event, at)
	}
}

// childEnded notes the end of a workflow that ran the operation in place of an
// activity.
func (l *life) childEnded(event *historypb.HistoryEvent, at time.Time) {
	for _, initiated := range []int64{
		event.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId(),
		event.GetChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId(),
		event.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId(),
		event.GetChildWorkflowExecutionTimedOutEventAttributes().GetInitiatedEventId(),
		event.GetChildWorkflowExecutionTerminatedEventAttributes().GetInitiatedEventId(),
		event.GetStartChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId(),
	} {
		l.ended(initiated, at)
	}
}

// begin starts a run of the operation: the first, or one that goes on.
func (l *life) begin(a *historypb.WorkflowExecutionStartedEventAttributes, at time.Time) {
	l.calls, l.updates, l.nextRun = make(map[int64]int), make(map[int64]*updatepb.Request), ""
	var o submitted
	var start operationStart
	argument(a.GetInput(), 0, &o)
	argument(a.GetInput(), 1, &start)
	if a.GetContinuedExecutionRunId() != "" && start.Life != nil {
		l.notBefore, l.held = start.Life.Record.PostponeUntil, start.Life.Hold != nil
		return
	}
	l.x.Began, l.x.Status, l.notBefore = at, Running, o.PostponeUntil
}

// updated notes an action that was carried out: it moves the instant before which
// the handler is not called.
func (l *life) updated(request *updatepb.Request) {
	switch request.GetInput().GetName() {
	case protocol.PostponeUpdateName:
		var r protocol.PostponeRequest
		if argument(request.GetInput().GetArgs(), 0, &r) {
			l.notBefore = r.Until
		}
	case protocol.ResumeUpdateName:
		l.notBefore = time.Time{}
	}
}

// scheduled notes a call of the handler; the engine's own activities are none.
func (l *life) scheduled(event *historypb.HistoryEvent, at time.Time) {
	a := event.GetActivityTaskScheduledEventAttributes()
	if protocol.IsEngineActivity(a.GetActivityType().GetName()) {
		return
	}
	l.called(event.GetEventId(), at)
}

// ranLocally notes a call of the handler that ran within a workflow task.
func (l *life) ranLocally(a *historypb.MarkerRecordedEventAttributes, at time.Time) {
	if a.GetMarkerName() != protocol.LocalMarker || a.GetFailure().GetApplicationFailureInfo().GetType() == protocol.ErrTypeNoLocalHandler {
		return
	}
	l.x.Calls = append(l.x.Calls, Call{Scheduled: l.task, Closed: at, NotBefore: l.notBefore, Held: l.held})
}

func (l *life) called(event int64, at time.Time) {
	l.calls[event] = len(l.x.Calls)
	l.x.Calls = append(l.x.Calls, Call{Scheduled: at, NotBefore: l.notBefore, Held: l.held})
}

func (l *life) ended(scheduled int64, at time.Time) {
	if i, known := l.calls[scheduled]; known {
		l.x.Calls[i].Closed = at
	}
}

// close notes how a run ended.
func (l *life) close(event *historypb.HistoryEvent, at time.Time) {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		l.x.Closed, l.x.Status = at, Succeeded
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		l.x.Closed, l.x.Status = at, Failed
		l.x.LockBroken = codeOf(event.GetWorkflowExecutionFailedEventAttributes().GetFailure()) == lockBrokenCode
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		l.x.Closed, l.x.Status = at, Canceled
		var record protocol.Record
		argument(event.GetWorkflowExecutionCanceledEventAttributes().GetDetails(), 0, &record)
		l.x.LockBroken = record.ErrorCode == lockBrokenCode
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		l.x.Closed, l.x.Status = at, Terminated
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
		l.x.Closed, l.x.Status = at, TimedOut
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		l.nextRun = event.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
}

// codeOf is the errorCode of the record in a failure's details.
func codeOf(failure *failurepb.Failure) string {
	var record protocol.Record
	for _, payload := range failure.GetApplicationFailureInfo().GetDetails().GetPayloads() {
		if json.Unmarshal(payload.GetData(), &record) == nil && record.ErrorCode != "" {
			return record.ErrorCode
		}
	}
	return ""
}
