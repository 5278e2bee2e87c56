package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
)

const showHelp = `Show one operation: its state, why it waits, what became of it.

An operation that has started is found by its id. One that still queues is found
in the queue of its token: give --token, or all running tokens are asked, which
takes longer. Without a worker it is shown from what the server holds: its
execution where it has started, else the history of its token.

--watch goes on until the operation has completed: it tells each change, and how
far a running handler says that it is, in one line that changes on a terminal, else
in a line for each change. At the end it shows the operation, and the exit code
tells the outcome as that of "starter wait". Watching changes nothing.`

const showExample = `  starter show a1
  starter show a1 --token customer-42
  starter show a1 -o json | jq .status
  starter show a1 --watch
  starter show a1 --watch -o jsonl | jq .progress.percent`

// tokenFlag is the flag that says in which queue an operation may be.
func tokenFlag(c *cobra.Command, token *string) {
	c.Flags().StringVar(token, "token", "", "dependency token of the operation; without it all running tokens are asked")
}

func (a *app) showCommand() *cobra.Command {
	var token string
	var watch bool
	var every time.Duration
	c := &cobra.Command{
		Use: "show ID", Short: "Show one operation", Long: showHelp, Example: showExample,
		Args: arguments(1, 1, "one operation id"),
		RunE: func(c *cobra.Command, args []string) error {
			if every < opclient.LeastWatch {
				return usagef("--interval: %s is under the least, %s", every, opclient.LeastWatch)
			}
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			if watch {
				return a.watch(c.Context(), operations, args[0], token, every)
			}
			found, err := operations.Get(c.Context(), args[0], token)
			if err != nil {
				return err
			}
			return a.printRecord(found)
		},
	}
	tokenFlag(c, &token)
	c.Flags().BoolVarP(&watch, "watch", "w", false, "follow it until it has completed")
	c.Flags().DurationVar(&every, "interval", opclient.LeastWatch, "how often --watch looks; 2s at the least")
	return c
}
