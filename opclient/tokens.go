package opclient

import (
	"context"
	"fmt"
	"iter"

	"github.com/seriatim-go/seriatim/protocol"
)

// TokenFilter says which tokens Tokens answers: those that are any of what is
// set; all where nothing is.
type TokenFilter struct {
	// Blocked are those in which operations wait and none gets on by itself soon:
	// the token is held, or its head is Suspended.
	Blocked bool
	// Held are those that a person holds.
	Held bool
	// Failed are those that stand since an operation failed.
	Failed bool
}

func (f TokenFilter) match(t TokenState) bool {
	return f == TokenFilter{} || f.Held && t.Hold != nil || f.Failed && t.Failure != nil || f.Blocked && t.blocked()
}

// blocked says whether operations wait and none gets on.
func (t TokenState) blocked() bool {
	suspended := t.Head != nil && t.Head.StatusCode == protocol.Waiting
	return suspended && t.Queued > 0 || (t.Hold != nil || t.Failure != nil) && (t.Queued > 0 || suspended)
}

// Tokens answers the tokens whose serializer runs, as they answer, with the live
// state of their heads: those with something to do, and those that have just
// become idle. Options.Parallel are asked at once. One that cannot be read yields
// its error with its WorkflowID, and the rest goes on (SPEC 4.7); without a
// worker a token is read from history, see FromHistory.
func (c *Client) Tokens(ctx context.Context, f TokenFilter) iter.Seq2[TokenState, error] {
	return func(yield func(TokenState, error) bool) {
		serializers, err := c.runningSerializers(ctx)
		if err != nil {
			yield(TokenState{}, err)
			return
		}
		asking, stop := context.WithCancel(ctx)
		defer stop()
		for answer := range inParallel(asking, c.options.Parallel, serializers, func(id string) tokenAnswer { return c.liveToken(asking, id) }) {
			if answer.err == nil && !f.match(answer.state) {
				continue
			}
			if !yield(answer.state, answer.err) {
				stop()
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(TokenState{}, err)
		}
	}
}

// tokenAnswer is a token, or why there is none.
type tokenAnswer struct {
	state TokenState
	err   error
}

// liveToken is a token with its head as it is now.
func (c *Client) liveToken(ctx context.Context, workflowID string) tokenAnswer {
	state, err := c.tokenAt(ctx, workflowID)
	if err != nil {
		return tokenAnswer{state, fmt.Errorf("token of workflow %q: %w", workflowID, err)}
	}
	if state.Head == nil {
		return tokenAnswer{state, nil}
	}
	if head, err := c.execution(ctx, state.Head.ID); err == nil { // else it is about to start
		head.Data, head.Result = nil, nil
		state.Head = &head.Record
	}
	return tokenAnswer{state, nil}
}
