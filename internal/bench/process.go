package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// process is a worker: this program with a subcommand.
type process struct {
	command *exec.Cmd
	parent  io.WriteCloser // closed with this process: its end is the worker's
	exited  chan struct{}

	mu      sync.Mutex
	ready   bool
	handled int
	news    chan struct{} // closed with every byte that the worker writes
}

// startWorker runs this program once more, and waits until it polls.
func startWorker(ctx context.Context, args ...string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{exited: make(chan struct{}), news: make(chan struct{})}
	p.command = exec.Command(program, append([]string{workerCommand}, args...)...)
	p.command.Stderr = os.Stderr
	if p.parent, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go p.read(output)
	if err := p.wait(ctx, func() bool { return p.ready }); err != nil {
		p.stop()
		return nil, fmt.Errorf("a worker does not get ready: %w", err)
	}
	return p, nil
}

// read follows what the worker tells.
func (p *process) read(output io.Reader) {
	defer close(p.exited)
	for reader := bufio.NewReader(output); ; {
		what, err := reader.ReadByte()
		if err != nil {
			_ = p.command.Wait() // how it ends is of no interest
			return
		}
		p.mu.Lock()
		switch what {
		case isReady:
			p.ready = true
		case handled:
			p.handled++
		}
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
}

// wait waits until what the worker told meets the condition.
func (p *process) wait(ctx context.Context, condition func() bool) error {
	for {
		p.mu.Lock()
		met, news := condition(), p.news
		p.mu.Unlock()
		if met {
			return nil
		}
		select {
		case <-news:
		case <-p.exited:
			return errors.New("the worker has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handledSoFar is how many handlers have run.
func (p *process) handledSoFar() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled
}

// waitHandled waits until so many handlers have run in all.
func (p *process) waitHandled(ctx context.Context, total int) error {
	return p.wait(ctx, func() bool { return p.handled >= total })
}

func (p *process) pid() int { return p.command.Process.Pid }

// stop ends the worker, which has a few seconds for it.
func (p *process) stop() {
	_ = p.parent.Close()
	timer := time.AfterFunc(20*time.Second, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	<-p.exited
}

// ticksPerSecond is the unit of computing time in /proc, on every Linux.
const ticksPerSecond = 100

// cpu is the computing time that a process has taken so far, in units of 10 ms;
// 0 where the system does not tell.
func cpu(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is a name in parentheses, which may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const user, system = 11, 12 // after the name
	if len(fields) <= system {
		return 0
	}
	ticks := 0
	for _, field := range []string{fields[user], fields[system]} {
		n, _ := strconv.Atoi(field) // digits
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

var residentMemory = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// memory is what a process holds now, in MiB; 0 where the system does not tell.
func memory(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	found := residentMemory.FindSubmatch(status)
	if found == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(found[1])) // digits
	return float64(kib) / 1024
}
