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
}

// Token answers the state of a token: its head, how many wait, what it has
// counted, and the last submissions that it did not accept. A token with nothing
// to do answers its last state. ErrNotFound says that it has none; a
// *NoWorkerError that nobody answers.
func (c *Client) Token(ctx context.Context, token string) (TokenState, error) {
	workflowID, err := serializerOf(token)
	if err != nil {
		return TokenState{}, err
	}
	there, err := c.describe(ctx, workflowID)
	if isGone(err) {
		return TokenState{}, noToken(token)
	}
	if err != nil {
		return TokenState{}, fmt.Errorf("token %q: %w", token, err)
	}
	info := there.GetWorkflowExecutionInfo()
	state := TokenState{
		Running:    info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		WorkflowID: workflowID, StartedOn: info.GetStartTime().AsTime(), HistoryEvents: info.GetHistoryLength(),
	}
	if err := c.askSerializer(ctx, workflowID, protocol.StateQueryName, &state.SerializerState); err != nil {
		return state, fmt.Errorf("token %q: %w", token, err)
	}
	return state, nil
}

// Queue answers one page of a token's queued operations in order, without their
// data: those behind its head. offset is from 0, limit 1 to
// protocol.MaxListLimit, 0 for protocol.DefaultListLimit. Errors are those of
// Token.
func (c *Client) Queue(ctx context.Context, token string, offset, limit int) (protocol.ListReply, error) {
	workflowID, err := serializerOf(token)
	if err != nil {
		return protocol.ListReply{}, err
	}
	var reply protocol.ListReply
	err = c.askSerializer(ctx, workflowID, protocol.ListQueryName, &reply, protocol.ListRequest{Offset: offset, Limit: limit})
	if isGone(err) {
		return reply, noToken(token)
	}
	if err != nil {
		return reply, fmt.Errorf("queue of token %q: %w", token, err)
	}
	return reply, nil
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
