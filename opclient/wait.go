package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// How often a queue is asked for an operation that has not started, and for how
// long it may say that it does not know it: a serializer that has just begun
// may not have read its submissions yet.
const (
	firstPoll      = time.Second
	lastPoll       = 30 * time.Second
	unreadPatience = 3 * time.Second
)

// Wait waits until the operation is Completed and answers its final record,
// whatever the outcome: look at StatusCode. While it queues, its serializer is
// asked every 1 s to 30 s; from its start on, the end is known at once. It waits
// on without a worker, and while the server does not answer, and says so to
// Options.Notice: give ctx a deadline to give up.
//
// ErrNotFound says that nothing is known of it; a submission that the
// serializer refused is answered as that *protocol.Refusal. When ctx is done its
// error is answered, and the operation goes on.
func (c *Client) Wait(ctx context.Context, id, token string) (Found, error) {
	if err := protocol.ValidateID(id); err != nil {
		return Found{}, err
	}
	patience := unreadPatience
	if token == "" {
		patience = 0
	}
	found, err := c.wait(ctx, id, token, patience)
	return found, about("wait for", id, err)
}

func (c *Client) wait(ctx context.Context, id, token string, patience time.Duration) (found Found, err error) {
	err = c.persist(ctx, func() error {
		if err := c.awaitStart(ctx, id, token, patience); err != nil {
			return err
		}
		if err := c.awaitEnd(ctx, id); err != nil {
			return err
		}
		found, err = c.find(ctx, id, token)
		return err
	})
	return found, err
}

// awaitStart polls until the operation has a workflow of its own. That nothing
// is known of it counts only after patience.
func (c *Client) awaitStart(ctx context.Context, id, token string, patience time.Duration) error {
	var told bool
	begin := time.Now()
	for wait := firstPoll; ; wait = min(wait*3/2, lastPoll) {
		_, err := c.describe(ctx, protocol.OperationWorkflowID(id))
		if !isGone(err) {
			return err
		}
		where, err := c.locate(ctx, id, token)
		if where.record != nil && where.record.DependencyToken != "" {
			token = where.record.DependencyToken
		}
		var unattended *NoWorkerError
		if errors.As(err, &unattended) {
			if !told {
				c.options.Notice(fmt.Sprintf("waiting on: %v", err))
			}
			told, err = true, nil
		}
		if isRefusal(err, protocol.ErrTypeOperationNotFound) && time.Since(begin) < patience {
			err = nil
		}
		if err != nil {
			return err
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
	}
}

// awaitEnd long-polls until the operation's workflow closes.
func (c *Client) awaitEnd(ctx context.Context, id string) error {
	return c.retry(ctx, ctx, func(ctx context.Context) error {
		err := c.temporal.GetWorkflow(ctx, protocol.OperationWorkflowID(id), "").Get(ctx, nil)
		var closed *temporal.WorkflowExecutionError
		if errors.As(err, &closed) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
}
