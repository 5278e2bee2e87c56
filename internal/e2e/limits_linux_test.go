package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// limited is a server of a test's own with a worker process, which come to a limit.
type limited struct {
	t         *testing.T
	server    *embedded.Server
	queue     string
	target    *target
	submitted []protocol.Operation // and acknowledged
}

func newLimited(t *testing.T, o embedded.ServerOptions) *limited {
	t.Helper()
	server, err := embedded.Start(t.Context(), source, o)
	require.NoError(t, err)
	if server.Source().Kind == embedded.KindAddress {
		t.Skip("a server that others use too is not limited")
	}
	l := &limited{t: t, server: server, queue: unique(t), target: newTarget(t, 20*time.Millisecond)}
	t.Cleanup(func() { _ = l.server.Stop() }) // its database is of no more use
	startProcess(t, server, fmt.Sprintf(crashConfig, l.queue, l.target.URL))
	return l
}

func (l *limited) client() *opclient.Client {
	l.t.Helper()
	c, err := client.Dial(opclient.DialOptions(client.Options{HostPort: l.server.Address(), Namespace: l.server.Namespace()}))
	require.NoError(l.t, err)
	l.t.Cleanup(c.Close)
	return opclient.New(c, opclient.Options{TaskQueue: l.queue})
}

// refused has the command line submit an operation, and wants it to fail with words
// that a person can do something with.
func (l *limited) refused(id string, words ...string) {
	l.t.Helper()
	command := exec.Command(program(l.t, "starter"), "submit", "--type", "http.request", "--token", "refused", "--id", id,
		"--task-queue", l.queue, "--retry-for", "1s", "--data", `{"connection":"target"}`)
	command.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+l.server.Address(), "TEMPORAL_NAMESPACE="+l.server.Namespace())
	output, err := command.CombinedOutput()
	require.Error(l.t, err, string(output))
	require.Equal(l.t, 1, command.ProcessState.ExitCode())
	for _, word := range append(words, id) {
		require.Contains(l.t, string(output), word)
	}
}

// recovers waits until all that was acknowledged is done, and proves that each was
// delivered, in order.
func (l *limited) recovers(c *opclient.Client) {
	l.t.Helper()
	for _, o := range l.submitted {
		var found opclient.Found
		require.EventuallyWithT(l.t, func(t *assert.CollectT) { // a token that reads nothing for 3 s knows nothing of it
			var err error
			found, err = c.Wait(l.t.Context(), o.ID, o.DependencyToken)
			require.NoError(t, err)
		}, patience, 100*time.Millisecond)
		require.Equal(l.t, protocol.Succeeded, found.StatusCode, "%s: %s", o.ID, found.Message)
	}
	known := func(q request) bool {
		return slices.ContainsFunc(l.submitted, func(o protocol.Operation) bool { return o.ID == q.ID })
	}
	all := slices.DeleteFunc(l.target.all(), func(q request) bool { return !known(q) })
	repeats := requireDelivered(l.t, l.submitted, all)
	l.t.Logf("%d operations acknowledged and done, %d repeated attempts", len(l.submitted), repeats)
}

// heavy gives operations a body of so many bytes.
func heavy(operations []protocol.Operation, bytes int) []protocol.Operation {
	for n, o := range operations {
		operations[n].Data = fmt.Appendf(nil, `{"method":"POST","connection":"target","path":"/%s","body":%q}`, o.DependencyToken, strings.Repeat("x", bytes))
	}
	return operations
}

func TestFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	l := newLimited(t, embedded.ServerOptions{DBFilename: filepath.Join(disk, "temporal.db")})
	c := l.client()
	for _, o := range heavy(deliveries(l.queue, 3, 200), 40_000) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, err := c.Submit(ctx, o)
		cancel()
		if err != nil {
			break // the disk is full
		}
		l.submitted = append(l.submitted, o)
	}
	require.Less(t, len(l.submitted), 600, "the disk never filled")
	l.refused("on-a-full-disk", "may or may not have arrived; repeat it with the same id", "the server's last answer was", "shard status unknown")
	require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=512m"))
	l.recovers(c)
}

func TestRateLimitLosesNothing(t *testing.T) {
	t.Parallel()
	o := embedded.ServerOptions{DBFilename: filepath.Join(t.TempDir(), "temporal.db")}
	l := newLimited(t, o)
	_, port, err := net.SplitHostPort(l.server.Address())
	require.NoError(t, err)
	o.Port, err = strconv.Atoi(port)
	require.NoError(t, err)
	l.submitted = deliveries(l.queue, 4, 20)
	summary, err := l.client().SubmitMany(t.Context(), opclient.Items(l.submitted...), nil)
	require.NoError(t, err)
	require.Equal(t, len(l.submitted), summary.Accepted)
	restart := func(settings map[string]string) {
		require.NoError(t, l.server.Stop())
		o.DynamicConfig = settings
		l.server, err = embedded.Start(t.Context(), source, o)
		require.NoError(t, err)
	}
	restart(map[string]string{"frontend.namespaceRPS": "0"})
	l.refused("at-the-limit", "namespace rate limit exceeded", "the call was repeated, and never taken")
	restart(nil)
	c := l.client()
	l.recovers(c)
	_, err = c.Get(t.Context(), "at-the-limit", "refused")
	require.ErrorIs(t, err, opclient.ErrNotFound, "never taken is true")
}

// scripted runs the worker by a shell that sets its limits first.
func scripted(t *testing.T, before string, config string, environment ...string) *process {
	t.Helper()
	script := filepath.Join(t.TempDir(), "worker")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\n%s\nexec %s \"$@\"\n", before, program(t, "worker")), 0o700))
	return runProgram(t, script, append(append(os.Environ(), "TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+shared.Namespace()), environment...), "warn", config)
}

const limitsConfig = `
taskQueue: %q
http: {allowLoopback: true, connections: [{name: target, baseURL: %q}]}
types: [{key: http.request, activity: http.request, startToClose: 2m, retry: {initial: 100ms}}]
`

// With the default of four attempts. SPEC 6.2.
func TestFewDescriptorsFailNothing(t *testing.T) {
	t.Parallel()
	var once sync.Once
	open := make(chan struct{})
	release := func() { once.Do(func() { close(open) }) }
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		<-open
		mu.Lock()
		defer mu.Unlock()
		seen[q.URL.Path]++
	}))
	t.Cleanup(server.Close)
	t.Cleanup(release)
	queue := unique(t)
	scripted(t, "ulimit -n 64", fmt.Sprintf(limitsConfig, queue, server.URL))
	c := opclient.New(dial(t, shared.Namespace()), opclient.Options{TaskQueue: queue})
	operations := deliveries(queue, 100, 1)
	_, err := c.SubmitMany(t.Context(), opclient.Items(operations...), nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(operations, func(o protocol.Operation) bool {
			found, err := c.Get(t.Context(), o.ID, o.DependencyToken)
			return err == nil && found.ErrorCode == "WorkerShort" && strings.Contains(found.Message, "too many open files")
		})
	}, patience, 200*time.Millisecond, "the record says what the worker lacks")
	time.AfterFunc(3*time.Second, release) // more than four attempts of a type's policy would take
	for _, o := range operations {
		found, err := c.Wait(t.Context(), o.ID, o.DependencyToken)
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode, "%s: %s", o.ID, found.Message)
	}
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, seen, len(operations))
	for path, times := range seen {
		require.Equal(t, 1, times, path)
	}
}

// memoryGroup is a control group with so much memory; its limit can be changed.
func memoryGroup(t *testing.T, bytes int) (join string, limit func(bytes int)) {
	t.Helper()
	root, file := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if _, err := os.Stat(root); err != nil {
		root, file = "/sys/fs/cgroup", "memory.max"
	}
	group, err := os.MkdirTemp(root, "seriatim-test-")
	if err != nil {
		t.Skipf("a control group cannot be made here: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Rmdir(group), "a worker is left in its control group") })
	limit = func(bytes int) {
		if err := os.WriteFile(filepath.Join(group, file), []byte(strconv.Itoa(bytes)), 0o600); err != nil {
			t.Skipf("memory cannot be limited here: %v", err)
		}
	}
	limit(bytes)
	return "echo $$ > " + filepath.Join(group, "cgroup.procs"), limit
}

// A worker that is killed for its memory again and again, as in Kubernetes, and
// then gets 128 MiB.
func TestLittleMemoryLosesNothing(t *testing.T) {
	t.Parallel()
	join, limit := memoryGroup(t, 16<<20)
	r := newTarget(t, 20*time.Millisecond)
	queue := unique(t)
	config := fmt.Sprintf(limitsConfig, queue, r.URL)
	c := opclient.New(dial(t, shared.Namespace()), opclient.Options{TaskQueue: queue})
	operations := heavy(deliveries(queue, 20, 2), 50_000)
	summary, err := c.SubmitMany(t.Context(), opclient.Items(operations...), nil)
	require.NoError(t, err)
	require.Equal(t, len(operations), summary.Accepted)
	for range 2 {
		p := scripted(t, join, config)
		require.Error(t, p.command.Wait())
		status, ok := p.command.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signal() == syscall.SIGKILL, "%v", p.command.ProcessState)
	}
	limit(128 << 20)
	p := scripted(t, join, config, "GOMEMLIMIT=100MiB")
	ended := make(chan struct{})
	go func() {
		_, _ = p.command.Process.Wait()
		close(ended)
	}()
	for _, o := range operations {
		found, err := c.Wait(t.Context(), o.ID, o.DependencyToken)
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode, "%s: %s", o.ID, found.Message)
	}
	requireDelivered(t, operations, r.all())
	select {
	case <-ended:
		t.Fatal("128 MiB with GOMEMLIMIT were too little")
	default:
	}
	require.NoError(t, p.command.Process.Kill())
	<-ended
}
