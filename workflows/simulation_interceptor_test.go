package workflows

import (
	"encoding/json"
	"errors"
	"slices"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// InterceptWorkflow implements the SDK's interface.
func (i *simInterceptor) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &simInbound{bench: i.bench}
	in.Next = next
	return in
}

// Init implements the SDK's interface.
func (i *simInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &simOutbound{bench: i.bench}
	out.Next = next
	return i.Next.Init(out)
}

// HandleSignal notes what is delivered, to whom.
func (i *simInbound) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	switch in.SignalName {
	case protocol.SubmitSignalName:
		i.bench.log(simLogged{kind: simDelivered, event: i.bench.sending})
	case protocol.TokenHoldSignalName:
		id, _ := protocol.OperationID(workflow.GetInfo(ctx).WorkflowExecution.ID)
		var told protocol.TokenHold
		_ = json.Unmarshal(in.Arg.GetPayloads()[0].GetData(), &told)
		i.bench.log(simLogged{kind: simTold, id: id, held: told.Hold != nil})
	}
	return i.Next.HandleSignal(ctx, in)
}

// ExecuteUpdate notes that a hold has been taken: it is answered later.
func (i *simInbound) ExecuteUpdate(ctx workflow.Context, in *interceptor.UpdateInput) (any, error) {
	if in.Name == protocol.HoldUpdateName {
		_ = workflow.Await(ctx, func() bool { return !i.bench.lookingBack }) // as all updates do
		i.bench.log(simLogged{kind: simTaken, event: eventOf(updateID(ctx))})
	}
	return i.Next.ExecuteUpdate(ctx, in)
}

// ExecuteActivity has the bench stand in for handlers and the engine.
func (o *simOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	if in, ok := args[0].(protocol.HandlerInput); ok {
		return o.bench.callHandler(ctx, in)
	}
	return o.bench.engine(ctx, name, args[0])
}

// ExecuteLocalActivity has the bench stand in for a local attempt.
func (o *simOutbound) ExecuteLocalActivity(ctx workflow.Context, _ string, args ...any) workflow.Future {
	return o.bench.callLocally(ctx, args[1].(protocol.HandlerInput))
}

// Await notes that an operation waits: its first task is over then.
func (o *simOutbound) Await(ctx workflow.Context, condition func() bool) error {
	if id, ok := protocol.OperationID(workflow.GetInfo(ctx).WorkflowExecution.ID); ok {
		o.bench.execution(id).waited = true
	}
	return o.Next.Await(ctx, condition)
}

// GetInfo pretends that an operation's history is long once its handler was
// called often enough, and short in the first task of one of a local type.
func (o *simOutbound) GetInfo(ctx workflow.Context) *workflow.Info {
	info := o.Next.GetInfo(ctx)
	id, ok := protocol.OperationID(info.WorkflowExecution.ID)
	if !ok {
		return info
	}
	var shown workflow.Info
	switch e := o.bench.execution(id); {
	case e.calls >= o.bench.script.maxRunCalls:
		shown = *o.bench.long
	case !e.waited && (e.plan.Local == simHere || e.plan.Local == simElsewhere):
		shown = *o.bench.first
	default:
		return info
	}
	shown.WorkflowExecution, shown.ParentWorkflowExecution = info.WorkflowExecution, info.ParentWorkflowExecution
	shown.ContinuedExecutionRunID, shown.TaskQueueName = info.ContinuedExecutionRunID, info.TaskQueueName
	shown.WorkflowStartTime = info.WorkflowStartTime
	return &shown
}

// ExecuteChildWorkflow notes what is started, and the memo, which the test
// environment drops.
func (o *simOutbound) ExecuteChildWorkflow(ctx workflow.Context, name string, args ...any) workflow.ChildWorkflowFuture {
	options := workflow.GetChildWorkflowOptions(ctx)
	id, ok := protocol.OperationID(options.WorkflowID)
	if content, isPage := args[0].(pageContent); isPage {
		return o.bench.startPage(ctx, options.WorkflowID, content)
	}
	if !ok {
		return o.Next.ExecuteChildWorkflow(ctx, name, args...)
	}
	start := args[1].(OperationStart)
	o.bench.log(simLogged{kind: simStarts, id: id, sequence: start.Sequence, ends: start.Verdict != nil, gated: start.Gated})
	execution := o.bench.execution(id)
	if execution.memo == nil {
		execution.memo, execution.submitted, execution.n = options.Memo, args[0].(protocol.Operation), start.N
		execution.plan = planOf(execution.submitted)
		o.bench.starting[id] = true
		o.bench.spin()
	}
	return simChild{o.Next.ExecuteChildWorkflow(ctx, name, args...), o.bench, id}
}

// SignalExternalWorkflow waits while the serializer is between two runs: a
// server keeps the signal, the test environment has nowhere to put it.
func (o *simOutbound) SignalExternalWorkflow(ctx workflow.Context, workflowID, runID, name string, arg any) workflow.Future {
	b := o.bench
	if _, _, isPage := protocol.ParsePageWorkflowID(workflowID); isPage {
		return b.releasePage(ctx, workflowID)
	}
	if id, ok := protocol.OperationID(workflow.GetInfo(ctx).WorkflowExecution.ID); ok && b.isServing() && !b.begun {
		b.reporting = append(b.reporting, id)
		_ = workflow.Await(ctx, func() bool { return b.begun || !b.isServing() })
		b.reporting = slices.DeleteFunc(b.reporting, func(waits string) bool { return waits == id })
	}
	if turn, ok := arg.(protocol.Turn); ok {
		id, _ := protocol.OperationID(workflowID)
		b.log(simLogged{kind: simTurns, id: id, ends: turn.Canceled})
		if b.execution(id).closed {
			return hasClosed(ctx)
		}
	}
	return o.Next.SignalExternalWorkflow(ctx, workflowID, runID, name, arg)
}

// hasClosed is the answer of a server about an execution that has closed.
func hasClosed(ctx workflow.Context) workflow.Future {
	future, settable := workflow.NewFuture(ctx)
	settable.SetError(errors.New("it has closed"))
	return future
}

// RequestCancelExternalWorkflow fails for an execution that has closed, as on a
// server.
func (o *simOutbound) RequestCancelExternalWorkflow(ctx workflow.Context, workflowID, runID string) workflow.Future {
	id, _ := protocol.OperationID(workflowID)
	if !o.bench.execution(id).closed {
		return o.Next.RequestCancelExternalWorkflow(ctx, workflowID, runID)
	}
	return hasClosed(ctx)
}
