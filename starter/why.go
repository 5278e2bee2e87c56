package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const whyHelp = `Say why an operation is where it is: what it waits for, which operation blocks
it and since when, what holds its token, what happens next if nobody does
anything, and what may be done about it.

Without a worker it answers from what the server holds, and says so.`

const whyExample = `  starter why a1
  starter why a1 --token customer-42
  starter why a1 -o json | jq -r '.why[]'`

func (a *app) whyCommand() *cobra.Command {
	var token string
	c := &cobra.Command{
		Use: "why ID", Short: "Say why an operation waits, and what happens next", Long: whyHelp, Example: whyExample,
		Args: arguments(1, 1, "one operation id"),
		RunE: func(c *cobra.Command, args []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			explained, err := operations.Why(c.Context(), args[0], token)
			if err != nil {
				return err
			}
			return a.print(explainedOf(explained), func(w io.Writer) { writeExplained(w, explained) })
		},
	}
	tokenFlag(c, &token)
	return c
}

// explainedOutput is an explanation as machines read it.
type explainedOutput struct {
	recordOutput
	protocol.Explanation
	Blocker *recordOutput         `json:"blocker,omitempty"`
	Hold    *protocol.Hold        `json:"hold,omitempty"`
	Failure *protocol.FailureHold `json:"failure,omitempty"`
}

func explainedOf(e opclient.Explained) explainedOutput {
	o := explainedOutput{recordOutput: outputOf(e.Found), Explanation: e.Explanation, Hold: e.Hold, Failure: e.Failure}
	if e.Blocker != nil {
		blocker := outputOf(*e.Blocker)
		o.Blocker = &blocker
	}
	return o
}

func writeExplained(w io.Writer, e opclient.Explained) {
	next := e.Next
	if e.NextOn != nil {
		next += ", at " + instant(e.NextOn)
	}
	allowed := make([]string, len(e.Allowed))
	for i, action := range e.Allowed {
		allowed[i] = string(action)
	}
	fmt.Fprintf(w, "%-16s%s\n", "operation", printable(e.ID))
	writePairs(w, []pair{
		{"why", strings.Join(e.Why, "\n")},
		{"next", next},
		{"allowed", strings.Join(allowed, ", ")},
	})
	writeSource(w, e.Source)
}

// writeSource says what an answer without a worker lacks, where no note did.
func writeSource(w io.Writer, source opclient.Source) {
	if source == opclient.FromDescribe {
		fmt.Fprintln(w, "(no worker answered: this is what the server knows, without the result)")
	}
}
