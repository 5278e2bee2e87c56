package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// maxCodeBytes bounds a handler's error code.
const maxCodeBytes = 255

// reporter runs a handler as an activity and reports its outcome in the form
// that the Operation workflow reads.
type reporter struct {
	hostID  string
	handler Handler
}

// run is the activity: one attempt of one operation.
func (p reporter) run(ctx context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	info, began := activity.GetInfo(ctx), time.Now()
	in.Fence.Attempt = info.Attempt
	stop := keepAlive(ctx, info.HeartbeatTimeout, func() { activity.RecordHeartbeat(ctx) })
	defer stop()
	outcome := p.handler.Handle(ctx, Request{
		Operation: in.Operation, CreatedOn: in.CreatedOn, Fence: in.Fence, Checkpoint: in.Checkpoint,
	})
	held := &protocol.Held{
		HostID:    p.hostID,
		StartedOn: info.StartedTime.UTC(),
		Seconds:   math.Round(time.Since(began).Seconds()*100) / 100,
		Retries:   int(info.Attempt) - 1,
	}
	return report(checked(ctx, outcome), held)
}

// keepAlive records a heartbeat now and then until it is stopped, where the type
// has a heartbeat: a worker that is lost is noticed soon, and a request to cancel
// reaches the handler's ctx.
func keepAlive(ctx context.Context, timeout time.Duration, record func()) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	if timeout <= 0 {
		return stop
	}
	go func() {
		ticker := time.NewTicker(timeout / 3)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				record()
			}
		}
	}()
	return stop
}

// report turns an outcome into the activity's result or error.
func report(o protocol.Outcome, held *protocol.Held) (protocol.HandlerResult, error) {
	details := protocol.FailureDetails{
		Code:            cut(o.Code, maxCodeBytes),
		FriendlyMessage: bounded(o.FriendlyMessage),
		AfterSeconds:    o.After.Seconds(),
		Held:            held,
	}
	switch o.Kind {
	case protocol.OutcomeSucceeded:
		return protocol.HandlerResult{Result: o.Result, Held: held}, nil
	case protocol.OutcomeCanceled:
		return protocol.HandlerResult{}, temporal.NewCanceledError(details)
	case protocol.OutcomeRetry:
		return protocol.HandlerResult{}, temporal.NewApplicationErrorWithOptions(bounded(o.Message), protocol.ErrTypeRetry,
			temporal.ApplicationErrorOptions{NextRetryDelay: o.After, Details: []any{details}})
	default:
		return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError(
			bounded(o.Message), protocol.ErrTypeFail, nil, details)
	}
}

// checked replaces an outcome that the wire cannot carry by one that says so.
func checked(ctx context.Context, o protocol.Outcome) protocol.Outcome {
	switch o.Kind {
	case protocol.OutcomeSucceeded:
		return checkedResult(o)
	case protocol.OutcomeCanceled:
		return checkedCancellation(ctx, o)
	case protocol.OutcomeRetry:
		return o.WithDelay(max(o.After, 0))
	case protocol.OutcomeFailed:
		return o.WithDelay(0)
	}
	return protocol.Failure("OutcomeUnknown", fmt.Sprintf(
		"the handler ended as %q: it must return Success, Failure, Retry or Cancellation", o.Kind))
}

// checkedResult encodes the result as the wire will, so that its limit holds for
// a handler that did not build its outcome with Success too (SPEC 1.2).
func checkedResult(o protocol.Outcome) protocol.Outcome {
	if len(o.Result) == 0 {
		return protocol.Success(nil)
	}
	return protocol.Success(json.RawMessage(o.Result))
}

// checkedCancellation tells a request to cancel from the other reasons for which
// ctx ends: a worker that stops must not cancel what it was running (SPEC 8.2).
func checkedCancellation(ctx context.Context, o protocol.Outcome) protocol.Outcome {
	switch cause := context.Cause(ctx); {
	case temporal.IsCanceledError(cause):
		return o
	case cause != nil:
		return protocol.Retry("Interrupted", fmt.Sprintf("the attempt was interrupted: %v", cause))
	}
	return protocol.Failure("CancellationUnexpected", "the handler ended as canceled, but nobody had asked it to cancel")
}

// bounded keeps a message within its limit and valid, since a failure must not
// fail to be reported. A note says what was cut.
func bounded(message string) string {
	message = strings.ToValidUTF8(message, "\uFFFD")
	if len(message) <= protocol.MaxErrorMessageBytes {
		return message
	}
	note := fmt.Sprintf("… (cut: it had %d bytes, the limit is %d)", len(message), protocol.MaxErrorMessageBytes)
	return cut(message, protocol.MaxErrorMessageBytes-len(note)) + note
}

// cut returns the longest prefix of at most limit bytes that does not end inside
// a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ToValidUTF8(s[:limit], "")
}
