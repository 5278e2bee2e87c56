package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const (
	taskQueue  = "test"
	signalName = "greet"
)

var operationType = temporal.NewSearchAttributeKeyKeyword("OperationType")

// waitForSignal sets a search attribute and returns what it is signalled.
func waitForSignal(ctx workflow.Context) (string, error) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, operationType.ValueSet("greeting")); err != nil {
		return "", err
	}
	var greeting string
	workflow.GetSignalChannel(ctx, signalName).Receive(ctx, &greeting)
	return greeting, nil
}

func startWorker(t *testing.T, c client.Client) {
	t.Helper()
	w := worker.New(c, taskQueue, worker.Options{})
	w.RegisterWorkflowWithOptions(waitForSignal, workflow.RegisterOptions{Name: "WaitForSignal"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func TestServerInMemory(t *testing.T) {
	t.Parallel()
	server := startProcess(t, "--port", "0", "--namespace", "other", "--search-attribute", "Customer=Keyword")
	require.Equal(t, "in memory", server.announced["Database"])

	t.Run("registers the search attributes in every namespace", func(t *testing.T) {
		for _, namespace := range []string{"default", "other"} {
			attributes := searchAttributes(t, server.client(t, namespace), namespace)
			require.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD, attributes["Customer"])
			for name, valueType := range defaultSearchAttributes {
				require.Equal(t, valueType, attributes[name], name)
			}
		}
	})
	t.Run("runs a workflow that HTTP starts with a signal", func(t *testing.T) {
		c := server.client(t, "other")
		startWorker(t, c)
		signalWithStart(t, server.announced["HTTP API"], "other", "by-http")
		var greeting string
		require.NoError(t, c.GetWorkflow(limit(t), "by-http", "").Get(limit(t), &greeting))
		require.Equal(t, "hello", greeting)
	})
	t.Run("refuses ids of more than 255 characters", func(t *testing.T) {
		_, err := server.client(t, "other").ExecuteWorkflow(limit(t), client.StartWorkflowOptions{
			ID: strings.Repeat("x", 256), TaskQueue: taskQueue,
		}, "WaitForSignal")
		require.ErrorContains(t, err, "(256/255)")
	})
	t.Run("serves the real Web UI", func(t *testing.T) {
		require.Contains(t, page(t, server.announced["Web UI"]+"/"), "/_app/immutable/")
		require.Contains(t, page(t, server.announced["Web UI"]+"/api/v1/namespaces"), `"other"`)
	})
	t.Run("ends with code 0 when it is interrupted", func(t *testing.T) {
		require.Zero(t, server.interrupted(t), server.stderr)
		require.NotContains(t, server.stderr.String(), "did not stop within")
	})
}

func TestFileSurvivesKill(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state 100%?#.db")
	first := startProcess(t, "--port", "0", "--headless", "--db-filename", file)
	run, err := first.client(t, "default").ExecuteWorkflow(limit(t), client.StartWorkflowOptions{
		ID: "survivor", TaskQueue: taskQueue,
	}, "WaitForSignal")
	require.NoError(t, err)

	t.Run("one file takes one server", func(t *testing.T) {
		output, err := command(limit(t), "--port", "0", "--headless", "--db-filename", file).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(output), "locked")
	})
	first.killed(t)

	second := startProcess(t, "--port", "0", "--headless", "--db-filename", file,
		"--namespace", "late", "--search-attribute", "Late=Int")
	require.Equal(t, file, second.announced["Database"])
	c := second.client(t, "default")
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_INT, searchAttributes(t, c, "default")["Late"])
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_INT, searchAttributes(t, c, "late")["Late"])
	startWorker(t, c)
	require.NoError(t, c.SignalWorkflow(limit(t), "survivor", run.GetRunID(), signalName, "still here"))
	var greeting string
	require.NoError(t, c.GetWorkflow(limit(t), "survivor", run.GetRunID()).Get(limit(t), &greeting))
	require.Equal(t, "still here", greeting)
	require.Zero(t, second.interrupted(t), second.stderr)

	third := startProcess(t, "--port", "0", "--headless", "--db-filename", file)
	closed, err := third.client(t, "default").DescribeWorkflowExecution(limit(t), "survivor", run.GetRunID())
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, closed.GetWorkflowExecutionInfo().GetStatus())
}

func TestStartErrorsEndWithCode1(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"--log-level \"loud\"": {"--log-level", "loud"},
		"--log-format \"xml\"": {"--log-format", "xml"},
		"--db-filename":        {"--db-filename", filepath.Join(t.TempDir(), "no", "such", "folder.db")},
		"cannot have more":     {"--search-attribute", "A=Int", "--search-attribute", "B=Int", "--search-attribute", "C=Int"},
	}
	for want, args := range cases {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			command := command(limit(t), append([]string{"--port", "0", "--headless"}, args...)...)
			output, err := command.CombinedOutput()
			require.Error(t, err)
			require.Equal(t, 1, command.ProcessState.ExitCode())
			require.Contains(t, string(output), want)
		})
	}
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	t.Cleanup(cancel)
	return ctx
}

func searchAttributes(t *testing.T, c client.Client, namespace string) map[string]enumspb.IndexedValueType {
	t.Helper()
	answer, err := c.OperatorService().ListSearchAttributes(limit(t),
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	require.NoError(t, err)
	return answer.GetCustomAttributes()
}

func signalWithStart(t *testing.T, api, namespace, id string) {
	t.Helper()
	body := `{"workflowType":{"name":"WaitForSignal"},"taskQueue":{"name":"` + taskQueue + `"},"signalInput":["hello"]}`
	url := api + "/api/v1/namespaces/" + namespace + "/workflows/" + id + "/signal-with-start/" + signalName
	request, err := http.NewRequestWithContext(limit(t), http.MethodPost, url, bytes.NewBufferString(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(answer))
}

func page(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(limit(t), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusOK, response.StatusCode)
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(content)
}
