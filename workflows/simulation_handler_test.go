package workflows

import (
	"encoding/json"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// simHandler is one scheduling of a handler's activity: the handler, its worker
// and what a server does about both. The test environment's own activities end
// in the instant in which they are cancelled, whatever their handler does.
type simHandler struct {
	bench   *simBench
	ctx     workflow.Context
	in      protocol.HandlerInput
	keeps   bool
	call    simCall
	retry   *temporal.RetryPolicy
	attempt int
	asked   bool // to stop
	over    bool
}

// planOf is what an operation's handler is to do.
func planOf(o protocol.Operation) (plan simPlan) {
	if err := json.Unmarshal(o.Data, &plan); err != nil {
		panic(err)
	}
	return plan
}

// callHandler begins a scheduling in a coroutine of the operation's workflow.
func (b *simBench) callHandler(ctx workflow.Context, in protocol.HandlerInput) workflow.Future {
	plan := planOf(in.Operation)
	own, _ := workflow.NewDisconnectedContext(ctx)
	h := &simHandler{
		bench: b, ctx: own, in: in, keeps: plan.Keeps, call: plan.call(in.Fence.N),
		retry: workflow.GetActivityOptions(ctx).RetryPolicy,
	}
	o := b.execution(in.Operation.ID)
	o.handler, o.heartbeat, o.n = h, "", in.Fence.N
	o.calls++
	b.seen.calls++
	b.log(simLogged{kind: simCalls, id: h.id(), sequence: in.Fence.Sequence, n: in.Fence.N, checkpoint: string(in.Checkpoint)})
	future, settable := workflow.NewFuture(own)
	workflow.Go(own, func(own workflow.Context) {
		ctx.Done().Receive(own, nil)
		if !h.over {
			h.asked = true
			b.log(simLogged{kind: simAsks, id: h.id()})
		}
	})
	h.report()
	workflow.Go(own, func(own workflow.Context) {
		h.ctx = own
		outcome, value, err := h.play()
		h.over, o.handler = true, nil
		b.log(simLogged{kind: simReturns, id: h.id()})
		settable.Set(value, err)
		o.outcome = outcome
	})
	return simHandled{future, h.id(), b, o}
}

// simHandled notes when the workflow reads how its handler ended.
type simHandled struct {
	workflow.Future
	id    string
	bench *simBench
	o     *simExecution
}

// Get implements the SDK's interface.
func (f simHandled) Get(ctx workflow.Context, value any) error {
	err := f.Future.Get(ctx, value)
	f.bench.log(simLogged{kind: simConcludes, id: f.id, outcome: f.o.outcome})
	return err
}

func (h *simHandler) id() string { return h.in.Operation.ID }

// report is the heartbeat with which an attempt begins.
func (h *simHandler) report() {
	h.attempt++
	if h.keeps {
		h.bench.execution(h.id()).heartbeat = fmt.Sprintf(`"%d.%d"`, h.in.Fence.N, h.attempt)
	}
	h.bench.log(simLogged{kind: simReports, id: h.id(), checkpoint: h.bench.execution(h.id()).heartbeat})
}

// play goes through the attempts.
func (h *simHandler) play() (simOutcome, any, error) {
	wait := h.retry.InitialInterval
	for {
		end := h.attemptOnce()
		if end != simAgain || h.asked || h.attempt >= int(h.retry.MaximumAttempts) {
			return h.end(end)
		}
		if h.wait(wait); h.asked {
			return simOutcome{end: simStops}, nil, activityError(temporal.NewCanceledError(), enumspb.RETRY_STATE_UNSPECIFIED)
		}
		wait = min(time.Duration(float64(wait)*h.retry.BackoffCoefficient), h.retry.MaximumInterval)
		h.report()
	}
}

// attemptOnce is one call of the handler's function.
func (h *simHandler) attemptOnce() simEnd {
	if h.attempt <= h.call.Retries {
		return simAgain
	}
	begun := h.bench.elapsed()
	h.wait(h.call.Takes)
	if !h.asked {
		return h.call.Ends
	}
	_ = workflow.Await(h.ctx, h.bench.moment(h.ctx))
	if h.call.Stop == simIgnores {
		_ = workflow.Sleep(h.ctx, h.call.Takes-(h.bench.elapsed()-begun))
		return h.call.Ends
	}
	if h.call.StopTakes > 0 {
		_ = workflow.Sleep(h.ctx, h.call.StopTakes)
	}
	return h.call.Stop
}

// wait is over early where the handler is asked to stop.
func (h *simHandler) wait(d time.Duration) {
	_, _ = workflow.AwaitWithTimeout(h.ctx, d, func() bool { return h.asked })
}

// end is what the server tells the workflow.
func (h *simHandler) end(end simEnd) (simOutcome, any, error) {
	outcome := simOutcome{end: end}
	if h.keeps && h.call.Leaves {
		outcome.checkpoint = fmt.Sprintf(`"%d.%d, left"`, h.in.Fence.N, h.attempt)
	}
	details := protocol.FailureDetails{Checkpoint: json.RawMessage(outcome.checkpoint)}
	state := enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE
	if h.asked {
		state = enumspb.RETRY_STATE_CANCEL_REQUESTED // before all other reasons
	}
	switch end {
	case simSucceeds:
		outcome.checkpoint = ""
		payload, err := converter.GetDefaultDataConverter().ToPayload(protocol.HandlerResult{})
		if err != nil {
			panic(err)
		}
		return outcome, converter.NewRawValue(payload), nil
	case simStops:
		return outcome, nil, activityError(temporal.NewCanceledError(details), enumspb.RETRY_STATE_UNSPECIFIED)
	case simIsLost:
		outcome.checkpoint = h.bench.execution(h.id()).heartbeat
		last := protocol.Heartbeat{Checkpoint: json.RawMessage(outcome.checkpoint)}
		return outcome, nil, activityError(temporal.NewHeartbeatTimeoutError(last), state)
	case simAgain:
		if !h.asked {
			state = enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
		}
		return outcome, nil, activityError(temporal.NewApplicationError("again", protocol.ErrTypeRetry, details), state)
	}
	return outcome, nil, activityError(handlerError(end, details), state)
}

// handlerError is a handler's last word.
func handlerError(end simEnd, details protocol.FailureDetails) error {
	switch end {
	case simSuspends:
		return temporal.NewNonRetryableApplicationError("a person", protocol.ErrTypeSuspend, nil, details)
	case simWaits:
		details.Counted, details.AfterSeconds = new(bool), simUncounted.Seconds()
		return temporal.NewNonRetryableApplicationError("later", protocol.ErrTypeRetry, nil, details)
	}
	return temporal.NewNonRetryableApplicationError("no", protocol.ErrTypeFail, nil, details)
}

// activityError is an activity's error as it comes from a server.
func activityError(cause error, state enumspb.RetryState) error {
	failures := temporal.GetDefaultFailureConverter()
	return failures.FailureToError(&failurepb.Failure{
		Message:     "activity error",
		Cause:       failures.ErrorToFailure(cause),
		FailureInfo: &failurepb.Failure_ActivityFailureInfo{ActivityFailureInfo: &failurepb.ActivityFailureInfo{RetryState: state}},
	})
}
