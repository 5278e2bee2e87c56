package main

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// watcher follows one operation: one line on a terminal, else what has changed.
type watcher struct {
	app     *app
	live    progressLine
	results series
	told    string
}

func (a *app) watch(ctx context.Context, operations *opclient.Client, id, token string, every time.Duration) error {
	live := a.output == outputText && a.terminal(a.stdout)
	w := &watcher{app: a, live: progressLine{w: a.stdout, on: live}, results: series{app: a}}
	found, err := operations.Watch(ctx, id, token, every, w.seen)
	w.live.clear()
	if endErr := w.results.end(); err == nil {
		err = endErr
	}
	if err != nil {
		return err
	}
	if a.output == outputText {
		a.writeRecord(a.stdout, found)
	}
	return outcome(found)
}

// seen tells what a look has found, if it is news.
func (w *watcher) seen(found opclient.Found) error {
	line := watchLine(found)
	if w.live.on {
		w.live.show(upTo(line, terminalWidth))
		return nil
	}
	if line == w.told && !found.StatusCode.Terminal() {
		return nil
	}
	w.told = line
	if w.app.output == outputText {
		_, err := fmt.Fprintf(w.app.stdout, "%s  %s\n", time.Now().UTC().Format(time.RFC3339), line)
		return err
	}
	return w.results.add(outputOf(found))
}

// watchLine is where an operation is, in one line.
func watchLine(found opclient.Found) string {
	parts := []string{found.StatusCode.String()}
	if reason := why(found); reason != "" {
		parts = append(parts, reason)
	}
	if p := found.Progress; p != nil {
		parts = append(parts, p.String())
	}
	if found.RetryCount > 0 && found.StateCode == protocol.Locked {
		parts = append(parts, fmt.Sprintf("retry %d", found.RetryCount))
	}
	return printable(strings.Join(parts, "  "))
}

// terminalWidth is how long a line may be that is to be overwritten.
const terminalWidth = 79

// upTo cuts a line so that it takes one line of a terminal.
func upTo(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}
