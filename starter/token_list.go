package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const tokenListHelp = `List the dependency tokens that have something to do, or had it lately. Several
flags list what is any of them.

One that does not answer is told on stderr and does not stop the rest (exit code
1). Without a worker tokens are read from history, and a note says so.`

const tokenListExample = `  starter token list
  starter token list --blocked
  starter token list --watch
  starter token list --held --failed -o jsonl | jq -r .token`

func (a *app) tokenListCommand() *cobra.Command {
	var f opclient.TokenFilter
	var watch liveFlags
	c := &cobra.Command{
		Use: "list", Short: "List tokens, or those that do not get on", Long: tokenListHelp, Example: tokenListExample,
		Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := watch.check(a); err != nil {
				return err
			}
			operations, closeClient, err := a.connect(c, opclient.Options{Notice: a.fewNotes()})
			if err != nil {
				return err
			}
			defer closeClient()
			return a.live(c, watch, func() error { return a.listTokens(c, operations, f) })
		},
	}
	watch.add(c)
	c.Flags().BoolVar(&f.Blocked, "blocked", false, "those in which operations wait and none gets on: held, or a Suspended head")
	c.Flags().BoolVar(&f.Held, "held", false, "those that a person holds")
	c.Flags().BoolVar(&f.Failed, "failed", false, "those that stand since an operation failed")
	return c
}

// listTokens prints tokens by name as text, else as they answer.
func (a *app) listTokens(c *cobra.Command, operations *opclient.Client, f opclient.TokenFilter) error {
	results := series{app: a}
	var rows [][]string
	var silent int
	for state, err := range operations.Tokens(c.Context(), f) {
		if err != nil {
			if errors.Is(err, context.Canceled) || state.WorkflowID == "" {
				return errors.Join(results.end(), err)
			}
			silent++
			a.fail(c, err)
			continue
		}
		if err := results.add(state); err != nil {
			return err
		}
		rows = append(rows, tokenRow(state))
	}
	if a.output == outputText {
		a.writeTokens(rows)
	}
	if silent > 0 {
		return errors.Join(results.end(), fmt.Errorf("%s did not answer", plural(silent, "token")))
	}
	return results.end()
}

func (a *app) writeTokens(rows [][]string) {
	if len(rows) == 0 {
		a.note("no tokens match")
		return
	}
	slices.SortFunc(rows, func(x, y []string) int { return strings.Compare(x[1], y[1]) })
	t := &table{header: []string{"HEAD IS", "TOKEN", "HEAD", "SINCE", "QUEUED", "HELD"}, rows: rows}
	t.write(a.stdout, a.colored())
}

func tokenRow(s opclient.TokenState) []string {
	status, head := "", ""
	if s.Head != nil {
		status, head = s.Head.StatusCode.String(), printable(s.Head.ID)
	}
	return []string{status, printable(s.Token), head, instant(s.HeadSince), strconv.Itoa(s.Queued), printable(heldBy(s.SerializerState))}
}

// heldBy is in a few words what holds a token.
func heldBy(s protocol.SerializerState) string {
	texts := []string{failureText(s.Failure), holdText(s.Hold)}
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), "; ")
}
