package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"github.com/seriatim-go/seriatim/protocol"
)

// canary is in everything that nobody but the handler may see. Nothing in it is
// escaped in Markdown.
const canary = "canary7d2e51"

const secretConfig = `
worker: {stopTimeout: 1s}
encryption: {keyFile: %q}
http:
  allowLoopback: true
  connections:
    - name: target
      baseURL: %s
types:
  - {key: http.request, activity: http.request, startToClose: 30s, heartbeat: 2s, retry: {initial: 100ms, max: 1s, maxAttempts: 20}}
  - {key: http.local, activity: http.request, execution: local}
`

// secretly is a service in a namespace of its own whose payloads are encrypted.
type secretly struct {
	t           *testing.T
	namespace   string
	environment []string
	config      string
	plain       client.Client // has no key
	worker      *process
	slow        atomic.Bool
}

func keyFile(t *testing.T, ids ...string) string {
	t.Helper()
	var lines strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&lines, "%s %s\n", id, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(id), 32)))
	}
	path := filepath.Join(t.TempDir(), "payload-keys")
	require.NoError(t, os.WriteFile(path, []byte(lines.String()), 0o600))
	return path
}

func newSecretly(t *testing.T, keys string) *secretly {
	t.Helper()
	s := &secretly{t: t, namespace: "seriatim-test-" + uuid.NewString()}
	s.environment = append(os.Environ(), "TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+s.namespace)
	_, stderr, code := runBehind(t, s.environment, "starter", "setup", "--create-namespace")
	require.Zero(t, code, stderr)
	s.environment = append(s.environment, "SERIATIM_ENCRYPTION_KEYFILE="+keys)
	var err error
	s.plain, err = client.Dial(client.Options{HostPort: shared.Address(), Namespace: s.namespace})
	require.NoError(t, err)
	t.Cleanup(s.plain.Close)
	s.slow.Store(true)
	target := httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(target.Close)
	s.config = fmt.Sprintf(secretConfig, keys, target.URL)
	s.worker = startProcessWith(t, s.environment, s.config)
	return s
}

// answer repeats what it was sent: as the result, or as an error.
func (s *secretly) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.URL.Path == "/refuse":
		w.WriteHeader(http.StatusBadRequest)
	case r.URL.Path == "/slow" && s.slow.Load():
		<-r.Context().Done()
	}
	_, _ = w.Write(body)
}

func (s *secretly) run(args ...string) (stdout string, code int) {
	s.t.Helper()
	stdout, stderr, code := runBehind(s.t, s.environment, "starter", args...)
	return stdout + stderr, code
}

func (s *secretly) ok(args ...string) string {
	s.t.Helper()
	output, code := s.run(args...)
	require.Zero(s.t, code, "%v: %s", args, output)
	return output
}

func (s *secretly) submit(token, id, path string, more ...string) (output string, code int) {
	s.t.Helper()
	return s.run(append([]string{
		"submit", "--type", "http.request", "--token", token, "--id", id, "--name", "name " + canary,
		"--data", fmt.Sprintf(`{"connection":"target","path":"/%s","body":{"card":%q}}`, path, canary),
	}, more...)...)
}

func (s *secretly) eventually(text string, args ...string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		output, _ := s.run(args...)
		return strings.Contains(output, text)
	}, patience, 300*time.Millisecond, "%v says %q", args, text)
}

// stored is everything that the server has of the namespace, as it has it.
func (s *secretly) stored() (content []byte, executions, pages int) {
	s.t.Helper()
	var page []byte
	for {
		listed, err := s.plain.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.namespace, NextPageToken: page})
		require.NoError(s.t, err)
		for _, execution := range listed.GetExecutions() {
			executions++
			if _, _, isPage := protocol.ParsePageWorkflowID(execution.GetExecution().GetWorkflowId()); isPage {
				pages++
			}
			content = append(content, s.execution(execution)...)
		}
		if page = listed.GetNextPageToken(); len(page) == 0 {
			return content, executions, pages
		}
	}
}

func (s *secretly) execution(info *workflowpb.WorkflowExecutionInfo) (content []byte) {
	id, run := info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()
	described, err := s.plain.DescribeWorkflowExecution(s.t.Context(), id, run)
	require.NoError(s.t, err)
	messages := []proto.Message{info, described}
	each := s.plain.GetWorkflowHistory(s.t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		require.NoError(s.t, err)
		messages = append(messages, event)
	}
	for _, message := range messages {
		encoded, err := proto.Marshal(message)
		require.NoError(s.t, err)
		content = append(content, encoded...)
	}
	return content
}

// With keys the server holds nothing that can be read of what operations carry,
// and the verbs work as without: run, fail, show, pause, postpone, hold, a queue in
// pages, and a token that was terminated and recovered.
func TestEncryptedOperationsAreNowhereInTheOpen(t *testing.T) {
	t.Parallel()
	s := newSecretly(t, keyFile(t, "a"))
	token := unique(t)
	for _, local := range []bool{false, true} {
		good, refused, more := "good", "refused", []string{"--wait"}
		if local {
			good, refused, more = "good-local", "refused-local", append(more, "--type", "http.local")
		}
		output, code := s.submit(token, good, "echo", more...)
		require.Zero(t, code, output)
		require.Contains(t, s.ok("show", good, "-o", "json"), canary, "its result is read with the key")
		output, code = s.submit(token, refused, "refuse", more...)
		require.Equal(t, 3, code, output)
		require.Contains(t, s.ok("show", refused), "HTTP 400")
	}
	s.eventually("refused", "list", "--status", "failed", "-o", "json")

	_, code := s.submit(token, "slow", "slow")
	require.Zero(t, code)
	s.eventually("InProgress", "show", "slow")
	s.ok("pause", "slow", "--reason", "because "+canary)
	s.eventually("paused", "show", "slow")
	padding := fmt.Sprintf(`{"connection":"target","path":"/echo","body":"%s%s"}`, canary, strings.Repeat("x", 40_000))
	const queued = 8
	for n := range queued {
		s.ok("submit", "--type", "http.request", "--token", token, "--id", fmt.Sprintf("queued-%d", n), "--data", padding)
	}
	s.eventually("queued-7", "token", "show", token)
	s.ok("why", "queued-3", "--token", token)
	s.ok("verify", token)
	s.ok("cancel", "queued-3", "--token", token, "--reason", canary)
	s.ok("postpone", "queued-4", "--token", token, "--until", "1s", "--reason", canary)
	s.ok("token", "policy", token, "--on-failure", "continue", "--reason", canary)
	s.ok("token", "hold", token, "--reason", canary)
	s.ok("token", "release", token, "--reason", canary)

	require.NoError(t, s.plain.TerminateWorkflow(t.Context(), protocol.SerializerWorkflowID(token), "", "by mistake"))
	s.slow.Store(false)
	s.ok("recover", token)
	s.ok("resume", "slow", "--token", token)
	s.ok("wait", "queued-7", "--token", token)
	s.eventually("Canceled", "show", "queued-3", "--token", token)
	s.eventually("Succeeded", "show", "queued-6")

	content, _, pages := s.stored()
	require.Positive(t, pages, "the queue was long enough for pages")
	require.Contains(t, string(content), "queued-7", "ids are in the open")
	require.NotContains(t, string(content), canary)
	log, err := os.ReadFile(s.worker.log)
	require.NoError(t, err)
	require.NotContains(t, string(log), canary)
}

// A client without keys is served too. What is under a key that the worker does
// not have is not refused: it waits until a worker has it.
func TestEncryptedOperationsWaitForTheirKey(t *testing.T) {
	t.Parallel()
	s := newSecretly(t, keyFile(t, "a"))
	token := unique(t)
	serializer := protocol.SerializerWorkflowID(token)
	_, err := s.plain.SignalWithStartWorkflow(t.Context(), serializer, protocol.SubmitSignalName,
		map[string]any{"id": "plain", "operationType": "http.request", "data": map[string]string{"connection": "target", "path": "/echo"}},
		client.StartWorkflowOptions{ID: serializer, TaskQueue: protocol.DefaultTaskQueue}, protocol.SerializerWorkflow, protocol.SerializerInput{Token: token})
	require.NoError(t, err)
	s.ok("wait", "plain", "--token", token)

	both := keyFile(t, "b", "a")
	s.environment = append(s.environment, "SERIATIM_ENCRYPTION_KEYFILE="+both)
	_, code := s.submit(token, "early", "echo")
	require.Zero(t, code)
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(s.worker.log)
		return err == nil && strings.Contains(string(log), `encrypted under key`)
	}, patience, 100*time.Millisecond, "the worker says which key it lacks")
	s.worker.kill()
	startProcessWith(t, s.environment, s.config)
	s.ok("wait", "early", "--token", token)

	require.Eventually(t, func() bool {
		with, _ := s.run("doctor", "-o", "jsonl")
		without, _, _ := runBehind(t, append(s.environment, "SERIATIM_ENCRYPTION_KEYFILE="), "starter", "doctor", "-o", "jsonl")
		return strings.Contains(with, "it reads the latest 2 operations") && strings.Contains(without, `it cannot read 2, encrypted under key`)
	}, patience, 300*time.Millisecond, "the doctor says whether this command line has the keys")
}
