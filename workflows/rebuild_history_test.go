package workflows

import (
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// historyWriter makes a history up: it does what a serializer does, one thing
// after another, and writes down what a server would.
type historyWriter struct {
	*rapid.T
	events []*historypb.HistoryEvent
	now    time.Time

	submitted []writtenEntry // signals of the task to come
	cancelled bool
	next      int64
	known     map[string]bool

	waiting []writtenEntry
	ended   []writtenEntry
	running map[int64]string // executions by their event
	head    int64            // the head's

	failed, stands bool // the head did, as the next task will see; the token does since then
	policy         protocol.FailurePolicy
}

type writtenEntry struct {
	operation protocol.Operation
	start     OperationStart
	ahead     int64 // its execution that was started before its turn
}

func drawHistory(t *rapid.T) []*historypb.HistoryEvent {
	w := &historyWriter{T: t, now: day, known: map[string]bool{}, running: map[int64]string{}}
	w.write(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
			WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
				WorkflowId: protocol.SerializerWorkflowID(testToken), Input: w.payloads(protocol.SerializerInput{Token: testToken}),
			},
		}
	})
	w.submit()
	w.task()
	for n := rapid.IntRange(1, 15).Draw(t, "tasks"); n > 0; n-- {
		w.arrive()
		w.task()
	}
	return w.events
}

func (w *historyWriter) payloads(values ...any) *commonpb.Payloads {
	encoded, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	if err != nil {
		w.Fatal(err)
	}
	return encoded
}

func (w *historyWriter) write(kind enumspb.EventType, fill func(*historypb.HistoryEvent)) int64 {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(w.T, "milliseconds")) * time.Millisecond)
	e := &historypb.HistoryEvent{EventId: int64(len(w.events) + 1), EventTime: timestamppb.New(w.now), EventType: kind}
	if fill != nil {
		fill(e)
	}
	w.events = append(w.events, e)
	return e.GetEventId()
}

// arrive is what comes in between two tasks, in any order.
func (w *historyWriter) arrive() {
	for n := rapid.IntRange(0, 4).Draw(w.T, "arrivals"); n > 0; n-- {
		switch rapid.IntRange(0, 5).Draw(w.T, "arrival") {
		case 0, 1, 2:
			w.submit()
		case 3, 4:
			w.closeOne()
		case 5:
			if !w.cancelled && rapid.IntRange(0, 4).Draw(w.T, "cancel the token") == 0 {
				w.cancelled = true
				w.write(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, nil)
			}
		}
	}
}

// submit is one signal with one operation or a few, some of them known already.
func (w *historyWriter) submit() {
	var batch []protocol.Operation
	for n := rapid.IntRange(1, 3).Draw(w.T, "operations"); n > 0; n-- {
		o := op(fmt.Sprintf("op-%d", rapid.IntRange(0, len(w.known)+3).Draw(w.T, "id")))
		batch = append(batch, o)
		if !w.known[o.ID] && !w.cancelled {
			w.known[o.ID] = true
			w.submitted = append(w.submitted, writtenEntry{operation: o})
		} else if !w.known[o.ID] {
			batch = batch[:len(batch)-1] // which side of a cancellation it is on is another matter
		}
	}
	if len(batch) == 0 {
		return
	}
	w.write(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
			WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
				SignalName: protocol.SubmitSignalName, Input: w.payloads(batch),
			},
		}
	})
}

// closeOne ends an execution.
func (w *historyWriter) closeOne() {
	open := make([]int64, 0, len(w.running))
	for initiated := range w.running {
		open = append(open, initiated)
	}
	if len(open) == 0 {
		return
	}
	slices.Sort(open)
	initiated := rapid.SampledFrom(open).Draw(w.T, "closes")
	delete(w.running, initiated)
	if w.closeAhead(initiated) {
		return
	}
	if initiated == w.head {
		w.head = 0
		if w.failed = rapid.Bool().Draw(w.T, "fails"); w.failed {
			w.write(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED, func(e *historypb.HistoryEvent) {
				e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionFailedEventAttributes{
					ChildWorkflowExecutionFailedEventAttributes: &historypb.ChildWorkflowExecutionFailedEventAttributes{InitiatedEventId: initiated},
				}
			})
			return
		}
	}
	w.write(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionCompletedEventAttributes{
			ChildWorkflowExecutionCompletedEventAttributes: &historypb.ChildWorkflowExecutionCompletedEventAttributes{InitiatedEventId: initiated},
		}
	})
}

// closeAhead ends an execution that waits for its turn, as it is cancelled.
func (w *historyWriter) closeAhead(initiated int64) bool {
	at := slices.IndexFunc(w.waiting, func(e writtenEntry) bool { return e.ahead == initiated })
	if at < 0 {
		return false
	}
	w.waiting = slices.Delete(w.waiting, at, at+1)
	w.write(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionCanceledEventAttributes{
			ChildWorkflowExecutionCanceledEventAttributes: &historypb.ChildWorkflowExecutionCanceledEventAttributes{InitiatedEventId: initiated},
		}
	})
	return true
}

// task is one workflow task: it takes in, answers updates before or after it
// starts the next operation, and starts what ended.
func (w *historyWriter) task() {
	w.write(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, nil)
	started := w.write(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, nil)
	read := w.now
	if w.next == 0 {
		w.next = w.events[0].GetEventTime().AsTime().UnixMicro()
	}
	w.write(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
			WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{StartedEventId: started},
		}
	})
	for _, entry := range w.submitted {
		entry.start = OperationStart{Token: testToken, Sequence: w.next, CreatedOn: read}
		entry.operation.DependencyToken = testToken
		w.next++
		w.waiting = append(w.waiting, entry)
	}
	w.submitted = nil
	w.stands = w.stands || w.failed && w.policy == protocol.HoldOnFailure
	if w.cancelled || w.failed && w.policy == protocol.CancelRestOnFailure {
		w.ended, w.waiting = append(w.ended, w.waiting...), nil
	}
	w.cancelled, w.failed = false, false
	w.updates(read)
	w.tokenUpdates()
	if w.head == 0 && len(w.waiting) > 0 && !w.stands {
		entry := w.waiting[0]
		w.waiting = w.waiting[1:]
		if w.head = entry.ahead; entry.ahead != 0 {
			w.turn(entry, protocol.Turn{})
		} else {
			w.head = w.start(entry)
		}
	}
	w.updates(read)
	for _, entry := range w.ended {
		if entry.ahead != 0 {
			w.turn(entry, protocol.Turn{Canceled: true})
			continue
		}
		entry.start.Verdict = &Verdict{Status: protocol.Canceled}
		w.start(entry)
	}
	w.ended = nil
	if w.head != 0 || w.stands {
		w.lookAhead()
	}
}

// lookAhead starts some of the first that wait before their turn.
func (w *historyWriter) lookAhead() {
	for at := range w.waiting[:min(len(w.waiting), rapid.IntRange(0, 3).Draw(w.T, "ahead"))] {
		entry := &w.waiting[at]
		if entry.ahead != 0 {
			continue
		}
		entry.start.Gated = true
		entry.ahead = w.start(*entry)
		w.write(enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_ChildWorkflowExecutionStartedEventAttributes{
				ChildWorkflowExecutionStartedEventAttributes: &historypb.ChildWorkflowExecutionStartedEventAttributes{InitiatedEventId: entry.ahead},
			}
		})
	}
}

// turn tells one that was started before its turn.
func (w *historyWriter) turn(entry writtenEntry, turn protocol.Turn) {
	w.write(enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_SignalExternalWorkflowExecutionInitiatedEventAttributes{
			SignalExternalWorkflowExecutionInitiatedEventAttributes: &historypb.SignalExternalWorkflowExecutionInitiatedEventAttributes{
				WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: protocol.OperationWorkflowID(entry.operation.ID)},
				SignalName:        protocol.TurnSignalName, Input: w.payloads(turn),
			},
		}
	})
}

func (w *historyWriter) start(entry writtenEntry) int64 {
	id := entry.operation.ID
	initiated := w.write(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_StartChildWorkflowExecutionInitiatedEventAttributes{
			StartChildWorkflowExecutionInitiatedEventAttributes: &historypb.StartChildWorkflowExecutionInitiatedEventAttributes{
				WorkflowId: protocol.OperationWorkflowID(id), Input: w.payloads(entry.operation, entry.start),
			},
		}
	})
	w.running[initiated] = id
	return initiated
}

// updates are some updates of what waits.
func (w *historyWriter) updates(now time.Time) {
	for n := rapid.IntRange(0, 2).Draw(w.T, "updates"); n > 0 && len(w.waiting) > 0; n-- {
		at := rapid.IntRange(0, len(w.waiting)-1).Draw(w.T, "target")
		entry := w.waiting[at]
		if entry.ahead != 0 {
			continue // its own workflow is asked
		}
		if rapid.Bool().Draw(w.T, "cancels") {
			w.update(protocol.CancelUpdateName, protocol.ActionRequest{OperationID: entry.operation.ID})
			w.waiting = slices.Delete(w.waiting, at, at+1)
			w.ended = append(w.ended, entry)
			continue
		}
		until := now.Add(time.Duration(rapid.IntRange(-10, 10).Draw(w.T, "minutes")) * time.Minute)
		w.update(protocol.PostponeUpdateName, protocol.PostponeRequest{OperationID: entry.operation.ID, Until: until})
		if w.waiting[at].operation.PostponeUntil = &until; !until.After(now) {
			w.waiting[at].operation.PostponeUntil = nil
		}
	}
}

// tokenUpdates change what becomes of the rest when an operation fails, and let
// the token go on.
func (w *historyWriter) tokenUpdates() {
	switch rapid.IntRange(0, 3).Draw(w.T, "of the token") {
	case 0:
		w.policy = rapid.SampledFrom([]protocol.FailurePolicy{
			protocol.HoldOnFailure, protocol.CancelRestOnFailure, protocol.ContinueOnFailure,
		}).Draw(w.T, "on failure")
		w.update(protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: w.policy})
	case 1:
		if w.stands {
			w.stands = false
			w.update(protocol.SkipUpdateName, protocol.TokenRequest{})
		}
	}
}

func (w *historyWriter) update(name string, request any) {
	w.write(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
			WorkflowExecutionUpdateAcceptedEventAttributes: &historypb.WorkflowExecutionUpdateAcceptedEventAttributes{
				AcceptedRequest: &updatepb.Request{
					Meta:  &updatepb.Meta{UpdateId: fmt.Sprint(e.GetEventId())},
					Input: &updatepb.Input{Name: name, Args: w.payloads(request)},
				},
			},
		}
	})
	w.write(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED, nil)
}
