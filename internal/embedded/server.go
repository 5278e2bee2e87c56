package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// startTimeout bounds a start on a busy machine; a free one needs seconds.
	startTimeout = 2 * time.Minute
	// stopTimeout is how long a server may take to stop before it is killed.
	stopTimeout = 10 * time.Second
	// startAttempts counts the starts on ports from the kernel, which another
	// process can take in the moment before the server listens.
	startAttempts = 3
)

// ServerOptions steer Start. The zero value is a server in memory on free
// ports, with a namespace "default" and no Web UI.
type ServerOptions struct {
	// Namespace is registered with Seriatim's search attributes; empty:
	// "default". For a source of KindAddress it is ignored: a server that
	// others use too gets a fresh namespace.
	Namespace string
	// UI also runs the Web UI.
	UI bool
	// DBFilename keeps the state in a file that survives Kill; empty: memory.
	DBFilename string
	// Port, UIPort and HTTPPort are those of the gRPC API, the Web UI and the
	// HTTP API on 127.0.0.1; 0: a free one.
	Port, UIPort, HTTPPort int
	// DynamicConfig are server settings besides those in DefaultDynamicConfig,
	// or instead of them: keys to JSON values.
	DynamicConfig map[string]string
	// Log gets what the server prints; nil: it is dropped, except that an
	// error of Start quotes the end of it.
	Log io.Writer
}

// Server is a running server, or one that has been stopped.
type Server struct {
	source  Source
	options ServerOptions // with every port and the namespace filled in

	// What follows is empty for a source of KindAddress.
	command  *exec.Cmd
	output   *outputTail
	exited   chan struct{} // closed when the process has ended
	exitErr  error         // to be read once exited is closed
	stopOnce sync.Once
	stopErr  error
}

// Start runs a server and waits until it can be used: its frontend answers,
// the namespace and Seriatim's search attributes are there, and so are the
// HTTP API and, if asked for, the Web UI. The server dies with this process
// (on Linux even if this process is killed), not with ctx, which only bounds
// the start. For a source of KindAddress nothing is started.
func Start(ctx context.Context, source Source, o ServerOptions) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if source.Kind == KindAddress {
		return connect(ctx, source, o)
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	chosen := o.Port != 0 && o.HTTPPort != 0 && (o.UIPort != 0 || !o.UI)
	for attempt := 1; ; attempt++ {
		server, err := launch(ctx, source, o)
		if err == nil || chosen || attempt == startAttempts || !portTaken(err) {
			return server, err
		}
	}
}

// StartChild starts a command that the terminal's Ctrl-C does not reach and
// that, on Linux, dies with this process, even if this process is killed.
func StartChild(command *exec.Cmd) error {
	detach(command)
	return startChild(command)
}

// portTaken says whether the program ended because it could not listen.
func portTaken(err error) bool {
	return errors.Is(err, errExited) && strings.Contains(err.Error(), "address already in use")
}

// connect registers a fresh namespace on a server that runs already.
func connect(ctx context.Context, source Source, o ServerOptions) (*Server, error) {
	o.Namespace = "seriatim-test-" + uuid.NewString()
	if err := Namespace(ctx, source.Address, o.Namespace); err != nil {
		return nil, err
	}
	if err := SearchAttributes(ctx, source.Address, o.Namespace, DefaultSearchAttributes()); err != nil {
		return nil, err
	}
	return &Server{source: source, options: o}, nil
}

// launch starts the program once.
func launch(ctx context.Context, source Source, o ServerOptions) (*Server, error) {
	if err := fillPorts(&o); err != nil {
		return nil, err
	}
	s := &Server{source: source, options: o, output: &outputTail{}, exited: make(chan struct{})}
	s.command = exec.Command(source.Path, arguments(source, o)...)
	s.command.Env = environment()
	s.command.Stdout, s.command.Stderr = s.writer(), s.writer()
	s.command.WaitDelay = time.Second
	if err := StartChild(s.command); err != nil {
		return nil, fmt.Errorf("start %s: %w", source.Path, err)
	}
	go func() {
		s.exitErr = s.command.Wait()
		close(s.exited)
	}()
	if err := s.waitReady(ctx); err != nil {
		s.Kill()
		return nil, fmt.Errorf("start %s: %w\n%s", source.Path, err, s.output)
	}
	return s, nil
}

// writer returns where the server's output goes.
func (s *Server) writer() io.Writer {
	if s.options.Log == nil {
		return s.output
	}
	return io.MultiWriter(s.output, s.options.Log)
}

// Source returns where the server comes from. Of a source of KindAddress the
// dynamic config is not known, and it cannot be stopped or killed.
func (s *Server) Source() Source { return s.source }

// Address returns host:port of the gRPC API.
func (s *Server) Address() string {
	if s.source.Kind == KindAddress {
		return s.source.Address
	}
	return net.JoinHostPort(loopback, strconv.Itoa(s.options.Port))
}

// HTTPAddress returns host:port of the HTTP API; for KindAddress what
// SERIATIM_TEST_HTTP_ADDRESS says, which may be nothing.
func (s *Server) HTTPAddress() string {
	if s.source.Kind == KindAddress {
		return s.source.HTTPAddress
	}
	return net.JoinHostPort(loopback, strconv.Itoa(s.options.HTTPPort))
}

// WebUI returns the URL of the Web UI, or "" if none was started.
func (s *Server) WebUI() string {
	if s.source.Kind == KindAddress || !s.options.UI {
		return ""
	}
	return "http://" + net.JoinHostPort(loopback, strconv.Itoa(s.options.UIPort))
}

// Namespace returns the namespace that was registered.
func (s *Server) Namespace() string { return s.options.Namespace }

// PID returns the process id, or 0 for KindAddress.
func (s *Server) PID() int {
	if s.command == nil {
		return 0
	}
	return s.command.Process.Pid
}

// Stop ends the server cleanly and waits for its end; after 10 s it kills it
// and says so in the error. A second Stop does nothing. Of KindAddress the
// server and the namespace are left as they are.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() { s.stopErr = s.stop() })
	return s.stopErr
}

func (s *Server) stop() error {
	if s.command == nil || s.hasExited() {
		return nil
	}
	if err := interrupt(s.command.Process); err != nil && !s.hasExited() {
		s.Kill()
		return fmt.Errorf("interrupt the server, process %d: %w", s.PID(), err)
	}
	select {
	case <-s.exited:
		return s.exitError()
	case <-time.After(stopTimeout):
		s.Kill()
		return fmt.Errorf("the server, process %d, was killed: it did not stop within %s", s.PID(), stopTimeout)
	}
}

func (s *Server) exitError() error {
	if s.exitErr == nil || errors.Is(s.exitErr, exec.ErrWaitDelay) {
		return nil
	}
	return fmt.Errorf("the server, process %d, stopped with: %w\n%s", s.PID(), s.exitErr, s.output)
}

// Kill ends the server at once, as a crash does, and waits for its end. It
// does nothing for KindAddress or to a server that has ended.
func (s *Server) Kill() {
	if s.command == nil || s.hasExited() {
		return
	}
	_ = s.command.Process.Kill() // fails only if the process has just ended
	<-s.exited
}

// Restart runs the server again with the same ports, namespace and database,
// after it has been stopped or killed; one that still runs is stopped first.
// It returns the new server; what was only in memory is lost.
func (s *Server) Restart(ctx context.Context) (*Server, error) {
	if s.source.Kind == KindAddress {
		return nil, fmt.Errorf("restart %s: it was not started here", s.source)
	}
	if err := s.Stop(); err != nil {
		return nil, err
	}
	return Start(ctx, s.source, s.options)
}

func (s *Server) hasExited() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}
