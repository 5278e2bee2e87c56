package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	needNode(t)
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

// needNode skips the test where node or npm is missing or old.
func needNode(t *testing.T) {
	t.Helper()
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
}

// runNode installs what the example needs, in a folder of its own, and runs it.
func runNode(t *testing.T, environment ...string) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, copyExample("node", folder))
	skipOffline(t, npm(folder, "ci", "--no-audit", "--no-fund", "--ignore-scripts"))
	node := exec.Command("node", "demo.mjs")
	node.Dir, node.Env, node.Stderr = folder, append(os.Environ(), environment...), os.Stderr
	output, err := node.Output()
	require.NoError(t, err, "%s", output)
	return string(output)
}

// copyExample copies an example without what was installed or built there.
func copyExample(name, to string) error {
	from := filepath.Join("../../examples", name)
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "node_modules" || entry.Name() == "dist" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, relative), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), content, 0o600)
	})
}

// offline is how npm says that it does not reach its registry.
var offline = regexp.MustCompile(`\b(EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b`)

// skipOffline skips the test where npm failed for want of a network. Any other
// failure, such as of a lock file, is the test's.
func skipOffline(t *testing.T, err error) {
	t.Helper()
	if err != nil && offline.MatchString(err.Error()) {
		t.Skipf("the npm registry cannot be reached: %v", err)
	}
	require.NoError(t, err)
}

// npm runs npm in a folder; the error says what it said.
func npm(folder string, args ...string) error {
	command := exec.Command("npm", args...)
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm %v: %w\n%s", args, err, output)
	}
	return nil
}
