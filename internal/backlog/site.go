package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
)

// site is the server, and the worker while it is up.
type site struct {
	server   *embedded.Server
	temporal client.Client
	client   *opclient.Client
	worker   *exec.Cmd
	parent   io.WriteCloser // closed with this process: its end is the worker's
	progress io.Writer
}

// openSite starts the server; no worker is up yet.
func openSite(ctx context.Context, progress io.Writer) (*site, error) {
	source, err := embedded.Locate(ctx, embedded.Options{Out: progress})
	if err != nil {
		return nil, err
	}
	server, err := embedded.Start(ctx, source, embedded.ServerOptions{})
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, server.Address(), server.Namespace())
	if err != nil {
		_ = server.Stop() // the first error tells more
		return nil, err
	}
	operations := opclient.New(c, opclient.Options{Namespace: server.Namespace()})
	return &site{server: server, temporal: c, client: operations, progress: progress}, nil
}

// startWorker runs this program once more, as a worker.
func (s *site) startWorker() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	s.worker = exec.Command(program, workerCommand, "--address", s.server.Address(), "--namespace", s.server.Namespace())
	s.worker.Stderr = os.Stderr
	if s.parent, err = s.worker.StdinPipe(); err != nil {
		return err
	}
	return s.worker.Start()
}

// stopWorker ends the worker, which has a few seconds for it.
func (s *site) stopWorker() {
	if s.worker == nil {
		return
	}
	_ = s.parent.Close()
	timer := time.AfterFunc(20*time.Second, func() { _ = s.worker.Process.Kill() })
	defer timer.Stop()
	_ = s.worker.Wait() // how it ends is of no interest
	s.worker = nil
}

func (s *site) close() {
	s.stopWorker()
	s.temporal.Close()
	_ = s.server.Stop() // it was in memory
}

// peakMemory matches the line that says how much memory a process had at most.
var peakMemory = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// workerMemory is the most memory that the worker had, in MiB; 0 where the system
// does not tell.
func (s *site) workerMemory() int {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.worker.Process.Pid), "status"))
	if err != nil {
		return 0
	}
	found := peakMemory.FindSubmatch(status)
	if found == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(found[1])) // digits
	return kib >> 10
}

func (s *site) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.progress, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
