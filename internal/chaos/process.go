package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// process is a child of the harness: this program with a subcommand.
type process struct {
	name    string
	journal string // its file appears once the process can be told to stop
	command *exec.Cmd
	parent  io.WriteCloser // closed with this process: its end is the child's
	exited  chan struct{}
	err     error // to be read once exited is closed

	mu   sync.Mutex
	life processLife
}

// startProcess runs this program with a subcommand. What it prints, and its
// journal, go to the folder.
func startProcess(folder, name, subcommand string, args ...string) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(folder, name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	p := &process{name: name, exited: make(chan struct{}), life: processLife{name: name}}
	p.journal = filepath.Join(folder, name+".jsonl")
	p.command = exec.Command(program, append([]string{subcommand, "--journal", p.journal}, args...)...)
	p.command.Stdout, p.command.Stderr = output, output
	detach(p.command)
	if p.parent, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.command.Wait()
		p.mu.Lock()
		p.life.ended = time.Now()
		p.mu.Unlock()
		close(p.exited)
	}()
	return p, nil
}

// hasExited says whether it is over.
func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends it as a crash does.
func (p *process) kill() {
	_ = p.command.Process.Kill() // fails only if it has ended
	<-p.exited
}

// stopGrace is how long a process may take to stop when it is told to.
const stopGrace = 15 * time.Second

// waitReady waits until it runs so far that a request to stop does not end it
// as a kill does.
func (p *process) waitReady() {
	for begin := time.Now(); time.Since(begin) < stopGrace && !p.hasExited(); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(p.journal); err == nil {
			return
		}
	}
}

// terminate asks it to stop, and says how it did not.
func (p *process) terminate() error {
	p.waitReady()
	_ = p.command.Process.Signal(continueSignal)
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return p.err
	case <-time.After(stopGrace):
		p.kill()
		return errors.New("it did not stop in " + stopGrace.String())
	}
}

// freeze lets it stand still; thaw lets it go on. The span between them is
// longer than the truth, never shorter.
func (p *process) freeze() error {
	p.mu.Lock()
	p.life.stops = append(p.life.stops, span{from: time.Now()})
	p.mu.Unlock()
	return p.command.Process.Signal(stopSignal)
}

func (p *process) thaw() error {
	err := p.command.Process.Signal(continueSignal)
	p.mu.Lock()
	p.life.stops[len(p.life.stops)-1].to = time.Now()
	p.mu.Unlock()
	return err
}

func (p *process) lived() processLife {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}
