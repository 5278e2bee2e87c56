package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// simSettle is what passes after the last event until nothing can happen any
// more, the test environment's stray retries included.
const simSettle = 10 * simGrid

// play runs the script.
func (b *simBench) play() {
	for i, e := range b.script.events {
		b.RegisterDelayedCallback(func() { b.happen(i, e) }, e.at)
	}
	b.ExecuteWorkflow("stage")
}

// happen sends one request.
func (b *simBench) happen(i int, e simEvent) {
	b.passed++
	switch {
	case e.action == simSubmit:
		b.inbox = append(b.inbox, i) // the stage sends it
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
}

// stage is the workflow under test: it sends the submissions to the token's
// serializer, which it starts where there is none.
func (b *simBench) stage(ctx workflow.Context) error {
	for {
		_ = workflow.Await(ctx, func() bool { return len(b.inbox) > 0 || b.isOver() })
		if b.isOver() {
			break
		}
		b.signalWithStart(ctx, b.inbox[0])
		b.inbox = b.inbox[1:]
	}
	b.noteChain()
	return workflow.Sleep(ctx, simSettle)
}

func (b *simBench) isOver() bool {
	return b.passed == len(b.script.events) && len(b.inbox) == 0 && !b.isServing()
}

func (b *simBench) isServing() bool { return b.child != nil && !b.child.IsReady() }

// signalWithStart is what every client does to submit.
func (b *simBench) signalWithStart(ctx workflow.Context, event int) {
	e := b.script.events[event]
	id := protocol.SerializerWorkflowID(testToken)
	for {
		if !b.isServing() {
			b.noteChain()
			b.child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
				WorkflowID: id, WaitForCancellation: true,
			}), protocol.SerializerWorkflow, protocol.SerializerInput{Token: testToken})
		}
		_ = workflow.Await(ctx, func() bool { return b.begun || !b.isServing() })
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

func (u *simUpdate) sendToOperation() {
	b := u.bench
	b.mu.Lock()
	o := b.execution(u.target)
	if o.closed {
		b.log(u.event, true, simClosed)
	} else if o.begun {
		o.pending = append(o.pending, u)
	}
	begun, closed := o.begun, o.closed
	b.mu.Unlock()
	switch {
	case closed:
	case begun:
		u.dispatch(protocol.OperationWorkflowID(u.target), "")
	default:
		b.held = append(b.held, u)
	}
}

func (u *simUpdate) dispatch(workflowID, operationID string) {
	var request any = protocol.CancelRequest{OperationID: operationID}
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
}

func without(list []*simUpdate, u *simUpdate) (rest []*simUpdate) {
	for _, other := range list {
		if other != u {
			rest = append(rest, other)
		}
	}
	return rest
}

// simInterceptor makes up for what the test environment does differently from a
// server.
type simInterceptor struct {
	interceptor.WorkerInterceptorBase
	bench *simBench
}

// InterceptWorkflow implements the SDK's interface.
func (i *simInterceptor) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &simInbound{bench: i.bench}
	in.Next = next
	return in
}

type simInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	bench *simBench
}

// Init implements the SDK's interface.
func (i *simInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &simOutbound{bench: i.bench}
	out.Next = next
	return i.Next.Init(out)
}

type simOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	bench *simBench
}

// ExecuteChildWorkflow notes the memo, which the test environment drops.
func (o *simOutbound) ExecuteChildWorkflow(ctx workflow.Context, name string, args ...any) workflow.ChildWorkflowFuture {
	options := workflow.GetChildWorkflowOptions(ctx)
	if id, ok := protocol.OperationID(options.WorkflowID); ok {
		o.bench.mu.Lock()
		if o.bench.memos[id] == nil {
			o.bench.memos[id] = options.Memo
		}
		o.bench.mu.Unlock()
	}
	child := o.Next.ExecuteChildWorkflow(ctx, name, args...)
	if id, ok := protocol.OperationID(options.WorkflowID); ok && !child.IsReady() {
		o.bench.starting[id] = true
	}
	return simChild{child}
}

// simChild fails like a server's if its id is taken.
type simChild struct{ workflow.ChildWorkflowFuture }

// Get implements the SDK's interface.
func (c simChild) Get(ctx workflow.Context, value any) error {
	err := c.ChildWorkflowFuture.Get(ctx, value)
	if taken := (*serviceerror.WorkflowExecutionAlreadyStarted)(nil); errors.As(err, &taken) {
		return &temporal.ChildWorkflowExecutionAlreadyStartedError{}
	}
	return err
}

// SignalExternalWorkflow waits while the serializer is between two runs: a
// server keeps the signal, the test environment has nowhere to put it.
func (o *simOutbound) SignalExternalWorkflow(ctx workflow.Context, workflowID, runID, name string, arg any) workflow.Future {
	b := o.bench
	if id, ok := protocol.OperationID(workflow.GetInfo(ctx).WorkflowExecution.ID); ok && b.isServing() && !b.begun {
		b.reporting = append(b.reporting, id)
		_ = workflow.Await(ctx, func() bool { return b.begun || !b.isServing() })
	}
	return o.Next.SignalExternalWorkflow(ctx, workflowID, runID, name, arg)
}
