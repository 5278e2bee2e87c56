package verify

import (
	"encoding/json"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// run is what one run of a token's serializer tells, as far as it was read.
type run struct {
	id string
	// began and last are when its first and its last event were. reset is the run
	// whose history it repeats, where it was reset; continued that it goes on where
	// a run before it ended.
	began, last time.Time
	original    string
	continued   bool
	state       *carriedQueue
	stateBytes  int
	token       string
	refused     bool // it refuses everything
	submitted   int64
	// restored is what a chain before this one still had to do, where that goes on
	// here.
	restored *carriedQueue
	// rest is what it still had to do when a person closed it, as the chain after it
	// found out.
	rest *carriedQueue
	// found is how the chain before ended, where it did not as it should.
	found protocol.Predecessor
	// closed is how it closed, Running while it has not; next is the run after it.
	closed Status
	next   string

	// recovered is what another chain still had to do and was put before this one's
	// queue; recoveries are what the engine read of such chains, by their runs.
	recovered  []*carriedQueue
	recoveries map[string]*carriedQueue

	facts []fact
	holds holds

	starts map[int64]*Start
	pages  map[int64]protocol.PageAddress
	looks  map[int64]string
	asked  map[int64]string // the engine's activities
	// recovering are the runs that the engine reads, by the event that asked for it.
	recovering map[int64]string
	updates    map[int64]*updatepb.Request
}

// fact is what happened to an operation: it was started, or its id turned out to
// be another's, or its execution turned out to be there already.
type fact struct {
	start *Start
	// doubtful says that the execution was not started by this run: somebody had
	// the id. look is what the engine saw of it.
	doubtful bool
	look     *protocol.AwaitReply
	id       string // of a look, or a turn, alone
	// ahead says that the start is one ahead of its turn; turn that the turn of id came,
	// or its end in the queue.
	ahead bool
	turn  *turn
	// recovered says that from here on operations of another chain, with their lower
	// numbers, come first.
	recovered bool
}

// turn is when an operation that was started ahead was told that its turn had come, or
// that it had ended in the queue, and why the token was held then, if it was.
type turn struct {
	at       time.Time
	canceled bool
	held     string
}

func newRun(id string) *run {
	return &run{
		id: id, closed: Running, starts: make(map[int64]*Start), pages: make(map[int64]protocol.PageAddress),
		looks: make(map[int64]string), recoveries: make(map[string]*carriedQueue), recovering: make(map[int64]string), asked: make(map[int64]string), updates: make(map[int64]*updatepb.Request),
	}
}

// read takes one event in.
func (r *run) read(event *historypb.HistoryEvent) {
	r.last = event.GetEventTime().AsTime()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		r.begin(event.GetWorkflowExecutionStartedEventAttributes())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		r.signaled(event.GetWorkflowExecutionSignaledEventAttributes())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		r.updates[event.GetEventId()] = event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest()
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
		a := event.GetWorkflowExecutionUpdateCompletedEventAttributes()
		if a.GetOutcome().GetFailure() == nil {
			r.holds.updated(r.updates[a.GetAcceptedEventId()], r.last)
			r.prepended(r.updates[a.GetAcceptedEventId()])
		}
		delete(r.updates, a.GetAcceptedEventId())
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		r.asks(event)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
		a := event.GetChildWorkflowExecutionStartedEventAttributes()
		r.started(a.GetInitiatedEventId(), a.GetWorkflowExecution().GetRunId())
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:
		if s := r.starts[event.GetStartChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId()]; s != nil {
			r.facts = append(r.facts, fact{start: s, doubtful: true})
		}
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		r.signals(event.GetSignalExternalWorkflowExecutionInitiatedEventAttributes())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		r.scheduled(event)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		r.answered(event.GetActivityTaskCompletedEventAttributes())
	default:
		r.readEnd(event)
	}
}

func (r *run) begin(a *historypb.WorkflowExecutionStartedEventAttributes) {
	r.began, r.original, r.continued = r.last, a.GetOriginalExecutionRunId(), a.GetContinuedExecutionRunId() != ""
	var input protocol.SerializerInput
	argument(a.GetInput(), 0, &input)
	r.token = input.Token
	var state carried
	if r.continued && argument(a.GetInput(), 1, &state) && state.Queue != nil {
		r.state, r.stateBytes, r.token = state.Queue, len(a.GetInput().GetPayloads()[1].GetData()), state.Queue.Token
		r.refused = state.Refused != ""
		r.holds.restore(state.Queue)
	}
}

// signaled counts what was submitted: what cannot be taken apart is one.
func (r *run) signaled(a *historypb.WorkflowExecutionSignaledEventAttributes) {
	if a.GetSignalName() != protocol.SubmitSignalName {
		return
	}
	payloads := a.GetInput().GetPayloads()
	if len(payloads) == 0 || string(payloads[0].GetMetadata()["encoding"]) != "json/plain" {
		r.submitted++
		return
	}
	operations, err := protocol.SplitSubmission(payloads[0].GetData())
	if err != nil {
		r.submitted++
	}
	r.submitted += int64(len(operations))
}

// wasReset says that its history repeats another run's.
func (r *run) wasReset() bool { return r.original != "" && r.original != r.id }

// asks notes an execution that the run asked for.
func (r *run) asks(event *historypb.HistoryEvent) {
	a := event.GetStartChildWorkflowExecutionInitiatedEventAttributes()
	if _, _, isPage := protocol.ParsePageWorkflowID(a.GetWorkflowId()); isPage {
		r.pages[event.GetEventId()] = protocol.PageAddress{WorkflowID: a.GetWorkflowId()}
		return
	}
	id, _ := protocol.OperationID(a.GetWorkflowId())
	var start operationStart
	argument(a.GetInput(), 1, &start)
	s := &Start{
		Ref: Ref{id, start.Sequence}, N: start.N, RerunOf: start.RerunOf, Verdict: len(start.Verdict) > 0, Gated: start.Gated,
		Serializer: r.id, Event: event.GetEventId(), On: r.last, Execution: Execution{Status: Running},
	}
	if !s.Verdict && !s.Gated {
		s.Held = r.holds.why(r.last)
	}
	r.starts[event.GetEventId()] = s
}

// started notes that an execution is there.
func (r *run) started(initiated int64, runID string) {
	if page, known := r.pages[initiated]; known {
		page.RunID = runID
		r.pages[initiated] = page
	}
	if s := r.starts[initiated]; s != nil {
		s.Execution.RunID, s.Execution.Began = runID, r.last
		r.facts = append(r.facts, fact{start: s, ahead: s.Gated})
	}
}

// signals notes what the run told an operation that was started ahead.
func (r *run) signals(a *historypb.SignalExternalWorkflowExecutionInitiatedEventAttributes) {
	id, ok := protocol.OperationID(a.GetWorkflowExecution().GetWorkflowId())
	if !ok || a.GetSignalName() != protocol.TurnSignalName {
		return
	}
	var told protocol.Turn
	argument(a.GetInput(), 0, &told)
	t := &turn{at: r.last, canceled: told.Canceled}
	if !told.Canceled {
		t.held = r.holds.why(r.last)
	}
	for _, s := range r.starts {
		if s.ID == id && s.Gated {
			s.take(t)
		}
	}
	r.facts = append(r.facts, fact{id: id, turn: t})
}

// take gives one that was started ahead its turn, or its end in the queue.
func (s *Start) take(t *turn) { s.Turn, s.Verdict, s.Held = t.at, t.canceled, t.held }

// scheduled notes what the run asked the engine for.
func (r *run) scheduled(event *historypb.HistoryEvent) {
	a := event.GetActivityTaskScheduledEventAttributes()
	r.asked[event.GetEventId()] = a.GetActivityType().GetName()
	switch a.GetActivityType().GetName() {
	case protocol.AwaitOperationActivity:
		var request protocol.AwaitRequest
		argument(a.GetInput(), 0, &request)
		r.looks[event.GetEventId()] = request.OperationID
	case protocol.RecoverRunActivity:
		var request protocol.RecoverRunRequest
		argument(a.GetInput(), 0, &request)
		r.recovering[event.GetEventId()] = request.Asked.RunID
	}
}

// prepended notes that another chain's queue was put before this one's.
func (r *run) prepended(request *updatepb.Request) {
	if request.GetInput().GetName() != protocol.PrependUpdateName {
		return
	}
	var asked protocol.PrependRequest
	argument(request.GetInput().GetArgs(), 0, &asked)
	if before := r.recoveries[asked.RunID]; before != nil && !asked.DryRun {
		r.recovered = append(r.recovered, before)
		r.facts = append(r.facts, fact{recovered: true})
	}
}

// answered notes what the engine said.
func (r *run) answered(a *historypb.ActivityTaskCompletedEventAttributes) {
	switch r.asked[a.GetScheduledEventId()] {
	case protocol.AwaitOperationActivity:
		var seen protocol.AwaitReply
		if argument(a.GetResult(), 0, &seen) && seen.Found {
			r.facts = append(r.facts, fact{id: r.looks[a.GetScheduledEventId()], look: &seen})
			r.lookFailed(seen)
		}
	case protocol.FindPredecessorActivity:
		argument(a.GetResult(), 0, &r.found)
	case protocol.RecoverRunActivity:
		var reply protocol.RecoverRunReply
		var before carried
		if argument(a.GetResult(), 0, &reply) && json.Unmarshal(reply.State, &before) == nil {
			r.recoveries[r.recovering[a.GetScheduledEventId()]] = before.Queue
		}
	case protocol.RebuildTokenActivity:
		var before carried
		if argument(a.GetResult(), 0, &before) {
			if r.restored = before.Queue; before.Queue != nil {
				r.holds.restore(before.Queue)
			}
		}
	}
	delete(r.asked, a.GetScheduledEventId())
	delete(r.looks, a.GetScheduledEventId())
}

// lookFailed notes that an adopted head failed.
func (r *run) lookFailed(seen protocol.AwaitReply) {
	if seen.Closed && seen.Status == protocol.Failed && seen.Token == r.token {
		r.holds.failed()
	}
}

// readEnd notes the end of an operation, or of the run.
func (r *run) readEnd(event *historypb.HistoryEvent) {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		r.ended(event.GetChildWorkflowExecutionCompletedEventAttributes().GetInitiatedEventId(), Succeeded)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		r.ended(event.GetChildWorkflowExecutionFailedEventAttributes().GetInitiatedEventId(), Failed)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
		r.ended(event.GetChildWorkflowExecutionTimedOutEventAttributes().GetInitiatedEventId(), TimedOut)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		r.ended(event.GetChildWorkflowExecutionCanceledEventAttributes().GetInitiatedEventId(), Canceled)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
		r.ended(event.GetChildWorkflowExecutionTerminatedEventAttributes().GetInitiatedEventId(), Terminated)
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		r.closed = Succeeded
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		r.closed = Failed
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		r.closed = Canceled
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
		r.closed = TimedOut
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		r.closed = Terminated
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		r.closed = continued
		r.next = event.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
}

// continued is how a run closes that another one goes on from.
const continued Status = "continuedAsNew"

func (r *run) ended(initiated int64, status Status) {
	s := r.starts[initiated]
	if s == nil {
		return
	}
	s.Execution.Closed, s.Execution.Status = r.last, status
	if s.Gated && s.Turn.IsZero() { // before its turn: this is only its record
		s.Verdict = true
		r.facts = append(r.facts, fact{start: s})
	}
	if !s.Verdict && (status == Failed || status == TimedOut) {
		r.holds.failed()
	}
	delete(r.starts, initiated)
}
