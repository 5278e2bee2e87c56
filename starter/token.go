package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const tokenShowHelp = `Show a dependency token: the operation at its head with its state, the queue
behind it with positions, why it waits, what holds it, and what it has counted.
Without a worker it is read from history, and a note says so.

Most of a long queue is kept in pages, which are workflows of their own. Where
one cannot be read, the rest is shown and the page named (exit code 1).`

const tokenExample = `  starter token show customer-42
  starter token show customer-42 --watch
  starter token show customer-42 --offset 100 --limit 50
  starter token rejects customer-42
  starter token list --blocked
  starter token hold customer-42 --until 2h`

func (a *app) tokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "token", Short: "Look at dependency tokens, hold them and let them go on", Example: tokenExample,
		Args: subcommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		a.tokenShowCommand(), a.tokenListCommand(), a.tokenRejectsCommand(), a.tokenHoldCommand(),
		a.tokenReleaseCommand(), a.tokenPolicyCommand(), a.tokenSkipCommand(), a.tokenCancelCommand(),
	)
	return c
}

func (a *app) tokenShowCommand() *cobra.Command {
	var offset, limit int
	var watch liveFlags
	c := &cobra.Command{
		Use: "show TOKEN", Short: "Show a token's head and queue", Long: tokenShowHelp, Example: tokenExample,
		Args: arguments(1, 1, "one dependency token"),
		RunE: func(c *cobra.Command, args []string) error {
			if offset < 0 || limit < 1 || limit > protocol.MaxListLimit {
				return usagef("--offset is from 0, --limit 1 to %d", protocol.MaxListLimit)
			}
			if err := watch.check(a); err != nil {
				return err
			}
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			return a.live(c, watch, func() error { return a.showToken(c.Context(), operations, args[0], offset, limit) })
		},
	}
	watch.add(c)
	c.Flags().IntVar(&offset, "offset", 0, "queued operations to skip")
	c.Flags().IntVar(&limit, "limit", protocol.DefaultListLimit, "queued operations to show, at most 500")
	return c
}

// showToken prints what could be read, also where a page could not.
func (a *app) showToken(ctx context.Context, operations *opclient.Client, token string, offset, limit int) error {
	t, err := readToken(ctx, operations, token, offset, limit)
	var unread *opclient.PageError
	if err != nil && !errors.As(err, &unread) {
		return err
	}
	return errors.Join(a.print(t, func(w io.Writer) { a.writeToken(w, t) }), err)
}

// tokenOutput is a token as machines read it.
type tokenOutput struct {
	opclient.TokenState
	// Head is the head with its live state.
	Head  *recordOutput  `json:"head,omitempty"`
	Queue []recordOutput `json:"queue"`
}

// readToken asks for the state, one page of the queue, and the head itself. With
// an *opclient.PageError it is what could be read.
func readToken(ctx context.Context, operations *opclient.Client, token string, offset, limit int) (tokenOutput, error) {
	state, err := operations.Token(ctx, token)
	if err != nil {
		return tokenOutput{}, err
	}
	page, err := operations.Queue(ctx, token, offset, limit)
	var unread *opclient.PageError
	if err != nil && !errors.As(err, &unread) {
		return tokenOutput{}, err
	}
	t := tokenOutput{TokenState: state, Queue: []recordOutput{}}
	for _, record := range page.Operations {
		t.Queue = append(t.Queue, outputOf(opclient.Found{Record: record, Source: page.Source}))
	}
	if state.Head == nil {
		return t, err
	}
	head := opclient.Found{Record: *state.Head, Source: opclient.FromQueue}
	if live, err := operations.Get(ctx, state.Head.ID, token); err == nil {
		head = live // else it is about to start, and the serializer's word stands
	}
	output := outputOf(head)
	t.Head = &output
	return t, err
}

func (a *app) writeToken(w io.Writer, t tokenOutput) {
	writePairs(w, slices.Concat([]pair{
		{"token", t.Token},
		{"refuses all", t.Refused},
		{"workflow", t.WorkflowID},
		{"serializer", serializerText(t.TokenState)},
	}, holdPairs(t.SerializerState), []pair{
		{"head", headText(t.Head)},
		{"head since", instant(t.HeadSince)},
		{"queued", queuedText(t.SerializerState)},
		{"ending", number(t.Ending)},
		{"counts", countsText(t.Counts)},
		{"before", predecessorText(t.Predecessor)},
	}))
	if n := len(t.Rejects); n > 0 {
		last := t.Rejects[n-1]
		writePairs(w, []pair{{"last refused", fmt.Sprintf("%s %s: %s\n(all of them: starter token rejects %s)", instant(&last.At), last.OperationID, last.Reason, t.Token)}})
	}
	if len(t.Queue) == 0 {
		return
	}
	fmt.Fprintln(w)
	rows := &table{header: []string{"POSITION", "STATUS", "ID", "TYPE", "CREATED", "NAME", "WHY"}, status: 1}
	for _, r := range t.Queue {
		rows.rows = append(rows.rows, []string{
			strconv.Itoa(r.Position), r.Status, printable(r.ID), printable(string(r.OperationType)), instant(r.CreatedOn), printable(r.Name),
			printable(strings.Join(queuedWhy(r.Record), ", ")),
		})
	}
	rows.write(w, a.colored())
	if shown := t.Queue[len(t.Queue)-1].Position; shown < t.Queued {
		fmt.Fprintf(w, "… and %d more: --offset %d\n", t.Queued-shown, shown)
	}
}

func serializerText(s opclient.TokenState) string {
	state := "idle since its last operation"
	if s.Running {
		state = "running"
	}
	return fmt.Sprintf("%s, run %d of its chain, %d events of history", state, s.Counts.Runs, s.HistoryEvents)
}

// queuedText is how many wait, and where most of a long queue is.
func queuedText(s protocol.SerializerState) string {
	text := strconv.Itoa(s.Queued)
	if s.Pages > 0 {
		text += fmt.Sprintf(", in %s and in memory", plural(s.Pages, "page"))
	}
	if ahead := s.AheadText(); ahead != "" {
		text += ": " + ahead
	}
	return text
}

func headText(head *recordOutput) string {
	if head == nil {
		return "none: nothing runs"
	}
	text := head.ID + "  " + head.Status
	if reason := why(opclient.Found{Record: head.Record, Source: head.Source, NextAttempt: head.NextAttempt}); reason != "" {
		text += ": " + reason
	}
	return text
}

// predecessorText tells how the serializer before ended, where a person should
// know.
func predecessorText(p protocol.Predecessor) string {
	switch p.Look {
	case protocol.PredecessorRecovered:
		who := "the server closed"
		if !p.ByServer {
			who = p.Identity + " terminated"
		}
		return fmt.Sprintf("%s the serializer (%s); %d operations were recovered (run %s)", who, p.Reason, p.Queued, p.RunID)
	case protocol.PredecessorTerminated:
		return fmt.Sprintf("%s terminated the serializer (%s); %d operations were left and are not run (run %s); bring them back: starter recover", p.Identity, p.Reason, p.Queued, p.RunID)
	case protocol.PredecessorUnchecked:
		if p.RunID != "" {
			return fmt.Sprintf("run %s ended %s and could not be read (%s); see starter recover", p.RunID, p.Status, p.Reason)
		}
	}
	return ""
}

func countsText(c protocol.Counts) string {
	return fmt.Sprintf("%d accepted", c.Accepted) + countsAfter([]counted{
		{int(c.Duplicates), "duplicates"},
		{int(c.Rejected), "refused"},
		{int(c.Succeeded), "succeeded"},
		{int(c.Failed), "failed"},
		{int(c.Canceled), "canceled"},
		{int(c.UnknownFields), "unknown fields ignored"},
	})
}
