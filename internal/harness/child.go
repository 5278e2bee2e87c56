// Package harness is what the programs share that measure Seriatim on a server of
// their own and run themselves once more as its workers.
//
//   - child.go: the program as a process of its own
//   - usage.go: what a process takes
//   - dial.go: a client that says little
//   - latency.go: quantiles of times
//   - progress.go: lines for who watches
package harness

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// stopGrace is how long a child may take to stop.
const stopGrace = 20 * time.Second

// Child is this program once more, with other arguments. It is not to be copied.
type Child struct {
	// Command may be changed until Start. Its standard error is this process's, its
	// standard output goes nowhere.
	Command *exec.Cmd
	parent  io.Closer // closed with this process: its end is the child's
	exited  chan struct{}
}

// NewChild is a child that is not started yet.
func NewChild(args ...string) (*Child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &Child{Command: exec.Command(program, args...), exited: make(chan struct{})}
	c.Command.Stderr = os.Stderr
	c.parent, err = c.Command.StdinPipe()
	return c, err
}

// Start runs it.
func (c *Child) Start() error {
	if err := c.Command.Start(); err != nil {
		return err
	}
	go func() {
		_ = c.Command.Wait() // how it ends is of no interest
		close(c.exited)
	}()
	return nil
}

// Exited is closed once it is over.
func (c *Child) Exited() <-chan struct{} { return c.exited }

// PID is its process id.
func (c *Child) PID() int { return c.Command.Process.Pid }

// Stop ends it and waits until it is over; after 20 s it is killed. It may be
// called again.
func (c *Child) Stop() {
	_ = c.parent.Close()
	timer := time.AfterFunc(stopGrace, func() { _ = c.Command.Process.Kill() })
	defer timer.Stop()
	<-c.exited
}

// RunChild does the work of a child, whose name an error has before it, and answers
// the exit code. The work's context ends when the process that started this one is
// gone, however it went: its end of our standard input closes.
func RunChild(ctx context.Context, name string, stderr io.Writer, work func(context.Context) error) int {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := work(ctx); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}
