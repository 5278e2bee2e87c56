package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// Typed is a handler that takes the operation's data as a T. Data that is not
// one ends the operation Failed with code 80044304, and the message names each
// field that is wrong and its value; a field that T does not have is refused by
// name (SPEC 3.3). Absent data and null are the zero T.
func Typed[T any](handle func(ctx context.Context, r Request, data T) protocol.Outcome) Handler {
	return HandlerFunc(func(ctx context.Context, r Request) protocol.Outcome {
		data, err := decode[T](r.Operation.Data)
		if err != nil {
			return unreadable(err)
		}
		return handle(ctx, r, data)
	})
}

// unreadable is the outcome for data that a handler cannot work with.
func unreadable(err error) protocol.Outcome {
	return protocol.Failure(string(protocol.CodePayloadUnreadable), err.Error()).
		WithFriendly("The operation's data cannot be used. Correct it and submit it as a new operation.")
}

// decode reads data strictly. The error joins one *protocol.FieldError for each
// field that is wrong.
func decode[T any](raw json.RawMessage) (data T, err error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return data, nil
	}
	if err := decodeStrictly(raw, &data); err != nil {
		return data, blame(raw, err, func(part []byte) error {
			var probe T
			return decodeStrictly(part, &probe)
		})
	}
	return data, nil
}

func decodeStrictly(raw []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// blame finds the fields that cause the error by reading each one alone: the
// decoder's own error names only the first, and never the value.
func blame(raw []byte, whole error, read func([]byte) error) error {
	var sent map[string]json.RawMessage
	if json.Unmarshal(raw, &sent) != nil {
		return &protocol.FieldError{Field: "data", Value: preview(raw), Problem: decodeProblem(whole)}
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		part, err := json.Marshal(map[string]json.RawMessage{name: sent[name]})
		if err != nil {
			continue
		}
		if err := read(part); err != nil {
			problems = append(problems, &protocol.FieldError{
				Field: "data." + name, Value: preview(sent[name]), Problem: decodeProblem(err),
			})
		}
	}
	if len(problems) == 0 {
		return &protocol.FieldError{Field: "data", Value: preview(raw), Problem: decodeProblem(whole)}
	}
	return errors.Join(problems...)
}

// decodeProblem says what is wrong in JSON's words rather than Go's.
func decodeProblem(err error) string {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		found, _, _ := strings.Cut(mismatch.Value, " ")
		return fmt.Sprintf("is a JSON %s where %s is expected", found, jsonKind(mismatch.Type))
	}
	problem := strings.TrimPrefix(err.Error(), "json: ")
	if strings.HasPrefix(problem, "unknown field ") {
		return problem
	}
	return "cannot be read: " + problem
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

// preview shows at most 64 bytes of a value.
func preview(raw []byte) string {
	const limit = 64
	if len(raw) <= limit {
		return strings.ToValidUTF8(string(raw), "\uFFFD")
	}
	return fmt.Sprintf("%s… (%d bytes)", cut(string(raw), limit), len(raw))
}
