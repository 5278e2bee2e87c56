package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/opclient"
)

// shownBefore is how many operations are shown before a question.
const shownBefore = 5

// errDeclined is a question that was answered no.
var errDeclined = errors.New("nothing was changed: the answer was not y or yes")

// confirm shows what would be touched and asks.
func (a *app) confirm(ctx context.Context, v manyVerb, selected []opclient.Found) error {
	fmt.Fprintf(a.stderr, "%s would be %s:\n\n", plural(len(selected), "operation"), v.done)
	rows := &table{header: []string{"STATUS", "ID", "TYPE", "TOKEN", "CREATED"}, status: -1}
	for _, found := range selected[:min(len(selected), shownBefore)] {
		rows.rows = append(rows.rows, []string{
			found.StatusCode.String(), printable(found.ID), printable(string(found.OperationType)),
			printable(found.DependencyToken), instant(found.CreatedOn),
		})
	}
	rows.write(a.stderr, false)
	if more := len(selected) - shownBefore; more > 0 {
		fmt.Fprintf(a.stderr, "… and %d more\n", more)
	}
	fmt.Fprintf(a.stderr, "\nGo on? [y/N] ")
	answer, err := a.readLine(ctx)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}

// readLine reads an answer; an end of the input is none.
func (a *app) readLine(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(a.stdin).ReadString('\n')
		lines <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return "", ctx.Err()
	case l := <-lines:
		if l.err != nil && !errors.Is(l.err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", l.err)
		}
		return l.text, nil
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// progressLine is a line on a terminal that changes.
type progressLine struct {
	w     io.Writer
	on    bool
	shown time.Time
}

func (p *progressLine) show(text string) {
	if p.on && time.Since(p.shown) > 100*time.Millisecond {
		p.shown = time.Now()
		fmt.Fprint(p.w, "\r\x1b[K"+text)
	}
}

// clear takes the line away for another.
func (p *progressLine) clear() {
	if p.on {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = time.Time{}
	}
}
