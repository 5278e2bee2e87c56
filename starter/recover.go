package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const recoverHelp = `Put what a terminated token still had to do before what it queues now, in its old
order. What has run since, or was submitted again, is left out: nothing runs
twice. A repeat does no harm.

Without --run it is the token's last run, where that was terminated, timed out or
failed, else the one that the token reports ("starter token show", before). Name
another one with --run: an earlier run of the same chain where the last one was
deleted; "temporal workflow list --query 'WorkflowId = "token:<token>"'" lists
them. A token that has not been used since is better reset: docs/operations.md
says how.

The token is held meanwhile, and released when all is done, refused or
interrupted; one that is held already is left so. If the program is killed the
hold ends by itself within the hour.

--dry-run changes nothing. For a token that has not been used since it reads the
history instead of asking the token, which would begin a new run: then what was
asked for in that run is not counted.

Exit code 0 says that it was recovered, or that there was nothing to recover; 4
that nothing is retained of the token; 5 that this run cannot be recovered, and
what to do instead.`

const recoverExample = `  starter recover customer-42 --dry-run
  starter recover customer-42 --reason "terminated by mistake"
  starter recover customer-42 --run 0198c2c8-6a1c-7b5e-9a51-0123456789ab
  starter recover customer-42 -o json | jq .recovered`

func (a *app) recoverCommand() *cobra.Command {
	var o opclient.RecoverOptions
	c := &cobra.Command{
		Use: "recover TOKEN", Short: "Bring back what a terminated token still had to do", Long: recoverHelp, Example: recoverExample,
		Args: arguments(1, 1, "one dependency token"),
		RunE: func(c *cobra.Command, args []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			done, err := operations.Recover(c.Context(), args[0], o)
			if err != nil && done.Recovered == 0 {
				return err
			}
			return errors.Join(a.print(recoverOf(done), func(w io.Writer) { a.writeRecovery(w, done) }), err)
		},
	}
	c.Flags().StringVar(&o.RunID, "run", "", "run id to recover (default: the one that was terminated last)")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "only show what would be recovered")
	reasonFlag(c, &o.Reason)
	return c
}

// recoverOutput is a recovery as machines read it.
type recoverOutput struct {
	opclient.Recovery
	First []recordOutput `json:"first"`
}

func recoverOf(done opclient.Recovery) recoverOutput {
	o := recoverOutput{Recovery: done, First: []recordOutput{}}
	for _, record := range done.First {
		o.First = append(o.First, outputOf(opclient.Found{Record: record, Source: done.Source}))
	}
	return o
}

func (a *app) writeRecovery(w io.Writer, done opclient.Recovery) {
	writePairs(w, []pair{
		{"token", done.Token},
		{"run", endedText(done)},
		{"nothing to do", done.Nothing},
	})
	if done.Nothing == "" {
		writePairs(w, []pair{{recoveredTitle(done), plural(done.Recovered, "operation")}, {"left out", knownText(done.Known)}})
	}
	writePairs(w, holdPairs(protocol.SerializerState{Hold: done.Hold, Failure: done.Failure}))
	if !done.DryRun && (done.Hold != nil || done.Failure != nil) {
		writePairs(w, []pair{{"", "It was held before, or is by somebody else: starter token release " + done.Token}})
	}
	if len(done.First) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := &table{header: []string{"POSITION", "STATUS", "ID", "TYPE", "CREATED", "NAME"}, status: 1}
	for _, r := range done.First {
		rows.rows = append(rows.rows, []string{
			strconv.Itoa(r.Position), r.StatusCode.String(), printable(r.ID), printable(string(r.OperationType)), instant(r.CreatedOn), printable(r.Name),
		})
	}
	rows.write(w, a.colored())
	if more := done.Recovered - len(done.First); more > 0 {
		fmt.Fprintf(w, "… and %d more\n", more)
	}
}

func recoveredTitle(done opclient.Recovery) string {
	if done.DryRun {
		return "would recover"
	}
	return "recovered"
}

// endedText is the run and how it ended.
func endedText(done opclient.Recovery) string {
	if done.RunID == "" {
		return ""
	}
	return done.RunID + ", " + done.Ended + byWhom(done.EndedBy, done.EndedReason)
}

func knownText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d, which the token knows already", n)
}
