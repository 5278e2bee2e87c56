package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const cancelHelp = `Cancel operations, wherever they are.

One that queues or waits ends Canceled at once; one that runs is asked to stop
and ends when its handler has. Work that was done is not rolled back. An
operation behind a cancelled one keeps its place.

` + bulkHelp

const cancelExample = `  starter cancel a1 --token customer-42 --reason "ordered twice"
  starter cancel a1 a2 a3
  starter cancel --token customer-42 --type http.request
  starter cancel --owner ada --older-than 168h --yes`

func (a *app) cancelCommand() *cobra.Command {
	return a.manyCommand(manyVerb{
		use: "cancel", short: "Cancel operations", long: cancelHelp, example: cancelExample,
		action: protocol.ActionCancel, done: "cancelled", do: (*opclient.Client).Cancel,
	})
}

const resumeHelp = `Let operations go on that are Suspended, whatever they wait for: one that is
paused, that asked for a person, that is postponed, or that waits for its next
attempt, which then comes at once. None overtakes those before it in its token.

` + bulkHelp

const resumeExample = `  starter resume a1 --token customer-42
  starter resume --type http.request --reason "the receiver is back"
  starter resume --token customer-42 --yes -o jsonl`

func (a *app) resumeCommand() *cobra.Command {
	return a.manyCommand(manyVerb{
		use: "resume", short: "Let Suspended operations go on", long: resumeHelp, example: resumeExample,
		action: protocol.ActionResume, done: "resumed", do: (*opclient.Client).Resume,
	})
}

const pauseHelp = `Stop running operations and keep them until they are resumed.

The handler is asked to stop; until it has, the operation is Pausing. When it is
resumed its handler goes on from its last checkpoint. Only a running operation
can be paused; a queued one is postponed, and a whole token held.`

const pauseExample = `  starter pause a1 --reason "the bank asked for it"
  starter pause a1 a2 --token customer-42`

func (a *app) pauseCommand() *cobra.Command {
	var token, reason string
	c := &cobra.Command{
		Use: "pause ID…", Short: "Stop running operations until they are resumed", Long: pauseHelp, Example: pauseExample,
		Args: arguments(1, -1, "operation ids"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.act(c, args, func(ctx context.Context, operations *opclient.Client, id string) (protocol.Record, error) {
				return operations.Pause(ctx, id, token, reason)
			})
		},
	}
	tokenFlag(c, &token)
	reasonFlag(c, &reason)
	return c
}

const postponeHelp = `Keep an operation from starting before an instant.

It can be moved earlier or later as often as wanted until it is Completed; one
that runs is stopped first. An instant in the past lets one that waits start at
its turn. A postponed operation that is next holds back all behind it in its
token.`

const postponeExample = `  starter postpone a1 --token customer-42 --until 2h
  starter postpone a1 --until 2030-01-31T08:00:00Z --reason "the bank is closed"
  starter postpone a1 --until now`

func (a *app) postponeCommand() *cobra.Command {
	var token, reason, until string
	c := &cobra.Command{
		Use: "postpone ID --until WHEN", Short: "Postpone an operation", Long: postponeHelp, Example: postponeExample,
		Args: arguments(1, 1, "one operation id"),
		RunE: func(c *cobra.Command, args []string) error {
			if until == "" {
				return usagef("--until is missing")
			}
			at, err := parseInstant("until", until)
			if err != nil {
				return err
			}
			return a.act(c, args, func(ctx context.Context, operations *opclient.Client, id string) (protocol.Record, error) {
				return operations.Postpone(ctx, id, token, at, reason)
			})
		},
	}
	tokenFlag(c, &token)
	reasonFlag(c, &reason)
	c.Flags().StringVar(&until, "until", "", "RFC 3339, a duration from now such as 90s or 2h, or now")
	return c
}

func reasonFlag(c *cobra.Command, reason *string) {
	c.Flags().StringVar(reason, "reason", "", "why; kept and shown, at most 1000 bytes")
}

// act asks something of each operation. With several, one that is refused does
// not keep the others from being asked.
func (a *app) act(c *cobra.Command, ids []string, request func(context.Context, *opclient.Client, string) (protocol.Record, error)) error {
	operations, closeClient, err := a.connect(c, opclient.Options{})
	if err != nil {
		return err
	}
	defer closeClient()
	results := series{app: a}
	var problems []error
	for _, id := range ids {
		record, err := request(c.Context(), operations, id)
		if err == nil {
			err = a.printActed(&results, record)
		}
		if err != nil {
			problems = append(problems, err)
		}
		if c.Context().Err() != nil {
			break
		}
	}
	return errors.Join(results.end(), a.summarise(c, ids, problems))
}

func (a *app) printActed(results *series, record protocol.Record) error {
	found := opclient.Found{Record: record}
	if a.output == outputText {
		text := record.StatusCode.String()
		if reason := why(found); reason != "" {
			text += ": " + reason
		}
		_, err := fmt.Fprintf(a.stdout, "%s  %s\n", printable(record.ID), printable(text))
		return err
	}
	return results.add(outputOf(found))
}

// summarise is the one error of several: each is told, the exit code says that
// some were refused.
func (a *app) summarise(c *cobra.Command, ids []string, problems []error) error {
	if len(problems) == 0 || len(ids) == 1 {
		return errors.Join(problems...)
	}
	for _, err := range problems {
		if exitCode(err) == exitInterrupted || exitCode(err) == exitError {
			return errors.Join(problems...)
		}
		a.fail(c, err)
	}
	return &someRefusedError{fmt.Sprintf("%d of %d operations were refused", len(problems), len(ids))}
}
