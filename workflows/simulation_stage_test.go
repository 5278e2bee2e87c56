package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// simSettle is what passes after the last event until nothing can happen any
// more, the test environment's stray retries included.
const simSettle = 300 * simGrid

// play runs the script.
func (b *simBench) play() {
	for i, e := range b.script.events {
		if i == 0 || b.script.events[i-1].at != e.at {
			b.RegisterDelayedCallback(func() { b.happen(i) }, e.at)
		}
	}
	b.tick()
	b.ExecuteWorkflow("stage")
}

// tick sees to it that the next timer is never the one that ends the whole test
// in ten years: once that has been the next while an activity ran, the test
// environment is kept in memory until then.
func (b *simBench) tick() {
	if !b.over {
		b.RegisterDelayedCallback(b.tick, 200*simGrid)
	}
}

// happen sends one request, and then those of the same instant.
func (b *simBench) happen(i int) {
	b.passed++
	switch e := b.script.events[i]; {
	case e.action == simSubmit:
		b.inbox = append(b.inbox, i) // the stage sends it
		b.SignalWorkflow("wake", nil)
	case e.action != simCancelToken:
		b.held = append(b.held, &simUpdate{bench: b, event: i, simEvent: e})
		b.flush()
	case b.begun && !b.cancelled:
		b.cancelled = true
		b.log(i, false, simAccepted)
		b.CancelWorkflowByID(protocol.SerializerWorkflowID(testToken), "")
	default:
		b.log(i, false, simNotFound) // a run is cancelled once
	}
	if next := i + 1; next < len(b.script.events) && b.script.events[next].at == b.script.events[i].at {
		b.hop(b.script.events[next].hops, func() { b.happen(next) })
	}
}

// hop lets the test environment take some steps before it goes on.
func (b *simBench) hop(n int, then func()) {
	if n == 0 {
		then()
		return
	}
	b.RegisterDelayedCallback(func() { b.hop(n-1, then) }, 0)
}

// stage is the workflow under test: it sends the submissions to the token's
// serializer, which it starts where there is none.
func (b *simBench) stage(ctx workflow.Context) error {
	for {
		_ = workflow.Await(ctx, func() bool { return len(b.inbox) > 0 || b.mustContinue() || b.isOver() })
		b.continueAsNew(ctx)
		if b.isOver() {
			break
		}
		if len(b.inbox) == 0 {
			continue
		}
		b.signalWithStart(ctx, b.inbox[0])
		b.inbox = b.inbox[1:]
	}
	b.noteChain()
	b.over = true
	return workflow.Sleep(ctx, simSettle)
}

func (b *simBench) isOver() bool {
	return b.passed == len(b.script.events) && len(b.inbox) == 0 && !b.isServing()
}

// isServing says that there is a run, or will be at once.
func (b *simBench) isServing() bool { return b.child != nil && (!b.child.IsReady() || b.next != nil) }

func (b *simBench) mustContinue() bool { return b.next != nil && b.child.IsReady() }

// continueAsNew begins the next run.
func (b *simBench) continueAsNew(ctx workflow.Context) {
	if b.mustContinue() {
		input := b.next.Input.GetPayloads()
		b.next = nil
		b.start(ctx, converter.NewRawValue(input[0]), converter.NewRawValue(input[1]))
	}
}

func (b *simBench) start(ctx workflow.Context, input ...any) {
	b.child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: protocol.SerializerWorkflowID(testToken), WaitForCancellation: true,
	}), protocol.SerializerWorkflow, input...)
}

// signalWithStart is what every client does to submit.
func (b *simBench) signalWithStart(ctx workflow.Context, event int) {
	e := b.script.events[event]
	id := protocol.SerializerWorkflowID(testToken)
	for {
		if !b.isServing() {
			b.noteChain()
			b.start(ctx, protocol.SerializerInput{Token: testToken})
		}
		_ = workflow.Await(ctx, func() bool { return b.begun || b.mustContinue() || !b.isServing() })
		b.continueAsNew(ctx)
		if b.begun && workflow.SignalExternalWorkflow(ctx, id, "", protocol.SubmitSignalName, e.argument(b.begin)).Get(ctx, nil) == nil {
			b.log(event, false, simAccepted)
			return
		}
	}
}

// noteChain keeps the last state of the chain that is over.
func (b *simBench) noteChain() {
	if b.child == nil {
		return
	}
	var state protocol.SerializerState
	answer, err := b.QueryWorkflowByID(protocol.SerializerWorkflowID(testToken), protocol.StateQueryName)
	if err == nil {
		err = answer.Get(&state)
	}
	if err != nil {
		panic(err)
	}
	b.seen.states = append(b.seen.states, state)
}

// Answers of an update.
const (
	simAccepted = "accepted"
	simStarted  = protocol.ErrTypeOperationStarted  // the serializer refers to the operation's workflow
	simNotFound = protocol.ErrTypeOperationNotFound // the serializer knows no such operation, or there is none
	simRefused  = protocol.ErrTypeInvalidTransition // the operation's state does not take it
	simClosed   = "closed"                          // the operation's workflow is
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

// flush sends what was held back since nobody was there to take it.
func (b *simBench) flush() {
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
	b.reporting = nil
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
		b.log(u.event, false, simNotFound)
	}
}

// sendToOperation waits until the operation's workflow can take an update. One
// that only waits may close with the first; the test environment never gets rid
// of another that is under way then.
func (u *simUpdate) sendToOperation() {
	b := u.bench
	b.mu.Lock()
	o := b.execution(u.target)
	closed, ready := o.closed, o.begun && (o.called || len(o.pending) == 0)
	if ready && !closed {
		o.pending = append(o.pending, u)
	}
	b.mu.Unlock()
	switch {
	case closed:
		b.log(u.event, true, simClosed)
	case ready:
		u.dispatch(protocol.OperationWorkflowID(u.target), "")
	default:
		b.held = append(b.held, u)
	}
}

func (u *simUpdate) dispatch(workflowID, operationID string) {
	var request any = protocol.ActionRequest{OperationID: operationID}
	if u.action == simPostpone {
		request = protocol.PostponeRequest{OperationID: operationID, Until: u.bench.begin.Add(u.until)}
	}
	updateID := fmt.Sprintf("%d-%v-%d", u.event, u.toOperation, u.tries)
	if err := u.bench.UpdateWorkflowByID(workflowID, string(u.action), updateID, u, request); err != nil {
		u.Complete(nil, err)
	}
}

// Accept, Reject and Complete implement the SDK's callbacks.
func (u *simUpdate) Accept()          {}
func (u *simUpdate) Reject(err error) { u.Complete(nil, err) }
func (u *simUpdate) Complete(_ any, err error) {
	b := u.bench
	b.forget(u)
	var refusal *temporal.ApplicationError
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		b.log(u.event, u.toOperation, simAccepted)
	case errors.As(err, &gone) && u.toOperation:
		b.log(u.event, true, simClosed)
	case errors.As(err, &gone):
		b.held = append(b.held, u)
	case !errors.As(err, &refusal):
		b.log(u.event, u.toOperation, err.Error())
	case refusal.Type() == protocol.ErrTypeContinuingAsNew:
		b.held = append(b.held, u) // for the next run
	case refusal.Type() == protocol.ErrTypeOperationStarted:
		b.log(u.event, false, refusal.Type())
		u.toOperation = true
		b.RegisterDelayedCallback(u.send, 0)
	default:
		b.log(u.event, u.toOperation, refusal.Type())
	}
}

// forget takes note that an update was answered.
func (b *simBench) forget(u *simUpdate) {
	b.sent = without(b.sent, u)
	b.mu.Lock()
	defer b.mu.Unlock()
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
