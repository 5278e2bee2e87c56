package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a submission.
const (
	// MaxBatchOperations is the most operations that one signal carries.
	MaxBatchOperations = 500
	// MaxBatchBytes is the most that one signal's operations take, encoded; a
	// larger operation travels alone.
	MaxBatchBytes = 256 << 10
	// DefaultMaxOperationBytes is the largest operation that clients send unless
	// they are configured otherwise.
	DefaultMaxOperationBytes = 64 << 10
	// MaxOperationBytes is the largest operation that a worker accepts, encoded.
	MaxOperationBytes = 256 << 10
)

// SplitSubmission takes a submit signal's argument apart: one operation object,
// an array of them, or {"operations":[…]}. The elements are not decoded yet, so
// that one bad one does not spoil the others.
func SplitSubmission(payload []byte) ([]json.RawMessage, error) {
	if !utf8.Valid(payload) {
		return nil, errors.New("the submission is not valid UTF-8")
	}
	trimmed := bytes.TrimLeft(payload, " \t\r\n")
	if len(trimmed) == 0 {
		return nil, errors.New("the submission is empty: send one operation, an array, or {\"operations\":[…]}")
	}
	switch trimmed[0] {
	case '[':
		return splitArray(payload)
	case '{':
		return splitObject(payload)
	}
	return nil, fmt.Errorf("the submission is %s: send one operation, an array, or {\"operations\":[…]}", preview(trimmed))
}

func splitArray(payload []byte) ([]json.RawMessage, error) {
	var operations []json.RawMessage
	if err := json.Unmarshal(payload, &operations); err != nil {
		return nil, fmt.Errorf("the submission is not JSON: %w", err)
	}
	return operations, checkBatch(operations)
}

func splitObject(payload []byte) ([]json.RawMessage, error) {
	var batch struct {
		Operations *[]json.RawMessage `json:"operations"`
	}
	if err := json.Unmarshal(payload, &batch); err != nil {
		if !json.Valid(payload) {
			return nil, fmt.Errorf("the submission is not JSON: %w", err)
		}
		return nil, &FieldError{Field: "operations", Problem: "is not an array"}
	}
	if batch.Operations == nil {
		return []json.RawMessage{payload}, nil
	}
	return *batch.Operations, checkBatch(*batch.Operations)
}

func checkBatch(operations []json.RawMessage) error {
	if len(operations) > MaxBatchOperations {
		return fmt.Errorf("the submission has %d operations, the limit is %d", len(operations), MaxBatchOperations)
	}
	return nil
}

// fields reads each field that a caller may set, by its exact JSON name.
var fields = map[string]func(*Operation, []byte) error{
	"id":                  text(func(o *Operation) *string { return &o.ID }),
	"name":                text(func(o *Operation) *string { return &o.Name }),
	"operationType":       func(o *Operation, raw []byte) error { return o.OperationType.UnmarshalJSON(raw) },
	"dependencyToken":     text(func(o *Operation) *string { return &o.DependencyToken }),
	"postponeUntil":       instant(func(o *Operation) **time.Time { return &o.PostponeUntil }),
	"recurrencePattern":   text(func(o *Operation) *string { return &o.RecurrencePattern }),
	"recurrenceStartTime": instant(func(o *Operation) **time.Time { return &o.RecurrenceStartTime }),
	"data":                func(o *Operation, raw []byte) error { o.Data = raw; return nil },
	"messageName":         text(func(o *Operation) *string { return &o.MessageName }),
	"primaryEntityType":   text(func(o *Operation) *string { return &o.PrimaryEntityType }),
	"regardingObjectId":   text(func(o *Operation) *string { return &o.RegardingObjectID }),
	"ownerId":             text(func(o *Operation) *string { return &o.OwnerID }),
	"correlationId":       text(func(o *Operation) *string { return &o.CorrelationID }),
	"requestId":           text(func(o *Operation) *string { return &o.RequestID }),
	"depth":               integer(func(o *Operation) *int { return &o.Depth }),
	"priority":            integer(func(o *Operation) *int { return &o.Priority }),
	"fairnessKey":         text(func(o *Operation) *string { return &o.FairnessKey }),
	"deadline":            instant(func(o *Operation) **time.Time { return &o.Deadline }),
}

func text(field func(*Operation) *string) func(*Operation, []byte) error {
	return func(o *Operation, raw []byte) error {
		if json.Unmarshal(raw, field(o)) != nil {
			return errors.New("is not a string")
		}
		return nil
	}
}

func integer(field func(*Operation) *int) func(*Operation, []byte) error {
	return func(o *Operation, raw []byte) error {
		if json.Unmarshal(raw, field(o)) != nil {
			return errors.New("is not a whole number")
		}
		return nil
	}
}

func instant(field func(*Operation) **time.Time) func(*Operation, []byte) error {
	return func(o *Operation, raw []byte) error {
		var at time.Time
		if json.Unmarshal(raw, &at) != nil {
			return errors.New(`is not an RFC 3339 instant such as "2030-01-31T08:00:00Z"`)
		}
		at = at.UTC()
		*field(o) = &at
		return nil
	}
}

// refused are fields that a caller never sets, though a record has them
// (SPEC 1.2).
var refused = []string{"stateCode", "statusCode"}

// DecodeOperation reads one submitted operation and checks its forms and
// limits. Names are exact, null is absent. It answers the names that it does
// not know, sorted: a Go client refuses them with RefuseUnknown, a serializer
// only counts them, since a client may be newer than it (SPEC 1.3). The error
// names every field that is wrong; each is a *FieldError.
func DecodeOperation(raw []byte) (o Operation, unknown []string, err error) {
	if len(raw) > MaxOperationBytes {
		return o, nil, &FieldError{Field: "operation", Problem: fmt.Sprintf("has %d bytes, the limit is %d", len(raw), MaxOperationBytes)}
	}
	if !utf8.Valid(raw) {
		return o, nil, &FieldError{Field: "operation", Problem: "is not valid UTF-8"}
	}
	var sent map[string]json.RawMessage
	if err := json.Unmarshal(raw, &sent); err != nil || sent == nil {
		return o, nil, &FieldError{Field: "operation", Problem: "is not a JSON object", Value: preview(raw)}
	}
	unknown, problems := o.set(sent)
	if err := o.Validate(); err != nil {
		problems = append(problems, err)
	}
	return o, unknown, errors.Join(problems...)
}

// set copies the fields that were sent, in the order of their names.
func (o *Operation) set(sent map[string]json.RawMessage) (unknown []string, problems []error) {
	names := make([]string, 0, len(sent))
	for name := range sent {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		raw := sent[name]
		switch read, known := fields[name]; {
		case !known && contains(refused, name):
			problems = append(problems, &FieldError{Field: name, Value: preview(raw), Problem: "is set by the system only"})
		case !known:
			unknown = append(unknown, name)
		case string(raw) == "null":
		default:
			if err := read(o, raw); err != nil {
				problems = append(problems, &FieldError{Field: name, Value: preview(raw), Problem: err.Error()})
			}
		}
	}
	return unknown, problems
}

// RefuseUnknown turns the unknown names of DecodeOperation into an error that
// names them.
func RefuseUnknown(unknown []string) error {
	if len(unknown) == 0 {
		return nil
	}
	known := make([]string, 0, len(fields))
	for name := range fields {
		known = append(known, name)
	}
	sort.Strings(known)
	return &FieldError{
		Field:   strings.Join(unknown, ", "),
		Problem: "is not a field of an operation; known are " + strings.Join(known, ", "),
	}
}

func contains(list []string, wanted string) bool {
	for _, item := range list {
		if item == wanted {
			return true
		}
	}
	return false
}
