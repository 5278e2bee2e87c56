package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const setRecurrenceHelp = `Change the rule of a recurring operation, its start, or both.

A rule is an RRULE (RFC 5545), in UTC: FREQ is MINUTELY to YEARLY, and INTERVAL,
COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSECOND, BYSETPOS and
WKST go with it. Instants of the new rule that have passed are not run; an
occurrence that is open goes on. "starter cancel" ends a recurrence.`

const setRecurrenceExample = `  starter recurrence set nightly 'FREQ=DAILY;BYHOUR=2;BYMINUTE=0;BYSECOND=0'
  starter recurrence set nightly --start 2030-01-31T02:00:00Z
  starter recurrence set nightly FREQ=WEEKLY --reason "it takes too long"`

func (a *app) recurrenceCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "recurrence", Short: "Change recurring operations", Example: setRecurrenceExample,
		Args: subcommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.setRecurrenceCommand())
	return c
}

func (a *app) setRecurrenceCommand() *cobra.Command {
	var token, start, reason string
	c := &cobra.Command{
		Use: "set ID [RULE]", Short: "Change the rule or the start of a recurring operation", Long: setRecurrenceHelp, Example: setRecurrenceExample,
		Args: arguments(1, 2, "one operation id and a rule"),
		RunE: func(c *cobra.Command, args []string) error {
			pattern := ""
			if len(args) == 2 {
				pattern = args[1]
			}
			at, err := optionalInstant("start", start)
			if err != nil {
				return err
			}
			if pattern == "" && at == nil {
				return usagef("give a rule, --start, or both; cancel ends a recurrence")
			}
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			record, err := operations.SetRecurrence(c.Context(), args[0], token, pattern, at, reason)
			if err != nil {
				return err
			}
			return a.printRecord(opclient.Found{Record: record, Source: opclient.FromQuery, WorkflowID: protocol.OperationWorkflowID(record.ID)})
		},
	}
	tokenFlag(c, &token)
	reasonFlag(c, &reason)
	c.Flags().StringVar(&start, "start", "", "first instant of the new grid: RFC 3339, or a duration from now such as 90s or 2h")
	return c
}

// ruleText is a recurrence rule as it was given, and in words.
func ruleText(r protocol.Record) string {
	rule, err := protocol.ParseRecurrence(r.RecurrencePattern)
	if err != nil {
		return r.RecurrencePattern
	}
	return fmt.Sprintf("%s (%s)", r.RecurrencePattern, rule)
}

// lastOccurrenceText is how the last occurrence of a recurring operation ended.
func lastOccurrenceText(e *protocol.OccurrenceEnd) string {
	if e == nil {
		return ""
	}
	text := fmt.Sprintf("%s ended %s, %s", e.ID, e.StatusCode, instant(&e.On))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}
