package main

import (
	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const rejectsHelp = `Show the last submissions to a token that were not accepted, at most 50, the
oldest first: what is not JSON, breaks a limit, or has the id of another
operation.`

func (a *app) tokenRejectsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rejects TOKEN", Short: "Show what a token did not accept", Long: rejectsHelp, Example: tokenExample,
		Args: arguments(1, 1, "one dependency token"),
		RunE: func(c *cobra.Command, args []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			state, err := operations.Token(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printRejects(state.Rejects)
		},
	}
}

func (a *app) printRejects(rejects []protocol.Reject) error {
	results := series{app: a}
	rows := &table{header: []string{"AT", "TYPE", "ID", "REASON"}, status: -1}
	for _, r := range rejects {
		if err := results.add(r); err != nil {
			return err
		}
		rows.rows = append(rows.rows, []string{instant(&r.At), r.Type, printable(r.OperationID), printable(r.Reason)})
	}
	switch {
	case a.output == outputText && len(rejects) == 0:
		a.note("nothing was refused")
	case a.output == outputText:
		rows.write(a.stdout, false)
	}
	return results.end()
}
