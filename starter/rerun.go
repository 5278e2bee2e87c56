package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const rerunHelp = `Run an operation that Failed or was Canceled again, as a new operation with
another id; the old record stays.

The new one has the old one's content, but neither its postponement nor its
deadline. In a token that the failure holds it takes the old one's place, else it
goes to the end of the queue. Give --new-id where the command may be repeated.`

const rerunExample = `  starter rerun a1
  starter rerun a1 --new-id a1-again --reason "the address was corrected"
  starter rerun a1 --wait`

func (a *app) rerunCommand() *cobra.Command {
	var token, newID, reason string
	var wait bool
	c := &cobra.Command{
		Use: "rerun ID", Short: "Run a failed or cancelled operation again", Long: rerunHelp, Example: rerunExample,
		Args: arguments(1, 1, "one operation id"),
		RunE: func(c *cobra.Command, args []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			record, err := operations.Rerun(c.Context(), args[0], token, newID, reason)
			if err != nil {
				return err
			}
			if !wait {
				return a.printRerun(record)
			}
			a.note(fmt.Sprintf("submitted %s, waiting for its end", record.ID))
			return a.waitHandle(c.Context(), operations.Handle(record.ID, record.DependencyToken))
		},
	}
	tokenFlag(c, &token)
	reasonFlag(c, &reason)
	c.Flags().StringVar(&newID, "new-id", "", "id of the new operation, which makes repeating safe (default a new UUID)")
	c.Flags().BoolVar(&wait, "wait", false, "wait for the end and show the outcome (exit code 3: Failed or Canceled)")
	return c
}

// printRerun prints the new operation.
func (a *app) printRerun(record protocol.Record) error {
	return a.printRecord(opclient.Found{Record: record})
}
