package workflows

import (
	"encoding/json"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/protocol"
)

// What a run that is rebuilt did about executions.

// readExecution takes in what the run did about executions.
func (r *rebuild) readExecution(event *historypb.HistoryEvent) error {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		return r.started(event)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
		a := event.GetChildWorkflowExecutionStartedEventAttributes()
		r.pageStarted(a.GetInitiatedEventId(), a.GetWorkflowExecution().GetRunId())
		r.aheadStarted(a.GetInitiatedEventId())
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:
		r.pageStarted(event.GetStartChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId(), "")
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		r.turnGiven(event.GetSignalExternalWorkflowExecutionInitiatedEventAttributes())
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		r.closed(event.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId(), protocol.Succeeded)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		r.closed(event.GetChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId(), protocol.Failed)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
		r.closed(event.GetChildWorkflowExecutionTimedOutEventAttributes().GetInitiatedEventId(), protocol.Failed)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		r.closed(event.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId(), protocol.Canceled)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
		r.closed(event.GetChildWorkflowExecutionTerminatedEventAttributes().GetInitiatedEventId(), protocol.Canceled)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		return r.scheduled(event)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		a := event.GetActivityTaskCompletedEventAttributes()
		return r.answered(a.GetScheduledEventId(), rawPayload(a.GetResult(), 0))
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		r.unanswered(event.GetActivityTaskFailedEventAttributes().GetScheduledEventId())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		r.unanswered(event.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId())
	}
	return nil
}

// started takes an operation out of the queue since the run asked for its
// execution. Whether that came to be is found out by whoever adopts the head.
func (r *rebuild) started(event *historypb.HistoryEvent) error {
	a := event.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	if _, _, isPage := protocol.ParsePageWorkflowID(a.GetWorkflowId()); isPage {
		return r.pageInitiated(event)
	}
	id, ok := protocol.OperationID(a.GetWorkflowId())
	if !ok {
		return fmt.Errorf("workflow id %q is not one of an operation", a.GetWorkflowId())
	}
	if slices.ContainsFunc(r.queue.Ended, func(e Entry) bool { return e.Operation.ID == id }) {
		r.children[event.GetEventId()] = rebuiltChild{id: id, ended: true}
		return nil
	}
	var start OperationStart
	if payload := rawPayload(a.GetInput(), 1).Payload(); payload != nil && json.Unmarshal(payload.GetData(), &start) == nil && start.Gated {
		r.queue.markAhead(id)
		r.children[event.GetEventId()] = rebuiltChild{id: id, ahead: true}
		return nil
	}
	at, err := r.queue.placeOf(id)
	if r.queue.Head != nil && r.queue.Head.Operation.ID == id {
		err = nil // started once more, since nothing had its id after all
	} else if err == nil {
		r.queue.makeHead(at, r.task)
	}
	r.children[event.GetEventId()] = rebuiltChild{id: id}
	return err
}

// closed notes the end of an execution.
func (r *rebuild) closed(initiated int64, status protocol.StatusCode) {
	if child, known := r.children[initiated]; known {
		delete(r.children, initiated)
		r.ends = append(r.ends, rebuiltEnd{child, end{status: status}, r.last})
	}
}

// looked notes what the engine saw of an adopted head; it looks at executions
// that only record an end too.
func (r *rebuild) looked(id string, answer converter.RawValue) error {
	var seen protocol.AwaitReply
	err := json.Unmarshal(answer.Payload().GetData(), &seen)
	if err == nil && r.queue.findAhead(id) != nil {
		r.queue.AheadSeen(id, seen, r.last)
		return nil
	}
	if err != nil || r.queue.Head == nil || r.queue.Head.Operation.ID != id {
		return err
	}
	ours := seen.Token == r.queue.Token && seen.Sequence == r.queue.Head.Sequence
	if seen.Closed && ours {
		r.ends = append(r.ends, rebuiltEnd{rebuiltChild{id: id}, end{status: seen.Status}, r.last})
	} else if seen.Found && !ours && (seen.Closed || seen.Token != r.queue.Token) {
		r.ends = append(r.ends, rebuiltEnd{rebuiltChild{id: id}, end{duplicate: true}, r.last})
	}
	return nil
}

// ended does what the run did about an end.
func (r *rebuild) ended(e rebuiltEnd) {
	switch {
	case e.child.ended:
		r.queue.EndedClosed(e.child.id, e.end, e.at)
	case r.queue.Head != nil && r.queue.Head.Operation.ID == e.child.id:
		r.queue.HeadCompleted(e.end, e.at)
	case e.child.ahead && !r.queue.AheadClosed(e.child.id, e.end, e.at):
		r.queue.EndedClosed(e.child.id, e.end, e.at) // where it ended in the queue; else its turn tells
	}
}

// aheadStarted notes that an execution that was started ahead is there.
func (r *rebuild) aheadStarted(initiated int64) {
	if child := r.children[initiated]; child.ahead {
		r.queue.AheadStarted(child.id)
	}
}

// turnGiven makes an operation the head that was started ahead. One that was told of
// its end in the queue has left it.
func (r *rebuild) turnGiven(a *historypb.SignalExternalWorkflowExecutionInitiatedEventAttributes) {
	id, ok := protocol.OperationID(a.GetWorkflowExecution().GetWorkflowId())
	if !ok || a.GetSignalName() != protocol.TurnSignalName || r.queue.Head != nil {
		return
	}
	if at, err := r.queue.placeOf(id); err == nil {
		r.queue.makeHead(at, r.task)
	}
}
