package e2e

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// What docs/operations.md says under "From a running Temporal to the first
// operation" is run as it stands there, in a namespace that is not there yet: but
// for the installation, and with the server of the tests in the place of that of
// the page.
func TestFromARunningTemporalToTheFirstOperation(t *testing.T) {
	t.Parallel()
	if shared.HTTPAddress() == "" {
		t.Skip("the server's HTTP address is not known")
	}
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), `<a id="first"></a>`)
	require.True(t, found)
	section, _, _ = strings.Cut(section, "<a id=")
	namespace := "seriatim-test-" + uuid.NewString()
	script := []string{"set -e"}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(block[1]) {
			script = append(script, adapted(strings.TrimSpace(line), namespace+"-shop"))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", strings.Join(script, "\n"))
	program(t, "starter")
	command.Env = append(os.Environ(), "WORKER="+program(t, "worker"), "PATH="+programs+":"+os.Getenv("PATH"),
		"TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+namespace, "CONFIG=../../config.yaml")
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "behind second")
	require.Contains(t, string(output), "HTTP 404")
	require.Contains(t, string(output), "rerun of        fourth")
	require.Eventually(t, func() bool { // the index lags
		stdout, stderr, code := starterIn(t, namespace, "list", "--token", "customer-42", "--status", protocol.Succeeded.String(), "-o", "jsonl")
		require.Zero(t, code, stderr)
		return strings.Count(stdout, "\n") == 4
	}, patience, 300*time.Millisecond)
}

// adapted is a line of the page that a script can run: nobody sits there to press
// Ctrl-C, or to look whether the worker has come. shop is the namespace that the
// page calls shop.
func adapted(line, shop string) string {
	line = strings.NewReplacer("127.0.0.1:7243", shared.HTTPAddress(), "namespaces/shop", "namespaces/"+shop, "=shop ", "="+shop+" ", "--config config.yaml", `--config "$CONFIG"`).Replace(line)
	switch {
	case line == "make install" || strings.HasPrefix(line, "export "):
		return ""
	case strings.Contains(line, "bin/worker"):
		return strings.Replace(line, "bin/worker", `"$WORKER"`, 1) + " >/dev/null 2>&1 & trap \"kill $!\" EXIT"
	case strings.HasPrefix(line, "starter doctor"):
		return "until " + line + "; do sleep 1; done"
	case strings.Contains(line, "--id fourth"):
		return line + " || test $? = 3"
	case strings.HasSuffix(line, "--watch"):
		return "timeout --signal=INT --preserve-status 5 " + line + " || test $? = 130"
	}
	return line
}
