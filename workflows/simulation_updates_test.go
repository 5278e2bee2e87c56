package workflows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// Answers of an update.
const (
	simAccepted  = "accepted"
	simStarted   = protocol.ErrTypeOperationStarted  // the serializer refers to the operation's workflow
	simNotFound  = protocol.ErrTypeOperationNotFound // the serializer knows no such operation, or there is none
	simRefused   = protocol.ErrTypeInvalidTransition // the operation's state does not take it
	simOvertaken = "overtaken"                       // the operation changed while the request was dealt with
	simDuplicate = protocol.ErrTypeDuplicateID       // the new operation's id is taken
	simBusy      = protocol.ErrTypeBusy              // the serializer does not know yet what became of it
	simClosed    = "closed"                          // the operation's workflow is
)

// simUpdate is an update on its way, as a client sends it: to the serializer,
// again if the run ends, and where that refers to the operation, to that.
type simUpdate struct {
	simEvent
	bench       *simBench
	event       int
	toOperation bool
	tries       int
}

// flush sends what was held back since nobody was there to take it. Where that goes
// round and round, it is since an activity's goroutine has not had its turn, on a
// machine that is busy.
func (b *simBench) flush() {
	if b.moments%100 == 99 {
		time.Sleep(time.Millisecond)
	}
	if b.moments++; b.moments > 200000 {
		for i, e := range b.script.events {
			println(i, e.String())
		}
		for _, l := range b.seen.log {
			println(l.String())
		}
		for _, u := range b.held {
			println(u.event, u.toOperation, u.tries)
		}
		panic("flush")
	}
	b.RegisterDelayedCallback(func() { b.stageWake() }, 0)
	held := b.held
	b.held = nil
	for _, u := range held {
		u.send()
	}
}

// stageWake lets the stage see that a serializer has begun.
func (b *simBench) stageWake() {
	b.SignalWorkflow("wake", nil)
	for _, id := range b.reporting {
		b.wake(protocol.OperationWorkflowID(id))
	}
}

func (u *simUpdate) send() {
	b := u.bench
	u.tries++
	if u.toOperation {
		u.sendToOperation()
		return
	}
	switch {
	case b.begun:
		b.sent = append(b.sent, u)
		u.dispatch(protocol.SerializerWorkflowID(testToken), u.target)
	case b.isServing() || len(b.inbox) > 0:
		b.held = append(b.held, u)
	default:
		u.answered(simNotFound, "")
	}
}

// sendToOperation waits until the operation's workflow can take an update. One
// that only waits may close with the first; the test environment never gets rid
// of another that is under way then.
func (u *simUpdate) sendToOperation() {
	b := u.bench
	o := b.execution(u.target)
	switch {
	case o.closed:
		u.answered(simClosed, "")
	case o.begun && (o.handler != nil || len(o.pending) == 0):
		o.pending = append(o.pending, u)
		u.dispatch(protocol.OperationWorkflowID(u.target), "")
	default:
		b.held = append(b.held, u)
	}
}

func (u *simUpdate) answered(answer, id string) {
	u.bench.log(simLogged{kind: simAnswered, event: u.event, toOperation: u.toOperation, answer: answer, id: id})
}

// request is what the update is given.
func (u *simUpdate) request(operationID string) any {
	until := u.bench.begin.Add(u.until)
	switch {
	case u.action == simPostpone:
		return protocol.PostponeRequest{OperationID: operationID, Until: until}
	case u.action == simRerun:
		return protocol.RerunRequest{OperationID: operationID, NewID: u.newID}
	case u.action == simHold && u.until == 0:
		return protocol.HoldRequest{}
	case u.action == simHold:
		return protocol.HoldRequest{Until: &until}
	case u.action == simSetPolicy:
		return u.policy.request()
	case u.action.ofToken():
		return protocol.TokenRequest{}
	}
	return protocol.ActionRequest{OperationID: operationID}
}

func (p simPolicy) request() protocol.PolicyRequest {
	r := protocol.PolicyRequest{OnFailure: p.onFailure}
	if p.maxQueued >= 0 {
		r.MaxQueued = &p.maxQueued
	}
	return r
}

// dispatch sends it under an update id that begins with the event's number.
func (u *simUpdate) dispatch(workflowID, operationID string) {
	id := fmt.Sprintf("%d-%v-%d", u.event, u.toOperation, u.tries)
	if err := u.bench.UpdateWorkflowByID(workflowID, string(u.action), id, u, u.request(operationID)); err != nil {
		u.Complete(nil, err)
	}
}

func eventOf(updateID string) int {
	number, _, _ := strings.Cut(updateID, "-")
	event, _ := strconv.Atoi(number)
	return event
}

// Accept, Reject and Complete implement the SDK's callbacks.
func (u *simUpdate) Accept()          {}
func (u *simUpdate) Reject(err error) { u.Complete(nil, err) }
func (u *simUpdate) Complete(answer any, err error) {
	b := u.bench
	b.forget(u)
	var application *temporal.ApplicationError
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		record, _ := answer.(protocol.Record)
		u.answered(simAccepted, record.ID)
	case errors.As(err, &gone) && u.toOperation:
		u.answered(simClosed, "")
	case errors.As(err, &gone):
		b.held = append(b.held, u)
	case !errors.As(err, &application):
		u.answered(err.Error(), "")
	case application.Type() == protocol.ErrTypeContinuingAsNew:
		b.held = append(b.held, u) // for the next run
	case application.Type() == protocol.ErrTypeOperationStarted:
		u.answered(simStarted, "")
		u.toOperation = true
		b.RegisterDelayedCallback(u.send, 0)
	default:
		u.answered(refusalOf(application), "")
	}
}

// refusalOf tells a request that was overtaken from one that came too late.
func refusalOf(application *temporal.ApplicationError) string {
	var refusal protocol.Refusal
	if application.Details(&refusal) == nil && refusal.Code == protocol.CodeInvalidStateChangeUnexpected {
		return simOvertaken
	}
	if application.Type() == "InvalidOperation" {
		return application.Error()
	}
	return application.Type()
}

// forget takes note that an update was answered.
func (b *simBench) forget(u *simUpdate) {
	b.sent = without(b.sent, u)
	o := b.execution(u.target)
	o.pending = without(o.pending, u)
	b.RegisterDelayedCallback(b.flush, 0)
}

func without(list []*simUpdate, u *simUpdate) (rest []*simUpdate) {
	for _, other := range list {
		if other != u {
			rest = append(rest, other)
		}
	}
	return rest
}
