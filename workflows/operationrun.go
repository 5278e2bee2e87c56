package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// run has the handler called once, with the engine's retries, and notes how it
// ended.
func (o *operation) run() {
	o.showStatus(protocol.InProgress)
	scheduled := workflow.Now(o.ctx)
	o.reportStart(scheduled)
	local := o.mayRunLocally()
	fence := o.life.Scheduled(scheduled)
	workflow.SetCurrentDetails(o.ctx, o.details())
	if o.life.Type.Binding.RunsWorkflow() {
		o.runWorkflow(fence)
		o.reportRun(scheduled)
		return
	}
	if local && o.runLocally(fence) {
		o.reportRun(scheduled)
		return
	}
	ctx, cancel := workflow.WithCancel(workflow.WithActivityOptions(o.ctx, o.activityOptions()))
	defer cancel()
	o.cancelRun = cancel
	o.life.Tried = 0 // the options have it
	future := workflow.ExecuteActivity(ctx, o.life.Type.Binding.Activity, o.life.input(fence))
	ended := o.awaitHandler(future)
	o.reportRun(scheduled)
	if ended {
		o.conclude(future)
	} else {
		o.life.LockBroken(workflow.Now(o.ctx))
	}
}

// awaitHandler waits until the handler has ended. It is false where the handler
// ignored for too long that it was cancelled.
func (o *operation) awaitHandler(handler workflow.Future) bool {
	ctx, cancel := workflow.WithCancel(o.ctx)
	defer cancel()
	var limit workflow.Future
	ends := func() bool { return handler.IsReady() || limit != nil && limit.IsReady() }
	for !ends() {
		if limit == nil && o.life.Record.StatusCode == protocol.Canceling {
			limit = workflow.NewTimerWithOptions(ctx, o.cancelTimeout(), workflow.TimerOptions{Summary: "breaks the lock of a handler that does not stop"})
		}
		o.changed = false
		o.await(ends)
		workflow.SetCurrentDetails(o.ctx, o.details())
	}
	return handler.IsReady()
}

// defaultCancelTimeout is for a type that was recorded without one.
const defaultCancelTimeout = time.Minute

func (o *operation) cancelTimeout() time.Duration {
	if limit := seconds(o.life.Type.Binding.CancelTimeoutSeconds); limit > 0 {
		return limit
	}
	return defaultCancelTimeout
}

// conclude tells the rules how the handler ended.
func (o *operation) conclude(handler workflow.Future) {
	now := workflow.Now(o.ctx)
	var raw converter.RawValue
	err := handler.Get(o.ctx, &raw)
	if err != nil {
		o.concludeError(err, now)
		return
	}
	var result protocol.HandlerResult
	if payload := raw.Payload(); payload != nil && len(payload.GetData()) > 0 {
		if err := json.Unmarshal(payload.GetData(), &result); err != nil {
			o.life.Failed("ResultUnreadable", fmt.Sprintf("the handler's answer is not {\"result\":…}: %v", err), protocol.FailureDetails{}, now)
			return
		}
	}
	o.life.Succeeded(result, now)
}

func (o *operation) concludeError(err error, now time.Time) {
	var cancelled *temporal.CanceledError
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	var details protocol.FailureDetails
	switch {
	case errors.As(err, &cancelled):
		_ = cancelled.Details(&details) // another language may send none
		o.life.Stopped(details, now)
	case errors.As(err, &timeout):
		o.concludeTimeout(timeout, now)
	case errors.As(err, &application):
		_ = application.Details(&details)
		o.concludeFailure(application, details, o.wouldRetry(err, application), now)
	default:
		o.life.Failed("HandlerError", err.Error(), details, now)
	}
}

// concludeTimeout is a handler that was lost, or took too long, for the last time
// that the engine tries; where it had been asked to stop that is the first time.
func (o *operation) concludeTimeout(timeout *temporal.TimeoutError, now time.Time) {
	var last protocol.Heartbeat
	_ = timeout.LastHeartbeatDetails(&last) // there may be none
	details := protocol.FailureDetails{Checkpoint: last.Checkpoint}
	if o.life.Record.StatusCode != protocol.InProgress {
		o.life.Stopped(details, now)
		return
	}
	o.life.Failed("Timeout", timeout.Error(), details, now)
}

// concludeFailure is a handler's error. again says that the engine would have
// tried again, had it not been asked to stop: then it has stopped, not failed.
func (o *operation) concludeFailure(failure *temporal.ApplicationError, details protocol.FailureDetails, again bool, now time.Time) {
	uncounted := details.Counted != nil && !*details.Counted
	switch {
	case failure.Type() == protocol.ErrTypeSuspend:
		o.life.AskedForPerson(failure.Message(), details, now)
	case failure.Type() == protocol.ErrTypeRetry && uncounted:
		o.life.Retried(failure.Message(), details, now)
	case again && o.life.Record.StatusCode != protocol.InProgress:
		o.life.Stopped(details, now)
	default:
		o.life.Failed(failure.Type(), failure.Message(), details, now)
	}
}

// wouldRetry says that an error was not the handler's last word. For one that had
// been asked to stop the engine does not say whether it was.
func (o *operation) wouldRetry(err error, failure *temporal.ApplicationError) bool {
	var activity *temporal.ActivityError
	final := failure.NonRetryable() || slices.Contains(o.life.Type.Binding.Retry.NonRetryable, failure.Type())
	if final || !errors.As(err, &activity) {
		return false
	}
	switch activity.RetryState() {
	case enumspb.RETRY_STATE_CANCEL_REQUESTED, enumspb.RETRY_STATE_IN_PROGRESS:
		return true
	}
	return false
}

// activityOptions are those of the operation's binding. Nothing bounds the time
// before a worker takes it: it waits for one as long as it must.
func (o *operation) activityOptions() workflow.ActivityOptions {
	b := o.life.Type.Binding
	r := o.life.Record
	return workflow.ActivityOptions{
		TaskQueue:           b.TaskQueue,
		StartToCloseTimeout: seconds(b.StartToCloseSeconds),
		HeartbeatTimeout:    seconds(b.HeartbeatSeconds),
		WaitForCancellation: true,
		Summary:             summary(r.Operation),
		Priority:            temporal.Priority{PriorityKey: r.Priority, FairnessKey: r.FairnessKey},
		RetryPolicy:         retryPolicy(b.Retry, o.life.Tried),
	}
}

// retryPolicy leaves out the attempts that were tried already.
func retryPolicy(r catalogue.Retry, tried int32) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:        seconds(r.InitialSeconds),
		BackoffCoefficient:     r.Backoff,
		MaximumInterval:        seconds(r.MaxSeconds),
		MaximumAttempts:        r.MaxAttempts - tried,
		NonRetryableErrorTypes: r.NonRetryable,
	}
}

func seconds(n float64) time.Duration {
	return time.Duration(n * float64(time.Second))
}
