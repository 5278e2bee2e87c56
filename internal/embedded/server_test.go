//go:build unix

package embedded

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
)

const testLimit = 2 * time.Minute

// program returns a server that a test may start, stop and kill.
func program(t *testing.T) Source {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a server: left out with -short")
	}
	out := &bytes.Buffer{}
	source, err := Locate(limit(t), Options{Out: out})
	require.NoError(t, err, out)
	if source.Kind == KindAddress {
		t.Skipf("left out: %s is not ours to stop", source)
	}
	return source
}

func startServer(t *testing.T, o ServerOptions) *Server {
	t.Helper()
	server, err := Start(limit(t), program(t), o)
	require.NoError(t, err)
	t.Cleanup(server.Kill)
	return server
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	return ctx
}

func connected(t *testing.T, server *Server) client.Client {
	t.Helper()
	c, err := dial(limit(t), server.Address(), server.Namespace())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestAServerIsReadyWhenItHasStarted(t *testing.T) {
	t.Parallel()
	server := startServer(t, ServerOptions{Namespace: "ready", UI: true})
	require.Equal(t, "ready", server.Namespace())
	_, err := connected(t, server).ExecuteWorkflow(limit(t), client.StartWorkflowOptions{
		TaskQueue:             "none",
		TypedSearchAttributes: allSearchAttributes(),
	}, "NoSuchWorkflow")
	require.NoError(t, err, "at once, with all search attributes")
	require.Contains(t, page(t, server.WebUI()), "<html")
	require.Contains(t, page(t, "http://"+server.HTTPAddress()+"/api/v1/system-info"), "serverVersion")

	group, err := syscall.Getpgid(server.PID())
	require.NoError(t, err)
	require.NotEqual(t, syscall.Getpgrp(), group, "the terminal's Ctrl-C is not for the server")

	require.NoError(t, server.Stop())
	require.NoError(t, server.Stop(), "a second time")
	require.ErrorIs(t, syscall.Kill(server.PID(), 0), syscall.ESRCH)
}

// allSearchAttributes returns a value for each of Seriatim's.
func allSearchAttributes() temporal.SearchAttributes {
	var updates []temporal.SearchAttributeUpdate
	for name, valueType := range DefaultSearchAttributes() {
		switch valueType {
		case enumspb.INDEXED_VALUE_TYPE_KEYWORD:
			updates = append(updates, temporal.NewSearchAttributeKeyKeyword(name).ValueSet("x"))
		case enumspb.INDEXED_VALUE_TYPE_DATETIME:
			updates = append(updates, temporal.NewSearchAttributeKeyTime(name).ValueSet(time.Unix(0, 0)))
		default:
			updates = append(updates, temporal.NewSearchAttributeKeyInt64(name).ValueSet(1))
		}
	}
	return temporal.NewSearchAttributes(updates...)
}

func TestNamespacesOnARunningServer(t *testing.T) {
	t.Parallel()
	server := startServer(t, ServerOptions{})
	require.Equal(t, "default", server.Namespace())
	require.Empty(t, server.WebUI())

	t.Run("a fresh one can be used at once", func(t *testing.T) {
		require.NoError(t, Namespace(limit(t), server.Address(), "fresh"))
		extra := map[string]enumspb.IndexedValueType{"Customer": enumspb.INDEXED_VALUE_TYPE_KEYWORD}
		require.NoError(t, SearchAttributes(limit(t), server.Address(), "fresh", extra))
		require.NoError(t, SearchAttributes(limit(t), server.Address(), "fresh", extra), "they may exist")
		c, err := dial(limit(t), server.Address(), "fresh")
		require.NoError(t, err)
		defer c.Close()
		_, err = c.CountWorkflow(limit(t), &workflowservice.CountWorkflowExecutionsRequest{Query: "Customer = 'x'"})
		require.NoError(t, err)
	})
	t.Run("one that exists is an error", func(t *testing.T) {
		require.ErrorContains(t, Namespace(limit(t), server.Address(), "default"), "register namespace default")
	})
	t.Run("a search attribute of another type is an error", func(t *testing.T) {
		err := SearchAttributes(limit(t), server.Address(), "default",
			map[string]enumspb.IndexedValueType{"OperationType": enumspb.INDEXED_VALUE_TYPE_INT})
		require.ErrorContains(t, err, "OperationType is of type Keyword, not Int")
	})
	t.Run("a server that runs already gives each caller a fresh one", func(t *testing.T) {
		source := Source{Kind: KindAddress, Address: server.Address()}
		first, err := Start(limit(t), source, ServerOptions{Namespace: "ignored"})
		require.NoError(t, err)
		second, err := Start(limit(t), source, ServerOptions{})
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(first.Namespace(), "seriatim-test-"))
		require.NotEqual(t, first.Namespace(), second.Namespace())
		require.Equal(t, server.Address(), first.Address())
		require.Zero(t, first.PID())
		require.Empty(t, first.HTTPAddress())
		require.NoError(t, first.Stop())
		first.Kill()
		_, err = first.Restart(limit(t))
		require.ErrorContains(t, err, "it was not started here")
		_, err = connected(t, second).CountWorkflow(limit(t), &workflowservice.CountWorkflowExecutionsRequest{})
		require.NoError(t, err, "the server still runs")
	})
}

func TestAKilledServerRestartsWithItsFile(t *testing.T) {
	t.Parallel()
	first := startServer(t, ServerOptions{DBFilename: filepath.Join(t.TempDir(), "state.db")})
	run, err := connected(t, first).ExecuteWorkflow(limit(t), client.StartWorkflowOptions{
		ID: "survivor", TaskQueue: "none",
	}, "NoSuchWorkflow")
	require.NoError(t, err)
	first.Kill()
	first.Kill() // a second time does nothing
	require.ErrorIs(t, syscall.Kill(first.PID(), 0), syscall.ESRCH)
	require.NoError(t, first.Stop(), "it has ended already")

	second, err := first.Restart(limit(t))
	require.NoError(t, err)
	t.Cleanup(second.Kill)
	require.Equal(t, first.Address(), second.Address())
	require.Equal(t, first.HTTPAddress(), second.HTTPAddress())
	_, err = connected(t, second).DescribeWorkflowExecution(limit(t), "survivor", run.GetRunID())
	require.NoError(t, err)
	require.NoError(t, second.Stop())
}

func TestTheSDKCanStartOurServer(t *testing.T) {
	t.Parallel()
	server, err := testsuite.StartDevServer(limit(t), testsuite.DevServerOptions{
		ExistingPath:  program(t).Path,
		ClientOptions: &client.Options{Logger: quiet(), Namespace: "sdk"},
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
	require.NoError(t, err)
	_, err = server.Client().CountWorkflow(limit(t), &workflowservice.CountWorkflowExecutionsRequest{})
	require.NoError(t, err)
	require.NoError(t, server.Stop())
}

func TestAPortInUseIsAnError(t *testing.T) {
	t.Parallel()
	source := program(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	port := listener.Addr().(*net.TCPAddr).Port
	_, err = Start(limit(t), source, ServerOptions{Port: port})
	require.ErrorIs(t, err, errExited)
	require.ErrorContains(t, err, strconv.Itoa(port))
}

// Not parallel, for it sets the environment and runs what it has written.
func TestTheChildKnowsNothingOfTheUsersServers(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "production.example.org:7233")
	t.Setenv("TEMPORAL_API_KEY", "secret")
	t.Setenv("NOT_TEMPORAL_X", "kept")
	path := filepath.Join(t.TempDir(), "temporal")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\nenv\necho \"$@\"\nexit 3\n"), 0o755))
	log := &bytes.Buffer{}
	_, err := Start(limit(t), Source{Kind: KindTemporal, Path: path}, ServerOptions{Log: log, UI: true})
	require.ErrorIs(t, err, errExited)
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "NOT_TEMPORAL_X=kept", "the output is quoted")
	require.NotContains(t, log.String(), "production.example.org")
	require.NotContains(t, log.String(), "secret")
	require.Contains(t, log.String(), "server start-dev --log-level warn --ip 127.0.0.1 --port ")
}

func TestForeignProgramsGetOurDefaults(t *testing.T) {
	t.Parallel()
	o := ServerOptions{Namespace: "ns", DynamicConfig: map[string]string{"limit.maxIDLength": "1000"}}
	foreign := strings.Join(arguments(Source{Kind: KindTemporal}, o), " ")
	require.Contains(t, foreign, "--dynamic-config-value history.transferProcessorMaxPollRPS=2000")
	require.Contains(t, foreign, "limit.maxIDLength=1000")
	require.NotContains(t, foreign, "limit.maxIDLength=255")
	require.Contains(t, foreign, "--headless")
	require.NotContains(t, strings.Join(arguments(Source{Kind: KindKept}, o), " "), "transferProcessorMaxPollRPS")

	path, args, env, err := Command(Source{Kind: KindDownload, Path: "/x"}, []string{"--port", "1"})
	require.NoError(t, err)
	require.Equal(t, "/x", path)
	line := strings.Join(args, " ")
	require.True(t, strings.HasPrefix(line, "/x server start-dev --dynamic-config-value "))
	require.Contains(t, line, "--search-attribute OperationType=Keyword")
	require.True(t, strings.HasSuffix(line, " --port 1"), "the caller's flags come last")
	require.NotEmpty(t, env)
	_, _, _, err = Command(Source{Kind: KindAddress, Address: "a:1"}, nil)
	require.ErrorContains(t, err, "a:1")
}

// The devserver is another module, so that its defaults are written twice.
func TestTheDefaultsAreThoseOfTheDevserver(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(findRoot(), "devserver", "defaults.go"))
	require.NoError(t, err)
	text := strings.Join(strings.Fields(string(content)), " ")
	for key, value := range DefaultDynamicConfig() {
		require.Contains(t, text, strconv.Quote(key)+": "+strconv.Quote(value)+",")
	}
	for name, valueType := range DefaultSearchAttributes() {
		constant := "enumspb.INDEXED_VALUE_TYPE_" + strings.ToUpper(valueType.String())
		require.Contains(t, text, strconv.Quote(name)+": "+constant+",")
	}
	require.Equal(t, len(DefaultDynamicConfig())+len(DefaultSearchAttributes()), strings.Count(text, `": `))
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
