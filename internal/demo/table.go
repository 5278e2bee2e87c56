package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// table is the work as it stands.
func (j *job) table(ctx context.Context, delivered []delivery) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%5.1f s   token %s: A now, B %s later, C behind B\n", time.Since(j.begin).Seconds(), exampleToken, postponement)
	for _, o := range j.example {
		fmt.Fprintf(&b, "          %-3s %s\n", o.Name, j.exampleState(ctx, o, delivered))
	}
	done := len(delivered)
	fmt.Fprintf(&b, "          %s %d of %d operations delivered\n", bar(done, len(j.accepted), 40), done, len(j.accepted))
	return b.String()
}

// exampleState says in words where A, B or C is.
func (j *job) exampleState(ctx context.Context, o protocol.Operation, delivered []delivery) string {
	for _, d := range delivered {
		if d.ID == o.ID {
			return fmt.Sprintf("delivered after %.1f s", d.Start.Sub(j.begin).Seconds())
		}
	}
	found, err := j.client.Get(ctx, o.ID, o.DependencyToken)
	switch {
	case err != nil:
		return "not seen by a worker yet"
	case found.BlockedBy != "":
		return fmt.Sprintf("waits behind %s, position %d", found.BlockedBy, found.Position)
	case found.SuspendReason == protocol.SuspendPostponed:
		return fmt.Sprintf("postponed, %.0f s to go", max(0, time.Until(*found.PostponeUntil).Seconds()))
	}
	return found.StatusCode.String()
}

func bar(done, all, width int) string {
	full := min(width, done*width/max(1, all))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// screen shows a text that changes: in place on a terminal, else now and then.
type screen struct {
	out      io.Writer
	terminal bool
	lines    int
	last     time.Time
}

// plainInterval is how often a screen that is no terminal is written to.
const plainInterval = 2 * time.Second

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		s.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

func (s *screen) show(text string) {
	if !s.terminal && time.Since(s.last) < plainInterval {
		return
	}
	s.last = time.Now()
	if s.terminal && s.lines > 0 {
		_, _ = fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.lines)
	}
	_, _ = io.WriteString(s.out, text)
	s.lines = strings.Count(text, "\n")
}
