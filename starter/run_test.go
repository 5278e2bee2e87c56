package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	t.Parallel()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			require.Contains(t, c.Example, "starter ")
			require.NotEmpty(t, c.Short)
			require.NotContains(t, c.Short, ".")
			for line := range strings.Lines(c.Long) {
				require.LessOrEqual(t, len([]rune(line)), 90, line)
			}
		})
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit((&app{}).rootCommand())
}

func TestHelpTellsExitCodes(t *testing.T) {
	t.Parallel()
	r := start(t, nil, "", "--help")
	require.Zero(t, r.code)
	for _, code := range []int{exitOK, exitError, exitUsage, exitOutcome, exitNotFound, exitRefused, exitSomeRefused, exitQueueFull, exitViolated, exitUnfit, exitInterrupted} {
		require.Contains(t, r.stdout, fmt.Sprintf("\n  %-4d ", code))
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	refusal := func(errType string) error {
		return fmt.Errorf("submit: %w", &protocol.Refusal{Type: errType, Message: "no"})
	}
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("broken"), exitError},
		{&opclient.NoWorkerError{}, exitError},
		{serviceerror.NewUnavailable("away"), exitError},
		{usagef("no"), exitUsage},
		{&outcomeError{}, exitOutcome},
		{refusal(protocol.ErrTypeOperationNotFound), exitNotFound},
		{refusal(protocol.ErrTypeInvalidTransition), exitRefused},
		{refusal(protocol.ErrTypeDuplicateID), exitRefused},
		{errors.Join(&protocol.FieldError{Field: "id"}), exitRefused},
		{&someRefusedError{}, exitSomeRefused},
		{refusal(protocol.ErrTypeQueueFull), exitQueueFull},
		{&violatedError{}, exitViolated},
		{unfit("no"), exitUnfit},
		{errors.Join(context.Canceled, refusal(protocol.ErrTypeQueueFull)), exitInterrupted},
	} {
		require.Equal(t, test.want, exitCode(test.err), "%v", test.err)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, says string }{
		{"frob", `"frob" is not a command`},
		{"token frob", `"frob" is not a command of "starter token"`},
		{"show", "expected one operation id, got 0"},
		{"show a b", "got 2 arguments"},
		{"list --bogus", "unknown flag: --bogus"},
		{"list --status done", "--status: "},
		{"list -o yaml", `--output: "yaml"`},
		{"list --color pink", `--color: "pink"`},
		{"submit", "--type is missing"},
		{"submit --type x --postpone-until tomorrow", "--postpone-until: "},
		{"submit --file - --type x --id a", "--file does not go with --id, --type"},
		{"postpone a", "--until is missing"},
		{"postpone a --until -5s", "--until: "},
		{"token show a --limit 501", "--limit 1 to 500"},
		{"list --grpc-meta x", "--grpc-meta: "},
		{"list --older-than -1h", "--older-than: "},
		{"list --watch --interval 1s", "--interval: 1s is under the least, 2s"},
		{"token show t --watch --output none", "--watch is for people"},
		{"token list --watch -o none", "--watch is for people"},
		{"cancel", "give operation ids, or a filter"},
		{"cancel a --owner me", "--owner does not go with ids"},
		{"resume --status done", "--status: "},
		{"resume a --yes", "--yes does not go with ids"},
		{"rerun a b", "expected one operation id"},
		{"token hold", "expected one dependency token"},
		{"token hold t --until yesterday", "--until: "},
		{"setup --retention 24h", "--create-namespace"},
		{"setup --create-namespace --retention 0s", "--retention"},
		{"token policy t", "onFailure"},
		{"token policy t --on-failure stop", "onFailure"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			r := start(t, nil, "", strings.Fields(test.args)...)
			require.Equal(t, exitUsage, r.code, r.stderr)
			require.Contains(t, r.stderr, test.says)
			require.Contains(t, r.stderr, "--help")
			require.Empty(t, r.stdout)
		})
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := startIn(ctx, t, &fake{refusal: serviceerror.NewCanceled("gone")}, environment{}, "", "submit", "--type", "x", "--token", "t")
	require.Equal(t, exitInterrupted, r.code)
	require.Equal(t, "Interrupted.\n", r.stderr)
}

func TestConnectionFlagOverEnvironmentOverProfile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(file, []byte(`
[profile.default]
address = "profile:1"
namespace = "from-profile"
[profile.prod]
address = "prod:1"
api_key = "secret"
[profile.private]
address = "private:1"
[profile.private.tls]
server_name = "private"
`), 0o600))
	for name, test := range map[string]struct {
		env                environment
		args               []string
		address, namespace string
		tls                bool
	}{
		"nothing":     {environment{"TEMPORAL_CONFIG_FILE": file + ".none"}, nil, "localhost:7233", "default", false},
		"profile":     {environment{"TEMPORAL_CONFIG_FILE": file}, nil, "profile:1", "from-profile", false},
		"environment": {environment{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_ADDRESS": "env:1"}, nil, "env:1", "from-profile", false},
		"flag": {
			environment{"TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "env"},
			[]string{"--config-file", file, "--address", "flag:1", "-n", "flag"},
			"flag:1", "flag", false,
		},
		"an API key turns TLS on":  {environment{}, []string{"--config-file", file, "--profile", "prod"}, "prod:1", "default", true},
		"--tls=false goes over it": {environment{}, []string{"--config-file", file, "--profile", "private", "--tls=false"}, "private:1", "default", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{records: map[string]protocol.Record{"a": {Operation: protocol.Operation{ID: "a"}}}}
			r := startIn(t.Context(), t, f, test.env, "", append([]string{"show", "a"}, test.args...)...)
			require.Zero(t, r.code, r.stderr)
			require.Equal(t, test.address, f.options.HostPort)
			require.Equal(t, test.namespace, f.options.Namespace)
			require.Equal(t, test.tls, f.options.ConnectionOptions.TLS != nil)
		})
	}
}

// A command with an API key does not dial where nothing hides it.
func TestAnAPIKeyIsNotSentInTheOpen(t *testing.T) {
	t.Parallel()
	f := &fake{}
	r := startIn(t.Context(), t, f, environment{"TEMPORAL_API_KEY": "canary"}, "", "list", "--tls=false")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "never sent without TLS")
	require.NotContains(t, r.stderr, "canary")
	require.Empty(t, f.options.HostPort, "nobody was dialled")
}
