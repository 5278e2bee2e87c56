package opclient

import (
	"context"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Handle is an operation that was submitted: what it takes to find it again.
type Handle struct {
	// ID is the operation's id, Token its dependency token, empty for none.
	ID, Token string
	// WorkflowID is where it is now: token:<key> while it queues, else
	// operation:<id>.
	WorkflowID string
	// Duplicate says that the same operation was there already, so that this
	// submission changed nothing. With a token only the serializer knows, and
	// counts it.
	Duplicate bool

	client      *Client
	contentHash string
}

// Get finds the operation; see [Client.Get].
func (h *Handle) Get(ctx context.Context) (Found, error) { return h.client.Get(ctx, h.ID, h.Token) }

// Handle is a handle for an operation that is known to have been submitted, such
// as one that SubmitMany accepted. It cannot tell whether another operation has
// the id.
func (c *Client) Handle(id, token string) *Handle {
	h := &Handle{ID: id, Token: token, WorkflowID: protocol.OperationWorkflowID(id), client: c}
	if token != "" {
		h.WorkflowID = protocol.SerializerWorkflowID(token)
	}
	return h
}

// Wait waits until the operation is Completed; see [Client.Wait]. Since it was
// submitted, a serializer that does not know it yet is asked for
// Options.RetryFor. The error is ErrDuplicateID where the operation that
// completed is not the one that was submitted: another one has its id, and this
// one was refused.
func (h *Handle) Wait(ctx context.Context) (Found, error) {
	found, err := h.client.wait(ctx, h.ID, h.Token, h.client.options.RetryFor)
	if err != nil || h.contentHash == "" {
		return found, about("wait for", h.ID, err)
	}
	return found, h.client.persist(ctx, func() error { return h.client.checkDuplicate(ctx, h.ID, h.contentHash) })
}

// Cancel cancels the operation; see [Client.Cancel].
func (h *Handle) Cancel(ctx context.Context, reason string) (protocol.Record, error) {
	return h.client.Cancel(ctx, h.ID, h.Token, reason)
}

// Postpone postpones the operation; see [Client.Postpone].
func (h *Handle) Postpone(ctx context.Context, until time.Time, reason string) (protocol.Record, error) {
	return h.client.Postpone(ctx, h.ID, h.Token, until, reason)
}

// Pause stops the operation until it is resumed; see [Client.Pause].
func (h *Handle) Pause(ctx context.Context, reason string) (protocol.Record, error) {
	return h.client.Pause(ctx, h.ID, h.Token, reason)
}

// Resume makes the operation Ready; see [Client.Resume].
func (h *Handle) Resume(ctx context.Context, reason string) (protocol.Record, error) {
	return h.client.Resume(ctx, h.ID, h.Token, reason)
}

// Rerun runs the operation again as another; see [Client.Rerun].
func (h *Handle) Rerun(ctx context.Context, newID, reason string) (*Handle, error) {
	record, err := h.client.Rerun(ctx, h.ID, h.Token, newID, reason)
	if err != nil {
		return nil, err
	}
	return h.client.Handle(record.ID, record.DependencyToken), nil
}

// Delete removes the operation's record; see [Client.Delete].
func (h *Handle) Delete(ctx context.Context) (deleted bool, err error) {
	return h.client.Delete(ctx, h.ID, h.Token)
}
