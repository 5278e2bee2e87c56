package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// stopGrace is how long a process may take to stop when it is told to.
const stopGrace = 45 * time.Second

// process is a child that dies with this program.
type process struct {
	name    string
	log     string // the file that holds what it printed
	command *exec.Cmd
	exited  chan struct{}
	err     error // to be read once exited is closed
}

// startProcess starts a command, whose output goes to name.log in the folder.
func startProcess(folder, name string, command *exec.Cmd) (*process, error) {
	p := &process{name: name, log: filepath.Join(folder, name+".log"), command: command, exited: make(chan struct{})}
	output, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	command.Stdout, command.Stderr = output, output
	if err := embedded.StartChild(command); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = command.Wait()
		close(p.exited)
	}()
	return p, nil
}

// stop asks the process to stop, and kills it where it does not in time.
func (p *process) stop(signal os.Signal) error {
	_ = p.command.Process.Signal(signal) // fails only if it has ended
	select {
	case <-p.exited:
		return p.err
	case <-time.After(stopGrace):
		p.kill()
		return fmt.Errorf("%s did not stop within %s", p.name, stopGrace)
	}
}

// kill ends it as a crash does.
func (p *process) kill() {
	_ = p.command.Process.Kill() // fails only if it has ended
	<-p.exited
}

// failure is an error that quotes the end of what the process printed.
func (p *process) failure(err error) error {
	const limit = 3000
	log, _ := os.ReadFile(p.log) // the error matters more
	return fmt.Errorf("%s: %w\n%s", p.name, err, bytes.TrimSpace(log[max(0, len(log)-limit):]))
}

// wait repeats a check until it succeeds; it gives up when the process or ctx
// ends.
func (p *process) wait(ctx context.Context, check func(context.Context) error) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.failure(fmt.Errorf("it ended: %w", p.err))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("%w: %w", ctx.Err(), err))
		case <-ticker.C:
		}
	}
}

// runToEnd runs a command whose output goes to name.log in the folder.
func runToEnd(ctx context.Context, folder, name string, command *exec.Cmd) error {
	p, err := startProcess(folder, name, command)
	if err != nil {
		return err
	}
	select {
	case <-p.exited:
		if p.err != nil {
			return p.failure(p.err)
		}
		return nil
	case <-ctx.Done():
		_ = p.stop(syscall.SIGTERM)
		return p.failure(ctx.Err())
	}
}
