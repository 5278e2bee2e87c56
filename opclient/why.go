package opclient

import (
	"cmp"
	"context"
	"fmt"

	"github.com/seriatim-go/seriatim/protocol"
)

// Explained is an operation with why it is where it is (SPEC 8.4): its record,
// which says its position and what blocks it since when, and the explanation in
// words.
type Explained struct {
	Found
	protocol.Explanation
	// Blocker is the operation at the head of its token, where it queues behind
	// one, as it is now.
	Blocker *Found `json:"blocker,omitempty"`
	// Hold and Failure are what holds its token, if anything.
	Hold    *protocol.Hold        `json:"hold,omitempty"`
	Failure *protocol.FailureHold `json:"failure,omitempty"`
	// Stop keeps its type's handlers from starting, if anything does.
	Stop *protocol.Stop `json:"stop,omitempty"`
}

// Why explains why an operation is where it is, what happens next if nobody does
// anything, and what may be done about it. Errors and the answer without a
// worker are those of Get; what holds the token is then told as far as it is
// known.
func (c *Client) Why(ctx context.Context, id, token string) (Explained, error) {
	found, err := c.Get(ctx, id, token)
	if err != nil {
		return Explained{}, err
	}
	e := Explained{Found: found}
	if of := queueOf(found, token); of != "" && !found.StatusCode.Terminal() {
		c.addToken(ctx, of, &e)
	}
	situation := protocol.Situation{Record: e.Record, Hold: e.Hold, Failure: e.Failure, NextAttempt: e.NextAttempt, Progress: e.Progress}
	if e.Blocker != nil {
		situation.Blocker = &e.Blocker.Record
	}
	if !e.StatusCode.Terminal() {
		e.Stop = c.stopOf(ctx, e.OperationType)
		situation.Stop = e.Stop
	}
	e.Explanation = protocol.Explain(situation)
	return e, ctx.Err()
}

// stopOf is what keeps a type's handlers from starting, nil where nothing does or
// it cannot be said.
func (c *Client) stopOf(ctx context.Context, of protocol.TypeRef) *protocol.Stop {
	stops, err := c.Stops(ctx)
	if err != nil {
		return nil
	}
	key := string(of)
	if t, ok := c.options.Catalogue.Lookup(of); ok {
		key = t.Key
	}
	return ServiceStatus{ServiceState: protocol.ServiceState{Stops: stops}}.Stopped(key)
}

// Why explains why the operation is where it is; see [Client.Why].
func (h *Handle) Why(ctx context.Context) (Explained, error) {
	return h.client.Why(ctx, h.ID, h.Token)
}

// queueOf is the token that an operation is in: token tells it for a queued one
// whose record does not.
func queueOf(found Found, token string) string {
	if found.Source == FromQueue || found.Source == FromHistory {
		return cmp.Or(found.DependencyToken, token)
	}
	return found.DependencyToken
}

// addToken adds what is around the operation in its token.
func (c *Client) addToken(ctx context.Context, token string, e *Explained) {
	state, err := c.Token(ctx, token)
	if err != nil {
		c.options.Notice(fmt.Sprintf("whether the token is held is not known: %v", err))
		return
	}
	e.Hold, e.Failure = state.Hold, state.Failure
	if e.BlockedBy == "" {
		return
	}
	if state.Head != nil && state.Head.ID == e.BlockedBy {
		e.Blocker = &Found{Record: *state.Head, Source: state.Source, WorkflowID: state.WorkflowID}
		if e.BlockedSince == nil {
			e.BlockedSince = state.HeadSince
		}
	}
	if live, err := c.execution(ctx, e.BlockedBy); err == nil {
		live.Data, live.Result = nil, nil
		e.Blocker = &live
	}
}
