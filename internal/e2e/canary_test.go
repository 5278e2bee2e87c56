package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/seriatim-go/seriatim/protocol"
)

const (
	// secretCanary is in every secret of the worker's configuration.
	secretCanary = "secret95b0"
	// wrongCanary is a value that is refused: up to 64 bytes of it are quoted.
	wrongCanary = "wrong41c7"
)

const canaryConfig = `
worker: {stopTimeout: 1s}
http:
  allowLoopback: true
  connections:
    - {name: target, baseURL: %q, headers: {X-Api-Key: {env: CANARY}}}
    - {name: nowhere, baseURL: "http://127.0.0.1:1", headers: {X-Api-Key: {env: CANARY}}}
files: {root: %q}
sql:
  connections:
    - {name: nowhere, driver: postgres, dsn: "postgres://app:%s@127.0.0.1:1/crm"}
smtp:
  connections:
    - {name: nowhere, host: 127.0.0.1, port: 1, username: app, password: {env: CANARY}, from: a@example.com}
types:
  - {key: http.request, activity: http.request, startToClose: 30s, heartbeat: 2s, retry: {initial: 100ms, maxAttempts: 2}}
  - {key: import, activity: import, startToClose: 30s, heartbeat: 2s, retry: {initial: 100ms, maxAttempts: 2}}
  - {key: bulk.email, activity: bulk.email, startToClose: 30s, heartbeat: 10s, retry: {initial: 100ms, maxAttempts: 2}}
`

// labels are what lists, filters and the Web UI show of an execution beside its
// payloads: search attributes, memo, summary and details.
func (s *secretly) labels(info *workflowpb.WorkflowExecutionInfo) string {
	s.t.Helper()
	described, err := s.plain.DescribeWorkflowExecution(s.t.Context(), info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId())
	require.NoError(s.t, err)
	shown := prototext.Format(info) + prototext.Format(described.GetExecutionConfig())
	details, err := s.plain.QueryWorkflow(s.t.Context(), info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId(), "__temporal_workflow_metadata")
	if err != nil {
		return shown // of one that failed before it began
	}
	var metadata sdkpb.WorkflowMetadata
	require.NoError(s.t, details.Get(&metadata))
	return shown + prototext.Format(&metadata)
}

// What operations carry is in their payloads and in no label and no log; the
// worker's secrets are nowhere at all. So over success, failure, data that is
// wrong, and targets, databases and mail servers that do not answer.
func TestSecretsShowInNoLabelAndNoLog(t *testing.T) {
	t.Parallel()
	s := newSecretly(t, "")
	s.worker.kill()
	s.environment = append(s.environment, "CANARY="+secretCanary)
	target := newTarget(t, 0)
	s.worker = startProcessWith(t, s.environment, fmt.Sprintf(canaryConfig, target.URL, t.TempDir(), secretCanary))
	token := unique(t)
	for id, c := range map[string]struct {
		kind, data string
		code       int
	}{
		"good":       {"http.request", `{"connection":"target","path":"/x","body":%q,"headers":{"X-Own":%[1]q}}`, 0},
		"by-query":   {"http.request", `{"url":"http://127.0.0.1:1/x?key=%s"}`, 3},
		"no-answer":  {"http.request", `{"connection":"nowhere","path":"/x","query":{"key":%q}}`, 3},
		"wrong":      {"http.request", `{"connection":"target","body":%q,"timeoutSeconds":-1}`, 3},
		"wrong-kind": {"http.request", `{"connection":["` + wrongCanary + `"],"body":%q}`, 3},
		"no-header":  {"http.request", `{"connection":"target","headers":{"Authorization":%q}}`, 3},
		"no-rows":    {"import", `{"connection":"nowhere","file":"in.csv","table":"t","name":%q}`, 3},
		"no-mail":    {"bulk.email", `{"connection":"nowhere","subject":%q,"text":"x","recipients":[{"email":"b@example.com"}]}`, 3},
	} {
		stdout, stderr, code := runBehind(t, s.environment, "starter", "submit", "--type", c.kind, "--token", token, "--id", id,
			"--data", fmt.Sprintf(c.data, canary), "--wait", "-o", "json")
		require.Equal(t, c.code, code, "%s: %s%s", id, stdout, stderr)
		var record protocol.Record
		require.NoError(t, json.Unmarshal([]byte(stdout), &record), id)
		require.Equal(t, c.code != 0, record.Message != "", id)
		require.NotContains(t, record.Message+record.FriendlyMessage, canary, id)
		require.Equal(t, id == "wrong-kind", strings.Contains(record.Message, wrongCanary), "a wrong value is quoted")
		require.NotContains(t, stdout+stderr, secretCanary)
	}
	_, err := s.plain.SignalWithStartWorkflow(t.Context(), protocol.SerializerWorkflowID(token), protocol.SubmitSignalName,
		map[string]any{"id": "bad", "operationType": "http.request", "data": canary, "priority": wrongCanary}, client.StartWorkflowOptions{ID: protocol.SerializerWorkflowID(token), TaskQueue: protocol.DefaultTaskQueue}, protocol.SerializerWorkflow)
	require.NoError(t, err)
	s.eventually("priority", "token", "rejects", token)

	var content []byte
	require.Eventually(t, func() bool { // the index lags
		executions := 0
		content, executions, _ = s.stored()
		return executions >= 9
	}, patience, 300*time.Millisecond)
	require.Contains(t, string(content), canary, "data are stored as they are, without keys")
	require.NotContains(t, string(content), secretCanary)
	listed, err := s.plain.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.namespace})
	require.NoError(t, err)
	var labels strings.Builder
	for _, info := range listed.GetExecutions() {
		labels.WriteString(s.labels(info))
	}
	require.Contains(t, labels.String(), "no-mail", "labels name operations")
	require.Contains(t, labels.String(), wrongCanary, "a token says what it refused last")
	require.NotContains(t, labels.String(), canary)
	require.NotContains(t, labels.String(), secretCanary)
	log, err := os.ReadFile(s.worker.log)
	require.NoError(t, err)
	require.NotContains(t, string(log), canary)
	require.NotContains(t, string(log), secretCanary)
}
