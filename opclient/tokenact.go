package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/seriatim-go/seriatim/protocol"
)

// Hold keeps a token from starting operations until it is released (SPEC 4.10),
// and answers its state. What runs goes on; an operation that has started and
// waits is held too. until, unless it is zero, is when the token releases
// itself. A token that is held already gets this hold instead. reason is kept
// and shown, at most 1,000 bytes. An idle token, or one that never had an
// operation, takes it too.
//
// A *protocol.FieldError names what breaks a limit; ErrBusy says that the token
// took no request for some 20 s, so that nothing changed; a *NoWorkerError that
// nobody answered in time, and that the token may still be held.
func (c *Client) Hold(ctx context.Context, token string, until time.Time, reason string) (protocol.SerializerState, error) {
	request := protocol.HoldRequest{Reason: reason, Identity: c.options.Identity}
	if !until.IsZero() {
		until = until.UTC()
		request.Until = &until
	}
	return c.actOnToken(ctx, token, reason, protocol.HoldUpdateName, request)
}

// Release lets a token go on: it ends a hold, and the stand after a failure
// under the policy "hold" (SPEC 4.5, 4.10). A token that is not held stays as it
// is. Errors are those of Hold.
func (c *Client) Release(ctx context.Context, token, reason string) (protocol.SerializerState, error) {
	return c.actOnToken(ctx, token, reason, protocol.ReleaseUpdateName, c.tokenRequest(reason))
}

// Skip goes on past the failed operation that holds the token (SPEC 4.5).
// ErrInvalidTransition says that none does. Other errors are those of Hold.
func (c *Client) Skip(ctx context.Context, token, reason string) (protocol.SerializerState, error) {
	return c.actOnToken(ctx, token, reason, protocol.SkipUpdateName, c.tokenRequest(reason))
}

// CancelAll cancels the operations that the token has at that moment, the
// running one and all that queue; later ones are not touched. Errors are those
// of Hold.
func (c *Client) CancelAll(ctx context.Context, token, reason string) (protocol.SerializerState, error) {
	return c.actOnToken(ctx, token, reason, protocol.CancelAllUpdateName, c.tokenRequest(reason))
}

// SetPolicy changes what a token does when an operation of it fails, and how
// many may queue (SPEC 4.5). What is absent in change stays as it is; Identity
// is filled in where it is empty. A *protocol.FieldError says that there is no
// such policy. Other errors are those of Hold.
func (c *Client) SetPolicy(ctx context.Context, token string, change protocol.PolicyRequest) (protocol.SerializerState, error) {
	if change.Identity == "" {
		change.Identity = c.options.Identity
	}
	if err := change.Validate(); err != nil {
		return protocol.SerializerState{}, err
	}
	return c.actOnToken(ctx, token, change.Reason, protocol.SetPolicyUpdateName, change)
}

func (c *Client) tokenRequest(reason string) protocol.TokenRequest {
	return protocol.TokenRequest{Reason: reason, Identity: c.options.Identity}
}

// actOnToken sends one update to a token's serializer, which starts where it
// idles.
func (c *Client) actOnToken(ctx context.Context, token, reason, name string, argument any) (state protocol.SerializerState, err error) {
	workflowID, err := serializerOf(token)
	if err := errors.Join(err, protocol.ValidateAsked(reason, c.options.Identity)); err != nil {
		return state, err
	}
	u := update{workflowID: workflowID, name: name, id: uuid.NewString(), argument: argument, token: token}
	err = rounds(ctx, func() error {
		state = protocol.SerializerState{}
		return c.ask(ctx, u, &state)
	})
	if err != nil {
		return protocol.SerializerState{}, fmt.Errorf("%s token %q: %w", name, token, err)
	}
	return state, nil
}
