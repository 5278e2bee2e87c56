package main

import (
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/protocol"
)

// reading is an operation's history as far as it was read.
type reading struct {
	x        *execution
	tasks    map[int64]time.Time // when workflow tasks began, by their start and their end
	handlers map[int64]int       // which of the calls, by the event that scheduled it
	open     bool                // a call has not ended
	over     bool                // one has succeeded
}

func newReading(x *execution) *reading {
	return &reading{x: x, tasks: make(map[int64]time.Time), handlers: make(map[int64]int)}
}

// read takes one event in.
func (r *reading) read(event *historypb.HistoryEvent) {
	switch at := event.GetEventTime().AsTime(); event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		r.tasks[event.GetEventId()] = at
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		r.tasks[event.GetEventId()] = r.tasks[event.GetWorkflowTaskCompletedEventAttributes().GetStartedEventId()]
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		r.scheduled(event.GetEventId(), event.GetActivityTaskScheduledEventAttributes())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		if n, ours := r.handlers[event.GetActivityTaskStartedEventAttributes().GetScheduledEventId()]; ours {
			r.x.calls[n].started = at
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		a := event.GetActivityTaskCompletedEventAttributes()
		if r.ended(a.GetScheduledEventId()) {
			r.over = true
			r.x.inDoubt += inDoubtOf(a.GetResult())
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		r.ended(event.GetActivityTaskCanceledEventAttributes().GetScheduledEventId())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		if r.ended(event.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId()) {
			r.x.timedOut = true
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		if a := event.GetActivityTaskFailedEventAttributes(); r.ended(a.GetScheduledEventId()) {
			r.failed(a.GetFailure())
		}
	case enumspb.EVENT_TYPE_MARKER_RECORDED:
		r.readLocal(event)
	default:
		r.readChild(event)
		r.closed(event)
	}
}

// scheduled notes a call of the handler; the engine is asked things, too.
func (r *reading) scheduled(id int64, a *historypb.ActivityTaskScheduledEventAttributes) {
	if slices.Contains(handlerActivities, a.GetActivityType().GetName()) {
		r.called(id, a.GetWorkflowTaskCompletedEventId())
	}
}

// called notes a call by the event that scheduled it, and the workflow task that
// decided on it.
func (r *reading) called(id, task int64) {
	r.x.doubled = r.x.doubled || r.open || r.over
	r.open, r.handlers[id] = true, len(r.x.calls)
	r.x.calls = append(r.x.calls, call{decided: r.tasks[task]})
}

// readChild notes a call of a workflow that runs the operation: no other child is
// started by one.
func (r *reading) readChild(event *historypb.HistoryEvent) {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		a := event.GetStartChildWorkflowExecutionInitiatedEventAttributes()
		if a.GetWorkflowType().GetName() == flowWorkflow {
			r.called(event.GetEventId(), a.GetWorkflowTaskCompletedEventId())
		}
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		if r.ended(event.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId()) {
			r.over = true
		}
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		a := event.GetChildWorkflowExecutionFailedEventAttributes()
		if r.ended(a.GetInitiatedEventId()) {
			r.x.stale = hasType(a.GetFailure(), staleCode)
		}
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		r.ended(event.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId())
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
		r.ended(event.GetChildWorkflowExecutionTerminatedEventAttributes().GetInitiatedEventId())
	}
}

// hasType says that the failure, or what caused it, is an error of the type.
func hasType(f *failurepb.Failure, errorType string) bool {
	for ; f != nil; f = f.GetCause() {
		if f.GetApplicationFailureInfo().GetType() == errorType {
			return true
		}
	}
	return false
}

// ended says whether that was a call of the handler.
func (r *reading) ended(scheduled int64) (ours bool) {
	if _, ours = r.handlers[scheduled]; ours {
		r.open = false
	}
	return ours
}

// localMarker is the name of the marker that a local activity leaves.
const localMarker = "LocalActivity"

// readLocal notes a local attempt: it began and ended in the workflow task that
// recorded it. No other local activity is one of an operation's.
func (r *reading) readLocal(event *historypb.HistoryEvent) {
	a := event.GetMarkerRecordedEventAttributes()
	if a.GetMarkerName() != localMarker {
		return
	}
	r.called(event.GetEventId(), a.GetWorkflowTaskCompletedEventId())
	last := &r.x.calls[len(r.x.calls)-1]
	last.started = last.decided
	r.open, r.over = false, r.over || a.GetFailure() == nil
	r.x.locals++
	for f := a.GetFailure(); f != nil; f = f.GetCause() {
		r.x.timedOut = r.x.timedOut || f.GetTimeoutFailureInfo() != nil
	}
	r.failed(a.GetFailure())
}

func (r *reading) failed(f *failurepb.Failure) {
	info := f.GetApplicationFailureInfo()
	var details protocol.FailureDetails
	_ = converter.GetDefaultDataConverter().FromPayloads(info.GetDetails(), &details) // a panic has none
	lost := details.Code == lostCode && info.GetNonRetryable()                        // a mailing's is tried again
	r.x.stale = lost || details.Code == staleCode || details.Code == refusedCode
}

func (r *reading) closed(event *historypb.HistoryEvent) {
	statuses := map[enumspb.EventType]string{
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:        "Completed",
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:           "Failed",
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:         "Canceled",
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:       "Terminated",
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:        "TimedOut",
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "ContinuedAsNew",
	}
	if status := statuses[event.GetEventType()]; status != "" {
		r.x.status, r.x.closed = status, event.GetEventTime().AsTime()
	}
}
