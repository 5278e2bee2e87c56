package opclient

import (
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
	// ids are of the operations that it knows.
	ids map[string]bool
	// data keeps the data of the operation with this id; the others' is dropped.
	data string
	// partial says that the history is longer than what was read.
	partial bool
}

// pastQueue is the part of a serializer's carried state that is read here.
type pastQueue struct {
	ChainStartedOn time.Time             `json:"chainStartedOn"`
	NextSequence   int64                 `json:"nextSequence"`
	Head           *pastEntry            `json:"head"`
	Waiting        []pastEntry           `json:"waiting"`
	Counts         protocol.Counts       `json:"counts"`
	Hold           *protocol.Hold        `json:"hold"`
	Failure        *protocol.FailureHold `json:"failure"`
	Policy         protocol.Policy       `json:"policy"`
}

// pastEntry is one operation of a token.
type pastEntry struct {
	Operation protocol.Operation `json:"operation"`
	Sequence  int64              `json:"sequence"`
	CreatedOn time.Time          `json:"createdOn"`
}

// decoder reads one payload; false where it is absent or something else.
type decoder func(payload *commonpb.Payload, value any) bool

// apply takes one event in.
func (p *past) apply(event *historypb.HistoryEvent, decode decoder) {
	at := event.GetEventTime().AsTime()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		p.begin(event.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(), at, decode)
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		signal := event.GetWorkflowExecutionSignaledEventAttributes()
		if payloads := signal.GetInput().GetPayloads(); signal.GetSignalName() == protocol.SubmitSignalName && len(payloads) > 0 {
			p.submit(payloads[0], at, decode)
		}
	case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
		p.start(event.GetStartChildWorkflowExecutionInitiatedEventAttributes(), at, decode)
	default:
		if workflowID, count := p.closed(event); workflowID != "" {
			p.end(workflowID, count)
		}
	}
}

// begin takes over what the run before handed on, as far as it can be read.
func (p *past) begin(payloads []*commonpb.Payload, at time.Time, decode decoder) {
	p.startedOn, p.ChainStartedOn = at, at
	var carried struct {
		Queue pastQueue `json:"queue"`
	}
	if len(payloads) > 1 {
		decode(payloads[1], &carried)
	}
	if q := carried.Queue; !q.ChainStartedOn.IsZero() {
		p.pastQueue = q
	}
	p.Counts.Runs++
	for i := range p.Waiting {
		p.know(&p.Waiting[i].Operation)
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
func (p *past) submit(payload *commonpb.Payload, at time.Time, decode decoder) {
	var raw json.RawMessage
	if !decode(payload, &raw) {
		return
	}
	elements, err := protocol.SplitSubmission(raw)
	if err != nil {
		return
	}
	for _, element := range elements {
		o, _, err := protocol.DecodeOperation(element)
		if err != nil || o.DependencyToken != "" && o.DependencyToken != p.token || p.ids[o.ID] {
			continue
		}
		p.know(&o)
		p.Waiting = append(p.Waiting, pastEntry{Operation: o, CreatedOn: at})
		p.Counts.Accepted++
	}
}

// start takes an operation out of the queue: as the head, or to record that it
// has ended there.
func (p *past) start(child *historypb.StartChildWorkflowExecutionInitiatedEventAttributes, at time.Time, decode decoder) {
	id, ok := protocol.OperationID(child.GetWorkflowId())
	if !ok || child.GetWorkflowType().GetName() != protocol.OperationWorkflow {
		return
	}
	entry, ok := p.take(id)
	if !ok {
		entry.Operation, entry.CreatedOn = protocol.Operation{ID: id, DependencyToken: p.token}, at
	}
	entry.Operation.ID = id
	p.ids[id] = true
	var system struct {
		Verdict json.RawMessage `json:"verdict"`
	}
	if payloads := child.GetInput().GetPayloads(); len(payloads) > 1 {
		decode(payloads[1], &system)
	}
	if len(system.Verdict) == 0 || string(system.Verdict) == "null" {
		p.Head, p.headSince = &entry, &at
	}
}

// take removes an operation from the queue; the first without an id, for one
// whose id the serializer made.
func (p *past) take(id string) (entry pastEntry, ok bool) {
	at := slices.IndexFunc(p.Waiting, func(e pastEntry) bool { return e.Operation.ID == id })
	if at < 0 {
		at = slices.IndexFunc(p.Waiting, func(e pastEntry) bool { return e.Operation.ID == "" })
	}
	if at < 0 {
		return entry, false
	}
	entry = p.Waiting[at]
	p.Waiting = slices.Delete(p.Waiting, at, at+1)
	return entry, true
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
	*count++
	if p.Head != nil && protocol.OperationWorkflowID(p.Head.Operation.ID) == workflowID {
		p.Head, p.headSince = nil, nil
	}
}

// state is the answer that the query "state" would have given, as far as it is
// known.
func (p *past) state(now time.Time) protocol.SerializerState {
	state := protocol.SerializerState{
		Token: p.token, ChainStartedOn: p.ChainStartedOn, Queued: len(p.Waiting), HeadSince: p.headSince,
		Hold: p.Hold, Failure: p.Failure, Policy: p.Policy, NextSequence: p.NextSequence, Counts: p.Counts,
		Predecessor: protocol.Predecessor{Look: protocol.PredecessorUnchecked},
	}
	if p.Head != nil {
		head := p.record(*p.Head, 0, now)
		state.Head = &head
	}
	return state
}

// list is what the query "list" would have answered.
func (p *past) list(offset, limit int, now time.Time) protocol.ListReply {
	reply := protocol.ListReply{Operations: []protocol.Record{}, Total: len(p.Waiting)}
	for at := max(offset, 0); at < len(p.Waiting) && len(reply.Operations) < limit; at++ {
		reply.Operations = append(reply.Operations, p.record(p.Waiting[at], at+1, now))
	}
	return reply
}

// find is what is known of one operation.
func (p *past) find(id string, now time.Time) (record protocol.Record, ok bool) {
	if p.Head != nil && p.Head.Operation.ID == id {
		return p.record(*p.Head, 0, now), true
	}
	at := slices.IndexFunc(p.Waiting, func(e pastEntry) bool { return e.Operation.ID == id })
	if at < 0 {
		return record, false
	}
	return p.record(p.Waiting[at], at+1, now), true
}

// record is an operation at a position of the queue, from 1; 0 is the head.
func (p *past) record(e pastEntry, position int, now time.Time) protocol.Record {
	r := protocol.Record{
		Operation: e.Operation, Sequence: e.Sequence, CreatedOn: &e.CreatedOn, Position: position,
		StatusCode: protocol.InProgress,
	}
	switch until := e.Operation.PostponeUntil; {
	case until != nil && until.After(now):
		r.StatusCode, r.SuspendReason = protocol.Waiting, protocol.SuspendPostponed
	case position > 0:
		r.StatusCode = protocol.WaitingForResources
	}
	r.StateCode = r.StatusCode.State()
	switch {
	case position > 0 && p.Head != nil:
		r.BlockedBy, r.BlockedSince = p.Head.Operation.ID, p.headSince
	case position > 1:
		r.BlockedBy = p.Waiting[0].Operation.ID
	}
	return r
}
