package protocol

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAGoldenEventIsRead(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/event.json")
	require.NoError(t, err)
	e, unknown, err := DecodeEvent(raw)
	require.NoError(t, err)
	require.Empty(t, unknown)
	require.Equal(t, compact(t, goldens()["event.json"]), compact(t, e))
	require.Equal(t, e.ContentHash(), goldens()["event.json"].(Event).ContentHash())
}

// SPEC 8.7, 1.2
func TestWrongEventsAreRefusedByField(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, raw, problem string }{
		{"no JSON", `{`, "event: is not a JSON object"},
		{"no object", `[]`, "event: is not a JSON object"},
		{"bad UTF-8", "{\"messageName\":\"\xff\"}", "event: is not valid UTF-8"},
		{"no message", `{"id":"e"}`, "messageName: is missing"},
		{"a long message", `{"messageName":"` + strings.Repeat("x", 161) + `"}`, "messageName: has 161 characters, the limit is 160"},
		{"a long id", `{"messageName":"m","id":"` + strings.Repeat("x", 65) + `"}`, "id: has 65 bytes, the limit is 64"},
		{"a number for an id", `{"messageName":"m","id":7}`, "id: is not a string"},
		{"a control character", `{"messageName":"m","regardingObjectId":"a\nb"}`, "regardingObjectId: has a control character"},
		{"a negative depth", `{"messageName":"m","depth":-1}`, "depth: is less than 0"},
		{"a name twice", `{"messageName":"m","messageName":"n"}`, "messageName: is given twice"},
		{"data that can be read two ways", `{"messageName":"m","data":{"a":1,"a":2}}`, "data: has an object with the name"},
		{"too much", `{"messageName":"m","data":"` + strings.Repeat("x", MaxEventBytes) + `"}`, "event: has "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := DecodeEvent([]byte(tc.raw))
			require.ErrorContains(t, err, tc.problem)
		})
	}
	e, unknown, err := DecodeEvent([]byte(`{"messageName":"m","operationType":"x","z":1,"data":null}`))
	require.NoError(t, err)
	require.Equal(t, []string{"operationType", "z"}, unknown)
	require.Equal(t, Event{MessageName: "m"}, e)
}

// SPEC 6.6, 8.7: what an event causes is one deeper, and ties together.
func TestEventsKnowWhatCausedThem(t *testing.T) {
	t.Parallel()
	cause := Operation{ID: "a1", Depth: 3, CorrelationID: "c"}
	update := Event{MessageName: "update", PrimaryEntityType: "account", RegardingObjectID: "42"}
	e := update.CausedBy(cause)
	require.Equal(t, []any{4, "c"}, []any{e.Depth, e.CorrelationID})
	require.Equal(t, e, update.CausedBy(cause), "a handler that runs again raises the same")
	require.NotEqual(t, e.ID, Event{MessageName: "update", PrimaryEntityType: "account", RegardingObjectID: "43"}.CausedBy(cause).ID)
	require.NotEqual(t, e.ID, update.CausedBy(Operation{ID: "a2"}).ID)
	require.Equal(t, "own", Event{ID: "own"}.CausedBy(cause).ID)
	require.Equal(t, "a2", update.CausedBy(Operation{ID: "a2"}).CorrelationID)

	o := e.Operation("audit")
	require.Equal(t, []any{4, "c", e.ID + "~audit", "audit: update account"}, []any{o.Depth, o.CorrelationID, o.ID, o.Name})
	handler, ok := EventHandlerOf(TypeRef(EventTypeKey("audit")))
	require.Equal(t, []any{"audit", true}, []any{handler, ok})
	_, ok = EventHandlerOf("event")
	require.False(t, ok)
	require.Equal(t, "e", Event{ID: "e", MessageName: "m"}.Operation("audit").CorrelationID)
}

// Whatever the event, its operations are within an operation's limits, and no two
// share an id.
func TestOperationsOfEventsAreWithinTheLimits(t *testing.T) {
	t.Parallel()
	text := func(t *rapid.T, label string, limit int) string {
		return rapid.StringMatching(`[a-zé🚀~]{0,64}`).Filter(func(s string) bool { return len(s) <= limit }).Draw(t, label)
	}
	ids := map[string][2]string{}
	rapid.Check(t, func(t *rapid.T) {
		e := Event{
			ID: "e" + text(t, "id", MaxEventIDBytes-1), MessageName: "m" + text(t, "message", 150), PrimaryEntityType: text(t, "entity", 255),
			Data: json.RawMessage(`1`),
		}
		handler := rapid.StringMatching(`[a-z][a-z0-9.]{0,59}`).Draw(t, "handler")
		require.NoError(t, e.Validate())
		o := e.Operation(handler)
		require.NoError(t, o.Validate())
		pair := [2]string{e.ID, handler}
		if before, taken := ids[o.ID]; taken {
			require.Equal(t, before, pair)
		}
		ids[o.ID] = pair
		id, ok := EventID(EventWorkflowID(e.ID))
		require.Equal(t, []any{e.ID, true}, []any{id, ok})
	})
}
