package services

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

// StopGrace is how long a process may take to stop when it is told to.
const StopGrace = 45 * time.Second

// Process is a child that dies with this program.
type Process struct {
	name    string
	log     string // the file that holds what it printed
	command *exec.Cmd
	exited  chan struct{}
	err     error // to be read once exited is closed
}

// StartProcess starts a command, whose output goes to name.log in the folder.
func StartProcess(folder, name string, command *exec.Cmd) (*Process, error) {
	p := &Process{name: name, log: filepath.Join(folder, name+".log"), command: command, exited: make(chan struct{})}
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

// Stop asks the process to stop, and kills it where it does not in time.
func (p *Process) Stop(signal os.Signal) error {
	_ = p.command.Process.Signal(signal) // fails only if it has ended
	select {
	case <-p.exited:
		return p.err
	case <-time.After(StopGrace):
		p.Kill()
		return fmt.Errorf("%s did not stop within %s", p.name, StopGrace)
	}
}

// Kill ends it as a crash does.
func (p *Process) Kill() {
	_ = p.command.Process.Kill() // fails only if it has ended
	<-p.exited
}

// Failure is an error that quotes the end of what the process printed.
func (p *Process) Failure(err error) error {
	const limit = 3000
	log, _ := os.ReadFile(p.log) // the error matters more
	return fmt.Errorf("%s: %w\n%s", p.name, err, bytes.TrimSpace(log[max(0, len(log)-limit):]))
}

// Wait repeats a check until it succeeds; it gives up when the process or ctx
// ends.
func (p *Process) Wait(ctx context.Context, check func(context.Context) error) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.Failure(fmt.Errorf("it ended: %w", p.err))
		case <-ctx.Done():
			return p.Failure(fmt.Errorf("%w: %w", ctx.Err(), err))
		case <-ticker.C:
		}
	}
}

// RunToEnd runs a command whose output goes to name.log in the folder.
func RunToEnd(ctx context.Context, folder, name string, command *exec.Cmd) error {
	p, err := StartProcess(folder, name, command)
	if err != nil {
		return err
	}
	select {
	case <-p.exited:
		if p.err != nil {
			return p.Failure(p.err)
		}
		return nil
	case <-ctx.Done():
		_ = p.Stop(syscall.SIGTERM)
		return p.Failure(ctx.Err())
	}
}
