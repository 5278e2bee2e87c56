package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const waitHelp = `Wait until an operation has completed and show it.

The exit code tells the outcome: 0 Succeeded, 3 Failed or Canceled, 4 nothing is
known of it, 5 its submission was refused. Waiting changes nothing; the operation
goes on when the wait is interrupted or its --timeout passes (exit code 1). While
the server or a worker does not answer the wait goes on, and says so once.`

const waitExample = `  starter wait a1 --token customer-42
  starter wait a1 --timeout 30s -o json`

func (a *app) waitCommand() *cobra.Command {
	var token string
	var timeout time.Duration
	c := &cobra.Command{
		Use: "wait ID", Short: "Wait until an operation has completed", Long: waitHelp, Example: waitExample,
		Args: arguments(1, 1, "one operation id"),
		RunE: func(c *cobra.Command, args []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			return a.wait(c.Context(), operations, args[0], token, timeout)
		},
	}
	tokenFlag(c, &token)
	c.Flags().DurationVar(&timeout, "timeout", 0, "give up waiting after; 0 waits for ever")
	return c
}

func (a *app) wait(ctx context.Context, operations *opclient.Client, id, token string, timeout time.Duration) error {
	waiting, cancel := ctx, func() {}
	if timeout > 0 {
		waiting, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	found, err := operations.Wait(waiting, id, token)
	if err != nil {
		if errors.Is(waiting.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("operation %q has not completed within %s", id, timeout)
		}
		return err
	}
	if err := a.printRecord(found); err != nil {
		return err
	}
	return outcome(found)
}

// outcome is an error where the operation did not succeed.
func outcome(found opclient.Found) error {
	if found.StatusCode == protocol.Succeeded {
		return nil
	}
	return &outcomeError{fmt.Sprintf("operation %q ended %s", found.ID, found.StatusCode)}
}
