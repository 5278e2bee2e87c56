package catalogue

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// EventHandler is a handler that is registered for events (SPEC 8.7): each event
// that it matches becomes one operation for it. The operation is of a type of the
// handler's own, "event." and its name, which Binding runs, or of Type.
type EventHandler struct {
	// Name is unique and of a key's form, at most protocol.MaxEventHandlerBytes.
	Name string `json:"name"`
	// MessageName and PrimaryEntityType are those that it is for, exactly; "" is
	// any.
	MessageName       string `json:"messageName,omitempty"`
	PrimaryEntityType string `json:"primaryEntityType,omitempty"`
	// DependencyToken makes the operations' token from the event, such as
	// "account-{regardingObjectId}"; "" is none, and then they have no order. In
	// braces stands a field of the event, or data. and a name of its data.
	DependencyToken string `json:"dependencyToken,omitempty"`
	// Type is an operation type that the catalogue has otherwise, by key or number;
	// "" is one of the handler's own.
	Type protocol.TypeRef `json:"type,omitempty"`
	// Binding says what runs it, where Type is empty.
	Binding Binding `json:"-"`
}

// WithEvents is the catalogue with these handlers too. The error names every
// handler that is wrong.
func (c *Catalogue) WithEvents(handlers ...EventHandler) (*Catalogue, error) {
	types := c.Types()
	names := make(map[string]bool, len(handlers))
	var problems []error
	for _, h := range handlers {
		err := h.validate(c)
		if names[h.Name] {
			err = errors.Join(err, errors.New("name: is taken by another handler"))
		}
		names[h.Name] = true
		if err != nil {
			problems = append(problems, fmt.Errorf("handler %q: %w", h.Name, err))
		} else if h.Type == "" {
			types = append(types, h.ownType())
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	with := &Catalogue{byRef: make(map[protocol.TypeRef]int, 2*len(types)), events: slices.Clone(handlers)}
	for _, t := range types {
		if err := with.add(t); err != nil {
			return nil, err
		}
	}
	return with, nil
}

// ownType is a handler's type of its own: one of the original's type 1, which
// takes no token unless the registration asks for one.
func (h EventHandler) ownType() Type {
	t := Type{Key: protocol.EventTypeKey(h.Name), Number: EventNumber, Label: "Event handler " + h.Name, Binding: h.Binding}
	if h.DependencyToken == "" {
		t.Restrictions = protocol.Restrictions{protocol.NoToken}
	}
	return t.WithDefaults()
}

func (h EventHandler) validate(c *Catalogue) error {
	probe := protocol.Event{MessageName: cmp.Or(h.MessageName, "any"), PrimaryEntityType: h.PrimaryEntityType}
	if err := (protocol.Operation{OperationType: protocol.TypeRef(h.Name)}).Validate(); err != nil ||
		len(h.Name) > protocol.MaxEventHandlerBytes || strings.Trim(h.Name, "0123456789") == "" {
		return fmt.Errorf("name: %q is not lower-case words with dots of at most %d bytes", h.Name, protocol.MaxEventHandlerBytes)
	}
	if err := probe.Validate(); err != nil {
		return err
	}
	if _, err := parseTemplate(h.DependencyToken); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if h.Type == "" {
		return h.ownType().Binding.validate()
	}
	if h.Binding.Activity != "" || h.Binding.RunsWorkflow() {
		return fmt.Errorf("type: %q is given beside what runs it: give one of them", h.Type)
	}
	if err := c.Check(h.Type); err != nil {
		return fmt.Errorf("type: %w", err)
	}
	if t, _ := c.Lookup(h.Type); h.DependencyToken != "" && t.Restrictions.Has(protocol.NoToken) {
		return fmt.Errorf("token: type %q takes none: %s", t.Key, AllowTokenHint)
	}
	return nil
}

// Key is the key or number of the type of its operations.
func (h EventHandler) Key() protocol.TypeRef {
	if h.Type != "" {
		return h.Type
	}
	return protocol.TypeRef(protocol.EventTypeKey(h.Name))
}

// Events are the handlers that are registered, in the order of configuration.
func (c *Catalogue) Events() []EventHandler {
	if c == nil {
		return nil
	}
	return slices.Clone(c.events)
}

// HandlersOf are the handlers that an event is for, in the order of configuration.
func (c *Catalogue) HandlersOf(e protocol.Event) (matching []EventHandler) {
	for _, h := range c.Events() {
		if (h.MessageName == "" || h.MessageName == e.MessageName) &&
			(h.PrimaryEntityType == "" || h.PrimaryEntityType == e.PrimaryEntityType) {
			matching = append(matching, h)
		}
	}
	return matching
}

// Operation is what the event becomes for this handler. The error says what the
// token lacks, or which field of it is outside its limit.
func (h EventHandler) Operation(e protocol.Event) (protocol.Operation, error) {
	o := e.Operation(h.Name)
	o.OperationType = h.Key()
	template, err := parseTemplate(h.DependencyToken)
	if err != nil {
		return o, err
	}
	if o.DependencyToken, err = template.expand(e); err != nil {
		return o, fmt.Errorf("dependencyToken: %w", err)
	}
	return o, o.Validate()
}

// template is text with fields of an event between it.
type template []part

type part struct{ text, field string }

// eventValues are the fields that a template may name.
var eventValues = map[string]func(protocol.Event) string{
	"messageName":       func(e protocol.Event) string { return e.MessageName },
	"primaryEntityType": func(e protocol.Event) string { return e.PrimaryEntityType },
	"regardingObjectId": func(e protocol.Event) string { return e.RegardingObjectID },
	"ownerId":           func(e protocol.Event) string { return e.OwnerID },
	"requestId":         func(e protocol.Event) string { return e.RequestID },
	"correlationId":     func(e protocol.Event) string { return e.CorrelationID },
}

// dataField begins the name of a member of an event's data.
const dataField = "data."

func parseTemplate(text string) (t template, err error) {
	for text != "" {
		before, rest, open := strings.Cut(text, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("%q has a brace that closes nothing", text)
		}
		t = append(t, part{text: before})
		if !open {
			break
		}
		field, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("%q has a brace that is not closed", text)
		}
		if _, known := eventValues[field]; !known && (!strings.HasPrefix(field, dataField) || field == dataField) {
			return nil, fmt.Errorf("{%s} is not a field of an event: name messageName, primaryEntityType, regardingObjectId, ownerId, requestId, correlationId, or data. and a name", field)
		}
		t, text = append(t, part{field: field}), after
	}
	return t, nil
}

// expand fills the event's values in. One that is empty is an error: records
// without it would all share a token.
func (t template) expand(e protocol.Event) (string, error) {
	var b strings.Builder
	for _, p := range t {
		value := p.text
		if p.field != "" {
			if value = p.value(e); value == "" {
				return "", fmt.Errorf("{%s} is empty, or no plain value", p.field)
			}
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// value is the field's value; empty where it is not there, or is no string, number
// or truth value.
func (p part) value(e protocol.Event) string {
	if of, known := eventValues[p.field]; known {
		return of(e)
	}
	var data map[string]json.RawMessage
	if json.Unmarshal(e.Data, &data) != nil {
		return ""
	}
	raw := data[strings.TrimPrefix(p.field, dataField)]
	var text string
	switch {
	case json.Unmarshal(raw, &text) == nil:
		return text
	case len(raw) == 0, raw[0] == '{', raw[0] == '[':
		return ""
	}
	return string(raw)
}
