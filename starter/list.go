package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
)

const listHelp = `List operations, running and closed, the latest first.

With --token those in the token's queue come first, in order. The list is the
server's index: it may lag some tenths of a second, and tells running operations
apart as InProgress and Waiting only ("starter show" knows exactly).
WaitingForResources are the queued operations of a token. Without a worker the
queue is read from history, and a note says so.

--status is one of Waiting, InProgress, Succeeded, Failed, Canceled,
WaitingForResources.`

const listExample = `  starter list
  starter list --status failed --type http.request --limit 20
  starter list --token customer-42
  starter list --status inprogress --watch
  starter list --limit 0 -o jsonl | jq -r .id`

func (a *app) listCommand() *cobra.Command {
	var f filterFlags
	var limit int
	var watch liveFlags
	c := &cobra.Command{
		Use: "list", Short: "List operations", Long: listHelp, Example: listExample,
		Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			filter, err := f.filter()
			if err := firstOf(err, watch.check(a)); err != nil {
				return err
			}
			if filter.Limit = limit; limit == 0 {
				filter.Limit = -1
			}
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			return a.live(c, watch, func() error { return a.list(c.Context(), operations, filter) })
		},
	}
	f.add(c)
	watch.add(c)
	c.Flags().StringVar(&f.token, "token", "", "only those with this dependency token, the queued ones too")
	c.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 is all")
	return c
}

func (a *app) list(ctx context.Context, operations *opclient.Client, f opclient.Filter) error {
	results := series{app: a}
	rows := &table{header: []string{"STATUS", "ID", "TYPE", "TOKEN", "CREATED", "COMPLETED", "NAME", "WHY"}}
	for found, err := range operations.List(ctx, f) {
		if err != nil {
			return err
		}
		if err := results.add(outputOf(found)); err != nil {
			return err
		}
		if a.output == outputText {
			rows.rows = append(rows.rows, []string{
				found.StatusCode.String(), printable(found.ID), printable(string(found.OperationType)), printable(found.DependencyToken),
				instant(found.CreatedOn), instant(found.CompletedOn), printable(found.Name), printable(why(found)),
			})
		}
	}
	switch {
	case a.output == outputText && len(rows.rows) == 0:
		a.note("no operations match")
	case a.output == outputText:
		rows.write(a.stdout, a.colored())
	}
	return results.end()
}
