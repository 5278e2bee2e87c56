package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"
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

// limits is SPEC 1.2 once more, as the documentation says it.
var limits = []struct {
	field string
	limit int
	unit  string
}{
	{"id", 128, "bytes"},
	{"name", 256, "characters"},
	{"dependencyToken", 256, "characters"},
	{"recurrencePattern", 256, "characters"},
	{"messageName", 160, "characters"},
	{"primaryEntityType", 255, "bytes"},
	{"regardingObjectId", 255, "bytes"},
	{"ownerId", 255, "bytes"},
	{"correlationId", 255, "bytes"},
	{"requestId", 255, "bytes"},
	{"fairnessKey", 64, "bytes"},
}

// SPEC 1.2
func TestStringsAreAcceptedAtTheirLimitAndRefusedBeyond(t *testing.T) {
	t.Parallel()
	for _, tc := range limits {
		t.Run(tc.field, func(t *testing.T) {
			t.Parallel()
			perCharacter := map[string]int{"a": 1, "ü": 2, "€": 3, "🚀": 4}
			for character, bytes := range perCharacter {
				most := tc.limit
				if tc.unit == "bytes" {
					most = tc.limit / bytes
				}
				_, _, err := DecodeOperation(with(t, tc.field, strings.Repeat(character, most)))
				require.NoError(t, err, "%d × %s", most, character)

				long := strings.Repeat(character, most+1)
				_, _, err = DecodeOperation(with(t, tc.field, long))
				message := refusedField(t, err, tc.field)
				has := most + 1
				if tc.unit == "bytes" {
					has *= bytes
				}
				require.Contains(t, message, fmt.Sprintf("%s: has %d %s, the limit is %d", tc.field, has, tc.unit, tc.limit))
				require.Contains(t, message, character+character, "shows the value")
				require.Less(t, len(message), 200, "and not all of it")
			}
		})
	}
}

// SPEC 1.2: and every string of an operation has a limit.
func TestEveryStringHasALimit(t *testing.T) {
	t.Parallel()
	limited := map[string]bool{"operationType": true}
	for _, l := range limits {
		limited[l.field] = true
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Operation]()) {
		if f.Type.Kind() == reflect.String {
			require.True(t, limited[jsonName(f)], jsonName(f))
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// SPEC 1.2: no control characters, category Cc: C0, DEL and C1.
func TestControlCharactersAreRefused(t *testing.T) {
	t.Parallel()
	var controls []rune
	for r := range rune(0xa0) {
		if r < 0x20 || r >= 0x7f {
			controls = append(controls, r)
		}
	}
	require.Len(t, controls, 65)
	for _, tc := range limits {
		for _, r := range controls {
			for _, value := range []string{"ab" + string(r), fmt.Sprintf("ab%ccd", r)} {
				_, _, err := DecodeOperation(with(t, tc.field, value))
				require.Contains(t, refusedField(t, err, tc.field), "has a control character at byte 2", "%U", r)
			}
		}
	}
}

// SPEC 1.2: everything else is a character like any other.
func TestUnusualCharactersAreAccepted(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"../", `"'\`, "\u200f", "\u202e", "\u00a0", "\u2028", "\ufeff", "\ufffd", "\U0010ffff", "é", "e\u0301", "%s", " "} {
		for _, tc := range limits {
			o, _, err := DecodeOperation(with(t, tc.field, value))
			require.NoError(t, err, "%s %q", tc.field, value)
			read, err := json.Marshal(o)
			require.NoError(t, err)
			again, _, err := DecodeOperation(read)
			require.NoError(t, err)
			require.Equal(t, o, again)
		}
	}
}

// SPEC 1.2: valid Unicode. Go's decoder would replace each of these silently.
func TestHalvesOfSurrogatePairsAreRefused(t *testing.T) {
	t.Parallel()
	for _, escape := range []string{
		`\ud800`, `\uDBFF`, `\udc00`, `\uDFFF`, `\ud83d\ud83d`, `\ude80\ud83d`, `\ud83dx`, `\ud83d\n`, `\ud83d\\ude80`, `\\\ud800`, `🚀\ud800`,
	} {
		for _, field := range []string{"id", "name", "dependencyToken", "ownerId", "data"} {
			_, err := decode(fmt.Sprintf(`{"operationType":"a",%q:"x%s"}`, field, escape))
			require.Contains(t, refusedField(t, err, field), "half of a surrogate pair", escape)
		}
	}
	for _, escape := range []string{`\ud83d\ude80`, `\uD83D\uDE80`, `\\ud800`, `\\\\ud800`, `\ufffd`, `\u0041`} {
		_, err := decode(fmt.Sprintf(`{"operationType":"a","name":"x%s","data":{"x%s":["%s"]}}`, escape, escape, escape))
		require.NoError(t, err, escape)
	}
	_, err := decode(`{"operationType":"a","data":[{"\udc00":1}]}`)
	require.Contains(t, refusedField(t, err, "data"), `\udc00`)
}

func TestLoneSurrogatesAreFoundAsUTF16HasThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SliceOf(rapid.OneOf(
			rapid.Uint16(), rapid.Uint16Range(0xd7f0, 0xe010), rapid.SampledFrom([]uint16{'\\', '"', 'u', 'd', '8', '0'}),
		)).Draw(t, "units")
		var text strings.Builder
		for _, unit := range units {
			format := rapid.SampledFrom([]string{`\u%04x`, `\u%04X`}).Draw(t, "format")
			fmt.Fprintf(&text, format, unit)
		}
		_, found := loneSurrogate([]byte(`"` + text.String() + `"`))
		require.Equal(t, hasLoneUnit(units), found)
	})
}

func hasLoneUnit(units []uint16) bool {
	for i := 0; i < len(units); i++ {
		if !utf16.IsSurrogate(rune(units[i])) {
			continue
		}
		if i+1 == len(units) || utf16.DecodeRune(rune(units[i]), rune(units[i+1])) == unicode.ReplacementChar {
			return true
		}
		i++
	}
	return false
}

// SPEC 1.2
func TestInvalidUTF8IsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"\xff", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"} {
		_, err := decode(`{"operationType":"a","name":"` + bad + `"}`)
		require.Contains(t, refusedField(t, err, "operation"), "not valid UTF-8")
		_, err = SplitSubmission([]byte(`[{"name":"` + bad + `"}]`))
		require.ErrorContains(t, err, "not valid UTF-8")
		o := Operation{OperationType: "a", Name: bad}
		require.Contains(t, refusedField(t, o.Validate(), "name"), "not valid UTF-8")
		o = Operation{OperationType: "a", Data: json.RawMessage(`"` + bad + `"`)}
		require.Contains(t, refusedField(t, o.Validate(), "data"), "not valid UTF-8")
	}
}

// SPEC 1.2: a key or a number.
func TestOperationTypeForms(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]TypeRef{
		`"http.request"`: "http.request", `"a"`: "a", `"bulk_delete-2.x"`: "bulk_delete-2.x", `"a.1"`: "a.1",
		`100100`: "100100", `"100100"`: "100100", `0`: "0", `4294967295`: "4294967295",
		`"` + strings.Repeat("a", 128) + `"`: TypeRef(strings.Repeat("a", 128)),
	} {
		o, err := decode(`{"operationType":` + raw + `}`)
		require.NoError(t, err, raw)
		require.Equal(t, want, o.OperationType)
	}
	for raw, problem := range map[string]string{
		`""`: "is missing", `null`: "is missing",
		`"A"`: "lower-case", `"a b"`: "lower-case", `"a."`: "lower-case", `".a"`: "lower-case", `"a..b"`: "lower-case",
		`"-1"`: "lower-case", `"1.5"`: "lower-case", `"ä"`: "lower-case", `"a\n"`: "lower-case", `"１"`: "lower-case", `"a\ud800"`: "lower-case",
		`1.5`: "neither", `-1`: "neither", `4294967296`: "neither", `1e3`: "neither", `true`: "neither", `[]`: "neither", `{}`: "neither",
		`"` + strings.Repeat("a", 129) + `"`: "has 129 bytes, the limit is 128",
	} {
		_, err := decode(`{"operationType":` + raw + `}`)
		require.Contains(t, refusedField(t, err, "operationType"), problem, raw)
	}
	_, err := decode(`{}`)
	require.Contains(t, refusedField(t, err, "operationType"), "is missing")
}

// SPEC 1.2: instants, whole numbers and their ranges.
func TestForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ field, good string }{
		{"postponeUntil", `"2030-01-31T08:00:00Z"`},
		{"recurrenceStartTime", `"2030-01-31T08:00:00.123456789+05:45"`},
		{"deadline", `"0001-01-01T00:00:00Z"`},
		{"deadline", `"9999-12-31T23:59:59.999999999Z"`},
		{"depth", `0`}, {"depth", `9007199254740993`},
		{"priority", `1`}, {"priority", `5`}, {"priority", `0`},
		{"data", `{"any":["JSON",1e400,"\u0000\n",{}]}`}, {"data", `"text"`}, {"data", `0`}, {"data", `false`},
	} {
		_, err := decode(fmt.Sprintf(`{"operationType":"a",%q:%s}`, tc.field, tc.good))
		require.NoError(t, err, "%s %s", tc.field, tc.good)
	}
	for _, tc := range []struct{ field, bad, problem string }{
		{"postponeUntil", `"tomorrow"`, "RFC 3339"},
		{"postponeUntil", `"2030-01-31"`, "RFC 3339"},
		{"postponeUntil", `"2030-01-31 08:00:00Z"`, "RFC 3339"},
		{"postponeUntil", `"2030-01-31T08:00:00"`, "RFC 3339"},
		{"postponeUntil", `"2030-02-29T08:00:00Z"`, "RFC 3339"},
		{"recurrenceStartTime", `""`, "RFC 3339"},
		{"deadline", `1896076800`, "RFC 3339"},
		{"deadline", `"9999-12-31T23:59:59-01:00"`, "1..9999"},
		{"deadline", `"0000-12-31T23:59:59Z"`, "1..9999"},
		{"deadline", `"0001-01-01T00:00:00+01:00"`, "1..9999"},
		{"depth", `-1`, "less than 0"},
		{"depth", `1.5`, "whole number"},
		{"depth", `"1"`, "whole number"},
		{"depth", `9223372036854775808`, "whole number"},
		{"priority", `6`, "not in 1..5"},
		{"priority", `-1`, "not in 1..5"},
		{"priority", `true`, "whole number"},
		{"name", `7`, "is not a string"},
		{"id", `{}`, "is not a string"},
		{"ownerId", `["x"]`, "is not a string"},
	} {
		_, err := decode(fmt.Sprintf(`{"operationType":"a",%q:%s}`, tc.field, tc.bad))
		message := refusedField(t, err, tc.field)
		require.Contains(t, message, tc.problem, tc.bad)
		require.Contains(t, message, "got ", "shows the value")
	}
}

// An operation of the Go client is judged as the serializer judges it.
func TestInstantsAreJudgedInUTC(t *testing.T) {
	t.Parallel()
	local := time.Date(9999, 12, 31, 23, 30, 0, 0, time.FixedZone("", -3600))
	o := Operation{OperationType: "a", Deadline: &local}
	require.Contains(t, refusedField(t, o.Validate(), "deadline"), "1..9999")
	require.Empty(t, o.ContentHash())
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

// SPEC 1.2: limits of arguments other than an operation.
func TestArgumentLimits(t *testing.T) {
	t.Parallel()
	require.NoError(t, ValidateReason(strings.Repeat("x", 1000)))
	require.EqualError(t, ValidateReason(strings.Repeat("x", 1001)), fmt.Sprintf("reason: has 1001 bytes, the limit is 1000 (got %q… (1001 bytes))", strings.Repeat("x", 64)))
	require.ErrorContains(t, ValidateReason("a\nb"), "control character")
	require.NoError(t, ValidateToken(strings.Repeat("🚀", 256)))
	require.ErrorContains(t, ValidateToken(strings.Repeat("a", 257)), "dependencyToken: has 257 characters, the limit is 256")
	require.NoError(t, ValidateID(strings.Repeat("a", 128)))
	require.ErrorContains(t, ValidateID(strings.Repeat("a", 129)), "id: has 129 bytes, the limit is 128")
	var missing *Refusal
	require.ErrorAs(t, ValidateID(""), &missing)
	require.Equal(t, Code("80044164"), missing.Code)
}

func TestSubmissionForms(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, payload string
		want          []string
	}{
		{"one operation", `{"id":"a"}`, []string{`{"id":"a"}`}},
		{"an array", ` [ {"id":"a"} , {"id":"b"} ] `, []string{`{"id":"a"}`, `{"id":"b"}`}},
		{"a batch", `{"operations":[{"id":"a"},{"id":"b"}]}`, []string{`{"id":"a"}`, `{"id":"b"}`}},
		{"a batch of a newer client", `{"sentBy":"x","operations":[{"id":"a"}]}`, []string{`{"id":"a"}`}},
		{"a null batch is one operation", `{"operations":null}`, []string{`{"operations":null}`}},
		{"names are exact", `{"Operations":[{"id":"a"}]}`, []string{`{"Operations":[{"id":"a"}]}`}},
		{"an array of nothing", `[]`, nil},
		{"elements are not read yet", `[7,null,{"id":7}]`, []string{`7`, `null`, `{"id":7}`}},
		{"white space before", "\n\t\r {\"id\":\"a\"}", []string{"\n\t\r {\"id\":\"a\"}"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			parts, err := SplitSubmission([]byte(tc.payload))
			require.NoError(t, err)
			var got []string
			for _, part := range parts {
				got = append(got, string(part))
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestSubmissionsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, payload, problem string }{
		{"nothing", "", "empty"},
		{"white space", " \n", "empty"},
		{"a string", `"a"`, `the submission is "a"`},
		{"null", `null`, "the submission is null"},
		{"half an array", `[{}`, "not JSON"},
		{"half an object", `{"id":`, "not JSON"},
		{"two objects", `{"id":"a"}{"id":"b"}`, "not JSON"},
		{"two arrays", `[] []`, "not JSON"},
		{"a batch that is no array", `{"operations":{"id":"a"}}`, "operations: is not an array"},
		{"two batches", `{"operations":[{"id":"a"}],"operations":[]}`, "operations: is given twice"},
		{"an operation and a batch", `{"id":"a","operations":[]}`, `operations: stands beside "id"`},
		{"501 operations", "[" + strings.Repeat("{},", 500) + "{}]", "has 501 operations, the limit is 500"},
		{"a batch of 501", `{"operations":[` + strings.Repeat("{},", 500) + "{}]}", "has 501 operations, the limit is 500"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := SplitSubmission([]byte(tc.payload))
			require.ErrorContains(t, err, tc.problem)
		})
	}
	parts, err := SplitSubmission([]byte("[" + strings.Repeat("{},", 499) + "{}]"))
	require.NoError(t, err)
	require.Len(t, parts, 500)
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

func FuzzSplitSubmission(f *testing.F) {
	for _, seed := range []string{
		`{"id":"a"}`, `[{"id":"a"},7]`, `{"operations":[{}]}`, `{"operations":null}`, `{"operations":[],"operations":[{}]}`, `{"\u006fperations":[{}]}`, `[`, ` `, `{}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		parts, err := SplitSubmission(payload)
		if err != nil {
			require.True(t, utf8.ValidString(err.Error()))
			require.Less(t, len(err.Error()), 1000)
			return
		}
		require.True(t, json.Valid(payload))
		require.LessOrEqual(t, len(parts), 500)
		for _, part := range parts {
			require.True(t, json.Valid(part))
		}
		var array []json.RawMessage
		var batch map[string]json.RawMessage
		switch {
		case json.Unmarshal(payload, &array) == nil:
		case json.Unmarshal(payload, &batch) == nil && json.Unmarshal(batch["operations"], &array) == nil && array != nil:
		default:
			require.Len(t, parts, 1)
			require.Equal(t, string(payload), string(parts[0]))
			return
		}
		require.Len(t, parts, len(array), "none is lost")
	})
}
