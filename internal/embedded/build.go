package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

const (
	terminalInterval = time.Second
	logInterval      = 15 * time.Second
	// tailSize is how much of a program's output an error quotes.
	tailSize = 4 << 10
	// eraseLine is what makes a terminal write over its last line.
	eraseLine = "\r\x1b[K"
)

// goBuild builds the program under a temporary name and renames it, so that
// target is either absent or complete.
func (l *locator) goBuild(ctx context.Context, target string) error {
	l.say("building %s; "+
		"the first time, that downloads and compiles about 1,800 packages and takes some minutes", l.program.Name)
	temporary := target + ".building"
	defer func() { _ = os.Remove(temporary) }()
	command := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", temporary, l.program.Package)
	command.Dir = filepath.Join(l.root, l.program.Module)
	command.Env = goEnvironment()
	command.Cancel = func() error { return interrupt(command.Process) } // go then stops its compilers
	command.WaitDelay = stopTimeout
	output := &outputTail{}
	command.Stdout, command.Stderr = output, output
	stop := showProgress(l.out, output.lines)
	err := command.Run()
	stop()
	if err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", command.Dir, err, output)
	}
	return os.Rename(temporary, target)
}

// goEnvironment returns the environment for the go command, in which a
// program for this machine is built whatever the user is building for.
func goEnvironment() []string {
	return environment("CGO_ENABLED=0", "GOWORK=off", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
}

// showProgress tells how long a build has taken and how many packages it has
// compiled: once a second in one line on a terminal, else every 15 seconds in
// a line each. The returned function ends it.
func showProgress(out io.Writer, packages func() int) (stop func()) {
	terminal := isTerminal(out)
	interval := logInterval
	if terminal {
		interval = terminalInterval
	}
	done := make(chan struct{})
	var reporter sync.WaitGroup
	begin := time.Now()
	reporter.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				if terminal {
					_, _ = fmt.Fprint(out, eraseLine)
				}
				return
			case <-ticker.C:
				report(out, terminal, time.Since(begin), packages())
			}
		}
	})
	return func() {
		close(done)
		reporter.Wait()
	}
}

func report(out io.Writer, terminal bool, elapsed time.Duration, packages int) {
	line := fmt.Sprintf("Temporal server: %s, %d packages compiled", elapsed.Round(time.Second), packages)
	if terminal {
		_, _ = fmt.Fprint(out, eraseLine+line)
		return
	}
	_, _ = fmt.Fprintln(out, line)
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// outputTail is a writer that counts lines and keeps the end of what a
// program prints, for the error that says why it failed.
type outputTail struct {
	mu    sync.Mutex
	text  []byte
	count int
}

// Write never fails.
func (t *outputTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count += bytes.Count(p, []byte("\n"))
	t.text = append(t.text, p...)
	if excess := len(t.text) - tailSize; excess > 0 {
		t.text = append(t.text[:0], t.text[excess:]...)
	}
	return len(p), nil
}

func (t *outputTail) lines() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

// String returns the end of the output.
func (t *outputTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
