package workflows

import (
	"encoding/json"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// simLocally is a local attempt: it is part of the operation's first workflow task,
// so it takes no time and nobody can ask it to stop; only what came with that task
// is handled beside it.
type simLocally struct {
	workflow.Future
	bench     *simBench
	o         *simExecution
	id        string
	concluded bool
}

// callLocally makes one.
func (b *simBench) callLocally(ctx workflow.Context, in protocol.HandlerInput) workflow.Future {
	o, id := b.execution(in.Operation.ID), in.Operation.ID
	own, _ := workflow.NewDisconnectedContext(ctx)
	future, settable := workflow.NewFuture(own)
	if o.plan.Local == simElsewhere {
		settable.SetError(temporal.NewNonRetryableApplicationError("there is none", protocol.ErrTypeNoLocalHandler, nil))
		return future
	}
	o.heartbeat, o.n = "", in.Fence.N
	o.calls++
	b.seen.calls++
	b.seen.locals++
	b.log(simLogged{kind: simCalls, id: id, sequence: in.Fence.Sequence, n: in.Fence.N, checkpoint: string(in.Checkpoint)})
	workflow.Go(own, func(own workflow.Context) {
		_ = workflow.Await(own, b.moment(own))
		outcome, value, err := endLocally(o.plan, in)
		b.log(simLogged{kind: simReturns, id: id})
		o.outcome = outcome
		settable.Set(value, err)
	})
	return &simLocally{Future: future, bench: b, o: o, id: id}
}

// Get implements the SDK's interface. The workflow may look twice.
func (f *simLocally) Get(ctx workflow.Context, value any) error {
	err := f.Future.Get(ctx, value)
	if !f.concluded {
		f.concluded = true
		f.bench.log(simLogged{kind: simConcludes, id: f.id, outcome: f.o.outcome})
	}
	return err
}

// endLocally is how it ends: as a regular attempt would, but that no server kept a
// heartbeat of it, or tries again.
func endLocally(plan simPlan, in protocol.HandlerInput) (simOutcome, any, error) {
	h := &simHandler{in: in, keeps: plan.Keeps, call: plan.call(in.Fence.N)}
	end := h.call.Ends
	if h.call.Retries > 0 {
		end = simAgain
	}
	outcome := simOutcome{end: end, local: true}
	if plan.Keeps && h.call.Leaves && end != simSucceeds && end != simIsLost {
		outcome.checkpoint = `"left by a local attempt"`
	}
	details := protocol.FailureDetails{Checkpoint: json.RawMessage(outcome.checkpoint)}
	switch end {
	case simSucceeds:
		payload, err := converter.GetDefaultDataConverter().ToPayload(protocol.HandlerResult{})
		return outcome, converter.NewRawValue(payload), err
	case simIsLost:
		return outcome, nil, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil)
	case simAgain:
		return outcome, nil, temporal.NewApplicationError("again", protocol.ErrTypeRetry, details)
	case simStops:
		return outcome, nil, temporal.NewCanceledError(details)
	}
	return outcome, nil, handlerError(end, details)
}
