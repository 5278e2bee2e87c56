package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/internal/services"
)

// event is a line of "go test -json".
type event struct {
	Action, Test, Output string
	Elapsed              float64
}

// tally is what became of the tests, those within a test not counted.
type tally struct {
	passed, failed int
	skipped        map[string]string // test to its reason
	output         map[string]*strings.Builder
}

func newTally() *tally {
	return &tally{skipped: map[string]string{}, output: map[string]*strings.Builder{}}
}

// runSuite runs the end-to-end tests on the cluster's server. Those that change a
// server's limits, or kill it, start one of their own and are left out; they say
// so.
func runSuite(ctx context.Context, c *services.Cluster, run string, out io.Writer) error {
	args := []string{"test", "./internal/e2e", "-count=1", "-json", "-timeout", "0"}
	if run != "" {
		args = append(args, "-run", run)
	}
	command := exec.Command("go", args...)
	command.Env = embedded.Environment(
		embedded.AddressVariable+"="+c.Address(), embedded.HTTPAddressVariable+"="+c.HTTPAddress())
	command.Cancel, command.WaitDelay = nil, services.StopGrace
	raw, err := os.Create(filepath.Join(c.Folder, "e2e.jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	counted := newTally()
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = io.MultiWriter(raw, writer), out
	begin := time.Now()
	if err := embedded.StartChild(command); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM) })
	defer stop()
	counting := make(chan error, 1)
	go func() { counting <- counted.read(reader, out) }()
	ended := command.Wait()
	_ = writer.Close()
	if err := <-counting; err != nil {
		return err
	}
	counted.print(out, time.Since(begin))
	if ended != nil {
		return fmt.Errorf("the end-to-end tests failed: %w", ended)
	}
	if counted.passed == 0 {
		return errors.New("no end-to-end test ran")
	}
	return nil
}

// read counts events until there are no more.
func (t *tally) read(events io.Reader, out io.Writer) error {
	for lines := json.NewDecoder(events); ; {
		var e event
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			_, _ = io.Copy(io.Discard, events) // its writer must not stand still
			return fmt.Errorf("read the test events: %w", err)
		}
		t.take(e, out)
	}
}

func (t *tally) take(e event, out io.Writer) {
	if e.Test == "" {
		return
	}
	root, _, within := strings.Cut(e.Test, "/")
	switch e.Action {
	case "output":
		if t.output[root] == nil {
			t.output[root] = &strings.Builder{}
		}
		t.output[root].WriteString(e.Output)
	case "pass", "fail", "skip":
		if !within {
			t.count(e, out)
		}
	}
}

func (t *tally) count(e event, out io.Writer) {
	text := ""
	if written := t.output[e.Test]; written != nil {
		text = written.String()
	}
	delete(t.output, e.Test)
	switch e.Action {
	case "pass":
		t.passed++
	case "skip":
		t.skipped[e.Test] = reason(text)
	case "fail":
		t.failed++
		_, _ = fmt.Fprintf(out, "FAIL %s (%.1f s)\n%s\n", e.Test, e.Elapsed, strings.TrimSpace(text))
	}
}

// reason is what a skipped test said, without the place in the source.
func reason(output string) string {
	for line := range strings.Lines(output) {
		if _, said, ok := strings.Cut(line, "_test.go:"); ok {
			_, said, _ = strings.Cut(said, ": ")
			return strings.TrimSpace(said)
		}
	}
	return strings.TrimSpace(output)
}

func (t *tally) print(out io.Writer, took time.Duration) {
	why := map[string][]string{}
	for test, said := range t.skipped {
		why[said] = append(why[said], test)
	}
	for _, said := range slices.Sorted(maps.Keys(why)) {
		slices.Sort(why[said])
		_, _ = fmt.Fprintf(out, "left out, %s: %s\n", said, strings.Join(why[said], " "))
	}
	_, _ = fmt.Fprintf(out, "End-to-end tests on PostgreSQL: %d ran, %d passed, %d failed, %d left out, in %s\n",
		t.passed+t.failed, t.passed, t.failed, len(t.skipped), took.Round(time.Second))
}
