package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// program builds one of this module's programs, once for all tests.
var program = func() func(t *testing.T, name string) string {
	var mu sync.Mutex
	built := make(map[string]string)
	return func(t *testing.T, name string) string {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if built[name] == "" {
			path := filepath.Join(programs, name)
			output, err := exec.Command("go", "build", "-o", path, "../../"+name).CombinedOutput()
			require.NoError(t, err, string(output))
			built[name] = path
		}
		return built[name]
	}
}()

// target is an HTTP server that records the requests of http.request.
type target struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
}

type request struct {
	ID, Token  string
	Attempt    string
	Start, End time.Time
}

// newTarget takes some time over each request, so that a kill finds some in
// flight; the token is the path.
func newTarget(t *testing.T, work time.Duration) *target {
	t.Helper()
	r := &target{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		fence := strings.Split(q.Header.Get(activities.FenceHeader), ".")
		seen := request{
			ID: q.Header.Get(activities.IdempotencyKeyHeader), Token: strings.TrimPrefix(q.URL.Path, "/"),
			Attempt: strings.Join(fence[1:], "."), Start: time.Now(),
		}
		time.Sleep(work)
		seen.End = time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests = append(r.requests, seen)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *target) all() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.requests...)
}

// process is a worker process of ours.
type process struct {
	t       *testing.T
	command *exec.Cmd
	log     string
}

// startProcess runs the worker program with that configuration, and with more of an
// environment, each NAME=VALUE.
func startProcess(t *testing.T, server *embedded.Server, config string, environment ...string) *process {
	t.Helper()
	return startProcessAt(t, server.Address(), server.Namespace(), "warn", config, environment...)
}

// startProcessAt is startProcess for any address and level of its log.
func startProcessAt(t *testing.T, address, namespace, level, config string, environment ...string) *process {
	t.Helper()
	return runProcess(t, append(append(os.Environ(), "TEMPORAL_ADDRESS="+address, "TEMPORAL_NAMESPACE="+namespace), environment...), level, config)
}

// startProcessWith runs it with these variables and no others.
func startProcessWith(t *testing.T, environment []string, config string) *process {
	t.Helper()
	return runProcess(t, environment, "warn", config)
}

func runProcess(t *testing.T, environment []string, level, config string) *process {
	t.Helper()
	return runProgram(t, program(t, "worker"), environment, level, config)
}

// runProgram runs a build of the worker.
func runProgram(t *testing.T, path string, environment []string, level, config string) *process {
	t.Helper()
	folder := t.TempDir()
	settings := filepath.Join(folder, "config.yaml")
	require.NoError(t, os.WriteFile(settings, []byte(config), 0o600))
	p := &process{t: t, command: exec.Command(path, "--config", settings, "--log-level", level), log: filepath.Join(folder, "log")}
	p.command.Env = environment
	log, err := os.Create(p.log)
	require.NoError(t, err)
	p.command.Stdout, p.command.Stderr = log, log
	require.NoError(t, p.command.Start())
	require.NoError(t, log.Close())
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a crash does.
func (p *process) kill() {
	if p.command.ProcessState == nil {
		_ = p.command.Process.Kill()
		_ = p.command.Wait()
	}
}

const crashConfig = `
taskQueue: %q
http:
  allowLoopback: true
  connections:
    - name: target
      baseURL: %s
types:
  - key: http.request
    activity: http.request
    startToClose: 2s
    retry: {initial: 100ms, max: 1s, maxAttempts: 20}
`

// SPEC 2.2, 4.1, 8.1: a worker that is killed with -9 in the middle of its work,
// several times, loses nothing, and nothing overtakes.
func TestKilledWorkerLosesNothing(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]string{"regular": crashConfig, "local": crashConfig + "    execution: local\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killWorkers(t, config)
		})
	}
}

func killWorkers(t *testing.T, config string) {
	t.Helper()
	const tokens, each, kills = 5, 20, 4
	r := newTarget(t, 30*time.Millisecond)
	queue := unique(t)
	config = fmt.Sprintf(config, queue, r.URL)
	temporal := dial(t, shared.Namespace())
	c := opclient.New(temporal, opclient.Options{TaskQueue: queue})

	operations := deliveries(queue, tokens, each)
	p := startProcess(t, shared, config)
	summary, err := c.SubmitMany(t.Context(), opclient.Items(operations...), nil)
	require.NoError(t, err)
	require.Equal(t, len(operations), summary.Accepted)
	for k := 1; k <= kills; k++ {
		require.Eventually(t, func() bool { return len(r.all()) >= k*len(operations)/(kills+2) }, patience, 5*time.Millisecond)
		p.kill()
		p = startProcess(t, shared, config)
	}
	for _, o := range operations {
		found, err := c.Wait(t.Context(), o.ID, o.DependencyToken)
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode, "%s: %s", o.ID, found.Message)
	}
	repeats := requireDelivered(t, operations, r.all())
	t.Logf("%d operations, %d kills, %d repeated attempts, 0 lost", len(operations), kills, repeats)
}

// deliveries are operations for a target, so many of each token; tokens take turns.
func deliveries(queue string, tokens, each int) (operations []protocol.Operation) {
	for n := range each {
		for k := range tokens {
			token := fmt.Sprintf("%s-%d", queue, k)
			o := operation(token, n)
			o.DependencyToken, o.OperationType = token, "http.request"
			o.Data = fmt.Appendf(nil, `{"method":"POST","connection":"target","path":"/%s"}`, token)
			operations = append(operations, o)
		}
	}
	return operations
}

// requireDelivered checks the target's record: each operation arrived, another
// time only as a further attempt, and none before all attempts of the one
// before it had begun.
func requireDelivered(t *testing.T, operations []protocol.Operation, requests []request) (repeats int) {
	t.Helper()
	attempts := make(map[string]map[string]request)
	for _, q := range requests {
		if attempts[q.ID] == nil {
			attempts[q.ID] = make(map[string]request)
		}
		require.NotContains(t, attempts[q.ID], q.Attempt, "attempt %s of %s came twice", q.Attempt, q.ID)
		attempts[q.ID][q.Attempt] = q
	}
	last := make(map[string]time.Time)
	for _, o := range operations {
		came := attempts[o.ID]
		require.NotEmpty(t, came, "%s is lost", o.ID)
		repeats += len(came) - 1
		before := last[o.DependencyToken]
		for _, q := range came {
			require.False(t, q.Start.Before(before), "%s overtook", o.ID)
			if q.Start.After(last[o.DependencyToken]) {
				last[o.DependencyToken] = q.Start
			}
		}
	}
	return repeats
}
