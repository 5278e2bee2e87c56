package activities

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// typedData has each kind of field that a handler is likely to have.
type typedData struct {
	To      string            `json:"to"`
	Count   int               `json:"count"`
	Rate    float64           `json:"rate"`
	Urgent  bool              `json:"urgent"`
	Tags    []string          `json:"tags"`
	Headers map[string]string `json:"headers"`
	At      time.Time         `json:"at"`
	User    struct {
		Age int `json:"age"`
	} `json:"user"`
}

// SPEC 3.3: 80044304 payload unreadable.
func TestTypedDataIsReadStrictly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ data, problem string }{
		"an unknown field is named":          {`{"too":"x"}`, `data.too: unknown field "too" (got "x")`},
		"a nested unknown field is named":    {`{"user":{"aeg":3}}`, `data.user: unknown field "aeg" (got {"aeg":3})`},
		"a number for a string":              {`{"to":5}`, `data.to: is a JSON number where a string is expected (got 5)`},
		"a string for a whole number":        {`{"count":"5"}`, `data.count: is a JSON string where a whole number is expected (got "5")`},
		"a fraction for a whole number":      {`{"count":1.5}`, `data.count: is a JSON number where a whole number is expected (got 1.5)`},
		"a string for a number":              {`{"rate":"1"}`, `data.rate: is a JSON string where a number is expected (got "1")`},
		"a string for true or false":         {`{"urgent":"yes"}`, `data.urgent: is a JSON string where true or false is expected (got "yes")`},
		"a string for an array":              {`{"tags":"a"}`, `data.tags: is a JSON string where an array is expected (got "a")`},
		"an array for an object":             {`{"user":[]}`, `data.user: is a JSON array where an object is expected (got [])`},
		"a wrong element":                    {`{"headers":{"a":1}}`, `data.headers: is a JSON number where a string is expected (got {"a":1})`},
		"a malformed instant":                {`{"at":"tomorrow"}`, `data.at: cannot be read: `},
		"each wrong field is named":          {`{"to":5,"count":"x"}`, "data.count: is a JSON string where a whole number is expected (got \"x\")\ndata.to:"},
		"a long value is cut":                {`{"to":["` + strings.Repeat("x", 100) + `"]}`, `… (104 bytes))`},
		"an array in place of the object":    {`[1]`, `data: is a JSON array where an object is expected (got [1])`},
		"good fields are not blamed":         {`{"to":"x","count":"y"}`, `data.count:`},
		"a string in place of the object":    {`"x"`, `data: is a JSON string where an object is expected (got "x")`},
		"absent data is the zero value":      {``, ``},
		"null is the zero value":             {` null `, ``},
		"a null field is as if it is absent": {`{"to":null}`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decode[typedData](json.RawMessage(c.data))
			if c.problem == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.problem)
			var field *protocol.FieldError
			require.ErrorAs(t, err, &field)
		})
	}
}

func TestTypedHandlerFailsOnUnreadableData(t *testing.T) {
	t.Parallel()
	handler := Typed(func(context.Context, Request, typedData) protocol.Outcome {
		panic(errors.New("not called"))
	})
	_, err := handle(t, handler, `{"count":"many"}`)
	application, details := failed(t, err)
	require.Equal(t, "Fail", application.Type())
	require.Equal(t, "80044304", details.Code)
	require.Contains(t, application.Message(), "data.count")
	require.NotEmpty(t, details.FriendlyMessage)
}

func TestTypedTakesDataThatIsNoObject(t *testing.T) {
	t.Parallel()
	list, err := decode[[]int](json.RawMessage(`[1,2]`))
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, list)
	anything, err := decode[map[string]any](json.RawMessage(`{"a":1,"b":2}`))
	require.NoError(t, err)
	require.Len(t, anything, 2)
	raw, err := decode[json.RawMessage](json.RawMessage(`{"a":1}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1}`, string(raw))
}
