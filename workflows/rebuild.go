package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/protocol"
)

// RebuildToken reads the history of a serializer's run that did not end as it
// should, and answers what the run after it would have been given: everything
// accepted that has no execution yet, in order. The engine's activity hands it to
// the chain that comes next.
//
// It follows the serializer's own rules over the same Queue, so an operation
// gets the id and the sequence that it had. before is what RebuildToken answered
// for the chain before this run, where this run was closed before it could look
// by itself (RunLookedBack), and byServer how that one ended; else nil.
func RebuildToken(workflowID string, events []*historypb.HistoryEvent, before any, byServer bool) (any, error) {
	r := &rebuild{
		workflowID: workflowID, looking: scheduled(events, protocol.FindPredecessorActivity),
		times: map[int64]time.Time{}, children: map[int64]rebuiltChild{}, activities: map[int64]string{}, looks: map[int64]string{},
		rereads: map[int64]protocol.ReadOperationRequest{}, pages: newRebuiltPages(), settings: settingsIn(events),
	}
	if state, ok := before.(carried); ok {
		r.before = &predecessor{state: state, byServer: byServer}
	}
	r.recurs = slices.ContainsFunc(events, marksRecurring)
	for _, event := range events {
		if seen := glanceIn(event); seen != nil {
			r.glanced = *seen
		}
	}
	for _, event := range events {
		if err := r.read(event); err != nil {
			return nil, fmt.Errorf("history event %d: %w", event.GetEventId(), err)
		}
	}
	r.looking = false
	r.flush(r.last)
	r.queue.noteRecovered(r.run)
	if r.queue.Head != nil {
		r.queue.HeadTold = &protocol.Hold{} // whatever it was told: it is told again
	}
	return carried{
		Queue: r.queue, Answers: r.answers, Refused: r.refused, HeadInDoubt: true,
		CancelHead: r.queue.Head != nil && r.queue.Head.Operation.ID == r.toCancel,
	}, nil
}

// RunLookedBack says whether the run knew how the chain before it ended: it is
// not the first of its chain, or it got an answer.
func RunLookedBack(events []*historypb.HistoryEvent) bool {
	find := int64(0)
	for _, event := range events {
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
			if event.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId() != "" {
				return true
			}
		case enumspb.EVENT_TYPE_MARKER_RECORDED:
			if seen := glanceIn(event); seen != nil && seen.nothing {
				return true
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			if isScheduled(event, protocol.FindPredecessorActivity) {
				find = event.GetEventId()
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			if find != 0 && event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId() == find {
				return true
			}
		}
	}
	return false
}

func scheduled(events []*historypb.HistoryEvent, activity string) bool {
	return slices.ContainsFunc(events, func(e *historypb.HistoryEvent) bool { return isScheduled(e, activity) })
}

func isScheduled(event *historypb.HistoryEvent, activity string) bool {
	return event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == activity
}

// rebuild is a run as far as its history was read.
type rebuild struct {
	workflowID   string
	input, state converter.RawValue
	queue        *Queue
	refused      string
	answers      answers

	// before is the chain before; looking holds intake back, as the run did while
	// it asked about that chain.
	before   *predecessor
	glanced  glanced
	byServer bool // how the run was told that the chain before it ended
	looking  bool

	// What arrived since the last workflow task: a task sees all of it at once.
	signals   []converter.RawValue
	ends      []rebuiltEnd
	updates   []*historypb.WorkflowExecutionUpdateAcceptedEventAttributes
	cancelled bool

	began    time.Time // when the run did
	chain    string    // the first run of its chain
	run      string    // the run itself
	last     time.Time
	times    map[int64]time.Time // when each workflow task started
	task     time.Time           // when the last one that was completed did
	children map[int64]rebuiltChild
	// activities are the engine's that the run asked for, by their event; looks
	// are the operations that they looked at.
	activities, looks map[int64]string
	// rereads are the operations that were to be run again, by the event with
	// which the run asked the engine for them; reruns those that it answered since
	// the last workflow task.
	rereads map[int64]protocol.ReadOperationRequest
	reruns  []rebuiltRerun
	pages   rebuiltPages
	// settings are what the run recorded at its start.
	settings settings
	// recurs says that the run took recurring operations in.
	recurs bool
	// toCancel is the head when the token was cancelled: whether it was asked is
	// not known.
	toCancel string
}

// rebuiltEnd is an execution that ended.
type rebuiltEnd struct {
	child rebuiltChild
	end   end
	at    time.Time
}

// rebuiltRerun is an operation to run again, and what the engine knew of it.
type rebuiltRerun struct {
	asked protocol.ReadOperationRequest
	was   protocol.ReadOperationReply
}

// predecessor is the state of a chain that ended before its time.
type predecessor struct {
	state    carried
	byServer bool
}

// rebuiltChild is an execution that the run asked for.
type rebuiltChild struct {
	id    string
	ended bool // it only recorded an end
	ahead bool // it was started ahead of its turn
}

// glanced is what the run's glance saw: when, which is the time of all that the
// run did later in that workflow task, and in which one, by its completion.
type glanced struct {
	nothing bool
	on      time.Time
	task    int64
}

// glanceIn reads the event in which a run recorded its glance; nil for any other.
func glanceIn(event *historypb.HistoryEvent) *glanced {
	marker := event.GetMarkerRecordedEventAttributes()
	if marker.GetMarkerName() != protocol.LocalMarker {
		return nil
	}
	var data struct {
		ActivityType string
		ReplayTime   time.Time
	}
	if payload := rawPayload(marker.GetDetails()["data"], 0).Payload(); payload == nil ||
		json.Unmarshal(payload.GetData(), &data) != nil || data.ActivityType != glanceActivity {
		return nil
	}
	seen := &glanced{on: data.ReplayTime, task: marker.GetWorkflowTaskCompletedEventId()}
	if payload := rawPayload(marker.GetDetails()["result"], 0).Payload(); payload != nil {
		seen.nothing = string(payload.GetData()) == "true"
	}
	return seen
}

func (r *rebuild) takesRecurring() bool { return r.recurs }

// marksRecurring says that the event is where a run noted that it takes recurring
// operations in.
func marksRecurring(event *historypb.HistoryEvent) bool {
	marker := event.GetMarkerRecordedEventAttributes()
	if marker.GetMarkerName() != "Version" {
		return false
	}
	var change string
	payload := rawPayload(marker.GetDetails()["change-id"], 0).Payload()
	return payload != nil && json.Unmarshal(payload.GetData(), &change) == nil && change == recurringSubmissions
}

// read takes one event in.
func (r *rebuild) read(event *historypb.HistoryEvent) error {
	r.last = event.GetEventTime().AsTime()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		a := event.GetWorkflowExecutionStartedEventAttributes()
		r.input, r.began, r.chain = rawPayload(a.GetInput(), 0), r.last, a.GetFirstExecutionRunId()
		r.run = a.GetOriginalExecutionRunId()
		if a.GetContinuedExecutionRunId() != "" {
			r.state = rawPayload(a.GetInput(), 1)
		}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		a := event.GetWorkflowExecutionSignaledEventAttributes()
		if a.GetSignalName() == protocol.SubmitSignalName {
			r.signals = append(r.signals, rawPayload(a.GetInput(), 0))
		}
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		r.updates = append(r.updates, event.GetWorkflowExecutionUpdateAcceptedEventAttributes())
		r.carryOut() // the task before this event did, before what it did next
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		r.cancelled = true
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		r.times[event.GetEventId()] = r.last
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		r.task = r.times[event.GetWorkflowTaskCompletedEventAttributes().GetStartedEventId()]
		if event.GetEventId() == r.glanced.task {
			r.task = r.glanced.on
		}
		r.flush(r.task)
		clear(r.times)
	default:
		return r.readExecution(event)
	}
	return nil
}

// scheduled notes what the run asked the engine for.
func (r *rebuild) scheduled(event *historypb.HistoryEvent) error {
	a := event.GetActivityTaskScheduledEventAttributes()
	r.activities[event.GetEventId()] = a.GetActivityType().GetName()
	input := rawPayload(a.GetInput(), 0).Payload().GetData()
	switch a.GetActivityType().GetName() {
	case protocol.AwaitOperationActivity:
		var request protocol.AwaitRequest
		err := json.Unmarshal(input, &request)
		r.looks[event.GetEventId()] = request.OperationID
		return err
	case protocol.StartRecurrenceActivity:
		var o protocol.Operation
		err := json.Unmarshal(input, &o)
		r.looks[event.GetEventId()] = o.ID
		return err
	case protocol.ReadOperationActivity:
		var request protocol.ReadOperationRequest
		err := json.Unmarshal(input, &request)
		r.rereads[event.GetEventId()] = request
		return err
	}
	return r.pageAsked(event, input)
}

// answered follows what the run did with an answer of the engine's.
func (r *rebuild) answered(scheduled int64, answer converter.RawValue) error {
	switch r.activities[scheduled] {
	case protocol.AwaitOperationActivity:
		return r.looked(r.looks[scheduled], answer)
	case protocol.FindPredecessorActivity:
		var found protocol.Predecessor
		if err := json.Unmarshal(answer.Payload().GetData(), &found); err != nil {
			return err
		}
		r.looking, r.byServer = found.Look == protocol.PredecessorAbnormal, found.ByServer
	case protocol.StartRecurrenceActivity:
		var reply protocol.StartRecurrenceReply
		if err := json.Unmarshal(answer.Payload().GetData(), &reply); err != nil {
			return err
		}
		r.queue.RecurringAnswered(r.looks[scheduled], reply, r.last)
	case protocol.RebuildTokenActivity:
		r.looking = false
		var state carried
		if err := json.Unmarshal(answer.Payload().GetData(), &state); err != nil {
			return err
		}
		r.queue = r.queue.takeOver(state.Queue, r.byServer)
	case protocol.RecoverRunActivity:
		return r.recovered(scheduled, answer)
	case protocol.LoadPageActivity:
		return r.pageLoaded(scheduled, answer)
	case protocol.FindInPagesActivity:
		return r.searched(scheduled, answer)
	case protocol.ReadOperationActivity:
		var was protocol.ReadOperationReply
		if err := json.Unmarshal(answer.Payload().GetData(), &was); err != nil {
			return err
		}
		r.reruns = append(r.reruns, rebuiltRerun{r.rereads[scheduled], was})
	}
	return nil
}

// unanswered lets intake go on, as the run did.
func (r *rebuild) unanswered(scheduled int64) {
	if a := r.activities[scheduled]; a == protocol.FindPredecessorActivity || a == protocol.RebuildTokenActivity {
		r.looking = false
	}
}

// flush does what a workflow task does first: take in the signals, note what
// ended, then answer the updates, then see the cancellation.
func (r *rebuild) flush(now time.Time) {
	if r.queue == nil {
		r.begin()
	}
	if r.looking {
		return
	}
	for _, raw := range r.signals {
		r.queue.take(raw, r.refused, r.takesRecurring, now)
	}
	for _, e := range r.ends {
		r.ended(e)
	}
	r.task = now
	r.queue.ReleaseIfDue(now)
	r.carryOut()
	for _, rerun := range r.reruns {
		record, err := r.queue.Rerun(rerun.asked.Rerun, rerun.asked.UpdateID, rerun.was, now)
		r.answers.add(rerun.asked.UpdateID, record, err)
	}
	r.reruns = nil
	if r.cancelled {
		r.cancelAll(cancelledReason)
	}
	r.signals, r.ends, r.cancelled = nil, nil, false
}

func (r *rebuild) begin() {
	var before carried
	if payload := r.state.Payload(); payload != nil && json.Unmarshal(payload.GetData(), &before) == nil && before.Queue != nil {
		r.queue, r.answers, r.refused = before.Queue, before.Answers, before.Refused
		r.queue.restored(r.chain, r.settings.PageBytes)
		r.queue.restrict(r.settings.Restricted)
		r.queue.leaveAhead(!r.settings.knowsAhead())
		return
	}
	token, refused, _ := tokenOf(r.workflowID, r.input)
	r.queue, r.refused = NewQueue(token, r.began), refused
	r.queue.restored(r.chain, r.settings.PageBytes)
	r.queue.restrict(r.settings.Restricted)
	if r.before != nil && r.before.state.Queue != nil && refused == "" {
		r.queue = r.queue.takeOver(r.before.state.Queue, r.before.byServer)
	}
}

// rawPayload is one of the payloads, empty where there is none.
func rawPayload(payloads *commonpb.Payloads, at int) converter.RawValue {
	if list := payloads.GetPayloads(); at < len(list) {
		return converter.NewRawValue(list[at])
	}
	return converter.RawValue{}
}
