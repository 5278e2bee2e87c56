package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const observedConfig = `
taskQueue: %q
worker: {httpAddress: %q, stopTimeout: 20s, surveyInterval: 30s}
http:
  allowLoopback: true
  connections:
    - {name: target, baseURL: %q, headers: {X-Api-Key: %s}}
types:
  - {key: http.request, activity: http.request, startToClose: 1m, heartbeat: 5s, retry: {maxAttempts: 1}}
`

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().String()
}

// fetched is what a worker answers; 0 where nobody does.
func fetched(t *testing.T, address, path string) (code int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

// sample sums up the series of a name that have all of these labels; -1 where
// there is none.
func sample(text, name string, labels ...string) (sum float64) {
	found := false
	for line := range strings.Lines(text) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		base, rest, _ := strings.Cut(series, "{")
		if base != name {
			continue
		}
		matches := true
		for _, label := range labels {
			matches = matches && strings.Contains(rest, label)
		}
		if number, err := strconv.ParseFloat(value, 64); err == nil && matches {
			sum, found = sum+number, true
		}
	}
	if !found {
		return -1
	}
	return sum
}

// observed is a worker process that serves health and metrics.
type observed struct {
	*process
	address, queue string
	client         *opclient.Client
	temporal       client.Client
}

func newObserved(t *testing.T, level, secret string, target http.HandlerFunc) *observed {
	t.Helper()
	return newObservedIn(t, shared.Namespace(), level, secret, target)
}

func newObservedIn(t *testing.T, namespace, level, secret string, target http.HandlerFunc) *observed {
	t.Helper()
	server := httptest.NewServer(target)
	t.Cleanup(server.Close)
	o := &observed{address: freeAddress(t), queue: unique(t)}
	o.process = startProcessAt(t, shared.Address(), namespace, level, fmt.Sprintf(observedConfig, o.queue, o.address, server.URL, secret))
	temporal := dial(t, namespace)
	o.temporal = temporal
	o.client = opclient.New(temporal, opclient.Options{TaskQueue: o.queue, Namespace: namespace})
	require.Eventually(t, func() bool {
		code, _ := fetched(t, o.address, "/readyz")
		return code == http.StatusOK
	}, patience, 100*time.Millisecond)
	return o
}

func (o *observed) submit(op protocol.Operation) {
	o.t.Helper()
	if op.OperationType == "" {
		op.OperationType = "http.request"
	}
	if op.Data == nil {
		op.Data = []byte(`{"method":"POST","connection":"target","path":"/"}`)
	}
	_, err := o.client.Submit(o.t.Context(), op)
	require.NoError(o.t, err)
}

// signal sends a token's serializer what a raw client may.
func (o *observed) signal(token string, submission any) {
	o.t.Helper()
	id := protocol.SerializerWorkflowID(token)
	_, err := o.temporal.SignalWithStartWorkflow(o.t.Context(), id, protocol.SubmitSignalName, submission,
		client.StartWorkflowOptions{ID: id, TaskQueue: o.queue}, protocol.SerializerWorkflow, protocol.SerializerInput{Token: token})
	require.NoError(o.t, err)
}

// settles waits until the metrics are these; each is a name and its labels.
func (o *observed) settles(wanted map[string]float64) (text string) {
	o.t.Helper()
	var got map[string]float64
	require.Eventually(o.t, func() bool {
		_, text = fetched(o.t, o.address, "/metrics")
		got = map[string]float64{}
		for series := range wanted {
			parts := strings.Fields(series)
			got[series] = sample(text, parts[0], parts[1:]...)
		}
		return fmt.Sprint(got) == fmt.Sprint(wanted)
	}, 3*patience, 200*time.Millisecond, "%v instead of %v", &got, wanted)
	return text
}

func TestMetricsCountWhatHappened(t *testing.T) {
	t.Parallel()
	o := newObserved(t, "warn", "key", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuses" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	token := o.queue
	first := operation(token, 1)
	first.DependencyToken, first.OperationType = token, ""
	o.submit(first)
	o.submit(first) // a repeat
	for n := 2; n <= 5; n++ {
		op := operation(token, n)
		op.DependencyToken, op.OperationType = token, ""
		o.submit(op)
	}
	refused := operation(token, 6)
	refused.DependencyToken, refused.OperationType, refused.Data = token, "", []byte(`{"method":"POST","connection":"target","path":"/refuses"}`)
	o.submit(refused)
	unknown := operation(token, 7)
	unknown.DependencyToken, unknown.OperationType = token, "no.such-type"
	o.submit(unknown)
	soon := time.Now().Add(2 * time.Second)
	postponed := operation(token, 8)
	postponed.OperationType, postponed.PostponeUntil = "", &soon
	o.submit(postponed) // without a token
	o.signal(token, map[string]any{"id": "bad", "operationType": 5.5})
	o.signal(token, "no operation")
	other := first
	other.Name = "with the id of another"
	other.DependencyToken = ""
	other.OperationType = "http.request"
	o.signal(token, other)

	text := o.settles(map[string]float64{
		"seriatim_operations_accepted_total":                                                    8,
		"seriatim_operations_duplicates_total":                                                  1,
		`seriatim_operations_refused_total reason="InvalidOperation"`:                           2,
		`seriatim_operations_refused_total reason="DuplicateId"`:                                1,
		`seriatim_operations_started_total type="http.request"`:                                 7,
		`seriatim_operations_completed_total type="http.request" outcome="Succeeded"`:           6,
		`seriatim_operations_completed_total type="http.request" outcome="Failed"`:              1,
		`seriatim_operations_completed_total type="other" outcome="Failed"`:                     1,
		`seriatim_operation_wait_seconds_count type="http.request"`:                             7,
		`seriatim_operation_run_seconds_count type="http.request"`:                              7,
		`seriatim_postpone_lateness_seconds_count`:                                              1,
		`temporal_workflow_completed_total workflow_type="Operation"`:                           6,
		`temporal_workflow_failed_total workflow_type="Operation"`:                              2,
		`temporal_worker_start_total worker_type="WorkflowWorker" task_queue="` + o.queue + `"`: 1,
	})
	require.GreaterOrEqual(t, sample(text, "seriatim_handoff_seconds_count"), 0.0, "those that waited for their turn")
	require.NotContains(t, text, token+"-00", "no id becomes a label")
	require.NotContains(t, text, "no.such-type", "what callers write becomes no label")
	require.Eventually(t, func() bool {
		_, text = fetched(t, o.address, "/metrics")
		return sample(text, "seriatim_tokens") > 0 && sample(text, "seriatim_survey_timestamp_seconds") > 0
	}, 3*patience, time.Second, "the tokens are surveyed")
	requireExposed(t, text)
}

// onlySometimes are metrics of the SDK that have no series in a good run: of what
// fails, of long runs, and of activities that a worker gets by a poll rather than with
// the workflow task that asks for them.
var onlySometimes = []string{
	"temporal_workflow_task_execution_failed_total", "temporal_request_failure_total", "temporal_workflow_continue_as_new_total",
	"temporal_activity_schedule_to_start_latency_seconds_bucket",
}

// requireExposed checks that what the dashboard and the alerts ask of the SDK is
// exposed under these names. Of ours package worker knows all.
func requireExposed(t *testing.T, text string) {
	t.Helper()
	for _, file := range []string{"dashboard.json", "alerts.yml"} {
		asks, err := os.ReadFile("../../deploy/observability/" + file)
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`\b(?:temporal|go|process)_[a-z_]+`).FindAllString(string(asks), -1) {
			if !slices.Contains(onlySometimes, name) {
				require.Contains(t, text, "\n"+name, file)
			}
		}
	}
}

// In a namespace of its own, since it is the whole of one that is surveyed.
func TestSurveyTellsHowAllTokensAre(t *testing.T) {
	t.Parallel()
	namespace := "seriatim-test-" + uuid.NewString()
	require.NoError(t, embedded.Namespace(t.Context(), shared.Address(), namespace))
	_, stderr, code := starterIn(t, namespace, "setup")
	require.Zero(t, code, stderr)
	finish := make(chan struct{})
	o := newObservedIn(t, namespace, "warn", "key", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refuses":
			w.WriteHeader(http.StatusBadRequest)
		case "/blocks":
			<-finish
		}
	})
	t.Cleanup(func() { close(finish) }) // before the target is closed, which waits for it
	submit := func(token, path string, n int) protocol.Operation {
		op := operation(o.queue+token, n)
		op.DependencyToken, op.OperationType = o.queue+token, ""
		op.Data = fmt.Appendf(nil, `{"method":"POST","connection":"target","path":%q}`, path)
		o.submit(op)
		return op
	}
	for _, token := range []string{"blocks", "held", "failed"} {
		op := submit(token, "/", 0)
		_, err := o.client.Wait(t.Context(), op.ID, op.DependencyToken)
		require.NoError(t, err)
	}
	_, err := o.client.Hold(t.Context(), o.queue+"held", time.Time{}, "stocktaking")
	require.NoError(t, err)
	_, err = o.client.SetPolicy(t.Context(), o.queue+"failed", protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	require.NoError(t, err)
	for n := 1; n <= 4; n++ {
		submit("blocks", "/blocks", n) // one runs
	}
	submit("held", "/", 1)
	submit("failed", "/refuses", 1)
	submit("failed", "/", 2)
	text := o.settles(map[string]float64{
		"seriatim_tokens": 3, "seriatim_tokens_held": 1, "seriatim_tokens_failed": 1, "seriatim_tokens_unread": 0,
		"seriatim_operations_queued": 5, "seriatim_queue_depth_max": 3, "seriatim_heads_waiting": 0, "seriatim_heads_error": 0,
	})
	require.Positive(t, sample(text, "seriatim_oldest_head_age_seconds"), "of the one that runs")
}

func TestReadyUntilItIsToldToStop(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}, 1), make(chan struct{})
	o := newObserved(t, "warn", "key", func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-finish
	})
	op := operation(o.queue, 1)
	op.DependencyToken, op.OperationType = o.queue, ""
	o.submit(op)
	<-begun
	check := func() (code int, text string) {
		settings := filepath.Join(filepath.Dir(o.log), "config.yaml")
		output, err := exec.Command(program(t, "worker"), "--healthcheck", "--config", settings).CombinedOutput()
		if err == nil {
			return 0, string(output)
		}
		return err.(*exec.ExitError).ExitCode(), string(output)
	}
	code, text := check()
	require.Zero(t, code, text)
	require.Equal(t, "ready\n", text)

	require.NoError(t, o.command.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool {
		code, text = fetched(t, o.address, "/readyz")
		return code == http.StatusServiceUnavailable
	}, patience, 50*time.Millisecond)
	require.Equal(t, "not ready: the worker stops\n", text)
	code, _ = fetched(t, o.address, "/healthz")
	require.Equal(t, http.StatusOK, code, "it is alive while its handler has its grace")
	code, text = check()
	require.Equal(t, 1, code)
	require.Contains(t, text, "not ready: the worker stops")
	close(finish)
	require.NoError(t, o.command.Wait(), "exit code 0")
}

func TestAliveAndNotReadyWithoutAServer(t *testing.T) {
	t.Parallel()
	address, nobody := freeAddress(t), freeAddress(t)
	startProcessAt(t, nobody, "orders", "warn", fmt.Sprintf(observedConfig, unique(t), address, "http://127.0.0.1:1", "key"))
	var text string
	require.Eventually(t, func() bool {
		var code int
		code, text = fetched(t, address, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(text, "is not there yet")
	}, patience, 100*time.Millisecond)
	require.Contains(t, text, nobody, "it says where it looks")
	require.Contains(t, text, `"orders"`)
	code, _ := fetched(t, address, "/healthz")
	require.Equal(t, http.StatusOK, code)
}

// Payloads and credentials are not logged, whatever becomes of them.
func TestNothingOfAnOperationIsLogged(t *testing.T) {
	t.Parallel()
	const canary, secret = "canary-in-data", "canary-in-connection"
	o := newObserved(t, "debug", secret, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != secret {
			w.WriteHeader(http.StatusUnauthorized)
		}
		if r.URL.Path == "/refuses" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.Copy(w, r.Body) // what it was sent, as some do
		}
		if r.URL.Path == "/breaks" {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.Copy(w, r.Body)
		}
	})
	data := []string{
		`{"method":"POST","connection":"target","path":"/","body":{"a":"` + canary + `"},"query":{"a":"` + canary + `"}}`,
		`{"method":"POST","connection":"target","path":"/refuses","body":{"a":"` + canary + `"},"query":{"a":"` + canary + `"}}`,
		`{"method":"POST","connection":"target","path":"/breaks","body":{"a":"` + canary + `"}}`,
		`{"method":"` + canary + `"}`,
		`{"uri":"https://` + canary + `"}`,
		`"` + canary + `"`,
	}
	for n, one := range data {
		op := operation(o.queue, n)
		op.DependencyToken, op.OperationType, op.Data = o.queue, "", []byte(one)
		o.submit(op)
	}
	o.signal(o.queue, map[string]any{"id": "a", "operationType": canary + "!", "data": canary})
	o.signal(o.queue, canary)
	for n, wanted := range []protocol.StatusCode{protocol.Succeeded, protocol.Failed, protocol.Failed, protocol.Failed, protocol.Failed, protocol.Failed} {
		found, err := o.client.Wait(t.Context(), operation(o.queue, n).ID, o.queue)
		require.NoError(t, err)
		require.Equal(t, wanted, found.StatusCode, "%s: %s", data[n], found.Message)
	}
	o.settles(map[string]float64{`seriatim_operations_refused_total reason="InvalidOperation"`: 2})
	o.kill()
	log, err := os.ReadFile(o.log)
	require.NoError(t, err)
	require.Contains(t, string(log), protocol.OperationWorkflowID(operation(o.queue, 1).ID), "the ids are logged")
	for line := range strings.Lines(string(log)) {
		require.NotContains(t, line, canary)
		require.NotContains(t, line, secret)
	}
}
