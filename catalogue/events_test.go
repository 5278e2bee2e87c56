package catalogue

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

func registered(name string, change ...func(*EventHandler)) EventHandler {
	h := EventHandler{Name: name, Binding: Binding{Activity: "sync"}}
	for _, c := range change {
		c(&h)
	}
	return h
}

func withEvents(t *testing.T, handlers ...EventHandler) *Catalogue {
	t.Helper()
	c, err := New(typed("mail.send"), typed("bulk.email"))
	require.NoError(t, err)
	c, err = c.WithEvents(handlers...)
	require.NoError(t, err)
	return c
}

// SPEC 8.7
func TestWhichHandlersAnEventIsFor(t *testing.T) {
	t.Parallel()
	c := withEvents(t,
		registered("any"),
		registered("update", func(h *EventHandler) { h.MessageName = "update" }),
		registered("account", func(h *EventHandler) { h.PrimaryEntityType = "account" }),
		registered("both", func(h *EventHandler) { h.MessageName, h.PrimaryEntityType = "update", "account" }),
	)
	names := func(message, entity string) (names []string) {
		for _, h := range c.HandlersOf(protocol.Event{MessageName: message, PrimaryEntityType: entity}) {
			names = append(names, h.Name)
		}
		return names
	}
	require.Equal(t, []string{"any", "update", "account", "both"}, names("update", "account"))
	require.Equal(t, []string{"any", "update"}, names("update", "contact"))
	require.Equal(t, []string{"any", "account"}, names("create", "account"))
	require.Equal(t, []string{"any"}, names("Update", ""), "names are exact")
	require.Empty(t, (*Catalogue)(nil).HandlersOf(protocol.Event{MessageName: "update"}))
}

// SPEC 8.7, 9.1: type 1, without a token unless the registration asks for one.
func TestAHandlerHasATypeOfItsOwn(t *testing.T) {
	t.Parallel()
	c := withEvents(t, registered("account.sync"), registered("ordered", func(h *EventHandler) { h.DependencyToken = "account-{regardingObjectId}" }))
	plain, ok := c.Lookup("event.account.sync")
	require.True(t, ok)
	require.Equal(t, []any{1, protocol.Restrictions{protocol.NoToken}, "sync"}, []any{plain.Number, plain.Restrictions, plain.Binding.Activity})
	require.Equal(t, 4, int(plain.Binding.Retry.MaxAttempts), "with defaults")
	ordered, _ := c.Lookup("event.ordered")
	require.Empty(t, ordered.Restrictions)
	bare, _ := c.Lookup("1")
	require.Equal(t, "event", bare.Key)
	require.False(t, bare.Bound())
	require.Len(t, c.Types(), 4)
	require.ErrorContains(t, c.Check("event.gone"), "is not in the catalogue; known are mail.send, bulk.email, event.account.sync, event.ordered")
}

// SPEC 8.7
func TestWhatAnEventBecomes(t *testing.T) {
	t.Parallel()
	e := protocol.Event{
		ID: "e1", MessageName: "update", PrimaryEntityType: "account", RegardingObjectID: "42", OwnerID: "ada",
		Data: json.RawMessage(`{"region":"north","number":7,"vip":true,"address":{},"nothing":null,"none":""}`),
	}
	for _, tc := range []struct{ template, token, problem string }{
		{"", "", ""},
		{"fixed", "fixed", ""},
		{"account-{regardingObjectId}", "account-42", ""},
		{"{primaryEntityType}/{data.region}/{data.number}/{data.vip}", "account/north/7/true", ""},
		{"{ownerId}", "ada", ""},
		{"{requestId}", "", "dependencyToken: {requestId} is empty"},
		{"{data.address}", "", "{data.address} is empty, or no plain value"},
		{"{data.nothing}", "", "{data.nothing} is empty"},
		{"{data.none}", "", "{data.none} is empty"},
		{"{data.missing}", "", "{data.missing} is empty"},
		{strings.Repeat("{data.region}", 60), "", "dependencyToken: has 300 characters, the limit is 256"},
	} {
		t.Run(tc.template, func(t *testing.T) {
			t.Parallel()
			o, err := registered("sync", func(h *EventHandler) { h.DependencyToken = tc.template }).Operation(e)
			if tc.problem != "" {
				require.ErrorContains(t, err, tc.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, protocol.Operation{
				ID: "e1~sync", Name: "sync: update account", OperationType: "event.sync", DependencyToken: tc.token, MessageName: "update",
				PrimaryEntityType: "account", RegardingObjectID: "42", OwnerID: "ada", CorrelationID: "e1", Data: e.Data,
			}, o)
		})
	}
	o, err := registered("sync", func(h *EventHandler) { h.Type, h.Binding = "mail.send", Binding{} }).Operation(e)
	require.NoError(t, err)
	require.Equal(t, protocol.TypeRef("mail.send"), o.OperationType)
	_, err = registered("sync", func(h *EventHandler) { h.DependencyToken = "{data.region}" }).Operation(protocol.Event{ID: "e", MessageName: "m"})
	require.ErrorContains(t, err, "{data.region} is empty")
}

func TestWrongHandlersAreRefusedByNameAndValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, problem string
		handler       EventHandler
	}{
		{"no name", `handler "": name: "" is not lower-case words with dots of at most 60 bytes`, registered("")},
		{"capitals", `handler "Sync": name: "Sync" is not lower-case`, registered("Sync")},
		{"a number", `handler "7": name: "7" is not lower-case`, registered("7")},
		{"too long", "of at most 60 bytes", registered(strings.Repeat("x", 61))},
		{"nothing to run", `handler "a": activity: is missing`, registered("a", func(h *EventHandler) { h.Binding = Binding{} })},
		{"a type and an activity", `handler "a": type: "mail.send" is given beside what runs it`, registered("a", func(h *EventHandler) { h.Type = "mail.send" })},
		{"a type that is none", `handler "a": type: operationType "none" is not in the catalogue`, registered("a", func(h *EventHandler) { h.Type, h.Binding = "none", Binding{} })},
		{"a type without a token", `handler "a": token: type "bulk.email" takes none`, registered("a", func(h *EventHandler) {
			h.Type, h.Binding, h.DependencyToken = "2", Binding{}, "x"
		})},
		{"an unknown field", `handler "a": token: {record} is not a field of an event`, registered("a", func(h *EventHandler) { h.DependencyToken = "{record}" })},
		{"no name of data", `token: {data.} is not a field`, registered("a", func(h *EventHandler) { h.DependencyToken = "{data.}" })},
		{"an open brace", `token: "x{ownerId" has a brace that is not closed`, registered("a", func(h *EventHandler) { h.DependencyToken = "x{ownerId" })},
		{"a closing brace", "has a brace that closes nothing", registered("a", func(h *EventHandler) { h.DependencyToken = "x}y" })},
		{"a message that is too long", `handler "a": messageName: has 161 characters`, registered("a", func(h *EventHandler) { h.MessageName = strings.Repeat("x", 161) })},
		{"a name that is taken", `handler "taken": name: is taken by another handler`, registered("taken")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := New(typed("mail.send"), typed("bulk.email"))
			require.NoError(t, err)
			_, err = c.WithEvents(registered("taken"), tc.handler)
			require.ErrorContains(t, err, tc.problem)
		})
	}
	c, err := New(typed("event.sync"))
	require.NoError(t, err)
	_, err = c.WithEvents(registered("sync"))
	require.ErrorContains(t, err, `event.sync is taken by type "event.sync"`)
}
