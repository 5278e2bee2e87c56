package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fieldErrors takes an error of DecodeOperation or Validate apart.
func fieldErrors(t require.TestingT, err error) (problems []*FieldError) {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		var one *FieldError
		require.ErrorAs(t, err, &one)
		return []*FieldError{one}
	}
	for _, each := range joined.Unwrap() {
		var one *FieldError
		require.ErrorAs(t, each, &one)
		problems = append(problems, one)
	}
	return problems
}

// refusedField asserts that exactly one field is refused and answers its error.
func refusedField(t *testing.T, err error, field string) string {
	t.Helper()
	problems := fieldErrors(t, err)
	require.Len(t, problems, 1, "%v", err)
	require.Equal(t, field, problems[0].Field)
	return problems[0].Error()
}

// with is a good operation with one more field, as a client would write it.
func with(t *testing.T, field string, value any) []byte {
	t.Helper()
	members := map[string]any{"operationType": "http.request"}
	members[field] = value
	encoded, err := json.Marshal(members)
	require.NoError(t, err)
	return encoded
}

func decode(raw string) (Operation, error) {
	o, _, err := DecodeOperation([]byte(raw))
	return o, err
}

// SPEC 1.2: 256 KiB is what a worker takes.
func TestOperationsAreAcceptedAtTheirLimitAndRefusedBeyond(t *testing.T) {
	t.Parallel()
	head, tail := `{"operationType":"a","data":"`, `"}`
	fill := strings.Repeat("x", 256<<10-len(head)-len(tail))
	_, err := decode(head + fill + tail)
	require.NoError(t, err)
	_, err = decode(head + fill + "x" + tail)
	require.Contains(t, refusedField(t, err, "operation"), "has 262145 bytes, the limit is 262144")
}

func TestWhatIsNoObjectIsRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)
	for _, raw := range []string{"", "null", "7", `"x"`, "[]", "{", `{"a":1}{}`, `{"a":1},`, "\ufeff{}", `{"operationType":"a","data":` + deep + `}`, `{a:1}`, `{"a":NaN}`} {
		_, err := decode(raw)
		require.Contains(t, refusedField(t, err, "operation"), "is not a JSON object", "%.20q", raw)
	}
}

// SPEC 1.3
func TestUnknownFieldsAreNamed(t *testing.T) {
	t.Parallel()
	o, unknown, err := DecodeOperation([]byte(`{"operationType":"a","ID":"A","zebra":null,"name":"n","Operationtype":"b","":1}`))
	require.NoError(t, err, "a raw signal's are ignored")
	require.Equal(t, []string{"", "ID", "Operationtype", "zebra"}, unknown, "names are exact")
	require.Equal(t, Operation{OperationType: "a", Name: "n"}, o)
	require.NoError(t, RefuseUnknown(nil))
	message := RefuseUnknown(unknown).Error()
	require.Contains(t, message, `"", ID, Operationtype, zebra: is not a field of an operation; known are correlationId, data, deadline, dependencyToken,`)
	for name := range fields {
		require.Contains(t, message, name)
	}
	require.NotContains(t, RefuseUnknown([]string{"\x1b[31m" + strings.Repeat("x", 1000)}).Error(), "\x1b")
	require.Less(t, len(RefuseUnknown([]string{strings.Repeat("x", 1000)}).Error()), 600)
}

// SPEC 1.2: every field of Operation can be submitted, and nothing else.
func TestKnownFieldsAreThoseOfOperation(t *testing.T) {
	t.Parallel()
	var names, known []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Operation]()) {
		names = append(names, jsonName(f))
	}
	for name := range fields {
		known = append(known, name)
	}
	require.ElementsMatch(t, names, known)
	encoded, err := json.Marshal(fullOperation())
	require.NoError(t, err)
	o, unknown, err := DecodeOperation(encoded)
	require.NoError(t, err)
	require.Empty(t, unknown)
	require.Equal(t, fullOperation(), o, "each is read into its own place")
}

// SPEC 1.2: the system sets them.
func TestStatesAreRefused(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"stateCode", "statusCode"} {
		for _, value := range []any{0, 3, "Completed", nil} {
			_, _, err := DecodeOperation(with(t, field, value))
			require.Contains(t, refusedField(t, err, field), "is set by the system only")
		}
	}
}

func TestNullIsAbsent(t *testing.T) {
	t.Parallel()
	absent, err := decode(`{"operationType":"a"}`)
	require.NoError(t, err)
	for name := range fields {
		if name == "operationType" {
			continue
		}
		o, err := decode(fmt.Sprintf(`{"operationType":"a",%q: null }`, name))
		require.NoError(t, err)
		require.Equal(t, absent, o, name)
	}
	require.Equal(t, absent.ContentHash(), Operation{OperationType: "a", Data: json.RawMessage(" null\n")}.ContentHash())
}

// Of two values one reader takes the first and another the last.
func TestRepeatedNamesAreRefused(t *testing.T) {
	t.Parallel()
	for raw, field := range map[string]string{
		`{"operationType":"a","id":"x","id":"y"}`:                      "id",
		`{"operationType":"a","id":"x","id":"x"}`:                      "id",
		`{"operationType":"a","id":null,"\u0069d":"y"}`:                "id",
		`{"operationType":"a","operationType":"b"}`:                    "operationType",
		`{"operationType":"a","data":1,"name":"n","data":null}`:        "data",
		`{"operationType":"a","unknown":1,"unknown":2}`:                "unknown",
		`{"operationType":"a","data":{"x":1,"x":1}}`:                   "data",
		`{"operationType":"a","data":[[{"y":{"x":1,"z":[],"x":{}}}]]}`: "data",
		`{"operationType":"a","data":{"\ud83d\ude80":1,"🚀":1}}`:        "data",
	} {
		_, err := decode(raw)
		require.Contains(t, refusedField(t, err, field), "twice", raw)
	}
	for _, raw := range []string{
		`{"operationType":"a","data":[{"x":1},{"x":1}]}`,
		`{"operationType":"a","data":{"x":{"x":{"x":"x"}},"X":1,"id":2,"operationType":3}}`,
		`{"operationType":"a","data":["x","x"]}`,
	} {
		_, err := decode(raw)
		require.NoError(t, err, raw)
	}
}

// hasRepeat finds a repeated name by the decoder's own tokens, as slowly as
// that is.
func hasRepeat(t require.TestingT, decoder *json.Decoder) bool {
	token, err := decoder.Token()
	require.NoError(t, err)
	open, nested := token.(json.Delim)
	if !nested {
		return false
	}
	seen := make(map[any]bool)
	repeated := false
	for decoder.More() {
		if open == '{' {
			name, err := decoder.Token()
			require.NoError(t, err)
			repeated = repeated || seen[name]
			seen[name] = true
		}
		repeated = hasRepeat(t, decoder) || repeated
	}
	_, err = decoder.Token()
	require.NoError(t, err)
	return repeated
}

func TestRepeatedNamesAreFoundAsTheDecoderReadsThem(t *testing.T) {
	t.Parallel()
	word := rapid.SampledFrom([]string{`""`, `"a"`, `"b"`, `"\u0061"`, `"\""`, `"\\"`, `"{"`, `"}\":"`, `"a:"`, `"🚀"`, `"\ud83d\ude80"`, `"c"`, `"d"`})
	space := rapid.SampledFrom([]string{"", " ", "\n\t"})
	var draw func(t *rapid.T, depth int) string
	draw = func(t *rapid.T, depth int) string {
		kind := rapid.IntRange(0, 3).Draw(t, "kind")
		if kind < 2 || depth > 4 {
			return rapid.OneOf(word, rapid.SampledFrom([]string{"1", "null", "-1.5e3"})).Draw(t, "scalar")
		}
		var parts []string
		for range rapid.IntRange(0, 4).Draw(t, "length") {
			part := draw(t, depth+1)
			if kind == 2 {
				part = word.Draw(t, "name") + space.Draw(t, "before") + ":" + space.Draw(t, "after") + part
			}
			parts = append(parts, space.Draw(t, "space")+part)
		}
		text := strings.Join(parts, ",") + space.Draw(t, "end")
		if kind == 2 {
			return "{" + text + "}"
		}
		return "[" + text + "]"
	}
	rapid.Check(t, func(t *rapid.T) {
		text := draw(t, 0)
		require.True(t, json.Valid([]byte(text)), text)
		_, found := repeatedName(text)
		require.Equal(t, hasRepeat(t, json.NewDecoder(strings.NewReader(text))), found, text)
	})
}

func TestEveryWrongFieldIsNamedOnce(t *testing.T) {
	t.Parallel()
	_, err := decode(`{"operationType":7.5,"name":1,"depth":-1,"stateCode":3,"priority":9,"id":"a\u0000","fairnessKey":"` + strings.Repeat("x", 65) + `"}`)
	named := make(map[string]int)
	for _, problem := range fieldErrors(t, err) {
		named[problem.Field]++
	}
	require.Equal(t, map[string]int{"operationType": 1, "name": 1, "depth": 1, "stateCode": 1, "priority": 1, "id": 1, "fairnessKey": 1}, named)
}

// What a submitter wrote is shown to people, so it must not act on a terminal.
func TestErrorsHoldNoControlCharacters(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`{"operationType":"a","name":"\u001b[31m\u0085"}`,
		"{\"operationType\":\"a\",\"name\":[\"\u0085\u202e\"]}",
		`{"operationType":"a","\u001b[31m":1,"\u001b[31m":1}`,
		"[\"\u009b\",\n\t1]",
	} {
		_, err := decode(raw)
		for _, problem := range fieldErrors(t, err) {
			require.Equal(t, -1, strings.IndexFunc(problem.Error(), unicode.IsControl), "%q", problem.Error())
			require.NotContains(t, problem.Error(), "\u202e")
		}
	}
	_, err := SplitSubmission([]byte("\"\u009b\""))
	require.NotContains(t, err.Error(), "\u009b")
}

func FuzzDecodeOperation(f *testing.F) {
	encoded, err := json.Marshal(fullOperation())
	require.NoError(f, err)
	f.Add(encoded)
	for _, seed := range []string{
		`{"operationType":"a"}`, `{"operationType":100100,"data":{"a":[1,{"a":1.0}]}}`, `{"id":"x","id":"y"}`, `{"name":"\ud83d\ude80"}`,
		`{"name":"\ud800"}`, `{"operationType":"a","data":{"x":1,"x":1}}`, `{"stateCode":1}`, `{"ID":1}`, `[]`, `{"deadline":"9999-12-31T23:59:59-01:00"}`,
		`{"operationType":"a","data":"<>&\u2028"}`, `{"operationType":"a","dependencyToken":null,"depth":1e2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, unknown, err := DecodeOperation(raw)
		named := make(map[string]bool)
		for _, problem := range fieldErrors(t, err) {
			require.False(t, named[problem.Field], "%s is named twice", problem.Field)
			named[problem.Field] = true
			require.True(t, utf8.ValidString(problem.Error()))
			require.Equal(t, -1, strings.IndexFunc(problem.Error(), unicode.IsControl), "%q", problem.Error())
			require.Less(t, len(problem.Error()), 1000)
		}
		if err != nil {
			return
		}
		require.NoError(t, o.Validate())
		require.Len(t, o.ContentHash(), 64)
		again, err := json.Marshal(o)
		require.NoError(t, err)
		if len(again) > MaxOperationBytes {
			return // escaping made it longer
		}
		read, none, err := DecodeOperation(again)
		require.NoError(t, err)
		require.Empty(t, none)
		require.Equal(t, o.ContentHash(), read.ContentHash(), "what was written is what was read")
		for _, name := range unknown {
			require.NotContains(t, fields, name)
		}
	})
}
