package opclient

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// past is what the history of a serializer's current run tells of its token: the
// state that the run before handed over, and what happened since. It does not
// know what a worker alone decides: which submissions were refused or repeats,
// and what was asked of queued operations in this run.
type past struct {
	token     string
	startedOn time.Time
	pastQueue
	headSince *time.Time
	// ids are of the operations that it knows; ending are those that ended while
	// they queued and whose record is being written.
	ids, ending map[string]bool
	// asked is what the run asked the engine for, by the event.
	asked map[int64]pastRequest
	// inPage is the page in which the engine found an operation, by its id.
	inPage map[string]protocol.PageAddress
	// byServer says that the server closed the run before this chain.
	byServer bool
	// data keeps the data of the operation with this id; the others' is dropped.
	data string
	// partial says that the history is longer than what was read.
	partial bool

	decode decoder
}

func newPast(token, data string, decode decoder) *past {
	return &past{
		token: token, data: data, decode: decode, ids: make(map[string]bool), ending: make(map[string]bool),
		asked: make(map[int64]pastRequest), inPage: make(map[string]protocol.PageAddress),
	}
}

// pastQueue is the part of a serializer's carried state that is read here.
type pastQueue struct {
	ChainStartedOn time.Time             `json:"chainStartedOn"`
	NextSequence   int64                 `json:"nextSequence"`
	Head           *queueEntry           `json:"head"`
	Front          []queueEntry          `json:"front"`
	Pages          []pastPage            `json:"pages"`
	Waiting        []queueEntry          `json:"waiting"`
	Chain          string                `json:"chain"`
	Ended          []queueEntry          `json:"ended"`
	Doomed         []pastPage            `json:"doomed"`
	Counts         protocol.Counts       `json:"counts"`
	Hold           *protocol.Hold        `json:"hold"`
	Failure        *protocol.FailureHold `json:"failure"`
	Policy         protocol.Policy       `json:"policy"`
}

// decoder reads one payload; false where it is absent or something else.
type decoder func(payload *commonpb.Payload, value any) bool

// apply takes one event in.
func (p *past) apply(event *historypb.HistoryEvent) {
	at := event.GetEventTime().AsTime()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		p.begin(event.GetWorkflowExecutionStartedEventAttributes(), at)
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		signal := event.GetWorkflowExecutionSignaledEventAttributes()
		if payloads := signal.GetInput().GetPayloads(); signal.GetSignalName() == protocol.SubmitSignalName && len(payloads) > 0 {
			p.submit(payloads[0], at)
		}
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		p.start(event.GetStartChildWorkflowExecutionInitiatedEventAttributes(), at)
	case enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		p.turn(event.GetSignalExternalWorkflowExecutionInitiatedEventAttributes(), at)
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
		p.pageStarted(event.GetChildWorkflowExecutionStartedEventAttributes().GetWorkflowExecution())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		p.ask(event)
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		p.answered(event.GetActivityTaskCompletedEventAttributes())
	default:
		if workflowID, count := p.closed(event); workflowID != "" {
			p.end(workflowID, count)
		}
	}
}

// begin takes over what the run before handed on, as far as it can be read.
func (p *past) begin(started *historypb.WorkflowExecutionStartedEventAttributes, at time.Time) {
	p.startedOn, p.ChainStartedOn = at, at
	var carried struct {
		Queue pastQueue `json:"queue"`
	}
	if payloads := started.GetInput().GetPayloads(); len(payloads) > 1 {
		p.decode(payloads[1], &carried)
	}
	if q := carried.Queue; !q.ChainStartedOn.IsZero() {
		p.pastQueue = q
	}
	p.Chain = cmp.Or(p.Chain, started.GetFirstExecutionRunId())
	p.Counts.Runs++
	p.knowAll()
}

// knowAll notes all operations of the queue that it holds.
func (p *past) knowAll() {
	for _, list := range [][]queueEntry{p.Front, p.Waiting, p.Ended} {
		for i := range list {
			p.know(&list[i].Operation)
		}
	}
	for _, entry := range p.Ended {
		p.ending[entry.Operation.ID] = true
	}
	p.Ended = nil
	for _, page := range p.Pages {
		for i := range page.Entries {
			p.know(&page.Entries[i].Operation)
		}
	}
	if p.Head != nil {
		p.know(&p.Head.Operation)
	}
}

// know notes that an operation is the token's.
func (p *past) know(o *protocol.Operation) {
	if o.DependencyToken = p.token; o.ID != "" {
		p.ids[o.ID] = true
	}
	if o.ID == "" || o.ID != p.data {
		o.Data = nil
	}
}

// submit takes in a submission: what can be read of it and is not there already.
func (p *past) submit(payload *commonpb.Payload, at time.Time) {
	var raw json.RawMessage
	if !p.decode(payload, &raw) {
		return
	}
	elements, err := protocol.SplitSubmission(raw)
	if err != nil {
		return
	}
	for _, element := range elements {
		o, _, err := protocol.DecodeOperation(element)
		if err != nil || o.DependencyToken != "" && o.DependencyToken != p.token || p.ids[o.ID] || o.Recurs() {
			continue
		}
		p.know(&o)
		p.Waiting = append(p.Waiting, queueEntry{Operation: o, CreatedOn: at})
		p.Counts.Accepted++
	}
}

// start takes an operation out of the queue: as the head, or to record that it
// has ended there; or what goes into a page.
func (p *past) start(child *historypb.StartChildWorkflowExecutionInitiatedEventAttributes, at time.Time) {
	if child.GetWorkflowType().GetName() == protocol.BacklogPageWorkflow {
		p.spill(child)
		return
	}
	id, ok := protocol.OperationID(child.GetWorkflowId())
	if !ok || child.GetWorkflowType().GetName() != protocol.OperationWorkflow {
		return
	}
	var system struct {
		Verdict json.RawMessage `json:"verdict"`
		Gated   bool            `json:"gated"`
	}
	if payloads := child.GetInput().GetPayloads(); len(payloads) > 1 {
		p.decode(payloads[1], &system)
	}
	if system.Gated {
		p.startAhead(id)
		return
	}
	entry, ok := p.take(id)
	if !ok {
		entry.Operation, entry.CreatedOn = protocol.Operation{ID: id, DependencyToken: p.token}, at
	}
	entry.Operation.ID = id
	p.ids[id] = true
	if len(system.Verdict) == 0 || string(system.Verdict) == "null" {
		p.Head, p.headSince = &entry, &at
		return
	}
	p.ending[id] = true
	if !ok {
		p.removeFromPage(id)
	}
}

// startAhead marks an operation that has an execution before its turn.
func (p *past) startAhead(id string) {
	if entry := p.entryOf(id); entry != nil {
		entry.Operation.ID, entry.Ahead = id, startedAhead
		p.ids[id] = true
	}
}

// turn makes one that was started ahead the head; or it has ended in the queue.
func (p *past) turn(signal *historypb.SignalExternalWorkflowExecutionInitiatedEventAttributes, at time.Time) {
	id, ok := protocol.OperationID(signal.GetWorkflowExecution().GetWorkflowId())
	if !ok || signal.GetSignalName() != protocol.TurnSignalName {
		return
	}
	var turn protocol.Turn
	if payloads := signal.GetInput().GetPayloads(); len(payloads) > 0 {
		p.decode(payloads[0], &turn)
	}
	entry, ok := p.take(id)
	switch {
	case turn.Canceled:
		p.ending[id] = true
	case ok:
		p.Head, p.headSince = &entry, &at
	}
}

// entryOf is an operation in what it holds of the queue, as take finds it.
func (p *past) entryOf(id string) *queueEntry {
	byID := func(e queueEntry) bool { return e.Operation.ID == id }
	withoutID := func(e queueEntry) bool { return e.Operation.ID == "" }
	for _, is := range []func(queueEntry) bool{byID, withoutID} {
		for _, list := range []*[]queueEntry{&p.Front, &p.Waiting} {
			if at := slices.IndexFunc(*list, is); at >= 0 {
				return &(*list)[at]
			}
		}
		if p.ids[id] {
			break // somebody else chose it
		}
	}
	return nil
}

// take removes an operation from what it holds of the queue; the first without an
// id, for one whose id the serializer made.
func (p *past) take(id string) (entry queueEntry, ok bool) {
	byID := func(e queueEntry) bool { return e.Operation.ID == id }
	withoutID := func(e queueEntry) bool { return e.Operation.ID == "" }
	for _, is := range []func(queueEntry) bool{byID, withoutID} {
		for _, list := range []*[]queueEntry{&p.Front, &p.Waiting} {
			if at := slices.IndexFunc(*list, is); at >= 0 {
				entry = (*list)[at]
				*list = without(*list, at)
				return entry, true
			}
		}
		if p.ids[id] {
			break // somebody else chose it
		}
	}
	return entry, false
}

// without leaves one out; the first, which is taken often, without copying.
func without(list []queueEntry, at int) []queueEntry {
	if at == 0 {
		return list[1:]
	}
	return slices.Delete(list, at, at+1)
}

// closed is the operation's workflow whose end the event tells, and what that
// end is counted as.
func (p *past) closed(event *historypb.HistoryEvent) (workflowID string, count *int64) {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED:
		return event.GetChildWorkflowExecutionCompletedEventAttributes().GetWorkflowExecution().GetWorkflowId(), &p.Counts.Succeeded
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED:
		return event.GetChildWorkflowExecutionFailedEventAttributes().GetWorkflowExecution().GetWorkflowId(), &p.Counts.Failed
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT:
		return event.GetChildWorkflowExecutionTimedOutEventAttributes().GetWorkflowExecution().GetWorkflowId(), &p.Counts.Failed
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED:
		return event.GetChildWorkflowExecutionCanceledEventAttributes().GetWorkflowExecution().GetWorkflowId(), &p.Counts.Canceled
	case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED:
		return event.GetChildWorkflowExecutionTerminatedEventAttributes().GetWorkflowExecution().GetWorkflowId(), &p.Counts.Canceled
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED:
		return event.GetStartChildWorkflowExecutionFailedEventAttributes().GetWorkflowId(), &p.Counts.Duplicates
	}
	return "", nil
}

// end takes note of an operation's end.
func (p *past) end(workflowID string, count *int64) {
	id, ok := protocol.OperationID(workflowID)
	if !ok {
		return // a page
	}
	if entry := p.entryOf(id); entry != nil && entry.Operation.ID == id && entry.isAhead() {
		if count != &p.Counts.Canceled {
			return // its turn tells, or its start once more
		}
		p.take(id)
	}
	*count++
	delete(p.ending, id)
	if p.Head != nil && protocol.OperationWorkflowID(p.Head.Operation.ID) == workflowID {
		p.Head, p.headSince = nil, nil
	}
}
