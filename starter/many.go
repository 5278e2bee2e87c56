package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const bulkHelp = `Without ids, --status, --type, --token, --owner and --older-than say which are
meant: all that match them all and have not completed, queued ones too. How many
there are and the first of them are shown on stderr, and --yes answers the
question beforehand. One that is refused does not stop the rest (exit code 6).
After Ctrl-C what is in flight is awaited and the summary says how far it was.`

// manyVerb is an action on operations by their ids or by a filter.
type manyVerb struct {
	use, short, long, example string
	action                    protocol.Action
	// done is the action in the past.
	done string
	do   func(c *opclient.Client, ctx context.Context, id, token, reason string) (protocol.Record, error)
}

func (a *app) manyCommand(v manyVerb) *cobra.Command {
	var f filterFlags
	var reason string
	var yes bool
	c := &cobra.Command{
		Use: v.use + " (ID… | FILTER)", Short: v.short, Long: v.long, Example: v.example,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.actByFilter(c, v, &f, reason, yes)
			}
			if given := f.given(c, append(slices.Clone(filterNames), "yes")...); len(given) > 0 {
				return usagef("%s does not go with ids", given[0])
			}
			return a.act(c, args, func(ctx context.Context, operations *opclient.Client, id string) (protocol.Record, error) {
				return v.do(operations, ctx, id, f.token, reason)
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.token, "token", "", "dependency token of the operations; with ids, without it all running tokens are asked")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask before acting on what matches")
	reasonFlag(c, &reason)
	return c
}

func (a *app) actByFilter(c *cobra.Command, v manyVerb, f *filterFlags, reason string, yes bool) error {
	if len(f.given(c, append(slices.Clone(filterNames), "token")...)) == 0 {
		return usagef("give operation ids, or a filter such as --token or --owner")
	}
	filter, err := f.filter()
	if err != nil {
		return err
	}
	if !yes && !a.terminal(a.stdin) {
		return usagef("this asks before it acts, and stdin is no terminal: add --yes")
	}
	operations, closeClient, err := a.connect(c, opclient.Options{})
	if err != nil {
		return err
	}
	defer closeClient()
	selected, err := operations.Select(c.Context(), filter, v.action)
	if err != nil {
		return err
	}
	if len(selected) == 0 {
		a.note("no operations match")
		return (&series{app: a}).end()
	}
	if !yes {
		if err := a.confirm(c.Context(), v, selected); err != nil {
			return err
		}
	}
	verb := func(ctx context.Context, id, token string) (protocol.Record, error) {
		return v.do(operations, ctx, id, token, reason)
	}
	m := &many{app: a, verb: v, results: series{app: a}, total: len(selected)}
	return m.run(c.Context(), operations, selected, verb)
}

// many is one action on many operations.
type many struct {
	app     *app
	verb    manyVerb
	results series
	line    progressLine
	total   int
	asked   int
	refused int
	failed  int
	err     error
}

func (m *many) run(ctx context.Context, operations *opclient.Client, selected []opclient.Found, verb opclient.Verb) error {
	m.line = progressLine{w: m.app.stderr, on: m.app.terminal(m.app.stderr)}
	summary, err := operations.ActOn(ctx, selected, verb, m.report)
	m.line.clear()
	if err := errors.Join(m.err, m.results.end()); err != nil {
		return err
	}
	m.printSummary(summary)
	switch {
	case err != nil:
		return err
	case summary.Failed > 0:
		return fmt.Errorf("%d of %d operations gave no answer; ask again", summary.Failed, summary.Selected)
	case summary.Refused > 0:
		return &someRefusedError{fmt.Sprintf("%d of %d operations were refused", summary.Refused, summary.Selected)}
	}
	return nil
}

// actedOutput is what became of one operation, as machines read it.
type actedOutput struct {
	ID              string `json:"id"`
	DependencyToken string `json:"dependencyToken,omitempty"`
	// Status is the one after the action, or before it where it was refused.
	Status string     `json:"status"`
	Error  *errorBody `json:"error,omitempty"`
}

func (m *many) report(acted opclient.Acted) {
	m.asked++
	value := actedOutput{ID: acted.Found.ID, DependencyToken: acted.Found.DependencyToken, Status: acted.Record.StatusCode.String()}
	if acted.Err != nil {
		body := bodyOf(acted.Err)
		value.Status, value.Error = acted.Found.StatusCode.String(), &body
		m.tell(acted)
	}
	if err := m.results.add(value); err != nil && m.err == nil {
		m.err = err
	}
	m.line.show(fmt.Sprintf("%d of %d asked, %d refused, %d without an answer", m.asked, m.total, m.refused, m.failed))
}

// tell says why one was not acted on: of those without an answer only the first,
// which have one reason.
func (m *many) tell(acted opclient.Acted) {
	var refusal *protocol.Refusal
	if errors.As(acted.Err, &refusal) {
		m.refused++
	} else if m.failed++; m.failed > maxTold {
		return
	}
	if m.app.output == outputText && !errors.Is(acted.Err, context.Canceled) {
		m.line.clear()
		fmt.Fprintf(m.app.stderr, "%s: %s\n", printable(acted.Found.ID), printableLines(acted.Err.Error(), "  "))
	}
}

// printSummary closes: to stdout as text, else to stderr.
func (m *many) printSummary(s opclient.ActSummary) {
	a := m.app
	switch a.output {
	case outputText:
		fmt.Fprintln(a.stdout, m.summaryText(s))
	case outputJSON, outputJSONL:
		_ = a.encode(a.stderr, map[string]any{"summary": s}) // as fail
	}
}

func (m *many) summaryText(s opclient.ActSummary) string {
	return fmt.Sprintf("%d selected: %d %s", s.Selected, s.Done, m.verb.done) + countsAfter([]counted{
		{s.Refused, "refused"}, {s.Failed, "without an answer"}, {s.NotAsked, "not asked"},
	})
}
