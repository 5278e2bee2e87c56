package opclient

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// TokenState is what is known of one dependency token.
type TokenState struct {
	protocol.SerializerState
	// Running says that its serializer runs; one that has nothing to do
	// completes after a while, and the next submission starts it again.
	Running bool `json:"running"`
	// WorkflowID is the serializer's. StartedOn is when its current run, or its
	// last one, began.
	WorkflowID string    `json:"workflowId"`
	StartedOn  time.Time `json:"startedOn"`
	// HistoryEvents is the size of that run's history.
	HistoryEvents int64 `json:"historyEvents"`
	// Source is FromQuery, or FromHistory where no worker answered.
	Source Source `json:"source"`
}

// Token answers the state of a token: its head, how many wait, what holds it,
// what it has counted, and the last submissions that it did not accept. A token
// with nothing to do answers its last state. Without a worker it is put together
// from history: see FromHistory. ErrNotFound says that the token has no
// serializer; a *NoWorkerError that nobody answers and its history cannot be
// read.
func (c *Client) Token(ctx context.Context, token string) (TokenState, error) {
	workflowID, err := serializerOf(token)
	if err != nil {
		return TokenState{}, err
	}
	state, err := c.tokenAt(ctx, workflowID)
	if isGone(err) {
		return TokenState{}, noToken(token)
	}
	if err != nil {
		return state, fmt.Errorf("token %q: %w", token, err)
	}
	return state, nil
}

// tokenAt answers the state of the token with that serializer.
func (c *Client) tokenAt(ctx context.Context, workflowID string) (TokenState, error) {
	there, err := c.describe(ctx, workflowID)
	if err != nil {
		return TokenState{WorkflowID: workflowID}, err
	}
	info := there.GetWorkflowExecutionInfo()
	state := TokenState{
		Running:    info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		WorkflowID: workflowID, StartedOn: info.GetStartTime().AsTime(), HistoryEvents: info.GetHistoryLength(),
		Source: FromQuery,
	}
	err = c.askSerializer(ctx, workflowID, protocol.StateQueryName, &state.SerializerState)
	if err == nil {
		return state, nil
	}
	p, err := c.pastInstead(ctx, workflowID, err)
	if err != nil {
		return state, err
	}
	state.SerializerState, state.Source = p.state(time.Now()), FromHistory
	return state, nil
}

// QueuePage is one page of a token's queue.
type QueuePage struct {
	protocol.ListReply
	// Source is FromQueue, or FromHistory where no worker answered.
	Source Source `json:"source"`
}

// Queue answers one page of a token's queued operations in order, without their
// data: those behind its head. offset is from 0, limit 1 to
// protocol.MaxListLimit, 0 for protocol.DefaultListLimit. Errors are those of
// Token.
func (c *Client) Queue(ctx context.Context, token string, offset, limit int) (QueuePage, error) {
	workflowID, err := serializerOf(token)
	if err != nil {
		return QueuePage{}, err
	}
	page, err := c.queueAt(ctx, workflowID, offset, limit)
	if isGone(err) {
		return page, noToken(token)
	}
	if err != nil {
		return page, fmt.Errorf("queue of token %q: %w", token, err)
	}
	return page, nil
}

// queueAt answers a page of the queue of the token with that serializer.
func (c *Client) queueAt(ctx context.Context, workflowID string, offset, limit int) (QueuePage, error) {
	if limit == 0 {
		limit = protocol.DefaultListLimit
	}
	page := QueuePage{Source: FromQueue}
	err := c.askSerializer(ctx, workflowID, protocol.ListQueryName, &page.ListReply, protocol.ListRequest{Offset: offset, Limit: limit})
	if err == nil {
		return page, nil
	}
	p, err := c.pastInstead(ctx, workflowID, err)
	if err != nil {
		return page, err
	}
	return QueuePage{ListReply: p.list(offset, limit, time.Now()), Source: FromHistory}, nil
}

// serializerOf is the workflow id of a token's serializer.
func serializerOf(token string) (string, error) {
	if token == "" {
		return "", &protocol.FieldError{Field: "dependencyToken", Problem: "is missing"}
	}
	return protocol.SerializerWorkflowID(token), protocol.ValidateToken(token)
}

func noToken(token string) error {
	return &protocol.Refusal{
		Type:       protocol.ErrTypeOperationNotFound,
		Message:    fmt.Sprintf("token %q is not known: nothing was submitted to it within the namespace's retention", token),
		WorkflowID: protocol.SerializerWorkflowID(token),
	}
}
