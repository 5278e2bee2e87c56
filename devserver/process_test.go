package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// asServer makes the test program a devserver, so that tests have a real
// process to signal without building one.
const asServer = "SERIATIM_TEST_AS_DEVSERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

const startLimit = time.Minute

// process is a running devserver.
type process struct {
	command *exec.Cmd
	// announced are the lines it printed when it was ready.
	announced map[string]string
	stderr    *bytes.Buffer
}

// startProcess runs a devserver until it says that it is ready.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	t.Cleanup(cancel)
	p := &process{command: command(ctx, args...), announced: make(map[string]string), stderr: &bytes.Buffer{}}
	p.command.Stderr = p.stderr
	stdout, err := p.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.command.Start())
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		p.announced[name] = strings.TrimSpace(value)
		if name == "Database" {
			return p
		}
	}
	require.FailNow(t, "the server ended early", "%v\n%s", p.command.Wait(), p.stderr)
	return nil
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, os.Args[0], args...)
	command.Env = append(os.Environ(), asServer+"=1")
	return command
}

// client returns a connected client.
func (p *process) client(t *testing.T, namespace string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: p.announced["Temporal server"], Namespace: namespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// interrupted sends SIGINT and returns the exit code.
func (p *process) interrupted(t *testing.T) int {
	t.Helper()
	require.NoError(t, p.command.Process.Signal(os.Interrupt))
	_ = p.command.Wait()
	return p.command.ProcessState.ExitCode()
}

// killed ends the process as a crash does.
func (p *process) killed(t *testing.T) {
	t.Helper()
	require.NoError(t, p.command.Process.Signal(syscall.SIGKILL))
	_ = p.command.Wait()
}
