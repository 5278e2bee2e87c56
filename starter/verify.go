package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/internal/verify"
	"github.com/seriatim-go/seriatim/protocol"
)

const verifyHelp = `Prove from the server's histories that a dependency token kept its promise, as
far as these are retained, and say how far that is.

Each number of the token's order must be accounted for: by one execution, by a
recorded duplicate, or by an operation that still waits. Operations must have
started in that order, none before the one before it had closed, none before its
postponeUntil, none while the token was held, and each must have ended once, run,
or wait. What is broken is told with the operations that it is about.

Apart from that are told operations whose lock was broken or that were
terminated: a handler of theirs may have run on beside the next one.

Needs no worker; without one, what was accepted lately and not started is not
known, and the report says so. Every operation's own history is read; with many
of them --every 100 reads one in a hundred and judges the others by what the
token's history tells. --skew is for a server on several machines whose clocks
differ.

Exit code 8 says that a promise was broken.`

const verifyExample = `  starter verify customer-42
  starter verify --all -o jsonl | jq -r 'select(.kept | not) | .token'
  starter verify big-import --every 100`

func (a *app) verifyCommand() *cobra.Command {
	var all bool
	var o verify.Options
	c := &cobra.Command{
		Use: "verify (TOKEN | --all)", Short: "Prove that a token kept its promise", Long: verifyHelp, Example: verifyExample,
		Args: arguments(0, 1, "one dependency token, or --all"),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case all == (len(args) == 1):
				return usagef("give one dependency token, or --all")
			case o.Every < 1 || o.Parallel < 1 || o.Skew < 0:
				return usagef("--every and --parallel are at least 1, --skew at least 0")
			}
			if !all {
				if err := protocol.ValidateToken(args[0]); err != nil {
					return err
				}
			}
			return a.verify(c, args, o)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every token of which the server retains anything")
	c.Flags().IntVar(&o.Every, "every", 1, "read the own history of every n-th operation only")
	c.Flags().IntVar(&o.Parallel, "parallel", 8, "how many histories are read at once")
	c.Flags().DurationVar(&o.Skew, "skew", 0, "by how much the clocks of the server's machines may differ, such as 50ms")
	return c
}

// violatedError says that a token broke its promise. What it is was printed.
type violatedError struct{ message string }

func (e *violatedError) Error() string { return e.message }

func (a *app) verify(c *cobra.Command, tokens []string, o verify.Options) error {
	temporal, err := a.connection.dial(c, a.environment, a.dial)
	if err != nil {
		return err
	}
	defer temporal.Close()
	line := progressLine{w: a.stderr, on: a.terminal(a.stderr)}
	o.Progress = func(p verify.Progress) {
		line.show(fmt.Sprintf("%s: run %d of %d, %d operations, %d violations", printable(p.Token), p.Run, p.Runs, p.Operations, p.Violations))
	}
	v := &verified{app: a, command: c, results: series{app: a}, line: &line}
	reader := verify.NewReader(temporal, o)
	if len(tokens) == 1 {
		report, err := reader.Token(c.Context(), tokens[0])
		line.clear()
		return v.one(tokens[0], report, err)
	}
	for report, err := range reader.All(c.Context()) {
		line.clear()
		if err := v.add(report, err); err != nil {
			return errors.Join(v.results.end(), err)
		}
	}
	return errors.Join(v.results.end(), v.end(c.Context()))
}

// verified counts what came of several tokens.
type verified struct {
	app                  *app
	command              *cobra.Command
	results              series
	line                 *progressLine
	kept, broken, failed int
}

// one prints the report of a single token.
func (v *verified) one(token string, report *verify.Report, err error) error {
	switch {
	case errors.Is(err, verify.ErrUnknownToken):
		return &protocol.Refusal{
			Type:    protocol.ErrTypeOperationNotFound,
			Message: fmt.Sprintf("token %q is not known: the server retains nothing of it", token),
		}
	case err != nil:
		if report != nil {
			v.app.note(fmt.Sprintf("token %q so far: %d operations, %d violations", token, report.Counts.Operations, report.Violations))
		}
		return err
	}
	if err := v.app.print(report, func(w io.Writer) { writeReport(w, report) }); err != nil {
		return err
	}
	if !report.Kept {
		return &violatedError{fmt.Sprintf("token %q broke its promise: %s", token, plural(report.Violations, "violation"))}
	}
	return nil
}

// add prints the report of one token among many. The error ends it.
func (v *verified) add(report *verify.Report, err error) error {
	if err != nil && (report.WorkflowID == "" || errors.Is(err, context.Canceled)) {
		return err
	}
	if err != nil {
		v.failed++
		v.app.fail(v.command, err)
		return nil
	}
	if report.Kept {
		v.kept++
	} else {
		v.broken++
	}
	if v.app.output == outputText {
		writeReport(v.app.stdout, report)
	}
	return v.results.add(report)
}

func (v *verified) end(ctx context.Context) error {
	if v.app.output == outputText {
		fmt.Fprintf(v.app.stdout, "%s verified: %d kept their promise, %d broke it\n", plural(v.kept+v.broken, "token"), v.kept, v.broken)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case v.broken > 0:
		return &violatedError{fmt.Sprintf("%s broke the promise", plural(v.broken, "token"))}
	case v.failed > 0:
		return fmt.Errorf("%s could not be verified", plural(v.failed, "token"))
	}
	return nil
}

func writeReport(w io.Writer, r *verify.Report) {
	word := "kept"
	if !r.Kept {
		word = "BROKEN: " + plural(r.Violations, "violation")
	}
	n := r.Counts
	writePairs(w, []pair{
		{"token", r.Token},
		{"promise", word},
		{"as far as", coverageText(r.Coverage)},
		{"operations", strconv.Itoa(n.Operations) + " with an execution" + countsAfter([]counted{
			{n.Succeeded, "succeeded"},
			{n.Failed, "failed"},
			{n.Canceled, "canceled"},
			{n.Running, "running"},
			{n.Queued, "queued"},
			{n.Duplicates, "duplicates"},
			{n.Reruns, "run again in place"},
			{n.EndedInQueue, "ended while queued"},
		})},
		{"serializer", fmt.Sprintf("%s, %s", plural(n.Runs, "run"), plural(n.Chains, "chain"))},
	})
	for _, f := range r.Broken {
		writePairs(w, []pair{{string(f.Kind), f.Message + participantsText(f.Operations)}})
	}
	for _, f := range r.Apart {
		writePairs(w, []pair{{"apart", f.Message}})
	}
	fmt.Fprintln(w)
}

func coverageText(c verify.Coverage) string {
	text := fmt.Sprintf("%s to %s", c.Since.UTC().Format(time.RFC3339), c.Until.UTC().Format(time.RFC3339))
	if !c.FromChainStart {
		text += "; what was before is no longer retained"
	}
	for _, limit := range c.Limits {
		text += "; " + limit
	}
	return text
}

// participantsText says where to look.
func participantsText(list []verify.Participant) string {
	var b strings.Builder
	for _, p := range list {
		if p.WorkflowID == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s run %s", p.WorkflowID, p.RunID)
		if p.Serializer != "" {
			fmt.Fprintf(&b, ", started by run %s at event %d", p.Serializer, p.Event)
		}
	}
	return b.String()
}
