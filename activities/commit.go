package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// ErrLockLost is Commit's answer to an attempt that does not hold its operation
// any more: it was stopped or silent for too long, and another attempt may be at
// work already. It must not begin another unit of work (SPEC 2.2).
var ErrLockLost = errors.New("this attempt does not hold the operation any more")

// errLocal is Commit's answer to a local attempt.
var errLocal = errors.New("nothing keeps the checkpoint of a local attempt before its end: leave \"execution: local\" away from a type whose handler commits")

// commitPatience is how long Commit waits for the server, or as long as the type's
// heartbeat if that is shorter: after that the lock is lost anyway.
const commitPatience = 30 * time.Second

// Commit is a Report that returns only once the server has kept it, so that a
// worker killed right after it loses nothing of it, and only if this attempt still
// holds the operation. Use it where a unit of work that is done twice is seen
// outside: commit behind each one, and begin the next only after that. It costs a
// request to the server each time, some milliseconds, where Report is almost free.
// It stores although ctx is done, so that a handler can commit where it stopped.
//
// The error is ErrLockLost, a *protocol.FieldError as Report's, or that the server
// did not answer in time: then too the handler stops, since it may not hold its
// operation. It always fails in the local attempt of a type with "execution: local",
// whose checkpoints nothing keeps before its end; an attempt after it can commit.
func (r Request) Commit(ctx context.Context, p Progress) error {
	if r.OnCommit == nil {
		return r.Report(p)
	}
	beat, err := p.heartbeat()
	if err != nil {
		return err
	}
	return r.OnCommit(context.WithoutCancel(ctx), beat)
}

// commit takes what the handler says and has the server keep it. The SDK gets it
// first: it sends one heartbeat at a time, so that an older one that is on its way
// arrives before this one, and what it sends later is not older.
func (p *pulse) commit(ctx context.Context, beat protocol.Heartbeat) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.take(beat)
	p.send()
	return p.keep(ctx, p.last)
}

// keeper sends one heartbeat past the SDK's throttle and waits for the answer.
func keeper(activityCtx context.Context) func(context.Context, protocol.Heartbeat) error {
	info := activity.GetInfo(activityCtx)
	if info.IsLocalActivity {
		return func(context.Context, protocol.Heartbeat) error { return errLocal }
	}
	patience := commitPatience
	if info.HeartbeatTimeout > 0 {
		patience = min(patience, info.HeartbeatTimeout)
	}
	return func(ctx context.Context, beat protocol.Heartbeat) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err := activity.GetClient(activityCtx).RecordActivityHeartbeat(ctx, info.TaskToken, beat)
		return kept(err)
	}
}

// kept reads the server's answer. A request to cancel or to pause comes with a
// heartbeat that was kept; it reaches the handler's ctx by the SDK.
func kept(err error) error {
	var gone *serviceerror.NotFound
	switch {
	case err == nil, temporal.IsCanceledError(err), errors.Is(err, activity.ErrActivityPaused), errors.Is(err, activity.ErrActivityReset):
		return nil
	case errors.As(err, &gone):
		return ErrLockLost
	}
	return fmt.Errorf("the server did not keep the checkpoint: %w", err)
}
