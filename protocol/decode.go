package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// batchName is the one name of an object that is a batch.
const batchName = "operations"

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

// splitObject tells a batch from an operation by the name "operations". One
// that could be read as both is refused: whichever reading was not meant would
// lose operations without a word.
func splitObject(payload []byte) ([]json.RawMessage, error) {
	members, ok := membersOf(payload)
	if !ok {
		return nil, errors.New("the submission is not JSON")
	}
	var batch json.RawMessage
	var operationField string
	for _, m := range members {
		switch {
		case m.name == batchName && batch != nil:
			return nil, &FieldError{Field: batchName, Problem: "is given twice"}
		case m.name == batchName && string(m.value) != "null":
			batch = m.value
		case fields[m.name] != nil && m.name != traceparentName:
			operationField = m.name
		}
	}
	switch {
	case batch == nil:
		return []json.RawMessage{payload}, nil
	case operationField != "":
		return nil, &FieldError{Field: batchName, Problem: fmt.Sprintf("stands beside %q: send one operation, or a batch", operationField)}
	case batch[0] != '[':
		return nil, &FieldError{Field: batchName, Problem: "is not an array", Value: preview(batch)}
	}
	return splitArray(batch)
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
	traceparentName:       readTraceparent,
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
		if problem := ambiguity(raw); problem != "" {
			return errors.New(problem)
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
// limits. Names are exact, null is absent, and a name that comes twice is
// refused. It answers the names that it does not know, sorted: a Go client
// refuses them with RefuseUnknown, a serializer only counts them, since a
// client may be newer than it (SPEC 1.3). The error joins one *FieldError for
// each field that is wrong.
func DecodeOperation(raw []byte) (o Operation, unknown []string, err error) {
	if len(raw) > MaxOperationBytes {
		return o, nil, &FieldError{Field: "operation", Problem: fmt.Sprintf("has %d bytes, the limit is %d", len(raw), MaxOperationBytes)}
	}
	if !utf8.Valid(raw) {
		return o, nil, &FieldError{Field: "operation", Problem: "is not valid UTF-8"}
	}
	sent, ok := membersOf(raw)
	if !ok {
		return o, nil, &FieldError{Field: "operation", Problem: "is not a JSON object", Value: preview(raw)}
	}
	unknown, problems := o.set(sent)
	return o, unknown, join(append(problems, o.problems()...))
}

// set copies the fields that were sent, in the order of their names.
func (o *Operation) set(sent []member) (unknown []string, problems []*FieldError) {
	slices.SortStableFunc(sent, func(a, b member) int { return strings.Compare(a.name, b.name) })
	for i, m := range sent {
		switch read, known := fields[m.name]; {
		case i > 0 && sent[i-1].name == m.name:
			problems = append(problems, &FieldError{Field: shownName(m.name), Problem: "is given twice"})
		case !known && slices.Contains(refused, m.name):
			problems = append(problems, &FieldError{Field: m.name, Value: preview(m.value), Problem: "is set by the system only"})
		case !known:
			unknown = append(unknown, m.name)
		case string(m.value) == "null":
		default:
			if err := read(o, m.value); err != nil {
				problems = append(problems, &FieldError{Field: m.name, Value: preview(m.value), Problem: err.Error()})
			}
		}
	}
	return unknown, problems
}

// join makes one error of the first problem of each field, nil of none.
func join(problems []*FieldError) error {
	var errs []error
	named := make(map[string]bool, len(problems))
	for _, p := range problems {
		if !named[p.Field] {
			errs = append(errs, p)
		}
		named[p.Field] = true
	}
	return errors.Join(errs...)
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
	shown := make([]string, len(unknown))
	for i, name := range unknown {
		shown[i] = shownName(name)
	}
	return &FieldError{
		Field:   strings.Join(shown, ", "),
		Problem: "is not a field of an operation; known are " + strings.Join(known, ", "),
	}
}
