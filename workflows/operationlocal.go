package workflows

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// firstTask is the history's length in the first workflow task of a run that
// nothing has happened to yet: its start, and the task itself.
const firstTask = 3

// mayRunLocally says that the next call of the handler may be a local attempt:
// the first call of an operation that starts at once. A task that was lost, with
// whatever attempt ran in it, makes the history longer, so there is one local
// attempt at most, and its fence is older than all that follow.
func (o *operation) mayRunLocally() bool {
	return o.life.Type.Binding.Execution == catalogue.ExecutionLocal && o.life.Record.N == o.start.N &&
		workflow.GetInfo(o.ctx).GetCurrentHistoryLength() == firstTask
}

// runLocally makes the local attempt. It is false where nothing was done, since
// the worker does not have the handler: then the call goes on as any other.
func (o *operation) runLocally(fence protocol.Fence) (ran bool) {
	o.cancelRun = func() {} // a request waits for the attempt's end, or two could run at a time
	limit := min(seconds(o.life.Type.Binding.StartToCloseSeconds), catalogue.MaxLocalSeconds*time.Second,
		workflow.GetInfo(o.ctx).WorkflowTaskTimeout/2)
	ctx := workflow.WithLocalActivityOptions(o.ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: limit,
		StartToCloseTimeout:    limit,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:                summary(o.life.Record.Operation),
	})
	attempt := workflow.ExecuteLocalActivity(ctx, o.defined.RunLocally, o.life.Type.Binding.Activity, o.life.input(fence))
	for !attempt.IsReady() {
		o.changed = false
		o.await(attempt.IsReady)
	}
	err := attempt.Get(o.ctx, nil)
	if isType(err, protocol.ErrTypeNoLocalHandler) {
		return false
	}
	if err != nil && o.maySucceedLater(err) {
		o.life.LocalFailed(retryOf(err), workflow.Now(o.ctx))
	} else {
		o.conclude(attempt)
	}
	return true
}

func isType(err error, name string) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.Type() == name
}

// maySucceedLater says that the engine would try again, had it been a regular
// attempt.
func (o *operation) maySucceedLater(err error) bool {
	var application *temporal.ApplicationError
	if errors.As(err, &application) {
		return !application.NonRetryable() && !slices.Contains(o.life.Type.Binding.Retry.NonRetryable, application.Type())
	}
	return !temporal.IsCanceledError(err)
}

// failedAttempt is an attempt that may be repeated.
type failedAttempt struct {
	code, message string
	details       protocol.FailureDetails
}

func retryOf(err error) failedAttempt {
	var application *temporal.ApplicationError
	if !errors.As(err, &application) {
		code := "HandlerError"
		if temporal.IsTimeoutError(err) {
			code = "Timeout"
		}
		return failedAttempt{code: code, message: err.Error()}
	}
	failed := failedAttempt{code: application.Type(), message: application.Message()}
	_ = application.Details(&failed.details) // a handler of another form sends none
	if after := application.NextRetryDelay(); after > 0 {
		failed.details.AfterSeconds = after.Seconds()
	}
	return failed
}

// LocalFailed is a local attempt that failed and may be repeated. It counts as an
// attempt, and the wait before the next one is that of the type's retry policy, or
// the one the handler asked for. A request that is pending wins.
func (l *Life) LocalFailed(f failedAttempt, now time.Time) {
	policy := l.Type.Binding.Retry
	switch {
	case l.Record.StatusCode != protocol.InProgress:
		l.Stopped(f.details, now)
		return
	case policy.MaxAttempts == 1:
		l.Failed(f.code, f.message, f.details, now)
		return
	}
	l.leave(f.details)
	wait := policy.InitialSeconds
	if f.details.AfterSeconds > 0 {
		wait = f.details.AfterSeconds
	}
	on := now.Add(seconds(wait))
	l.RetryOn, l.Tried = &on, 1
	l.Record.RetryCount++
	f.details.Code = orCode(f.details, f.code)
	l.waitFor(protocol.SuspendRetrying, f.message, f.details, now)
}

// RunLocally is the local activity of a local attempt. Its name is in histories.
func (d *definitions) RunLocally(ctx context.Context, activity string, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	if d.options.RunLocally == nil {
		return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError(
			"this worker runs no handlers locally", protocol.ErrTypeNoLocalHandler, nil)
	}
	return d.options.RunLocally(ctx, activity, in)
}
