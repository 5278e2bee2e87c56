package e2e

import (
	"encoding/json"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
)

// kindsOfInput are submissions that a client in any language may send, by
// accident or on purpose; refused is a part of the reason, empty where it is
// accepted.
func kindsOfInput() []kindOfInput {
	text := func(name, refused, data string) kindOfInput {
		return kindOfInput{name, refused, payloads(payload("json/plain", data))}
	}
	// field is an operation with one field of that value.
	field := func(name, refused, field string, value any) kindOfInput {
		encoded, _ := json.Marshal(map[string]any{"operationType": "test.record", field: value})
		return text(name, refused, string(encoded))
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	emoji := func(n int) string { return strings.Repeat("🚚", n) }
	return []kindOfInput{
		{"no payload", "no argument", nil},
		{"no payloads", "no argument", payloads()},
		{"undefined", "binary/null", payloads(payload("binary/null", ""))},
		{"a buffer", "binary/plain", payloads(payload("binary/plain", "{}"))},
		{"a protobuf as JSON", "json/protobuf", payloads(payload("json/protobuf", "{}"))},
		{"a protobuf", "binary/protobuf", payloads(payload("binary/protobuf", "\x0a\x00"))},
		{"an encrypted payload", "binary/encrypted", payloads(payload("binary/encrypted", "\x00\xff"))},
		{"no encoding", `encoding is ""`, payloads(&commonpb.Payload{Data: []byte("{}")})},
		{"two arguments", "", payloads(payload("json/plain", `{"operationType":"test.record"}`), payload("json/plain", `{"operationType":"NO"}`))},
		text("nothing at all", "empty", ""),
		text("white space", "empty", " \n\t"),
		text("null", "null", "null"),
		text("a number", "42", "42"),
		text("a string", "hello", `"hello"`),
		text("true", "true", "true"),
		text("not a number", "NaN", "NaN"),
		text("cut short", "not JSON", `{"operationType":"test.record"`),
		text("more behind it", "not JSON", `{"operationType":"test.record"} {}`),
		text("single quotes", "not JSON", `{'operationType':'test.record'}`),
		text("a trailing comma", "not JSON", `{"operationType":"test.record",}`),
		text("a byte order mark", "submission", "\xef\xbb\xbf"),
		text("UTF-16", "UTF-8", "\xff\xfe{\x00}\x00"),
		text("bad UTF-8", "UTF-8", "{\"operationType\":\"test.record\",\"name\":\"\xff\"}"),
		text("half a surrogate pair", "name", `{"operationType":"test.record","name":"\ud800"}`),
		text("half a surrogate pair in data", "data", `{"operationType":"test.record","data":{"a":"\udc00"}}`),
		text("10,000 deep", "submission", strings.Repeat("[", 10_001)),
		text("10,000 deep in data", "not JSON", `{"operationType":"test.record","data":`+strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)+`}`),
		text("1,000 deep in data", "", `{"operationType":"test.record","data":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`),
		text("an empty object", "operationType", `{}`),
		text("a name that stands twice", "id", `{"operationType":"test.record","id":"a","id":"b"}`),
		text("an unknown field", "", `{"operationType":"test.record","newer":{"a":1}}`),
		text("a field in another case", "operationType", `{"OperationType":"test.record"}`),
		text("operations that are no array", "operations", `{"operations":7}`),
		text("an element that is no object", "object", `[7]`),
		text("501 operations", "501", "["+strings.Repeat("{},", 500)+"{}]"),
		text("a type by its number", "operationType", `{"operationType":-1}`),
		text("a type with a fraction", "operationType", `{"operationType":1.5}`),
		field("a type in capitals", "operationType", "operationType", "Test.Record"),
		field("a type of 129 bytes", "129", "operationType", x(129)),
		field("an id of 128 bytes", "", "id", x(120)+"🚚é-1"),
		field("an id of 129 bytes", "129", "id", x(129)),
		field("an id with a newline", "control", "id", "a\nb"),
		field("an id with NUL", "control", "id", "a\x00b"),
		field("an id of slashes", "", "id", "../../etc/passwd"),
		field("an id of quotes", "", "id", `x' OR WorkflowType='Y" --`),
		field("an id from right to left", "", "id", "\u202eabc שלום"),
		field("a name of 256 characters", "", "name", emoji(256)),
		field("a name of 257 characters", "257", "name", emoji(257)),
		field("a name with Markdown", "", "name", "**x** [a](javascript:alert(1)) <script>"),
		field("a message name of 161", "161", "messageName", x(161)),
		field("an owner of 255 bytes", "", "ownerId", x(255)),
		field("an owner of 256 bytes", "256", "ownerId", x(256)),
		field("an owner of 2,049 bytes", "2049", "ownerId", x(2049)),
		field("a record of 300,000 bytes", "262144", "regardingObjectId", x(300_000)),
		field("a correlation of 256 bytes", "256", "correlationId", x(256)),
		field("a fairness key of 65 bytes", "65", "fairnessKey", x(65)),
		field("depth below 0", "depth", "depth", -1),
		field("depth with a fraction", "depth", "depth", 0.5),
		field("depth beyond a number", "depth", "depth", 1e300),
		field("priority 0", "", "priority", 0),
		field("priority 6", "priority", "priority", 6),
		field("an instant without a zone", "postponeUntil", "postponeUntil", "2030-01-01T00:00:00"),
		field("an instant in the year 10000", "postponeUntil", "postponeUntil", "10000-01-01T00:00:00Z"),
		field("an instant that was", "", "postponeUntil", "1970-01-01T00:00:00Z"),
		field("a number as an instant", "postponeUntil", "postponeUntil", 1893456000),
		field("another token", "dependencyToken", "dependencyToken", "other"),
		field("no token", "", "dependencyToken", nil),
		field("a state", "stateCode", "stateCode", 3),
		field("a recurrence that is too frequent", "recurrence", "recurrencePattern", "FREQ=SECONDLY"),
		field("data of 250 KiB", "", "data", x(250<<10)),
		field("data of 250 KiB that grows", "", "data", strings.Repeat("é", 125<<10)),
	}
}
