package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/opclient"
)

// site is everything that the demo starts: a Temporal server, a worker process,
// the receiver, a database and a mail server.
type site struct {
	server   *embedded.Server
	worker   *exec.Cmd
	ended    chan error // how the worker ended
	receiver *receiver
	mail     *mailbox.Server
	database *sql.DB
	temporal client.Client
	client   *opclient.Client
	folder   string
}

// startSite brings everything up; what was started is stopped again on failure.
func startSite(ctx context.Context, out io.Writer) (s *site, err error) {
	s = &site{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
			s = nil
		}
	}()
	source, err := embedded.Locate(ctx, embedded.Options{Out: out})
	if err != nil {
		return s, err
	}
	if s.server, err = embedded.Start(ctx, source, embedded.ServerOptions{UI: true}); err != nil {
		return s, err
	}
	if s.receiver, err = startReceiver(); err != nil {
		return s, err
	}
	if s.folder, err = os.MkdirTemp("", "seriatim-demo-"); err != nil {
		return s, err
	}
	if err = s.prepareCampaign(ctx); err != nil {
		return s, err
	}
	if err = s.startWorker(ctx); err != nil {
		return s, err
	}
	s.temporal, err = client.DialContext(ctx, client.Options{
		HostPort: s.server.Address(), Namespace: s.server.Namespace(), Logger: quiet{},
	})
	if err != nil {
		return s, fmt.Errorf("connect to %s: %w", s.server.Address(), err)
	}
	s.client = opclient.New(s.temporal, opclient.Options{})
	return s, nil
}

// configuration is the worker's: like config.yaml, but deliveries to this
// machine are allowed, and the shops are the demo's receiver.
const configuration = `
http:
  allowLoopback: true
  connections:
    - name: shops
      baseURL: %s
types:
  - key: http.request
    number: 100001
    label: HTTP request
    activity: http.request
`

// startWorker builds the worker and runs it as a process of its own.
func (s *site) startWorker(ctx context.Context) error {
	program, settings := filepath.Join(s.folder, "worker"), filepath.Join(s.folder, "config.yaml")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./worker").CombinedOutput(); err != nil {
		return fmt.Errorf("build the worker: %w\n%s", err, output)
	}
	if err := os.WriteFile(settings, fmt.Appendf(nil, configuration+campaignTypes+s.campaignConfig(), s.receiver.url()), 0o600); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(s.folder, "worker.log"))
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	s.worker = exec.Command(program, "--config", settings)
	s.worker.Env = append(withoutTemporal(os.Environ()),
		"TEMPORAL_ADDRESS="+s.server.Address(), "TEMPORAL_NAMESPACE="+s.server.Namespace())
	s.worker.Stdout, s.worker.Stderr = logFile, logFile
	s.worker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the demo, which stops it
	if err := s.worker.Start(); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.worker.Wait() }()
	return nil
}

// stop ends what was started, the worker first.
func (s *site) stop() error {
	var problems []error
	if s.temporal != nil {
		s.temporal.Close()
	}
	if s.ended != nil {
		problems = append(problems, s.stopWorker())
	}
	if s.receiver != nil {
		s.receiver.close()
	}
	if s.mail != nil {
		problems = append(problems, s.mail.Close())
	}
	if s.database != nil {
		problems = append(problems, s.database.Close())
	}
	if s.server != nil {
		problems = append(problems, s.server.Stop())
	}
	if s.folder != "" {
		problems = append(problems, os.RemoveAll(s.folder))
	}
	return errors.Join(problems...)
}

// workerLog is the end of what the worker wrote.
func (s *site) workerLog() string {
	const limit = 2000
	log, err := os.ReadFile(filepath.Join(s.folder, "worker.log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-limit):])
}

// stopWorker asks the worker to stop, and kills it where it does not.
func (s *site) stopWorker() error {
	_ = s.worker.Process.Signal(syscall.SIGTERM) // fails only if it has ended
	timer := time.AfterFunc(40*time.Second, func() { _ = s.worker.Process.Kill() })
	defer timer.Stop()
	if err := <-s.ended; err != nil {
		return fmt.Errorf("the worker ended with: %w", err)
	}
	return nil
}

// withoutTemporal leaves out what would point the worker at another server.
func withoutTemporal(environment []string) (rest []string) {
	for _, variable := range environment {
		if len(variable) < 9 || variable[:9] != "TEMPORAL_" {
			rest = append(rest, variable)
		}
	}
	return rest
}

// quiet drops what the SDK logs: the demo's screen is its table.
type quiet struct{ log.Logger }

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
