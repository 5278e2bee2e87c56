package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seriatim-go/seriatim/internal/attributes"
	"github.com/seriatim-go/seriatim/opclient"
)

const liveHelp = `

--watch shows it again and again until it is interrupted (exit code 130): on a
terminal in its place, as much as fits, else one after another with a line
between. An error that may pass is told, and the next look comes.`

// liveFlags are those of a command that can be repeated until it is interrupted.
type liveFlags struct {
	on    bool
	every time.Duration
}

func (f *liveFlags) add(c *cobra.Command) {
	c.Long += liveHelp
	c.Flags().BoolVarP(&f.on, "watch", "w", false, "show it again and again, until Ctrl-C")
	c.Flags().DurationVar(&f.every, "interval", opclient.LeastWatch, "how often --watch looks; 2s at the least")
}

func (f *liveFlags) check(a *app) error {
	if f.every < opclient.LeastWatch {
		return usagef("--interval: %s is under the least, %s", f.every, opclient.LeastWatch)
	}
	if f.on && a.output != outputText {
		return usagef("--watch is for people: it does not go with --output %s", a.output)
	}
	return nil
}

// live looks once, or with --watch until it is interrupted or a look ends with an
// error that does not pass. The first error ends it in any case.
func (a *app) live(c *cobra.Command, f liveFlags, look func() error) error {
	if !f.on {
		return look()
	}
	ctx := c.Context()
	frame := a.plainFrame
	if kind, _ := a.environment.LookupEnv("TERM"); a.terminal(a.stdout) && !strings.EqualFold(kind, "dumb") {
		frame = (&screen{app: a, out: a.stdout}).frame
	}
	for first := true; ; first = false {
		err := frame(f.every, first, func() error {
			err := look()
			if err != nil && !first && ctx.Err() == nil && passes(err) {
				a.fail(c, err)
				return nil
			}
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(f.every):
		}
	}
}

// passes says whether the next look may go better.
func passes(err error) bool {
	return exitCode(err) == exitError && !attributes.Denied(err) && !errors.Is(err, context.Canceled)
}

// plainFrame prints what a look finds behind what the one before has.
func (a *app) plainFrame(_ time.Duration, first bool, look func() error) error {
	if !first {
		fmt.Fprintf(a.stdout, "--- %s\n", time.Now().UTC().Format(time.RFC3339))
	}
	return look()
}

// screen shows what a look finds in the place of what the one before has. It
// changes no setting of the terminal, so none has to be restored.
type screen struct {
	app   *app
	out   io.Writer
	lines int // that the frame before took
}

// frame collects what a look prints, notes and errors too, and shows it at once.
func (s *screen) frame(every time.Duration, _ bool, look func() error) error {
	var shown bytes.Buffer
	fmt.Fprintf(&shown, "%s, every %s; Ctrl-C ends it\n\n", time.Now().UTC().Format(time.RFC3339), every)
	restore := s.app.collect(&shown)
	err := look()
	restore()
	if err != nil && s.lines > 0 && errors.Is(err, context.Canceled) {
		return err // what was seen last stays
	}
	s.draw(shown.String())
	return err
}

// collect has all that is printed go to a buffer, with the colours of the
// terminal, and answers how to end that.
func (a *app) collect(shown *bytes.Buffer) (restore func()) {
	color := "never"
	if a.colored() {
		color = "always"
	}
	a.telling.Lock()
	defer a.telling.Unlock()
	stdout, stderr, before := a.stdout, a.stderr, a.color
	a.stdout, a.stderr, a.color = shown, shown, color
	clear(a.told) // each frame tells it
	return func() {
		a.telling.Lock()
		defer a.telling.Unlock()
		a.stdout, a.stderr, a.color = stdout, stderr, before
	}
}

func (s *screen) draw(text string) {
	width, height := s.app.size(s.out)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if most := max(height-1, 2); len(lines) > most {
		hidden := len(lines) - most + 1
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… and %d more lines", hidden))
	}
	var b strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.lines)
	}
	b.WriteString("\r\x1b[J")
	for _, line := range lines {
		b.WriteString(cut(line, width) + "\n")
	}
	_, _ = io.WriteString(s.out, b.String()) // as fail: nothing is left to tell it to
	s.lines = len(lines)
}

// cut shortens a line to so many characters; colours do not count.
func cut(line string, width int) string {
	seen, escape := 0, false
	for at, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			if seen++; seen > width {
				return line[:at] + "\x1b[0m"
			}
		}
	}
	return line
}

// terminalSize is how much fits on the terminal, or on a small one where that is
// not known.
func terminalSize(stream any) (width, height int) {
	if file, ok := stream.(*os.File); ok {
		if width, height, err := term.GetSize(int(file.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24
}
