package opclient

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/seriatim-go/seriatim/protocol"
)

// Submit makes one operation durable and returns before it runs (SPEC 1.1). It
// fills in a UUIDv7 where the id is empty.
//
// Nothing is sent where the operation breaks a form or a limit
// (*protocol.FieldError for each field, joined), its type is not in the
// client's catalogue, or takes no token and has one (a *protocol.Refusal). One that
// recurs is started as a workflow of its own, whether or not it has a token, and
// its occurrences are submitted when they fall due (SPEC 7.3). Without a token
// the id of another operation is refused with ErrDuplicateID; with one the
// serializer decides that later. A request that may yet succeed is repeated for
// Options.RetryFor; then the error is ErrQueueFull, an *UnansweredError, or
// what the server said.
func (c *Client) Submit(ctx context.Context, o protocol.Operation) (handle *Handle, err error) {
	ctx, span := c.startSpan(ctx, "submit", o.Traceparent)
	defer func() { endSpan(span, err) }()
	e, err := c.prepare(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("submit%s: %w", named(o.ID), err)
	}
	describeSpan(span, e.operation)
	handle, err = c.send(ctx, ctx, []entry{e})
	if err != nil {
		return nil, fmt.Errorf("submit %q: %w", e.operation.ID, err)
	}
	return handle, nil
}

// named is the id in a sentence, where there is one.
func named(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf(" %q", id)
}

// entry is an operation that passed every check of the client's.
type entry struct {
	line      int
	operation protocol.Operation
	// encoded is what travels: a serializer knows its token, so it is left out.
	encoded json.RawMessage
}

// prepare checks an operation and encodes it.
func (c *Client) prepare(ctx context.Context, o protocol.Operation) (entry, error) {
	o.Traceparent = traceparent(ctx, o.Traceparent)
	if o.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return entry{}, fmt.Errorf("choose an id: %w", err)
		}
		o.ID = id.String()
	}
	if err := o.Validate(); err != nil {
		return entry{}, err
	}
	if err := refuseOccurrence(o.ID); err != nil {
		return entry{}, err
	}
	if c.options.Catalogue != nil {
		if err := c.options.Catalogue.CheckOperation(o); err != nil {
			return entry{}, err
		}
	}
	if err := c.options.Catalogue.CheckRecurring(o); err != nil {
		return entry{}, err
	}
	return c.encode(o)
}

func (c *Client) encode(o protocol.Operation) (entry, error) {
	sent := o
	sent.DependencyToken = ""
	encoded, err := json.Marshal(sent)
	if err != nil {
		return entry{}, fmt.Errorf("encode: %w", err)
	}
	if limit := c.options.MaxOperationBytes; len(encoded) > limit {
		if o.Traceparent != "" { // a trace never costs an operation
			o.Traceparent = ""
			return c.encode(o)
		}
		return entry{}, &protocol.FieldError{
			Field:   "operation",
			Problem: fmt.Sprintf("has %d bytes, encoded, the limit is %d; keep large payloads elsewhere and refer to them in data", len(encoded), limit),
		}
	}
	return entry{operation: o, encoded: encoded}, nil
}

// refuseOccurrence refuses an id that only the occurrences of a recurring
// operation have.
func refuseOccurrence(id string) error {
	recurrence, n, ok := protocol.ParseOccurrenceID(id)
	if !ok {
		return nil
	}
	return &protocol.FieldError{
		Field: "id", Value: fmt.Sprintf("%q", id),
		Problem: fmt.Sprintf("is that of occurrence %d of operation %q: choose another", n, recurrence),
	}
}
