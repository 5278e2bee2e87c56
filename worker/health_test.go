package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
)

// asked is what a page answers.
func asked(t *testing.T, handler http.Handler, path string) (code int, text string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return recorder.Code, recorder.Body.String()
}

func TestHealth(t *testing.T) {
	t.Parallel()
	away, broken := errors.New("nobody answers"), errors.New("the server refuses it")
	connects := func(answer error) func(*health) {
		return func(h *health) { h.connected(func(context.Context) error { return answer }) }
	}
	for name, c := range map[string]struct {
		happens      []func(*health)
		alive, ready string // "" where it is
	}{
		"a worker that starts is alive and not ready":          {nil, "", "the worker starts"},
		"one whose server is not there is alive and not ready": {[]func(*health){func(h *health) { h.waits("temporal is not there yet") }}, "", "temporal is not there yet"},
		"one that is connected does not work yet":              {[]func(*health){connects(nil)}, "", "the worker starts"},
		"one that works is ready":                              {[]func(*health){connects(nil), (*health).takesWork}, "", ""},
		"one whose server went away is alive and not ready":    {[]func(*health){connects(away), (*health).takesWork}, "", "nobody answers"},
		"one that is told to stop is alive and not ready":      {[]func(*health){connects(nil), (*health).takesWork, func(h *health) { h.ends(nil) }}, "", "the worker stops"},
		"one that failed is neither, however it stops then": {
			[]func(*health){connects(nil), (*health).takesWork, func(h *health) { h.ends(broken) }, func(h *health) { h.ends(nil) }}, "the server refuses it", "the server refuses it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHealth()
			for _, happen := range c.happens {
				happen(h)
			}
			for path, wanted := range map[string][2]string{healthPath: {"alive", c.alive}, readyPath: {"ready", c.ready}} {
				code, text := asked(t, pages(h, http.NotFoundHandler()), path)
				if wanted[1] == "" {
					require.Equal(t, http.StatusOK, code)
					require.Equal(t, wanted[0]+"\n", text)
				} else {
					require.Equal(t, http.StatusServiceUnavailable, code)
					require.Equal(t, "not "+wanted[0]+": "+wanted[1]+"\n", text)
				}
			}
		})
	}
}

func TestProbesCostTheServerOneLook(t *testing.T) {
	t.Parallel()
	looks := 0
	h := newHealth()
	h.connected(func(context.Context) error { looks++; return nil })
	h.takesWork()
	for range 100 {
		require.NoError(t, h.ready())
	}
	require.Equal(t, 1, looks)
	h.lookedAt = h.lookedAt.Add(-lookedFor)
	require.NoError(t, h.ready())
	require.Equal(t, 2, looks)
}

// A server that hangs must not have the worker restarted.
func TestAliveDoesNotWaitForTheServer(t *testing.T) {
	t.Parallel()
	h := newHealth()
	asking, answer := make(chan struct{}), make(chan struct{})
	h.connected(func(context.Context) error { close(asking); <-answer; return nil })
	h.takesWork()
	ready := make(chan error)
	go func() { ready <- h.ready() }()
	<-asking
	require.NoError(t, h.alive())
	h.ends(nil)
	close(answer)
	require.EqualError(t, <-ready, "the worker stops", "it was told to while the server was asked")
}

func TestHealthcheckAsksTheWorker(t *testing.T) {
	t.Parallel()
	h := newHealth()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	server := &http.Server{Handler: pages(h, http.NotFoundHandler()), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	config := file(t, "worker: {httpAddress: '127.0.0.1:"+port+"'}")

	code, _, stderr := start(t.Context(), "--healthcheck", "--config", config)
	require.Equal(t, exitFailed, code)
	require.Equal(t, "worker: not ready: the worker starts\n", stderr)
	h.connected(func(context.Context) error { return nil })
	h.takesWork()
	code, stdout, _ := start(t.Context(), "--healthcheck", "--config", config)
	require.Equal(t, exitStopped, code)
	require.Equal(t, "ready\n", stdout)
}

func TestHealthcheckReachesAWorkerThatListensEverywhere(t *testing.T) {
	t.Parallel()
	for address, wanted := range map[string]string{
		":9464": "localhost:9464", "0.0.0.0:9464": "localhost:9464", "[::]:9464": "localhost:9464",
		"127.0.0.1:9464": "127.0.0.1:9464", "worker:9464": "worker:9464",
	} {
		require.Equal(t, wanted, reachable(address))
	}
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	taken := listener.Addr().String()
	code, _, stderr := start(t.Context(), "--config", file(t, "worker: {httpAddress: '"+taken+"'}"))
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "worker.httpAddress")
	require.Contains(t, stderr, taken)
}

func TestNothingIsServedUnlessItIsAskedFor(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	stop, err := listen("", http.NotFoundHandler(), slog.New(slog.NewTextHandler(io.Writer(&log), nil)))
	require.NoError(t, err)
	stop()
	require.Empty(t, log.String())
}

func TestLogKeepsPayloadsOut(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	failure := temporal.NewApplicationError("POST https://x answered: secret", "Fail")
	logger := newLogger(&log, slog.LevelInfo)
	logger.Error("Activity error.", "WorkflowID", "operation:a1", "Error", fmt.Errorf("attempt 1: %w", failure))
	logger.Warn("It is not there.", "error", errors.New("connection refused"))
	require.NotContains(t, log.String(), "secret")
	require.Contains(t, log.String(), "operation:a1")
	require.Contains(t, log.String(), `"Error":"Fail: its message is in the operation's record"`)
	require.Contains(t, log.String(), "connection refused", "other errors stay as they are")
}
