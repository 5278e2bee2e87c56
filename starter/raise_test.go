package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/seriatim-go/seriatim/protocol"
)

// registered is a configuration with handlers for events.
func registered(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`
types:
  - {key: mail.send, activity: sendMail}
events:
  - {name: audit, activity: writeAudit}
  - {name: account.sync, message: update, entity: account, activity: syncAccount, taskQueue: crm, token: "account-{regardingObjectId}"}
  - {name: notice, message: create, type: mail.send}
`), 0o600))
	return path
}

func raisedSite() *fake {
	f := site()
	f.outcome.Handlers = []protocol.EventHandled{
		{Handler: "audit", Operation: &protocol.Handle{ID: "u1~audit"}},
		{Handler: "account.sync", Operation: &protocol.Handle{ID: "u1~account.sync", Token: "account-42"}},
	}
	return f
}

// SPEC 8.7
func TestEventOutput(t *testing.T) {
	t.Parallel()
	path := registered(t)
	for name, args := range map[string]string{
		"raise.txt":      "raise --message update --entity account --record 42 --id u1",
		"raise-wait.txt": "raise --message update --entity account --record 42 --id u1 --wait",
		"raise.json":     "raise --message update --id u1 --wait -o json",
		"handlers.txt":   "handlers --config " + path,
		"handlers.jsonl": "handlers -o jsonl --config " + path,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, raisedSite(), "", strings.Fields(args)...)
			require.Zero(t, r.code, r.stderr)
			golden(t, name, r.stdout)
			r = start(t, raisedSite(), "", append(strings.Fields(args), "-o", "none")...)
			require.Zero(t, r.code)
			require.Empty(t, r.stdout)
		})
	}
}

func TestRaiseTellsWhatGotNoOperation(t *testing.T) {
	t.Parallel()
	f := raisedSite()
	f.outcome.Handlers[1] = protocol.EventHandled{Handler: "account.sync", Error: "dependencyToken: {regardingObjectId} is empty"}
	r := start(t, f, "", "raise", "--message", "update", "--wait")
	require.Equal(t, exitSomeRefused, r.code)
	require.Contains(t, r.stdout, "{regardingObjectId} is empty")
	require.Contains(t, r.stderr, "1 of 2 handlers got no operation")
	require.Equal(t, 1, f.raised)
	r = start(t, site(), "", "raise", "--message", "update", "--wait")
	require.Zero(t, r.code)
	require.Contains(t, r.stdout, "no handler is registered for it")
	require.Equal(t, exitUsage, start(t, nil, "", "raise").code)
	require.Equal(t, exitRefused, start(t, site(), "", "raise", "--message", "m", "--data", "{").code)
	require.Equal(t, exitRefused, start(t, site(), "", "raise", "--message", strings.Repeat("x", 161)).code)
}

func TestHandlersWithoutCountsSaySo(t *testing.T) {
	t.Parallel()
	f := site()
	f.refusal = serviceerror.NewInvalidArgument("no attribute OperationType")
	r := start(t, f, "", "handlers", "--config", registered(t), "-o", "jsonl")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, "not known")
	require.Equal(t, 3, strings.Count(r.stdout, "\n"))
	var first handlerOutput
	require.NoError(t, json.Unmarshal([]byte(strings.Split(r.stdout, "\n")[0]), &first))
	require.Equal(t, handlerOutput{Name: "audit", Type: "event.audit", Activity: "writeAudit"}, first)
	r = start(t, site(), "", "handlers", "--config", configured(t))
	require.Contains(t, r.stderr, "registers no handler")
}
