package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// nodeConfig lets operations call the demo's own server, and has a pause heard of
// within a second.
const nodeConfig = `
taskQueue: %q
http: {allowLoopback: true}
types:
  - key: http.request
    activity: http.request
    heartbeat: 1s
    retry: {initial: 100ms}
`

// The whole protocol from a client in another language, with Temporal's own
// package and nothing of ours: examples/node checks what it does, and this what
// became of it. Where node or npm is missing this is skipped.
func TestNodeClientDoesItAll(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	version, err := exec.Command("node", "--version").Output()
	require.NoError(t, err)
	var major int
	if _, err := fmt.Sscanf(string(version), "v%d.", &major); err != nil || major < 20 {
		t.Skipf("node is %s, the example needs 20", version)
	}
	queue, token := unique(t), unique(t)
	startProcess(t, shared, fmt.Sprintf(nodeConfig, queue))
	output := runNode(t, "TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+shared.Namespace(), "SERIATIM_TASKQUEUE="+queue, "TOKEN="+token)
	require.JSONEq(t, `{"accepted":8,"duplicates":1,"rejected":0,"succeeded":3,"failed":2,"canceled":3,"unknownFields":0,"runs":1}`, output)

	c := cli{t: t, queue: queue}
	for id, status := range map[string]protocol.StatusCode{
		"1": protocol.Succeeded, "2": protocol.Canceled, "3": protocol.Succeeded, "4": protocol.Failed, "4-again": protocol.Failed,
		"5": protocol.Succeeded, "6": protocol.Canceled, "7": protocol.Canceled, "alone": protocol.Succeeded,
	} {
		require.Contains(t, c.ok("show", token+"-"+id, "--token", token), status.String(), id)
	}
}

// runNode installs what the example needs, in a folder of its own, and runs it.
func runNode(t *testing.T, environment ...string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "seriatim.mjs", "demo.mjs"} {
		content, err := os.ReadFile(filepath.Join("../../examples/node", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = folder
	if output, err := install.CombinedOutput(); err != nil {
		t.Skipf("npm cannot install @temporalio/client: %v\n%s", err, output)
	}
	node := exec.Command("node", "demo.mjs")
	node.Dir, node.Env, node.Stderr = folder, append(os.Environ(), environment...), os.Stderr
	output, err := node.Output()
	require.NoError(t, err, "%s", output)
	return string(output)
}
