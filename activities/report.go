package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	info, pulse := activity.GetInfo(ctx), newPulse(ctx, in)
	in.Fence.Attempt = info.Attempt
	if info.IsLocalActivity {
		in.Fence.Attempt = 0
	}
	stop := pulse.keepAlive(info.HeartbeatTimeout)
	defer stop()
	outcome := p.handler.Handle(ctx, Request{
		Operation: in.Operation, CreatedOn: in.CreatedOn, Fence: in.Fence,
		Checkpoint: checkpointOf(pulse.checkpoint()), OnReport: pulse.report, OnCommit: pulse.commit,
	})
	outcome = checked(ctx, outcome, time.Now())
	if outcome.Kind == protocol.OutcomeRetry && !outcome.Uncounted {
		// The engine tries again and gives the next attempt what the server has of
		// this one's heartbeats. The SDK holds back heartbeats that follow each other
		// fast, and sends the last one before it reports an activity's failure.
		pulse.beat()
	}
	return report(outcome, pulse.checkpoint(), &protocol.Held{
		HostID:    p.hostID,
		StartedOn: info.StartedTime.UTC(),
		Seconds:   pulse.seconds(),
		Retries:   int(info.Attempt) - 1,
	})
}

// report turns an outcome into the activity's result or error. A cancelled
// activity's failure carries no heartbeat, so the checkpoint travels in the
// details of each error.
func report(o protocol.Outcome, checkpoint json.RawMessage, held *protocol.Held) (protocol.HandlerResult, error) {
	if o.Kind == protocol.OutcomeSucceeded {
		return protocol.HandlerResult{Result: o.Result, Held: held}, nil
	}
	details := protocol.FailureDetails{
		Code:            cut(o.Code, maxCodeBytes),
		FriendlyMessage: bounded(o.FriendlyMessage),
		AfterSeconds:    o.After.Seconds(),
		Checkpoint:      checkpoint,
		Held:            held,
	}
	if !o.At.IsZero() {
		details.At = &o.At
	}
	return protocol.HandlerResult{}, failure(o, details)
}

// failure is the error that the workflow reads. Only a retry that counts is left
// to the engine; the others are for the workflow to decide.
func failure(o protocol.Outcome, details protocol.FailureDetails) error {
	message := bounded(o.Message)
	switch {
	case o.Kind == protocol.OutcomeCanceled:
		return temporal.NewCanceledError(details)
	case o.Kind == protocol.OutcomeSuspended:
		return temporal.NewNonRetryableApplicationError(message, protocol.ErrTypeSuspend, nil, details)
	case o.Kind == protocol.OutcomeRetry && o.Uncounted:
		counted := false
		details.Counted = &counted
		return temporal.NewNonRetryableApplicationError(message, protocol.ErrTypeRetry, nil, details)
	case o.Kind == protocol.OutcomeRetry:
		return temporal.NewApplicationErrorWithOptions(message, protocol.ErrTypeRetry,
			temporal.ApplicationErrorOptions{NextRetryDelay: o.After, Details: []any{details}})
	}
	return temporal.NewNonRetryableApplicationError(message, protocol.ErrTypeFail, nil, details)
}

// maxRetryDelay is the longest wait that a handler may ask for: ten years, as for
// the times of a type.
const maxRetryDelay = 10 * 365 * 24 * time.Hour

// checked replaces an outcome that the wire cannot carry, or that was built
// wrongly, by a failure that says so.
func checked(ctx context.Context, o protocol.Outcome, now time.Time) protocol.Outcome {
	if o.Uncounted && o.Kind != protocol.OutcomeRetry {
		return protocol.Failure("OutcomeInvalid", fmt.Sprintf(
			"the handler ended as %q without counting: only a Retry can be one that does not count", o.Kind))
	}
	switch o.Kind {
	case protocol.OutcomeSucceeded:
		return checkedResult(o)
	case protocol.OutcomeCanceled:
		return checkedCancellation(ctx, o)
	case protocol.OutcomeRetry:
		return checkedRetry(o, now)
	case protocol.OutcomeFailed, protocol.OutcomeSuspended:
		return o.WithDelay(0)
	}
	return protocol.Failure("OutcomeUnknown", fmt.Sprintf(
		"the handler ended as %q: it must return Success, Failure, Retry, Suspension or Cancellation", o.Kind))
}

// checkedRetry says when the next attempt begins both as an instant, if the
// handler named one, and as a delay. What has passed is no delay.
func checkedRetry(o protocol.Outcome, now time.Time) protocol.Outcome {
	at, after := o.At.UTC(), o.After
	if !at.IsZero() {
		after = at.Sub(now)
	}
	switch {
	case after > maxRetryDelay:
		return protocol.Failure("OutcomeInvalid", fmt.Sprintf(
			"the handler asked for its next attempt after %v, the limit is %v", after, maxRetryDelay))
	case after <= 0:
		at, after = time.Time{}, 0
	}
	o.At, o.After = at, after
	return o
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
// ctx ends: a worker that stops must not cancel what it was running, and however
// often that happens, no attempt is used up (SPEC 8.2).
func checkedCancellation(ctx context.Context, o protocol.Outcome) protocol.Outcome {
	switch cause := context.Cause(ctx); {
	case temporal.IsCanceledError(cause):
		return o
	case errors.Is(cause, activity.ErrActivityPaused), errors.Is(cause, activity.ErrActivityReset):
		// Asked of the activity at the server, as the Web UI does: the server holds
		// back, or begins anew, what it would try again.
		return protocol.Retry("Interrupted", cause.Error())
	case cause != nil:
		return protocol.Retry("Interrupted", fmt.Sprintf("the attempt was interrupted: %v", cause)).WithoutCounting()
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
