package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

const (
	fromEnvironment = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	fromLine        = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

func TestSubmittedOperationsGoOnTheTraceOfTheEnvironment(t *testing.T) {
	t.Parallel()
	lines := `{"id":"a","operationType":"x","dependencyToken":"t"}` + "\n" +
		`{"id":"b","operationType":"x","dependencyToken":"t","traceparent":"` + fromLine + `"}` + "\n"
	for name, c := range map[string]struct {
		environment, args string
		wanted            []string
	}{
		"one":                {fromEnvironment, "submit --type x --token t --id a", []string{fromEnvironment}},
		"many":               {fromEnvironment, "submit --file -", []string{fromEnvironment, fromLine}},
		"what is none":       {"secret", "submit --type x --token t --id a", []string{""}},
		"without a variable": {"", "submit --file -", []string{"", fromLine}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{}
			env := environment{"TEMPORAL_CONFIG_FILE": t.TempDir() + "/none.toml"}
			if c.environment != "" {
				env["TRACEPARENT"] = c.environment
			}
			r := startIn(t.Context(), t, f, env, lines, strings.Fields(c.args)...)
			require.Zero(t, r.code, r.stderr)
			require.Len(t, f.submitted, 1)
			encoded, err := json.Marshal(f.submitted[0])
			require.NoError(t, err)
			operations, err := protocol.SplitSubmission(encoded)
			require.NoError(t, err)
			var traceparents []string
			for _, raw := range operations {
				var o protocol.Operation
				require.NoError(t, json.Unmarshal(raw, &o))
				traceparents = append(traceparents, o.Traceparent)
			}
			require.Equal(t, c.wanted, traceparents)
		})
	}
}

func TestShowPrintsTheTracesID(t *testing.T) {
	t.Parallel()
	f := site()
	record := f.records["f"]
	record.Traceparent = fromEnvironment
	f.records["f"] = record
	r := start(t, f, "", "show", "f")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, "\ntrace           4bf92f3577b34da6a3ce929d0e0e4736\n")
	r = start(t, f, "", "show", "f", "-o", "json")
	require.Contains(t, r.stdout, `"traceparent": "`+fromEnvironment+`"`)
}
