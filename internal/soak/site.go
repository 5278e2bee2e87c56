package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/internal/services"
	"github.com/seriatim-go/seriatim/opclient"
)

// site is the server, the worker, and where it delivers to.
type site struct {
	folder   string
	server   *embedded.Server
	target   *target
	worker   *services.Process
	pid      int    // the worker's
	metrics  string // URL
	temporal client.Client
	client   *opclient.Client
}

// settings let the server keep what has closed for less than an hour, and delete it
// without a random wait.
var settings = map[string]string{
	"system.namespaceMinRetentionLocal": `"10s"`, "history.retentionTimerJitterDuration": `"1s"`,
}

const config = `
worker: {httpAddress: %q, surveyInterval: 30s}
serializer: {linger: %s}
http: {allowLoopback: true, connections: [{name: target, baseURL: "http://%s"}]}
types: [{key: http.request, activity: http.request}]
`

// openSite starts all; what was started is stopped again where that fails.
func openSite(ctx context.Context, o options, progress io.Writer) (s *site, err error) {
	s = &site{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	source, err := embedded.Locate(ctx, embedded.Options{Out: progress})
	if err != nil {
		return s, err
	}
	if source.Kind == embedded.KindAddress {
		return s, fmt.Errorf("%s is set: soak needs a server of its own", embedded.AddressVariable)
	}
	if s.folder, err = os.MkdirTemp("", "seriatim-soak-"); err != nil {
		return s, err
	}
	s.server, err = embedded.Start(ctx, source, embedded.ServerOptions{DBFilename: s.database(), DynamicConfig: settings})
	if err != nil {
		return s, err
	}
	if s.temporal, err = harness.Dial(ctx, s.server.Address(), s.server.Namespace(), slog.LevelError); err != nil {
		return s, err
	}
	s.client = opclient.New(s.temporal, opclient.Options{Namespace: s.server.Namespace()})
	_, err = s.temporal.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: s.server.Namespace(),
		Config:    &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(o.retention)},
	})
	if err != nil {
		return s, fmt.Errorf("set the retention: %w", err)
	}
	if s.target, err = startTarget(); err != nil {
		return s, err
	}
	return s, s.startWorker(ctx)
}

// startWorker builds the worker, runs it, and waits until it is ready.
func (s *site) startWorker(ctx context.Context) error {
	port, err := embedded.FreePort()
	if err != nil {
		return err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	path, file := filepath.Join(s.folder, "worker"), filepath.Join(s.folder, "config.yaml")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", path, "./worker").CombinedOutput(); err != nil {
		return fmt.Errorf("build the worker: %w\n%s", err, output)
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, config, address, linger, s.target.listener.Addr()), 0o600); err != nil {
		return err
	}
	command := exec.Command(path, "--config", file, "--log-level", "warn")
	command.Env = embedded.Environment("TEMPORAL_ADDRESS="+s.server.Address(), "TEMPORAL_NAMESPACE="+s.server.Namespace())
	if s.worker, err = services.StartProcess(s.folder, "worker", command); err != nil {
		return err
	}
	s.pid, s.metrics = command.Process.Pid, "http://"+address+"/metrics"
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return s.worker.Wait(ctx, func(ctx context.Context) error {
		_, err := read(ctx, "http://"+address+"/readyz")
		return err
	})
}

func (s *site) database() string { return filepath.Join(s.folder, "temporal.db") }

// databaseMiB is the size of the file and of its log.
func (s *site) databaseMiB() int {
	size := 0
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(s.database() + suffix); err == nil {
			size += int(info.Size())
		}
	}
	return size >> 20
}

// sample measures everything once.
func (s *site) sample(ctx context.Context) (sample, error) {
	text, err := read(ctx, s.metrics)
	if err != nil {
		return sample{}, s.worker.Failure(fmt.Errorf("the worker's metrics: %w", err))
	}
	return sample{
		WorkerRSS: harness.Memory(s.pid) >> 10, WorkerHeap: value(text, "go_memstats_heap_inuse_bytes") >> 20,
		Goroutines: value(text, "go_goroutines"), WorkerFDs: harness.Descriptors(s.pid),
		ServerFDs: harness.Descriptors(s.server.PID()), Operations: s.target.done(), Database: s.databaseMiB(),
	}, nil
}

// value is that of a metric without labels, 0 where there is none.
func value(text, name string) int {
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if number, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, _ := strconv.ParseFloat(number, 64) // Prometheus' own form
			return int(v)
		}
	}
	return 0
}

func read(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return string(text), err
}

// close stops what was started, the worker first, and removes the folder.
func (s *site) close() error {
	var problems []error
	if s.temporal != nil {
		s.temporal.Close()
	}
	if s.worker != nil {
		problems = append(problems, s.worker.Stop(syscall.SIGTERM))
	}
	if s.target != nil {
		_ = s.target.server.Close()
	}
	if s.server != nil {
		problems = append(problems, s.server.Stop())
	}
	if s.folder != "" {
		problems = append(problems, os.RemoveAll(s.folder))
	}
	return errors.Join(problems...)
}
