package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Forms of output.
const (
	outputText  = "text"
	outputJSON  = "json"
	outputJSONL = "jsonl"
	outputNone  = "none"
)

func (a *app) checkOutput() error {
	switch a.output {
	case outputText, outputJSON, outputJSONL, outputNone:
	default:
		return usagef("--output: %q is not one of text, json, jsonl, none", a.output)
	}
	switch a.color {
	case "always", "never", "auto":
		return nil
	}
	return usagef("--color: %q is not one of always, never, auto", a.color)
}

// print writes one result: value for machines, text for people.
func (a *app) print(value any, text func(io.Writer)) error {
	switch a.output {
	case outputNone:
		return nil
	case outputText:
		text(a.stdout)
		return nil
	}
	return a.encode(a.stdout, value)
}

// encode writes one JSON value: in one line as jsonl, else indented.
func (a *app) encode(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if a.output == outputJSON {
		encoder.SetIndent("", "  ")
	}
	return encoder.Encode(value)
}

// series prints results one after another: an array as json, one a line as
// jsonl. Text is the caller's.
type series struct {
	app   *app
	count int
}

func (s *series) add(value any) error {
	switch s.app.output {
	case outputJSONL:
		return s.app.encode(s.app.stdout, value)
	case outputJSON:
		separator := ",\n  "
		if s.count == 0 {
			separator = "[\n  "
		}
		s.count++
		encoded, err := json.MarshalIndent(value, "  ", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.app.stdout, "%s%s", separator, encoded)
		return err
	}
	return nil
}

func (s *series) end() error {
	if s.app.output != outputJSON {
		return nil
	}
	closing := "\n]"
	if s.count == 0 {
		closing = "[]"
	}
	_, err := fmt.Fprintln(s.app.stdout, closing)
	return err
}

// note tells on stderr what a person may want to know; in the form of results
// where these are for machines.
func (a *app) note(text string) {
	a.telling.Lock()
	defer a.telling.Unlock()
	switch a.output {
	case outputText, outputNone:
		fmt.Fprintf(a.stderr, "note: %s\n", printable(text))
	default:
		_ = a.encode(a.stderr, map[string]string{"note": text}) // as fail
	}
}

// noteOnce is note for what may come up several times.
func (a *app) noteOnce(text string) {
	a.telling.Lock()
	known := a.told[text]
	if a.told == nil {
		a.told = make(map[string]bool)
	}
	a.told[text] = true
	a.telling.Unlock()
	if !known {
		a.note(text)
	}
}

// fail tells an error on stderr, as JSON where results are.
func (a *app) fail(c *cobra.Command, err error) {
	if err == nil {
		return
	}
	if a.output == outputJSON || a.output == outputJSONL {
		_ = a.encode(a.stderr, errorOutput{bodyOf(err)}) // nothing is left to tell it to
		return
	}
	if exitCode(err) == exitInterrupted {
		fmt.Fprintln(a.stderr, "Interrupted.")
		return
	}
	fmt.Fprintf(a.stderr, "Error: %s\n", printableLines(err.Error(), "  "))
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(a.stderr, "See %q.\n", c.CommandPath()+" --help")
	}
}

// colored says whether text output has colours.
func (a *app) colored() bool {
	if a.color != "auto" {
		return a.color == "always"
	}
	noColor, _ := a.environment.LookupEnv("NO_COLOR")
	terminal, _ := a.environment.LookupEnv("TERM")
	return noColor == "" && !strings.EqualFold(terminal, "dumb") && a.terminal(a.stdout)
}

// isTerminal says whether a person sits at the stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
