package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/opclient"
)

const deleteHelp = `Delete the records of Completed operations. Any other operation is refused:
cancel it first.

A deleted operation is gone from every list, can no longer be run again, and its
id is no longer protected against a repeat. One that is not there is no error, so
the command can be repeated. The server needs up to half a minute to delete an
operation that has just completed; the command waits for it.`

const deleteExample = `  starter delete a1
  starter delete a1 a2 --token customer-42`

func (a *app) deleteCommand() *cobra.Command {
	var token string
	c := &cobra.Command{
		Use: "delete ID…", Short: "Delete the records of completed operations", Long: deleteHelp, Example: deleteExample,
		Args: arguments(1, -1, "operation ids"),
		RunE: func(c *cobra.Command, args []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			d := &deletion{app: a, results: series{app: a}}
			problems := d.run(c.Context(), operations, args, token)
			return errors.Join(d.err, d.results.end(), a.summarise(c, args, problems))
		},
	}
	tokenFlag(c, &token)
	return c
}

// deletion deletes several operations side by side, since the server takes its
// time for each.
type deletion struct {
	app     *app
	mu      sync.Mutex
	results series
	err     error
}

// deletedOutput is one deletion as machines read it.
type deletedOutput struct {
	ID string `json:"id"`
	// Deleted is false where there was nothing to delete.
	Deleted bool `json:"deleted"`
}

func (d *deletion) run(ctx context.Context, operations *opclient.Client, ids []string, token string) []error {
	problems := make([]error, len(ids))
	var group errgroup.Group
	group.SetLimit(16)
	for i, id := range ids {
		group.Go(func() error {
			deleted, err := operations.Delete(ctx, id, token)
			if problems[i] = err; err == nil {
				d.print(deletedOutput{id, deleted})
			}
			return nil
		})
	}
	_ = group.Wait() // none fails
	var met []error
	for _, err := range problems {
		if err != nil {
			met = append(met, err)
		}
	}
	return met
}

func (d *deletion) print(result deletedOutput) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.app.output != outputText {
		d.err = errors.Join(d.err, d.results.add(result))
		return
	}
	text := "deleted"
	if !result.Deleted {
		text = "not there: nothing to delete"
	}
	_, err := fmt.Fprintf(d.app.stdout, "%s  %s\n", printable(result.ID), text)
	d.err = errors.Join(d.err, err)
}
