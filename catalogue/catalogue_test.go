package catalogue

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// typed is an entry that is good, before it is spoilt.
func typed(key string, change ...func(*Type)) Type {
	t := Type{Key: key, Binding: Binding{Activity: "Send"}}
	for _, c := range change {
		c(&t)
	}
	return t
}

// SPEC 3.2, 6.2: a minute to stop; three retries, exponential.
func TestDefaults(t *testing.T) {
	t.Parallel()
	require.Equal(t, Type{
		Key: "http.request", Label: "http.request",
		Binding: Binding{
			Activity: "Send", StartToCloseSeconds: 300, CancelTimeoutSeconds: 60,
			Retry: Retry{MaxAttempts: 4, InitialSeconds: 1, Backoff: 2, MaxSeconds: 60},
		},
	}, typed("http.request").WithDefaults())
}

func TestDefaultsOfALocalType(t *testing.T) {
	t.Parallel()
	c, err := New(typed("a", func(x *Type) { x.Binding.Execution = ExecutionLocal }))
	require.NoError(t, err)
	require.Equal(t, Binding{
		Activity: "Send", StartToCloseSeconds: 5, CancelTimeoutSeconds: 60, Execution: ExecutionLocal,
		Retry: Retry{MaxAttempts: 4, InitialSeconds: 1, Backoff: 2, MaxSeconds: 60},
	}, c.Types()[0].Binding)
}

// SPEC 9.2: a workflow has no bound and no retry of its own, and is not paused.
func TestDefaultsOfAWorkflow(t *testing.T) {
	t.Parallel()
	c, err := New(typed("a", func(x *Type) { x.Binding = Binding{Workflow: "W"} }))
	require.NoError(t, err)
	require.Equal(t, Type{
		Key: "a", Label: "a", Restrictions: protocol.Restrictions{protocol.NoPause},
		Binding: Binding{Workflow: "W", CancelTimeoutSeconds: 60, Retry: Retry{MaxAttempts: 1, InitialSeconds: 1, Backoff: 2, MaxSeconds: 60}},
	}, c.Types()[0])
	require.NoError(t, c.Check("a"))
}

func TestWhatIsSetIsKept(t *testing.T) {
	t.Parallel()
	set := Type{
		Key: "http.request", Number: 100_100, Label: "HTTP request", Restrictions: protocol.Restrictions{protocol.NoPause}, AllowToken: true,
		Binding: Binding{
			Activity: "Send", TaskQueue: "mail", StartToCloseSeconds: 7, HeartbeatSeconds: 2, CancelTimeoutSeconds: 5,
			Execution: ExecutionLocal,
			Retry:     Retry{MaxAttempts: 1, InitialSeconds: 0.5, Backoff: 1, MaxSeconds: 3600, NonRetryable: []string{"NotFound"}},
		},
	}
	require.Equal(t, set, set.WithDefaults())
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Type]()) {
		require.False(t, reflect.ValueOf(set).FieldByIndex(f.Index).IsZero(), f.Name)
	}
	for _, part := range []any{set.Binding, set.Binding.Retry} {
		for i := range reflect.TypeOf(part).NumField() {
			if strings.HasPrefix(reflect.TypeOf(part).Field(i).Name, "Workflow") {
				continue // in place of Activity
			}
			require.False(t, reflect.ValueOf(part).Field(i).IsZero(), reflect.TypeOf(part).Field(i).Name)
		}
	}
}

// A type travels in the start of every operation, so its JSON is part of what a
// running operation depends on.
func TestTypeTravelsAsJSON(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(typed("http.request").WithDefaults())
	require.NoError(t, err)
	require.JSONEq(t, `{
		"key": "http.request", "label": "http.request",
		"binding": {
			"activity": "Send", "startToCloseSeconds": 300, "cancelTimeoutSeconds": 60,
			"retry": {"maxAttempts": 4, "initialSeconds": 1, "backoff": 2, "maxSeconds": 60}
		}
	}`, string(encoded))
	var read Type
	require.NoError(t, json.Unmarshal(encoded, &read))
	require.Equal(t, typed("http.request").WithDefaults(), read)
}

// SPEC 9.2
func TestWrongEntriesAreRefusedByTypeKeyAndValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, problem string
		entry         Type
	}{
		{"no key", `type "": key: "" is not lower-case words with dots`, typed("")},
		{"upper case", `type "Http": key: "Http" is not lower-case words with dots`, typed("Http")},
		{"white space", `type "a b": key: "a b"`, typed("a b")},
		{"a trailing dot", `type "a.": key: "a."`, typed("a.")},
		{"a number as a key", `type "100100": key: "100100" is not lower-case words with dots`, typed("100100")},
		{"an original number", `type "a": number: 99999 is less than 100000, where a team's own numbers begin`, typed("a", func(x *Type) { x.Number = 99_999 })},
		{"a negative number", `type "a": number: -1 is less than 100000`, typed("a", func(x *Type) { x.Number = -1 })},
		{"no activity", `type "a": activity: is missing`, typed("a", func(x *Type) { x.Binding.Activity = "" })},
		{"an activity and a workflow", `type "a": activity: more than one of activity, workflow and workflows`, typed("a", func(x *Type) { x.Binding.Workflow = "W" })},
		{"a workflow and a list", `type "a": activity: more than one of`, typed("a", func(x *Type) { x.Binding = Binding{Workflow: "W", Workflows: []Workflow{{Name: "W"}}} })},
		{"a workflow with a heartbeat", `type "a": heartbeat: 5s is given, and a workflow has none`, typed("a", func(x *Type) { x.Binding = Binding{Workflow: "W", HeartbeatSeconds: 5} })},
		{"a list beside a task queue", `type "a": taskQueue: "q" is given beside workflows`, typed("a", func(x *Type) { x.Binding = Binding{Workflows: []Workflow{{Name: "W"}}, TaskQueue: "q"} })},
		{"a list with one twice", `type "a": workflows[1]: "W" is empty or stands there twice`, typed("a", func(x *Type) { x.Binding = Binding{Workflows: []Workflow{{Name: "W"}, {Name: "W"}}} })},
		{"a list with none", `type "a": workflows[0]: "" is empty`, typed("a", func(x *Type) { x.Binding = Binding{Workflows: []Workflow{{TaskQueue: "q"}}} })},
		{"a workflow with a negative bound", `type "a": startToClose: -1s is negative`, typed("a", func(x *Type) { x.Binding = Binding{Workflow: "W", StartToCloseSeconds: -1} })},
		{"an execution of another name", `type "a": execution: "fast" is not "local"`, typed("a", func(x *Type) { x.Binding.Execution = "fast" })},
		{"a local workflow", `type "a": execution: "local" is given, and a workflow runs it`, typed("a", func(x *Type) { x.Binding = Binding{Workflow: "W", Execution: ExecutionLocal} })},
		{"a local list of workflows", `type "a": execution: "local" is given, and a workflow runs it`, typed("a", func(x *Type) { x.Binding = Binding{Workflows: []Workflow{{Name: "W"}}, Execution: ExecutionLocal} })},
		{"local on a task queue", `type "a": taskQueue: "q" is given, and execution "local" has none`, typed("a", func(x *Type) { x.Binding.Execution, x.Binding.TaskQueue = ExecutionLocal, "q" })},
		{"local with a heartbeat", `type "a": heartbeat: 2s is given, and execution "local" has none`, typed("a", func(x *Type) { x.Binding.Execution, x.Binding.HeartbeatSeconds = ExecutionLocal, 2 })},
		{"local for long", `type "a": startToClose: 5.5s is over 5s, the limit of execution "local"`, typed("a", func(x *Type) { x.Binding.Execution, x.Binding.StartToCloseSeconds = ExecutionLocal, 5.5 })},
		{"negative start to close", `type "a": startToClose: -1s is negative`, typed("a", func(x *Type) { x.Binding.StartToCloseSeconds = -1 })},
		{"start to close of no length", `type "a": startToClose: 1e-09s is not in 0.001s..315360000s`, typed("a", func(x *Type) { x.Binding.StartToCloseSeconds = 1e-9 })},
		{"start to close of centuries", `type "a": startToClose: 1e+10s is not in`, typed("a", func(x *Type) { x.Binding.StartToCloseSeconds = 1e10 })},
		{"start to close that is no number", `type "a": startToClose: NaNs is not in`, typed("a", func(x *Type) { x.Binding.StartToCloseSeconds = math.NaN() })},
		{"negative heartbeat", `type "a": heartbeat: -0.5s is negative`, typed("a", func(x *Type) { x.Binding.HeartbeatSeconds = -0.5 })},
		{"heartbeat of centuries", `type "a": heartbeat: 1e+10s is not in`, typed("a", func(x *Type) { x.Binding.HeartbeatSeconds = 1e10 })},
		{"heartbeat that is no number", `type "a": heartbeat: NaNs is not in`, typed("a", func(x *Type) { x.Binding.HeartbeatSeconds = math.NaN() })},
		{"negative cancel timeout", `type "a": cancelTimeout: -1s is negative`, typed("a", func(x *Type) { x.Binding.CancelTimeoutSeconds = -1 })},
		{"cancel timeout of no length", `type "a": cancelTimeout: 1e-09s is not in 0.001s..315360000s`, typed("a", func(x *Type) { x.Binding.CancelTimeoutSeconds = 1e-9 })},
		{"cancel timeout of centuries", `type "a": cancelTimeout: 1e+10s is not in`, typed("a", func(x *Type) { x.Binding.CancelTimeoutSeconds = 1e10 })},
		{"cancel timeout that is no number", `type "a": cancelTimeout: NaNs is not in`, typed("a", func(x *Type) { x.Binding.CancelTimeoutSeconds = math.NaN() })},
		{"negative attempts", `type "a": retry.maxAttempts: -3 is less than 1`, typed("a", func(x *Type) { x.Binding.Retry.MaxAttempts = -3 })},
		{"negative wait", `type "a": retry: waits from -1s up to 60s are not ascending`, typed("a", func(x *Type) { x.Binding.Retry.InitialSeconds = -1 })},
		{"waits that shrink", `type "a": retry: waits from 90s up to 60s are not ascending`, typed("a", func(x *Type) { x.Binding.Retry.InitialSeconds = 90 })},
		{"a wait that is no number", `type "a": retry.initial: NaNs is not in`, typed("a", func(x *Type) { x.Binding.Retry.InitialSeconds = math.NaN() })},
		{"an endless wait", `type "a": retry.max: +Infs is not in`, typed("a", func(x *Type) { x.Binding.Retry.MaxSeconds = math.Inf(1) })},
		{"backoff under 1", `type "a": retry.backoff: 0.5 is less than 1`, typed("a", func(x *Type) { x.Binding.Retry.Backoff = 0.5 })},
		{"backoff that is no number", `type "a": retry.backoff: NaN is not a number`, typed("a", func(x *Type) { x.Binding.Retry.Backoff = math.NaN() })},
		{"endless backoff", `type "a": retry.backoff: +Inf is not a number`, typed("a", func(x *Type) { x.Binding.Retry.Backoff = math.Inf(1) })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := New(typed("good"), tc.entry)
			require.Nil(t, c)
			require.ErrorContains(t, err, tc.problem)
		})
	}
}

func TestTheLowestOwnNumberIsAccepted(t *testing.T) {
	t.Parallel()
	_, err := New(typed("a", func(x *Type) { x.Number = 100_000 }))
	require.NoError(t, err)
}

func TestEveryWrongEntryIsNamed(t *testing.T) {
	t.Parallel()
	_, err := New(typed("A"), typed("b", func(x *Type) { x.Number = 7 }), typed("good"), typed("good"))
	for _, part := range []string{`type "A"`, `type "b": number: 7`, `type "good": good is taken by type "good"`} {
		require.ErrorContains(t, err, part)
	}
}

// SPEC 9.1, 9.2: keys and numbers are unique.
func TestTakenKeysAndNumbersAreRefused(t *testing.T) {
	t.Parallel()
	numbered := func(key string, number int) Type { return typed(key, func(x *Type) { x.Number = number }) }
	_, err := New(numbered("a", 100_001), numbered("b", 100_001))
	require.EqualError(t, err, `type "b": 100001 is taken by type "a"`)
	_, err = New(numbered("a", 100_001), numbered("a", 100_002))
	require.EqualError(t, err, `type "a": a is taken by type "a"`)
	_, err = New(typed("a"), typed("b"))
	require.NoError(t, err, "any number of types has no number")
}

// SPEC 1.2, 9.1: by the name or the number of the catalogue.
func TestTypesAreFoundByKeyAndNumber(t *testing.T) {
	t.Parallel()
	c, err := New(typed("b"), typed("a", func(x *Type) { x.Number = 100_100 }))
	require.NoError(t, err)
	for _, ref := range []protocol.TypeRef{"a", "100100"} {
		found, ok := c.Lookup(ref)
		require.True(t, ok)
		require.Equal(t, "a", found.Key)
		require.Equal(t, 300.0, found.Binding.StartToCloseSeconds, "with its defaults")
		require.NoError(t, c.Check(ref))
	}
	for _, ref := range []protocol.TypeRef{"", "A", "0", "100101", "0100100", "a ", "c"} {
		_, ok := c.Lookup(ref)
		require.False(t, ok, ref)
	}
	require.Equal(t, []string{"b", "a"}, []string{c.Types()[0].Key, c.Types()[1].Key}, "in the order of configuration")
}

func TestACatalogueNeverChanges(t *testing.T) {
	t.Parallel()
	c, err := New(typed("a"))
	require.NoError(t, err)
	c.Types()[0].Key = "changed"
	require.Equal(t, "a", c.Types()[0].Key)
}

// SPEC 3.3, 8.3
func TestUnknownTypesAreRefusedWithWhatIsKnown(t *testing.T) {
	t.Parallel()
	c, err := New(typed("b"), typed("a"))
	require.NoError(t, err)
	var refusal *protocol.Refusal
	require.ErrorAs(t, c.Check("x.y"), &refusal)
	require.Equal(t, protocol.Code("80044303"), refusal.Code)
	require.Equal(t, protocol.ErrTypeInvalidOperation, refusal.Type)
	require.Equal(t, `operationType "x.y" is not in the catalogue; known are b, a`, refusal.Message)
}

func TestEmptyCataloguesKnowNoType(t *testing.T) {
	t.Parallel()
	empty, err := New()
	require.NoError(t, err)
	for _, c := range []*Catalogue{nil, {}, empty} {
		_, ok := c.Lookup("a")
		require.False(t, ok)
		require.Empty(t, c.Types())
		require.ErrorContains(t, c.Check("a"), "known are none")
	}
}
