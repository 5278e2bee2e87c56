package protocol

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func hashOf(t require.TestingT, raw string) string {
	o, _, err := DecodeOperation([]byte(raw))
	require.NoError(t, err)
	hash := o.ContentHash()
	require.Len(t, hash, 64)
	return hash
}

// SPEC 1.2: the same content, however it is written, is a duplicate.
func TestContentHashIsCanonical(t *testing.T) {
	t.Parallel()
	plain := hashOf(t, `{"id":"a","operationType":"100100","data":{"x":[1,2],"y":"ø<&>🚀"},"deadline":"2030-01-31T08:00:00Z"}`)
	for what, raw := range map[string]string{
		"the order of names":        `{"deadline":"2030-01-31T08:00:00Z","data":{"y":"ø<&>🚀","x":[1,2]},"operationType":"100100","id":"a"}`,
		"white space":               "\n{ \"id\" : \"a\", \"operationType\":\"100100\",\"data\": {\"x\":[ 1,\t2 ],\r\n\"y\":\"ø<&>🚀\"},\"deadline\":\"2030-01-31T08:00:00Z\" }",
		"the time zone":             `{"id":"a","operationType":"100100","data":{"x":[1,2],"y":"ø<&>🚀"},"deadline":"2030-01-31T13:45:00.000+05:45"}`,
		"escapes":                   `{"id":"\u0061","operationType":"100100","data":{"\u0078":[1,2],"y":"\u00f8\u003c\u0026\u003e\ud83d\ude80"},"deadline":"2030-01-31T08:00:00Z"}`,
		"a type's number or string": `{"id":"a","operationType":100100,"data":{"x":[1,2],"y":"ø<&>🚀"},"deadline":"2030-01-31T08:00:00Z"}`,
		"null":                      `{"id":"a","name":null,"operationType":"100100","data":{"x":[1,2],"y":"ø<&>🚀"},"deadline":"2030-01-31T08:00:00Z"}`,
		"unknown fields":            `{"id":"a","new":1,"operationType":"100100","data":{"x":[1,2],"y":"ø<&>🚀"},"deadline":"2030-01-31T08:00:00Z"}`,
	} {
		require.Equal(t, plain, hashOf(t, raw), what)
	}
}

// SPEC 1.2: numbers are as written, arrays keep their order, strings their case.
func TestContentHashTellsDataApart(t *testing.T) {
	t.Parallel()
	hashes := make(map[string]string)
	for _, data := range []string{
		`1`, `1.0`, `1e0`, `"1"`, `[1]`, `[1,2]`, `[2,1]`, `{}`, `[]`, `""`, `false`, `{"a":null}`, `{"a":1}`, `{"A":1}`, `{"a":"1"}`,
		`9007199254740993`, `9007199254740992`, `1e400`, `"\u0000"`, `"\ufffd"`, `"é"`, `"e\u0301"`, `"a"`, `"a "`, `{"a":{"b":1}}`, `{"b":{"a":1}}`,
	} {
		hash := hashOf(t, `{"operationType":"a","data":`+data+`}`)
		require.Empty(t, hashes[hash], "%s and %s", data, hashes[hash])
		hashes[hash] = data
	}
}

// otherValues are two values of each type that a caller's field may have.
var otherValues = map[reflect.Type][2]any{
	reflect.TypeFor[string]():          {"x", "y"},
	reflect.TypeFor[TypeRef]():         {TypeRef("x"), TypeRef("y")},
	reflect.TypeFor[int]():             {1, 2},
	reflect.TypeFor[*time.Time]():      {at(0), at(time.Nanosecond)},
	reflect.TypeFor[json.RawMessage](): {json.RawMessage(`1`), json.RawMessage(`2`)},
}

// SPEC 1.2: other content in any field but the trace is other content. A field that is added
// to Operation is tested as soon as it exists.
func TestContentHashDiffersWithEveryField(t *testing.T) {
	t.Parallel()
	hashes := map[string]string{Operation{}.ContentHash(): "nothing"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Operation]()) {
		if f.Name == "Traceparent" {
			continue
		}
		values, known := otherValues[f.Type]
		require.True(t, known, "give this test two values of %s for %s", f.Type, f.Name)
		for _, value := range values {
			var o Operation
			reflect.ValueOf(&o).Elem().FieldByIndex(f.Index).Set(reflect.ValueOf(value))
			hash := o.ContentHash()
			require.Empty(t, hashes[hash], "%s and %s", f.Name, hashes[hash])
			hashes[hash] = f.Name
		}
	}
}

func TestContentHashLeavesTheOperationAlone(t *testing.T) {
	t.Parallel()
	local := time.Date(2030, 1, 31, 13, 45, 0, 0, time.FixedZone("", 5*3600+45*60))
	o := Operation{OperationType: "a", Deadline: &local, Data: json.RawMessage(` { "b":1, "a":2 } `)}
	require.Equal(t, o.ContentHash(), o.ContentHash())
	require.Equal(t, 13, o.Deadline.Hour())
	require.Equal(t, ` { "b":1, "a":2 } `, string(o.Data))
}

// What Validate refuses has no hash: there is nothing to compare.
func TestContentHashOfAnInvalidOperationIsEmpty(t *testing.T) {
	t.Parallel()
	far := time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, o := range []Operation{
		{OperationType: "a", Data: json.RawMessage(`{`)},
		{OperationType: "a", Data: json.RawMessage(`1 2`), Deadline: at(0)},
		{OperationType: "a", PostponeUntil: &far},
	} {
		require.Error(t, o.Validate())
		require.Empty(t, o.ContentHash())
	}
}

// drawJSON draws any value, as bytes.
func drawJSON(t *rapid.T) json.RawMessage {
	var value func(depth int) any
	value = func(depth int) any {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		switch {
		case kind == 0:
			return nil
		case kind == 1:
			return rapid.Bool().Draw(t, "bool")
		case kind == 2:
			return json.Number(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,3})?(e[+-]?[0-9]{1,3})?`).Draw(t, "number"))
		case kind <= 4 || depth > 3:
			return rapid.String().Draw(t, "string")
		case kind == 5:
			list := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
			for i := range list {
				list[i] = value(depth + 1)
			}
			return list
		}
		object := make(map[string]any)
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			object[rapid.String().Draw(t, "member")] = value(depth + 1)
		}
		return object
	}
	encoded, err := json.Marshal(value(0))
	require.NoError(t, err)
	return encoded
}

// Whatever was accepted travels through any number of decoders and encoders and
// stays the same operation.
func TestContentHashSurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := Operation{
			ID: rapid.StringN(0, 32, 128).Draw(t, "id"), Name: rapid.StringN(0, 256, -1).Draw(t, "name"),
			OperationType: "a", Data: drawJSON(t), Depth: rapid.IntRange(0, 9).Draw(t, "depth"),
		}
		if rapid.Bool().Draw(t, "deadline") {
			zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "zone"))
			instant := time.Unix(rapid.Int64Range(0, 1<<37).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(zone)
			o.Deadline = &instant
		}
		if o.Validate() != nil {
			t.Skip("control characters")
		}
		encoded, err := json.Marshal(o)
		require.NoError(t, err)
		require.Equal(t, o.ContentHash(), hashOf(t, string(encoded)))
		indented, err := json.MarshalIndent(o, "", "\t")
		require.NoError(t, err)
		require.Equal(t, o.ContentHash(), hashOf(t, string(indented)))
	})
}
