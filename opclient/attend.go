package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// errWorkerStops ends an attempt early, so that another worker goes on.
var errWorkerStops = errors.New("the worker stops: the next attempt looks again")

// longestBeat is the longest that an activity does not ask whether it is to end.
const longestBeat = 5 * time.Second

// attend heartbeats for an activity until stop is called. The context that it
// answers ends where the worker stops too, at once and not after the worker's
// grace.
func attend(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	interval := longestBeat
	if timeout := activity.GetInfo(parent).HeartbeatTimeout; timeout > 0 {
		interval = min(timeout/3, longestBeat)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-activity.GetWorkerStopChannel(parent):
				cancel(errWorkerStops)
			case <-ticker.C:
				activity.RecordHeartbeat(parent)
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}

// passing are refusals of a request that may be taken later.
var passing = map[string]bool{
	protocol.ErrTypeBusy: true, protocol.ErrTypeContinuingAsNew: true, protocol.ErrTypeQueueFull: true,
}

// activityError is what an activity answers: why its context ended, where it did;
// an error that is not tried again, where no attempt can help; else the error.
func activityError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var refusal *protocol.Refusal
	var field *protocol.FieldError
	switch {
	case errors.As(err, &refusal) && passing[refusal.Type]:
		return err
	case errors.As(err, &refusal):
		return temporal.NewNonRetryableApplicationError(err.Error(), refusal.Type, nil, refusal)
	case errors.As(err, &field):
		refusal = &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: err.Error()}
		return temporal.NewNonRetryableApplicationError(err.Error(), refusal.Type, nil, refusal)
	}
	return err
}

// numbered says which of several operations the error is about.
func numbered(index int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("operation %d: %w", index, err)
}
