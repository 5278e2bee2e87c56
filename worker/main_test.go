package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// file writes a configuration.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// start runs the program to its end.
func start(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, problems bytes.Buffer
	code = run(ctx, args, &out, &problems)
	return code, out.String(), problems.String()
}

func TestRunAnswersItsExitCode(t *testing.T) {
	t.Parallel()
	broken := file(t, "taskQeue: a")
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"help":                         {[]string{"--help"}, 0, "Examples:\n  worker\n", ""},
		"the version":                  {[]string{"--version"}, 0, "seriatim worker ", ""},
		"an unknown flag":              {[]string{"--colour"}, 2, "", "worker: flag provided but not defined: -colour\nRun with --help"},
		"an argument":                  {[]string{"start"}, 2, "", `unexpected argument "start"`},
		"an unknown log level":         {[]string{"--log-level", "loud"}, 2, "", `"loud"`},
		"a file that is not there":     {[]string{"--config", "absent.yaml"}, 2, "", "absent.yaml"},
		"an unknown setting":           {[]string{"--config", broken}, 2, "", broken + ": taskqeue: is not a setting"},
		"a wrong catalogue":            {[]string{"--config", file(t, "types: [{key: a}]")}, 2, "", `types: type "a": activity: is missing`},
		"a wrong connection":           {[]string{"--config", file(t, "http: {connections: [{name: a, baseURL: 'ftp://x'}]}")}, 2, "", `http: connection "a": baseURL: "ftp://x" has scheme "ftp"`},
		"a password in the clear":      {[]string{"--config", file(t, "smtp: {connections: [{name: a, host: b, tls: none, username: u, password: p}]}")}, 2, "", `smtp.connections: connection "a": tls: none would send the password in the clear`},
		"a secret that is not there":   {[]string{"--config", file(t, "http: {connections: [{name: a, baseURL: 'http://x', headers: {X-A: {env: SERIATIM_ABSENT}}}]}")}, 2, "", "SERIATIM_ABSENT is not set"},
		"a health check of nothing":    {[]string{"--healthcheck", "--config", "../config.yaml"}, 2, "", "worker.httpAddress is not set"},
		"a health check of nobody":     {[]string{"--healthcheck", "--config", file(t, "worker: {httpAddress: '127.0.0.1:1'}")}, 1, "", "connection refused"},
		"the help names the exit code": {[]string{"-h"}, 0, "Exit codes:", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := start(context.Background(), c.args...)
			require.Equal(t, c.code, code)
			require.Contains(t, stdout, c.stdout)
			require.Contains(t, stderr, c.stderr)
			if c.code == 0 {
				require.Empty(t, stderr)
			} else {
				require.Empty(t, stdout)
			}
		})
	}
}

func TestRunTakesTheFileFromTheEnvironment(t *testing.T) {
	t.Setenv("SERIATIM_CONFIG", file(t, "taskQueue: 5"))
	code, _, stderr := start(context.Background())
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "taskQueue: 5 is not a string")
}

func TestVersioningIsOnWhereBothNamesAreSet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ deployment, build, problem string }{
		"neither":             {"", "", ""},
		"both":                {"default/seriatim", "1.4.2-ab12", ""},
		"no name":             {"", "1", `TEMPORAL_WORKER_BUILD_ID is "1", but TEMPORAL_DEPLOYMENT_NAME is not set`},
		"no build":            {"a", "", `TEMPORAL_DEPLOYMENT_NAME is "a", but TEMPORAL_WORKER_BUILD_ID is not set`},
		"a dot in the name":   {"a.b", "1", `TEMPORAL_DEPLOYMENT_NAME is "a.b"`},
		"a colon in the name": {"a:b", "1", `TEMPORAL_DEPLOYMENT_NAME is "a:b"`},
		"a reserved name":     {"__a", "1", `TEMPORAL_DEPLOYMENT_NAME is "__a"`},
		"a reserved build":    {"a", "__1", `TEMPORAL_WORKER_BUILD_ID is "__1"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := map[string]string{deploymentNameVariable: c.deployment, buildIDVariable: c.build}
			options, err := deployment(func(name string) (string, bool) { return values[name], values[name] != "" })
			if c.problem != "" {
				require.ErrorContains(t, err, c.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.build != "", options.UseVersioning)
			require.Equal(t, worker.WorkerDeploymentVersion{DeploymentName: c.deployment, BuildID: c.build}, options.Version)
		})
	}
}

func TestRunRefusesAVersionWithoutItsDeployment(t *testing.T) {
	t.Setenv(buildIDVariable, "7")
	code, _, stderr := start(context.Background(), "--config", "../config.yaml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, `TEMPORAL_WORKER_BUILD_ID is "7"`)
}

func TestRunRefusesWrongConnectionSettings(t *testing.T) {
	t.Setenv("TEMPORAL_CONFIG_FILE", file(t, "no TOML"))
	code, _, stderr := start(context.Background(), "--config", "../config.yaml")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "connection settings")
}

// lines takes each line of a JSON log.
type lines chan map[string]any

func (l lines) Write(line []byte) (int, error) {
	var entry map[string]any
	if err := json.Unmarshal(line, &entry); err != nil {
		return 0, err
	}
	l <- entry
	return len(line), nil
}

// A server that is late is no reason to exit; a signal is, and a clean one.
func TestRunWaitsForTheServerUntilItIsToldToStop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	t.Setenv("TEMPORAL_ADDRESS", listener.Addr().String())
	t.Setenv("TEMPORAL_NAMESPACE", "orders")
	t.Setenv("TEMPORAL_CONFIG_FILE", file(t, ""))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	logged, code := make(lines, 100), make(chan int)
	go func() { code <- run(ctx, []string{"--config", "../config.yaml"}, &bytes.Buffer{}, logged) }()
	select {
	case entry := <-logged:
		require.Equal(t, "WARN", entry["level"])
		require.Equal(t, "Temporal is not there yet.", entry["msg"])
		require.Equal(t, listener.Addr().String(), entry["address"])
		require.Equal(t, "orders", entry["namespace"])
		require.Equal(t, "1s", entry["retryIn"])
	case <-time.After(time.Minute):
		require.Fail(t, "it says nothing")
	}
	stop()
	select {
	case ended := <-code:
		require.Equal(t, exitStopped, ended)
	case <-time.After(time.Minute):
		require.Fail(t, "it does not stop")
	}
}

func TestOnlyWrongCredentialsEndTheWait(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		serviceerror.NewPermissionDenied("no", ""),
		serviceerror.NewInvalidArgument("no"),
		status.Error(codes.Unauthenticated, "no"),
	} {
		require.True(t, permanent(err), err)
	}
	for _, err := range []error{
		serviceerror.NewUnavailable("away"),
		serviceerror.NewNamespaceNotFound("orders"),
		serviceerror.NewDeadlineExceeded("slow"),
		serviceerror.NewResourceExhausted(0, "busy"),
		context.DeadlineExceeded,
		errors.New("connection refused"),
	} {
		require.False(t, permanent(err), err)
	}
}

// starting is a worker whose Start answers that.
type starting struct {
	worker.Worker
	err error
}

func (s starting) Start() error { return s.err }

// A server that goes away, or comes to a limit, right after it was reached.
func TestAWorkerWaitsForAServerThatGoesAwayBeforeItStarts(t *testing.T) {
	t.Parallel()
	late := fmt.Errorf("failed reaching server: %w", context.DeadlineExceeded)
	wrong := errors.New("registered twice")
	try := func(ctx context.Context, answers ...error) (tries int, err error) {
		_, err = begin(ctx, func() worker.Worker {
			tries++
			return starting{err: answers[min(tries, len(answers))-1]}
		}, slog.New(slog.DiscardHandler))
		return tries, err
	}
	synctest.Test(t, func(t *testing.T) {
		tries, err := try(t.Context(), late, serviceerror.NewResourceExhausted(0, "namespace rate limit exceeded"), serviceerror.NewUnavailable("away"), nil)
		require.NoError(t, err)
		require.Equal(t, 4, tries, "a new worker each time")
		tries, err = try(t.Context(), late, wrong)
		require.ErrorIs(t, err, wrong)
		require.Equal(t, 2, tries)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = try(ctx, serviceerror.NewUnavailable("away"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, unlessStopped(ctx, err))
	})
}

func TestEveryConnectionReachesTheHandler(t *testing.T) {
	t.Parallel()
	c, err := config.Load(file(t, "http: {connections: [{name: a, baseURL: 'http://x', headers: {X-A: {env: A}}}]}"),
		func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	_, err = newHandlers(c, func(name string) (string, bool) { return "broken\nvalue", name == "A" })
	require.ErrorContains(t, err, `connection "a": headers.x-a: has a value with a control character`)
	require.NotContains(t, err.Error(), "broken")
}

func TestCommittedConfigurationBindsOnlyWhatTheWorkerHas(t *testing.T) {
	t.Parallel()
	c, err := config.Load("../config.yaml", func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	built, err := newHandlers(c, nil)
	require.NoError(t, err)
	for _, bound := range built.catalogue.Types() {
		require.Contains(t, built.activities, bound.Binding.Activity)
	}
}

// What the SDK and the registries panic on would show here.
func TestWorkersAreBuilt(t *testing.T) {
	t.Parallel()
	c, err := client.NewLazyClient(client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	loaded, err := config.Load("../config.yaml", func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	built, err := newHandlers(loaded, nil)
	require.NoError(t, err)
	require.NotPanics(t, func() {
		gate := activities.NewGate(built.catalogue, time.Second, nil)
		newWorker(site{client: c}, setup{config: loaded, handlers: built}, gate, true, nil)
		newWorker(site{client: c}, setup{config: loaded, handlers: built}, gate, false, nil)
		newEngineWorker(site{client: c}, setup{config: loaded}, nil)
	})
}

// fake is a worker that only starts and stops.
type fake struct {
	worker.Worker
	name       string
	startError error
	log        *journal
}

func (f fake) Start() error { f.log.note("start " + f.name); return f.startError }
func (f fake) Stop()        { f.log.note("stop " + f.name) }

// journal is what happened, in order.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) note(entry string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// told answers what is stopped, the last for ever.
type told struct {
	mu    sync.Mutex
	stops [][]protocol.Stop
	err   error
}

func (r *told) Service(ctx context.Context) (opclient.ServiceStatus, error) {
	stops, err := r.Stops(ctx)
	return opclient.ServiceStatus{ServiceState: protocol.ServiceState{Stops: stops}}, err
}

func (r *told) Stops(context.Context) ([]protocol.Stop, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		err := r.err
		r.err = nil
		return nil, err
	}
	now := r.stops[0]
	if len(r.stops) > 1 {
		r.stops = r.stops[1:]
	}
	return now, nil
}

func newShift(log *journal, startError error) *shift {
	return &shift{
		create: func(handlers bool) worker.Worker {
			name := "workflows"
			if handlers {
				name = "all"
			}
			return fake{name: name, startError: startError, log: log}
		},
		gate: activities.NewGate(nil, 0, nil), logger: slog.New(slog.DiscardHandler),
	}
}

func TestRunAllStopsEveryWorkerThatItStarted(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(context.Background())
	end()
	broken := errors.New("broken")
	failed := make(chan error, 1)
	failed <- broken
	stopped := []protocol.Stop{{}}
	for name, c := range map[string]struct {
		ctx    context.Context
		failed chan error
		reader *told
		start  error
		log    string
		err    error
	}{
		"when it is told to stop before it began": {ended, make(chan error, 1), &told{stops: [][]protocol.Stop{nil}}, nil, "start engine, stop engine", nil},
		"when one fails":                                {context.Background(), failed, &told{stops: [][]protocol.Stop{nil}}, nil, "start engine, start all, stop all, stop engine", broken},
		"when one does not start":                       {context.Background(), make(chan error, 1), &told{stops: [][]protocol.Stop{nil}}, broken, "start engine, start all, stop engine", broken},
		"when the service is stopped, without handlers": {context.Background(), failed, &told{stops: [][]protocol.Stop{stopped}}, nil, "start engine, start workflows, stop workflows, stop engine", broken},
		"when it cannot be read at first":               {context.Background(), failed, &told{stops: [][]protocol.Stop{nil}, err: errors.New("away")}, nil, "start engine, start all, stop all, stop engine", broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &journal{}
			failed := make(chan error, 1)
			if len(c.failed) > 0 {
				failed <- broken
			}
			err := runAll(c.ctx, failed, slog.New(slog.DiscardHandler), func() worker.Worker { return fake{name: "engine", log: log} }, newShift(log, c.start), c.reader, newHealth())
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.log, strings.Join(log.all(), ", "))
		})
	}
}

// SPEC 8.2: the workflows go on being served at every moment.
func TestShiftExchangesTheWorkerOnlyWhereItMust(t *testing.T) {
	t.Parallel()
	log := &journal{}
	s := newShift(log, nil)
	all, one := protocol.Stop{}, protocol.Stop{OperationType: "test.work"}
	for _, stops := range [][]protocol.Stop{nil, {one}, {one, all}, {all}, {all}, nil, {one}} {
		require.NoError(t, s.follow(t.Context(), stops))
	}
	require.Equal(t, []string{"start all", "start workflows", "stop all", "start all", "stop workflows"}, log.all())
}
