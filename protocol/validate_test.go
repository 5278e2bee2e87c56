package protocol

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// limits is SPEC 1.2 once more, as the documentation says it.
var limits = []struct {
	field string
	limit int
	unit  string
}{
	{"id", 128, "bytes"},
	{"name", 256, "characters"},
	{"dependencyToken", 256, "characters"},
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
	limited := map[string]bool{"operationType": true, "recurrencePattern": true, "traceparent": true} // and their forms
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
		{"recurrenceStartTime", `"2030-01-31T08:00:00.123456789+05:45","recurrencePattern":"FREQ=DAILY"`},
		{"deadline", `"0001-01-01T00:00:00Z"`},
		{"deadline", `"9999-12-31T23:59:59.999999999Z"`},
		{"depth", `0`},
		{"depth", `9007199254740993`},
		{"priority", `1`},
		{"priority", `5`},
		{"priority", `0`},
		{"data", `{"any":["JSON",1e400,"\u0000\n",{}]}`},
		{"data", `"text"`},
		{"data", `0`},
		{"data", `false`},
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
