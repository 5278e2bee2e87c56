package protocol

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

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
