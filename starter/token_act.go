package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const holdHelp = `Keep a token from starting operations until it is released, or until an instant.
What runs goes on. An idle token, or one that never had an operation, can be held
too. A token that is held already gets this hold instead.`

const holdExample = `  starter token hold customer-42 --reason stocktaking
  starter token hold customer-42 --until 2h
  starter token hold customer-42 --until 2030-01-31T08:00:00Z`

func (a *app) tokenHoldCommand() *cobra.Command {
	var until string
	c, reason := a.tokenVerb("hold", "Keep a token from starting operations", holdHelp, holdExample)
	c.Flags().StringVar(&until, "until", "", "release it at: RFC 3339, or a duration from now such as 90s or 2h (default: until it is released)")
	c.RunE = func(c *cobra.Command, args []string) error {
		at, err := optionalInstant("until", until)
		if err != nil {
			return err
		}
		var release time.Time
		if at != nil {
			release = *at
		}
		return a.actOnToken(c, func(ctx context.Context, operations *opclient.Client) (protocol.SerializerState, error) {
			return operations.Hold(ctx, args[0], release, *reason)
		})
	}
	return c
}

const releaseHelp = `Let a token go on: it ends a hold, and the stand after a failed operation. A
token that is not held stays as it is.`

const releaseExample = `  starter token release customer-42
  starter token release customer-42 --reason "stocktaking is done"`

func (a *app) tokenReleaseCommand() *cobra.Command {
	return a.plainTokenVerb("release", "Let a held token go on", releaseHelp, releaseExample, (*opclient.Client).Release)
}

const skipHelp = `Go on past the failed operation that holds a token. Its record stays Failed; to
have it done, run it again instead: "starter rerun".`

const skipExample = `  starter token skip customer-42
  starter token skip customer-42 --reason "paid by hand"`

func (a *app) tokenSkipCommand() *cobra.Command {
	return a.plainTokenVerb("skip", "Go on past the failure that holds a token", skipHelp, skipExample, (*opclient.Client).Skip)
}

const tokenCancelHelp = `Cancel the operations that a token has at this moment: the running one is asked
to stop, and all that queue end Canceled. Later ones are not touched. To choose
among them, see "starter cancel".`

const tokenCancelExample = `  starter token cancel customer-42 --reason "the account was closed"`

func (a *app) tokenCancelCommand() *cobra.Command {
	return a.plainTokenVerb("cancel", "Cancel all that a token has", tokenCancelHelp, tokenCancelExample, (*opclient.Client).CancelAll)
}

const policyHelp = `Say what a token does when one of its operations fails, and how many may queue.
What is not given stays as it is.

  continue    start the next one (the default)
  hold        stand still until the operation is run again ("starter rerun"), or
              the token is told to go on ("starter token skip", "… release")
  cancelRest  cancel what queues at that moment`

const policyExample = `  starter token policy customer-42 --on-failure hold
  starter token policy customer-42 --on-failure continue --max-queued 10000
  starter token policy customer-42 --max-queued 0`

func (a *app) tokenPolicyCommand() *cobra.Command {
	var onFailure string
	var maxQueued int
	c, reason := a.tokenVerb("policy", "Say what a token does after a failure", policyHelp, policyExample)
	c.Flags().StringVar(&onFailure, "on-failure", "", "continue, hold or cancelRest")
	c.Flags().IntVar(&maxQueued, "max-queued", 0, "refuse submissions while so many operations queue; 0 is no bound")
	c.RunE = func(c *cobra.Command, args []string) error {
		change := protocol.PolicyRequest{OnFailure: protocol.FailurePolicy(onFailure), Reason: *reason}
		if c.Flags().Changed("max-queued") {
			change.MaxQueued = &maxQueued
		}
		if err := change.Validate(); err != nil {
			return &usageError{err}
		}
		return a.actOnToken(c, func(ctx context.Context, operations *opclient.Client) (protocol.SerializerState, error) {
			return operations.SetPolicy(ctx, args[0], change)
		})
	}
	return c
}

// tokenVerb is a command about one token.
func (a *app) tokenVerb(use, short, long, example string) (c *cobra.Command, reason *string) {
	reason = new(string)
	c = &cobra.Command{
		Use: use + " TOKEN", Short: short, Long: long, Example: example,
		Args: arguments(1, 1, "one dependency token"),
	}
	reasonFlag(c, reason)
	return c, reason
}

// plainTokenVerb is one that takes nothing but a reason.
func (a *app) plainTokenVerb(use, short, long, example string,
	do func(c *opclient.Client, ctx context.Context, token, reason string) (protocol.SerializerState, error),
) *cobra.Command {
	c, reason := a.tokenVerb(use, short, long, example)
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.actOnToken(c, func(ctx context.Context, operations *opclient.Client) (protocol.SerializerState, error) {
			return do(operations, ctx, args[0], *reason)
		})
	}
	return c
}

// actOnToken asks and prints the token as it then is.
func (a *app) actOnToken(c *cobra.Command, do func(context.Context, *opclient.Client) (protocol.SerializerState, error)) error {
	operations, closeClient, err := a.connect(c, opclient.Options{})
	if err != nil {
		return err
	}
	defer closeClient()
	state, err := do(c.Context(), operations)
	if err != nil {
		return err
	}
	return a.print(state, func(w io.Writer) { writeActedToken(w, state) })
}

func writeActedToken(w io.Writer, s protocol.SerializerState) {
	head := "none: nothing runs"
	if s.Head != nil {
		head = s.Head.ID
	}
	writePairs(w, append([]pair{{"token", s.Token}}, append(holdPairs(s), pair{"head", head}, pair{"queued", strconv.Itoa(s.Queued)})...))
}

// holdPairs say what holds a token, and its policy.
func holdPairs(s protocol.SerializerState) []pair {
	return []pair{
		{"held", holdText(s.Hold)},
		{"stands", failureText(s.Failure)},
		{"on failure", string(s.Policy.OnFailure)},
		{"queues at most", number(s.Policy.MaxQueued)},
	}
}

// holdText is a hold in a few words, empty for none.
func holdText(h *protocol.Hold) string {
	if h == nil {
		return ""
	}
	text := "since " + instant(&h.On)
	if h.Until != nil {
		text += ", until " + instant(h.Until)
	}
	if h.Identity != "" {
		text += ", by " + h.Identity
	}
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

// failureText is a failure that holds a token in a few words, empty for none.
func failureText(f *protocol.FailureHold) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("since %s failed at %s", f.OperationID, instant(&f.On))
}
