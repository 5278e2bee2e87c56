package opclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// Raised is an event that was raised.
type Raised struct {
	ID, WorkflowID string
	// Duplicate says that the same event had been raised before.
	Duplicate bool

	client *Client
}

// Raise makes an event durable and returns: one operation for each handler that
// is registered with the worker follows (SPEC 8.7), as soon as a worker is there,
// and no error in one of them is the caller's. It fills in a UUIDv7 where the id is
// empty.
//
// A handler that raises events says which operation caused them, so that they end
// when they go round in a loop, and are raised once however often it runs:
//
//	client.Raise(ctx, event.CausedBy(request.Operation))
//
// Nothing is sent where the event breaks a form or a limit (*protocol.FieldError
// for each field, joined). ErrDuplicateID says that another event has the id. Other
// errors are those of Submit.
func (c *Client) Raise(ctx context.Context, e protocol.Event) (raised *Raised, err error) {
	ctx, span := c.startSpan(ctx, "raise", e.Traceparent)
	defer func() { endSpan(span, err) }()
	e.Traceparent = traceparent(ctx, e.Traceparent)
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("choose an id: %w", err)
		}
		e.ID = id.String()
	}
	raised = &Raised{ID: e.ID, WorkflowID: protocol.EventWorkflowID(e.ID), client: c}
	err = c.checkEvent(e)
	if err != nil && e.Traceparent != "" { // a trace never costs an event
		e.Traceparent = ""
		err = c.checkEvent(e)
	}
	if err == nil {
		err = c.retry(ctx, ctx, func(ctx context.Context) error { return c.raiseOnce(ctx, e) })
	}
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &started) {
		raised.Duplicate = true
		err = c.retry(ctx, ctx, func(ctx context.Context) error { return c.checkRaised(ctx, e) })
	}
	if err != nil {
		return nil, fmt.Errorf("raise event %q: %w", e.ID, err)
	}
	return raised, nil
}

func (c *Client) checkEvent(e protocol.Event) error {
	if err := e.Validate(); err != nil {
		return err
	}
	encoded, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if limit := min(c.options.MaxOperationBytes, protocol.MaxEventBytes); len(encoded) > limit {
		return &protocol.FieldError{Field: "event", Problem: fmt.Sprintf("has %d bytes, encoded, the limit is %d; keep large payloads elsewhere and refer to them in data", len(encoded), limit)}
	}
	return nil
}

func (c *Client) raiseOnce(ctx context.Context, e protocol.Event) error {
	_, err := c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       protocol.EventWorkflowID(e.ID),
		TaskQueue:                                c.options.TaskQueue,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     map[string]any{protocol.ContentHashMemo: e.ContentHash()},
		StaticSummary:                            summary(strings.TrimSpace(e.MessageName + " " + e.PrimaryEntityType + " " + e.RegardingObjectID)),
	}, protocol.EventWorkflow, e)
	return err
}

// checkRaised compares an event with the one that has its id. Where that one left
// no hash, the id alone decides.
func (c *Client) checkRaised(ctx context.Context, e protocol.Event) error {
	there, err := c.describe(ctx, protocol.EventWorkflowID(e.ID))
	if err != nil {
		return err
	}
	hash := c.memoString(there.GetWorkflowExecutionInfo().GetMemo(), protocol.ContentHashMemo)
	if hash == "" || hash == e.ContentHash() {
		return nil
	}
	return &protocol.Refusal{
		Type: protocol.ErrTypeDuplicateID, OperationID: e.ID, WorkflowID: protocol.EventWorkflowID(e.ID),
		Message: fmt.Sprintf("another event has the id %q: it was raised with other content", e.ID),
	}
}

// Wait waits until an operation was submitted for each handler, and answers which;
// a worker has to be there. It waits on while the server does not answer: give ctx a
// deadline to give up. Where one could not be, EventHandled.Error says why. A
// *protocol.Refusal is that of an event that the worker does not take.
func (r *Raised) Wait(ctx context.Context) (outcome protocol.EventOutcome, err error) {
	err = r.client.persist(ctx, func() error {
		return r.client.temporal.GetWorkflow(ctx, r.WorkflowID, "").Get(ctx, &outcome)
	})
	var failed *temporal.ApplicationError
	switch {
	case err == nil:
		return outcome, nil
	case !errors.As(err, &failed):
	case failed.Type() == protocol.ErrTypeEventIncomplete && failed.Details(&outcome) == nil:
		return outcome, nil
	case failed.Type() == protocol.ErrTypeInvalidOperation:
		var refusal protocol.Refusal
		if failed.Details(&refusal) == nil {
			err = &refusal
		}
	}
	return outcome, fmt.Errorf("wait for event %q: %w", r.ID, err)
}

// CountOpen is how many operations of a type have started and are not Completed,
// as the server's index has it; those that queue are not among them. It needs our
// search attributes in the namespace.
func (c *Client) CountOpen(ctx context.Context, kind protocol.TypeRef) (int64, error) {
	clauses, err := Filter{Type: string(kind), open: true}.clauses(c.options.AttributeNames)
	if err != nil {
		return 0, err
	}
	query, _, err := visibilityQuery(clauses, true)
	if err != nil {
		return 0, err
	}
	counted, err := c.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: c.options.Namespace, Query: query})
	if err != nil {
		return 0, fmt.Errorf("count operations of type %q: %w", kind, err)
	}
	return counted.GetCount(), nil
}
