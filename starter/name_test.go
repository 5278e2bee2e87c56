package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run is the whole program, as main starts it.
func run(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func TestAsAnExtensionItSpeaksOfItselfAsOne(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--help", "token show --help", "cancel --help", "setup --help", "doctor --help"} {
		r := run(t, append([]string{"/usr/local/bin/temporal-operation"}, strings.Fields(args)...)...)
		require.Zero(t, r.code, r.stderr)
		require.Contains(t, r.stdout, "  temporal operation ")
		require.NotRegexp(t, `\bstarter\b[^:]`, r.stdout, "the default identity alone")
	}
	r := run(t, "temporal-operation.exe", "token", "show")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, `See "temporal operation token show --help".`)
	r = run(t, "bin/starter", "--help")
	require.Contains(t, r.stdout, "  starter submit ")
	require.NotContains(t, r.stdout, "temporal operation")
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	const files, noFiles = ":0", ":4"
	for _, test := range []struct {
		args      []string
		contains  string
		directive string
	}{
		{[]string{"token", ""}, "policy\t", noFiles},
		{[]string{"can"}, "cancel\t", noFiles},
		{[]string{"list", "--status", ""}, "WaitingForResources\nWaiting\nInProgress\nSucceeded\nFailed\nCanceled\n", noFiles},
		{[]string{"submit", "--type", ""}, "http.request\n", noFiles},
		{[]string{"list", "-o", ""}, "text\njson\njsonl\nnone\n", noFiles},
		{[]string{"token", "policy", "t", "--on-failure", ""}, "continue\nhold\ncancelRest\n", noFiles},
		{[]string{"show", ""}, "", noFiles},
		{[]string{"list", "--token", ""}, "", noFiles},
		{[]string{"submit", "--file", ""}, "", files},
		{[]string{"doctor", "--config", ""}, "", files},
	} {
		r := run(t, append([]string{"starter", "__complete"}, test.args...)...)
		require.Zero(t, r.code, r.stderr)
		require.Contains(t, r.stdout, test.contains)
		require.True(t, strings.HasSuffix(r.stdout, test.directive+"\n"), "%v: %s", test.args, r.stdout)
	}
}

// Each shell reads the script that is for it.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for shell, check := range map[string][]string{"bash": {"-n"}, "zsh": {"-n"}, "fish": {"--no-execute"}} {
		for _, name := range []string{"starter", "temporal-operation"} {
			r := run(t, name, "completion", shell)
			require.Zero(t, r.code, r.stderr)
			require.Contains(t, r.stdout, name)
			path, err := exec.LookPath(shell)
			if err != nil {
				continue // the script is there; who has the shell looks closer
			}
			command := exec.Command(path, append(check, "/dev/stdin")...)
			command.Stdin = strings.NewReader(r.stdout)
			output, err := command.CombinedOutput()
			require.NoError(t, err, "%s: %s", shell, output)
		}
	}
}
