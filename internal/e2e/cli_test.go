package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
)

// cli runs the starter as a person does: it obeys TEMPORAL_*.
type cli struct {
	t     *testing.T
	queue string
	// server is shared where it is nil.
	server *embedded.Server
}

// run answers what the starter prints and its exit code.
func (c cli) run(stdin string, args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	command := exec.Command(program(c.t, "starter"), args...)
	server := cmp.Or(c.server, shared)
	command.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+server.Address(), "TEMPORAL_NAMESPACE="+server.Namespace())
	command.Stdin = strings.NewReader(stdin)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	err := command.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		require.NoError(c.t, err)
	}
	return out.String(), problems.String(), command.ProcessState.ExitCode()
}

// ok is run where success is expected.
func (c cli) ok(args ...string) string {
	c.t.Helper()
	stdout, stderr, code := c.run("", append(args, "--task-queue", c.queue)...)
	require.Zero(c.t, code, "%v: %s%s", args, stdout, stderr)
	return stdout
}

// The command line against a worker process and a real target, verb by verb.
func TestStarterSubmitsFindsAndActs(t *testing.T) {
	t.Parallel()
	r := newTarget(t, time.Millisecond)
	c := cli{t: t, queue: unique(t)}
	startProcess(t, shared, fmt.Sprintf(crashConfig, c.queue, r.URL))
	token := unique(t)
	data := fmt.Sprintf(`{"method":"POST","connection":"target","path":"/%s"}`, token)
	submit := func(id string, more ...string) string {
		return c.ok(append([]string{"submit", "--type", "http.request", "--token", token, "--id", id, "--data", data}, more...)...)
	}
	first, head, queued, last := token+"-1", token+"-2", token+"-3", token+"-4"
	submit(first, "--wait")
	submit(head, "--postpone-until", "1h")
	submit(queued)
	submit(last)
	c.eventually("postponed", "token", "show", token)
	require.Contains(t, c.ok("list", "--token", token), queued)
	var record protocol.Record
	require.NoError(t, json.Unmarshal([]byte(c.ok("show", queued, "--token", token, "-o", "json")), &record))
	require.Equal(t, head, record.BlockedBy)
	require.Equal(t, 1, record.Position)

	c.ok("cancel", queued, "--token", token, "--reason", "by a test")
	c.ok("postpone", head, "--until", "1s")
	c.ok("wait", last, "--token", token)
	_, _, code := c.run("", "wait", queued, "--task-queue", c.queue)
	require.Equal(t, 3, code, "ended Canceled")
	_, stderr, code := c.run("", "show", "no-such-operation", "--token", token)
	require.Equal(t, 4, code, stderr)
	_, stderr, code = c.run("", "submit", "--type", "http.request", "--id", strings.Repeat("x", 129))
	require.Equal(t, 5, code, stderr)
	require.Contains(t, stderr, "128")
	var came []string
	for _, q := range r.all() {
		came = append(came, q.ID)
	}
	require.Equal(t, []string{first, head, last}, came)
}

// eventually runs a command until its output contains the text.
func (c cli) eventually(text string, args ...string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		stdout, _, _ := c.run("", append(args, "--task-queue", c.queue)...)
		return strings.Contains(stdout, text)
	}, patience, 200*time.Millisecond, "%v says %q", args, text)
}

// A file goes in line by line; what is refused is named and the rest goes on.
func TestStarterSubmitsAFile(t *testing.T) {
	t.Parallel()
	r := newTarget(t, time.Millisecond)
	c := cli{t: t, queue: unique(t)}
	startProcess(t, shared, fmt.Sprintf(crashConfig, c.queue, r.URL))
	token := unique(t)
	var lines strings.Builder
	var wanted []string
	for n := range 50 {
		o := operation(token, n)
		fmt.Fprintf(&lines, `{"id":%q,"operationType":"http.request","dependencyToken":%q,"data":{"connection":"target","path":"/x"}}`+"\n", o.ID, token)
		wanted = append(wanted, o.ID)
	}
	lines.WriteString(`{"id":"bad","operationType":"http.request","naem":"typo"}` + "\n")
	stdout, stderr, code := c.run(lines.String(), "submit", "--file", "-", "--wait", "--task-queue", c.queue)
	require.Equal(t, 6, code, stdout+stderr)
	require.Contains(t, stderr, "naem")
	require.Contains(t, stderr, "51", "the line")
	var came []string
	for _, q := range r.all() {
		came = append(came, q.ID)
	}
	require.Equal(t, wanted, came)
}

// A worker of a team's own, from the public packages alone, in a module of its
// own (examples/ownworker).
func TestOwnWorkerRunsItsHandler(t *testing.T) {
	t.Parallel()
	path := filepath.Join(programs, "ownworker")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = "../../examples/ownworker"
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))
	worker := exec.Command(path)
	worker.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+shared.Namespace())
	require.NoError(t, worker.Start())
	t.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	})
	stdout, stderr, code := cli{t: t}.run("", "submit", "--type", "greeting.send", "--token", unique(t),
		"--data", `{"name":"Ada"}`, "--wait", "-o", "json")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "Hello, Ada")
}
