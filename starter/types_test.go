package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// configured is a configuration of one original type, a workflow, and own ones.
func configured(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`
types:
  - {key: http.request, number: 100001, label: HTTP request, activity: http.request}
  - {number: 5, activity: importFile, taskQueue: imports}
  - {key: workflow, workflows: [{name: Fulfil, taskQueue: orders}, {name: Bill}]}
  - {key: order.fulfil, workflow: Fulfil, taskQueue: orders, restrictions: [noCancelOrDelete]}
`), 0o600))
	return path
}

// SPEC 9.1, 9.2
func TestTypesAreListedFromTheConfiguration(t *testing.T) {
	t.Parallel()
	path := configured(t)
	for name, args := range map[string][]string{
		"types.txt":     {"types", "--config", path},
		"types.json":    {"types", "--config", path, "-o", "json"},
		"types-all.txt": {"types", "--config", path, "--all"},
	} {
		r := start(t, nil, "", args...)
		require.Zero(t, r.code, r.stderr)
		golden(t, name, r.stdout)
	}
	r := startIn(t.Context(), t, nil, environment{"SERIATIM_CONFIG": path}, "", "types", "-o", "none")
	require.Equal(t, result{}, r)
	r = start(t, nil, "", "types", "--config", path+".none")
	require.Equal(t, exitError, r.code)
	require.Contains(t, r.stderr, "config.yaml.none")
}

// SPEC 8.3: by a client that was given a catalogue.
func TestSubmitRefusesWhatTheConfigurationDoesNotTake(t *testing.T) {
	t.Parallel()
	path := configured(t)
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"--type", "mail.send"}, `operationType "mail.send" is not in the catalogue; known are http.request, import, workflow, order.fulfil`},
		{[]string{"--type", "2"}, `operationType "2" is known, and nothing runs it: bind "bulk.email"`},
		{[]string{"--type", "import", "--token", "t"}, `dependencyToken: type "import" takes none`},
	} {
		f := site()
		r := start(t, f, "", append([]string{"submit", "--config", path}, test.args...)...)
		require.Equal(t, exitRefused, r.code, test.args)
		require.Contains(t, r.stderr, test.says)
		require.Zero(t, f.signals)
		require.Zero(t, start(t, site(), "", append([]string{"submit"}, test.args...)...).code, "without a catalogue the worker decides")
	}
	require.Zero(t, start(t, site(), "", "submit", "--config", path, "--type", "http.request", "--token", "t").code)
	r := start(t, site(), `{"id":"a","operationType":"none"}`, "submit", "--config", path, "--file", "-")
	require.Equal(t, exitSomeRefused, r.code)
	require.Contains(t, r.stderr, "line 1 (a): refused: ")
	require.Equal(t, exitError, start(t, site(), "", "submit", "--config", path+".none", "--type", "a").code)
}
