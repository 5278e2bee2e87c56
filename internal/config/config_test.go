package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// environment is an Env with these variables.
func environment(variables map[string]string) Env {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

// load reads the content as a file of its own.
func load(t *testing.T, content string, variables map[string]string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return Load(path, environment(variables))
}

func TestCommittedFileShowsTheDefaults(t *testing.T) {
	t.Parallel()
	committed, err := Load("../../config.yaml", environment(nil))
	require.NoError(t, err)
	cat, err := committed.Catalogue()
	require.NoError(t, err)
	bound := catalogue.Type{
		Key: "http.request", Number: 100_001, Label: "HTTP request",
		Binding: catalogue.Binding{Activity: "http.request", HeartbeatSeconds: 30},
	}
	long := catalogue.Binding{StartToCloseSeconds: 24 * 60 * 60, HeartbeatSeconds: 30, Retry: catalogue.Retry{MaxAttempts: 10}}
	imported := catalogue.Type{Key: "import", Label: "Import", Binding: long}
	propagated := catalogue.Type{Key: "activity.propagation", Label: "Activity propagation", Binding: long}
	mailed := catalogue.Type{Key: "bulk.email", Label: "Bulk e-mail", Binding: long}
	mailed.Binding.Retry = catalogue.Retry{MaxAttempts: 20, InitialSeconds: 5, MaxSeconds: 600}
	all := []catalogue.Type{bound.WithDefaults()}
	for _, each := range []catalogue.Type{imported, propagated, mailed} {
		each.Binding.Activity, each.AllowToken = each.Key, true
		all = append(all, each.WithDefaults())
	}
	require.Equal(t, all, cat.Types())

	committed.Types, committed.HTTP.Connections, committed.SQL.Connections, committed.path = nil, nil, nil, ""
	committed.SMTP.Connections, committed.HTTP.AllowHosts = nil, nil
	committed.Events = nil
	require.Equal(t, Default(), committed)
	require.NoError(t, committed.Validate())
}

func TestCommittedFileNamesEachSetting(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../config.yaml")
	require.NoError(t, err)
	c := Default()
	for key := range c.settings() {
		require.Contains(t, string(content), key[strings.LastIndex(key, ".")+1:]+":", key)
	}
}

// Each scalar of Config can be set from the environment.
func TestSettingsAreComplete(t *testing.T) {
	t.Parallel()
	c := Default()
	settings := c.settings()
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			field, key := v.Field(i), prefix+v.Type().Field(i).Tag.Get("mapstructure")
			switch {
			case !v.Type().Field(i).IsExported() || field.Kind() == reflect.Slice:
			case field.Kind() == reflect.Struct:
				walk(key+".", field)
			default:
				require.Equal(t, field.Addr().Interface(), settings[key], key)
			}
		}
	}
	walk("", reflect.ValueOf(&c).Elem())
}

func TestFileIsReadOverTheDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(t, `
serializer: {linger: 90m}
HTTP:
  allowloopback: true
  connections:
    - {name: crm, baseURL: "https://crm.example.com", headers: {X-Tenant: north, Authorization: {env: CRM}}}
types:
  - key: Import.File
    activity: importFile
`, nil)
	require.ErrorContains(t, err, `"Import.File" is not lower-case words with dots`) // a key keeps its case
	require.Empty(t, c)

	c, err = load(t, `
serializer: {linger: 90m}
HTTP:
  allowloopback: true
worker:
types:
  - {key: a.b, number: 100002, activity: doAB, taskQueue: q, startToClose: 1m30s, heartbeat: 500ms, cancelTimeout: 2m,
     retry: {maxAttempts: 7, initial: 2s, backoff: 1.5, max: 1h, nonRetryable: [Gone]}}
`, nil)
	require.NoError(t, err)
	require.Equal(t, 90*time.Minute, c.Serializer.Linger)
	require.True(t, c.HTTP.AllowLoopback, "keys have no case")
	require.Equal(t, 5000, c.Serializer.MaxRunSignals, "the rest of a section keeps its defaults")
	require.Equal(t, Default().Worker, c.Worker, "an empty section keeps its defaults")
	cat, err := c.Catalogue()
	require.NoError(t, err)
	require.Equal(t, []catalogue.Type{{
		Key: "a.b", Number: 100_002, Label: "a.b",
		Binding: catalogue.Binding{
			Activity: "doAB", TaskQueue: "q", StartToCloseSeconds: 90, HeartbeatSeconds: 0.5, CancelTimeoutSeconds: 120,
			Retry: catalogue.Retry{MaxAttempts: 7, InitialSeconds: 2, Backoff: 1.5, MaxSeconds: 3600, NonRetryable: []string{"Gone"}},
		},
	}}, cat.Types())
}

func TestTypesAndHandlersMayRunLocally(t *testing.T) {
	t.Parallel()
	c, err := load(t, `
types:
  - {key: a.b, activity: doAB, execution: local, startToClose: 2s}
events:
  - {name: n, activity: notify, execution: local}
`, nil)
	require.NoError(t, err)
	cat, err := c.Catalogue()
	require.NoError(t, err)
	bound, _ := cat.Lookup("a.b")
	handler, _ := cat.Lookup("event.n")
	require.Equal(t, []any{catalogue.ExecutionLocal, 2.0}, []any{bound.Binding.Execution, bound.Binding.StartToCloseSeconds})
	require.Equal(t, []any{catalogue.ExecutionLocal, 5.0}, []any{handler.Binding.Execution, handler.Binding.StartToCloseSeconds})
}

// SPEC 9.1, 9.2: original types are bound by key or number, own ones restricted.
func TestTypesAreBoundAndRestricted(t *testing.T) {
	t.Parallel()
	c, err := load(t, `
types:
  - {key: bulk.email, activity: sendBulk, dependencyToken: allowed}
  - {number: 57, activity: rollUp}
  - {key: a.b, activity: doAB, restrictions: [noControl, noToken]}
  - {key: workflow, workflows: [{name: Fulfil, taskQueue: orders}, {name: Bill}]}
  - {key: order.fulfil, workflow: Fulfil, taskQueue: orders, startToClose: 1h}
`, nil)
	require.NoError(t, err)
	cat, err := c.Catalogue()
	require.NoError(t, err)
	types := cat.Types()
	require.Equal(t, []any{2, "Bulk Email", 0}, []any{types[0].Number, types[0].Label, len(types[0].Restrictions)})
	require.Equal(t, []any{"rollup.field", protocol.Restrictions{protocol.NoCancelOrDelete}}, []any{types[1].Key, types[1].Restrictions})
	require.Equal(t, protocol.Restrictions{protocol.NoControl, protocol.NoToken}, types[2].Restrictions)
	require.Equal(t, []catalogue.Workflow{{Name: "Fulfil", TaskQueue: "orders"}, {Name: "Bill"}}, types[3].Binding.Workflows)
	require.Equal(t, []any{"Fulfil", "orders", 3600.0}, []any{types[4].Binding.Workflow, types[4].Binding.TaskQueue, types[4].Binding.StartToCloseSeconds})
}

// SPEC 8.7
func TestHandlersAreRegisteredForEvents(t *testing.T) {
	t.Parallel()
	c, err := load(t, `
types: [{key: mail.send, activity: sendMail}]
events:
  - {name: account.sync, message: update, entity: account, token: "account-{regardingObjectId}",
     activity: syncAccount, taskQueue: crm, startToClose: 1m, heartbeat: 5s, cancelTimeout: 10s, retry: {maxAttempts: 9}}
  - {name: notice, type: mail.send}
`, nil)
	require.NoError(t, err)
	cat, err := c.Catalogue()
	require.NoError(t, err)
	events := cat.Events()
	require.Equal(t, []string{"account.sync", "update", "account", "account-{regardingObjectId}"},
		[]string{events[0].Name, events[0].MessageName, events[0].PrimaryEntityType, events[0].DependencyToken})
	synced, _ := cat.Lookup("event.account.sync")
	require.Equal(t, []any{"syncAccount", "crm", 60.0, 5.0, 10.0, int32(9)}, []any{
		synced.Binding.Activity, synced.Binding.TaskQueue, synced.Binding.StartToCloseSeconds,
		synced.Binding.HeartbeatSeconds, synced.Binding.CancelTimeoutSeconds, synced.Binding.Retry.MaxAttempts,
	})
	require.Equal(t, protocol.TypeRef("mail.send"), events[1].Key())
}

func TestEmptyFileIsTheDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(t, "", nil)
	require.NoError(t, err)
	c.path = ""
	require.Equal(t, Default(), c)
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	t.Parallel()
	c, err := load(t, "http: {allowLoopback: true, maxResponseBytes: 10}\ntaskQueue: a", map[string]string{
		"SERIATIM_HTTP_ALLOWLOOPBACK":      "false",
		"SERIATIM_HTTP_MAXRESPONSEBYTES":   "", // as if it were not set
		"SERIATIM_TASKQUEUE":               "b",
		"SERIATIM_WORKER_STOPTIMEOUT":      "3s",
		"SERIATIM_SERIALIZER_MAXRUNEVENTS": "50",
	})
	require.NoError(t, err)
	require.False(t, c.HTTP.AllowLoopback)
	require.Equal(t, 10, c.HTTP.MaxResponseBytes)
	require.Equal(t, "b", c.TaskQueue)
	require.Equal(t, 3*time.Second, c.Worker.StopTimeout)
	require.Equal(t, 50, c.Serializer.MaxRunEvents)
}

func TestAttributeNames(t *testing.T) {
	t.Parallel()
	require.Empty(t, Default().AttributeNames())
	c, err := load(t, "searchAttributes: {names: {OperationStatus: AcmeStatus, CorrelationId: CorrelationId}}", map[string]string{
		"SERIATIM_SEARCHATTRIBUTES_NAMES_QUEUEDEPTH": "AcmeDepth",
	})
	require.NoError(t, err)
	require.Equal(t, protocol.AttributeNames{"OperationStatus": "AcmeStatus", "QueueDepth": "AcmeDepth"}, c.AttributeNames())
	require.Equal(t, protocol.AttributeNames{"QueueDepth": "AcmeDepth"}, AttributeNamesFrom(environment(map[string]string{
		"SERIATIM_SEARCHATTRIBUTES_NAMES_QUEUEDEPTH": "AcmeDepth", "SERIATIM_SEARCHATTRIBUTES_NAMES_OPERATIONTYPE": "",
	})))
}
