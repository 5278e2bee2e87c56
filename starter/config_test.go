package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The names of the search attributes: the flag over the configuration over the
// environment.
func TestSearchAttributeNames(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte("searchAttributes: {names: {OperationStatus: FromFile, OperationOwner: OwnerFromFile}}"), 0o600))
	for name, test := range map[string]struct {
		environment environment
		args        []string
		query       string
	}{
		"the default":     {nil, nil, "OperationOwner = 'me' AND ExecutionStatus = 'Running' AND OperationStatus = 'Waiting'"},
		"the environment": {environment{"SERIATIM_SEARCHATTRIBUTES_NAMES_OPERATIONSTATUS": "FromEnv"}, nil, "OperationOwner = 'me' AND ExecutionStatus = 'Running' AND `FromEnv` = 'Waiting'"},
		"the flag": {
			environment{"SERIATIM_SEARCHATTRIBUTES_NAMES_OPERATIONSTATUS": "FromEnv"},
			[]string{"--search-attribute-names", "OperationStatus=FromFlag"},
			"OperationOwner = 'me' AND ExecutionStatus = 'Running' AND `FromFlag` = 'Waiting'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			env := environment{"TEMPORAL_CONFIG_FILE": t.TempDir() + "/none.toml"}
			for key, value := range test.environment {
				env[key] = value
			}
			r := startIn(t.Context(), t, f, env, "", append([]string{"list", "--status", "waiting", "--owner", "me"}, test.args...)...)
			require.Equal(t, exitOK, r.code, r.stderr)
			require.Equal(t, []string{"WorkflowType IN ('Operation', 'Recurrence') AND " + test.query}, f.queries)
		})
	}
	a := &app{environment: environment{"SERIATIM_SEARCHATTRIBUTES_NAMES_OPERATIONOWNER": "OwnerFromEnv"}, attributeNames: map[string]string{"OperationType": "FromFlag"}}
	_, err := a.configured(file)
	require.NoError(t, err)
	names, err := a.names()
	require.NoError(t, err)
	require.Equal(t, "FromFile OwnerFromEnv FromFlag", names.Of("OperationStatus")+" "+names.Of("OperationOwner")+" "+names.Of("OperationType"))
}
