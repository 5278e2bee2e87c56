package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// The paths of worker.httpAddress.
const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
)

// pages answers the probes, each with a line for people, and Prometheus.
func pages(h *health, metrics http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+healthPath, func(w http.ResponseWriter, _ *http.Request) { tell(w, "alive", h.alive()) })
	mux.HandleFunc("GET "+readyPath, func(w http.ResponseWriter, _ *http.Request) { tell(w, "ready", h.ready()) })
	mux.Handle("GET "+metricsPath, metrics)
	return mux
}

// tell answers 200 and that it is so, or 503 and why it is not.
func tell(w http.ResponseWriter, what string, problem error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if problem != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = fmt.Fprintf(w, "not %s: %v\n", what, problem)
		return
	}
	_, _ = fmt.Fprintln(w, what)
}

// listen serves the pages on the address until stop is called; "" serves none.
func listen(address string, handler http.Handler, logger *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("worker.httpAddress: %q: %w", address, err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("Health and metrics are no longer served.", "error", err)
		}
	}()
	logger.Info("Health and metrics are served.", "address", listener.Addr().String())
	return func() { _ = server.Close() }, nil
}

// healthcheckTimeout bounds the question of worker --healthcheck.
const healthcheckTimeout = 5 * time.Second

// healthcheck asks a worker on this machine whether it is ready, and answers the
// line that it says.
func healthcheck(ctx context.Context, address string) (line string, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(address)+readyPath, http.NoBody)
	if err != nil {
		return "", err
	}
	direct := &http.Client{Transport: &http.Transport{}} // never through a proxy
	response, err := direct.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	const longest = 4 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, longest))
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(string(body))
	if response.StatusCode != http.StatusOK {
		return "", errors.New(line)
	}
	return line, nil
}

// reachable is the address as a client on the same machine uses it: one that
// listens everywhere listens on loopback.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
