package protocol

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of events.
const (
	// MaxEventIDBytes and MaxEventHandlerBytes keep the ids of an event's operations
	// within MaxIDBytes.
	MaxEventIDBytes      = 64
	MaxEventHandlerBytes = 60
	// MaxEventBytes is the largest event that a worker takes, encoded: the operations
	// that it becomes say a little more.
	MaxEventBytes = MaxOperationBytes - 4<<10
)

// Event is something that happened to a record, as a client raises it: the start
// input of an Event workflow. Each handler that is registered for it becomes one
// operation, with these fields and this data (SPEC 8.7). Limits are those of an
// Operation's fields.
type Event struct {
	// ID makes raising it again harmless, at most 64 bytes. The Go client fills in a
	// UUIDv7; in a raw start it is that of the workflow.
	ID string `json:"id,omitempty"`
	// MessageName is what happened, such as "update".
	MessageName string `json:"messageName"`
	// PrimaryEntityType is the kind of record, RegardingObjectID the record.
	PrimaryEntityType string `json:"primaryEntityType,omitempty"`
	RegardingObjectID string `json:"regardingObjectId,omitempty"`
	// Data is what the handlers get, any JSON.
	Data json.RawMessage `json:"data,omitempty"`
	// OwnerID and RequestID are handed on.
	OwnerID   string `json:"ownerId,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	// Traceparent is that of the operations, as an Operation's.
	Traceparent string `json:"traceparent,omitempty"`
	// CorrelationID ties what causes each other; the event's id where it has none.
	// Depth is that of the operations that the event becomes; see CausedBy.
	CorrelationID string `json:"correlationId,omitempty"`
	Depth         int    `json:"depth,omitempty"`
}

// eventFields are the names of an event's fields. Each is an operation's too.
var eventFields = []string{
	"id", "messageName", "primaryEntityType", "regardingObjectId", "data", "ownerId", "requestId", "correlationId", "traceparent", "depth",
}

// eventType is the key of the original's type 1; a handler's type is below it.
const eventType = "event"

// EventTypeKey is the key of the type of a registered handler's operations.
func EventTypeKey(handler string) string { return eventType + "." + handler }

// EventHandlerOf is the handler whose type that is; ok is false for the type of no
// handler.
func EventHandlerOf(ref TypeRef) (handler string, ok bool) {
	return strings.CutPrefix(string(ref), eventType+".")
}

// EventOperationID is the id of the operation that an event becomes for a handler:
// the same whenever it is raised again, and of no other.
func EventOperationID(eventID, handler string) string { return eventID + "~" + handler }

// Operation is the operation that the event becomes for a handler, without a type
// and a token.
func (e Event) Operation(handler string) Operation {
	o := e.fields()
	o.ID = EventOperationID(e.ID, handler)
	o.CorrelationID = cmp.Or(e.CorrelationID, e.ID)
	what := strings.TrimSpace(e.MessageName + " " + e.PrimaryEntityType)
	if name := handler + ": " + what; utf8.RuneCountInString(name) <= MaxNameChars {
		o.Name = name
	}
	return o
}

func (e Event) fields() Operation {
	return Operation{
		ID: e.ID, MessageName: e.MessageName, PrimaryEntityType: e.PrimaryEntityType, RegardingObjectID: e.RegardingObjectID,
		Data: e.Data, OwnerID: e.OwnerID, RequestID: e.RequestID, CorrelationID: e.CorrelationID, Traceparent: e.Traceparent, Depth: e.Depth,
		OperationType: eventType,
	}
}

// Validate checks every form and limit that the event alone can break. The error
// joins one *FieldError per field.
func (e Event) Validate() error { return join(e.problems()) }

func (e Event) problems() []*FieldError {
	problems := e.fields().problems()
	if e.MessageName == "" {
		problems = append(problems, &FieldError{Field: "messageName", Problem: "is missing: say what happened"})
	}
	if n := len(e.ID); n > MaxEventIDBytes {
		problems = slices.Insert(problems, 0, &FieldError{Field: "id", Value: quoted(e.ID), Problem: fmt.Sprintf("has %d bytes, the limit is %d", n, MaxEventIDBytes)})
	}
	return problems
}

// DecodeEvent reads an event and checks its forms and limits, as strictly as
// DecodeOperation does; it answers the names that it does not know, sorted.
func DecodeEvent(raw []byte) (e Event, unknown []string, err error) {
	if len(raw) > MaxEventBytes {
		return e, nil, &FieldError{Field: "event", Problem: fmt.Sprintf("has %d bytes, the limit is %d", len(raw), MaxEventBytes)}
	}
	if !utf8.Valid(raw) {
		return e, nil, &FieldError{Field: "event", Problem: "is not valid UTF-8"}
	}
	sent, ok := membersOf(raw)
	if !ok {
		return e, nil, &FieldError{Field: "event", Problem: "is not a JSON object", Value: preview(raw)}
	}
	sent = slices.DeleteFunc(sent, func(m member) bool {
		if known := slices.Contains(eventFields, m.name); known {
			return false
		}
		unknown = append(unknown, m.name)
		return true
	})
	slices.Sort(unknown)
	var o Operation
	_, problems := o.set(sent)
	e = Event{
		ID: o.ID, MessageName: o.MessageName, PrimaryEntityType: o.PrimaryEntityType, RegardingObjectID: o.RegardingObjectID,
		Data: o.Data, OwnerID: o.OwnerID, RequestID: o.RequestID, CorrelationID: o.CorrelationID, Traceparent: o.Traceparent, Depth: o.Depth,
	}
	return e, unknown, join(append(problems, e.problems()...))
}

// ContentHash is the SHA-256 of the event as Operation.ContentHash has it: a repeat
// is told from another event with the same id by it.
func (e Event) ContentHash() string { return e.fields().ContentHash() }

// CausedBy is the event as one that cause raises, in its handler: its operations
// are one deeper, so that events that cause each other in a loop end (SPEC 6.6), and
// of the same correlation. An event without an id gets one of cause, message,
// entity and record: a handler that runs again raises nothing twice.
func (e Event) CausedBy(cause Operation) Event {
	e.Depth = max(e.Depth, cause.Depth+1)
	e.CorrelationID = cmp.Or(e.CorrelationID, cause.CorrelationID, cause.ID)
	if e.ID == "" {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", cause.ID, e.MessageName, e.PrimaryEntityType, e.RegardingObjectID))
		e.ID = hex.EncodeToString(sum[:16])
	}
	return e
}

// EventOutcome is what became of an event: the result of its workflow, and where
// that failed with ErrTypeEventIncomplete, the details of its failure.
type EventOutcome struct {
	// Handlers are those that were registered for it, in the order of the
	// configuration.
	Handlers []EventHandled `json:"handlers"`
}

// EventHandled is what an event became for one handler.
type EventHandled struct {
	Handler string `json:"handler"`
	// Operation is what was submitted; Error says why nothing was.
	Operation *Handle `json:"operation,omitempty"`
	Error     string  `json:"error,omitempty"`
}
