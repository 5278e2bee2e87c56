package workflows

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

func (b *simBench) findPredecessor(context.Context, protocol.PredecessorRequest) (protocol.Predecessor, error) {
	return protocol.Predecessor{Look: protocol.PredecessorNone}, nil
}

// awaitOperation stands in for the engine: it knows the executions, whichever
// run started them.
func (b *simBench) awaitOperation(ctx context.Context, request protocol.AwaitRequest) (protocol.AwaitReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	reply := b.look(request.OperationID)
	if !reply.Found || reply.Closed || request.WaitSeconds == 0 {
		return reply, nil
	}
	w := &simWaiter{request.OperationID, activity.GetInfo(ctx).TaskToken}
	b.waiters = append(b.waiters, w)
	b.RegisterDelayedCallback(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.answerWaiter(w)
	}, time.Duration(request.WaitSeconds*float64(time.Second)))
	return protocol.AwaitReply{}, activity.ErrResultPending
}

func (b *simBench) answerWaiter(w *simWaiter) {
	_ = b.CompleteActivity(w.token, b.look(w.id), nil) // the run that asked may be over
	b.RegisterDelayedCallback(func() { b.wake(protocol.SerializerWorkflowID(testToken)) }, 0)
}

func (b *simBench) look(id string) (reply protocol.AwaitReply) {
	o := b.operations[id]
	if o == nil || !o.begun {
		return reply
	}
	reply.Found, reply.Closed, reply.Status = true, o.closed, o.status
	if !o.closed {
		reply.Status = protocol.InProgress
	}
	memo := b.memos[id]
	reply.Token, _ = memo[protocol.TokenMemo].(string)
	reply.Sequence, _ = memo[protocol.SequenceMemo].(int64)
	reply.ContentHash, _ = memo[protocol.ContentHashMemo].(string)
	return reply
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
