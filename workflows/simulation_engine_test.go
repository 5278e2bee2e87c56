package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// engine stands in for the engine's activities: it knows the executions,
// whichever run started them. An answer takes a moment, in which other things may
// happen.
func (b *simBench) engine(ctx workflow.Context, activity string, request any) workflow.Future {
	own, _ := workflow.NewDisconnectedContext(ctx)
	future, settable := workflow.NewFuture(own)
	if ctx.Err() != nil {
		settable.SetError(ctx.Err()) // nothing is scheduled then
		return future
	}
	workflow.Go(own, func(own workflow.Context) {
		_ = workflow.Await(own, b.moment(own))
		switch r := request.(type) {
		case protocol.AwaitRequest:
			_, _ = workflow.AwaitWithTimeout(own, time.Duration(r.WaitSeconds*float64(time.Second)), func() bool {
				seen := b.look(r.OperationID)
				return !seen.Found || seen.Closed || r.WaitSeconds == 0
			})
			settable.Set(b.look(r.OperationID), nil)
		case protocol.ReadOperationRequest:
			settable.Set(b.reread(r.Rerun.OperationID), nil)
		case protocol.ReadCheckpointRequest:
			settable.Set(protocol.Heartbeat{Checkpoint: []byte(b.execution(r.OperationID).heartbeat)}, nil)
		case protocol.PageAddress:
			settable.Set(b.pages[r.WorkflowID], nil)
		case protocol.FindInPagesRequest:
			settable.Set(b.findInPages(r), nil)
		case protocol.PredecessorRequest:
			settable.Set(protocol.Predecessor{Look: protocol.PredecessorNone}, nil)
		default:
			panic(fmt.Sprintf("activity %s is not known", activity))
		}
	})
	switch r := request.(type) {
	case protocol.AwaitRequest:
		return simLook{future, b, r.OperationID}
	case protocol.PredecessorRequest:
		return simLookBack{future, b}
	}
	return future
}

// moment is over after some more steps of the test environment.
func (b *simBench) moment(ctx workflow.Context) (over func() bool) {
	id, passed := workflow.GetInfo(ctx).WorkflowExecution.ID, false
	b.moments++
	b.hop(b.moments%3, func() {
		passed = true
		b.wake(id)
	})
	return func() bool { return passed }
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
	reply.Token, _ = o.memo[protocol.TokenMemo].(string)
	reply.Sequence, _ = o.memo[protocol.SequenceMemo].(int64)
	reply.ContentHash, _ = o.memo[protocol.ContentHashMemo].(string)
	reply.Gated, _ = o.memo[protocol.GatedMemo].(bool)
	return reply
}

func (b *simBench) reread(id string) (reply protocol.ReadOperationReply) {
	o := b.operations[id]
	if o == nil || !o.begun {
		return reply
	}
	return protocol.ReadOperationReply{
		Found: true, Closed: o.closed, Status: o.status, Operation: o.submitted, Sequence: o.sequence, N: o.n,
	}
}

// simLook notes when the serializer learns that an execution that it did not
// start has ended.
type simLook struct {
	workflow.Future
	bench *simBench
	id    string
}

// Get implements the SDK's interface.
func (f simLook) Get(ctx workflow.Context, value any) error {
	err := f.Future.Get(ctx, value)
	if seen, ok := value.(*protocol.AwaitReply); ok && seen.Found {
		f.bench.log(simLogged{kind: simNotes, id: f.id, sequence: seen.Sequence, ends: seen.Closed})
	}
	return err
}

// simLookBack notes when the serializer is done with it.
type simLookBack struct {
	workflow.Future
	bench *simBench
}

// Get implements the SDK's interface.
func (f simLookBack) Get(ctx workflow.Context, value any) error {
	err := f.Future.Get(ctx, value)
	f.bench.lookingBack = false
	return err
}

// simInterceptor sees what the workflows do, and makes up for what the test
// environment does differently from a server.
type simInterceptor struct {
	interceptor.WorkerInterceptorBase
	bench *simBench
}

type simInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	bench *simBench
}

type simOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	bench *simBench
}

// simChild fails like a server's if its id is taken, and notes when the
// serializer learns of its end.
type simChild struct {
	workflow.ChildWorkflowFuture
	bench *simBench
	id    string
}

// Get implements the SDK's interface.
func (c simChild) Get(ctx workflow.Context, value any) error {
	err := c.ChildWorkflowFuture.Get(ctx, value)
	if taken := (*serviceerror.WorkflowExecutionAlreadyStarted)(nil); errors.As(err, &taken) {
		return &temporal.ChildWorkflowExecutionAlreadyStartedError{}
	}
	c.bench.log(simLogged{kind: simNotes, id: c.id, sequence: c.bench.operations[c.id].sequence, ends: true})
	return err
}
