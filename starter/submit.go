package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const submitHelp = `Submit one operation, given by flags, or many, given as JSON Lines.

Submitting returns as soon as an operation is durable, before it runs; no worker
has to be running. Choose --id yourself where the command may be repeated: the
same id with the same content is accepted once. Without it each submission is
another operation.

With --file each line is one operation, with the field names of docs/protocol.md:

  {"id":"d1","operationType":"http.request","dependencyToken":"customer-42","data":{…}}

Lines of one token are submitted in the order of the file. A line that breaks a
rule, or has a field that is not known, is refused by its number on stderr, and
the others go on (exit code 6).

With --recurrence the operation is run again and again: each occurrence is an
operation of its own, "occurrence:1:ID", "occurrence:2:ID" and so on, of the same
token. "starter show ID" says when the next one is.

A form or limit is checked before anything is sent. Whether the worker knows the
type, and whether the token has another operation with this id, shows with
--wait, "starter show" and "starter token rejects". With --config a type that the
worker's configuration does not bind is refused here, with those that it does.

Where the environment has TRACEPARENT, the W3C trace context of a span, operations
go on that trace ("starter show" prints its id), and in a file those that have no
traceparent of their own.`

const submitExample = `  starter submit --type http.request --data '{"url":"https://example.com/hook"}'
  starter submit --type http.request --token customer-42 --id a1 --data @request.json --wait
  starter submit --type http.request --token customer-42 --postpone-until 2h --data @request.json
  starter submit --type http.request --id nightly --recurrence 'FREQ=DAILY' --recurrence-start 2030-01-31T02:00:00Z --data @request.json
  starter submit --file deliveries.jsonl
  generate | starter submit --file - -o jsonl`

// submitFlags are the flags of submit.
type submitFlags struct {
	file              string
	wait              bool
	maxOperationBytes int
	config            string

	operation               protocol.Operation
	operationType, data     string
	postponeUntil, deadline string
	recurrenceStart         string
}

func (a *app) submitCommand() *cobra.Command {
	var f submitFlags
	c := &cobra.Command{
		Use:     "submit (--type TYPE | --file FILE)",
		Short:   "Submit one operation, or many from a file",
		Long:    submitHelp,
		Example: submitExample,
		Args:    arguments(0, 0, "flags only"),
	}
	single := pflag.NewFlagSet("one operation", pflag.ContinueOnError)
	f.addOperation(single)
	c.Flags().AddFlagSet(single)
	c.Flags().StringVar(&f.file, "file", "", "JSON Lines to submit; - is stdin")
	c.Flags().BoolVar(&f.wait, "wait", false, "wait for the end and show the outcome (exit code 3: Failed or Canceled)")
	c.Flags().IntVar(&f.maxOperationBytes, "max-operation-bytes", protocol.DefaultMaxOperationBytes, "refuse larger operations; at most 262144")
	checkFlag(c, &f.config)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("file") {
			if given := changed(c, single); len(given) > 0 {
				return usagef("--file does not go with %s: a line says that itself", strings.Join(given, ", "))
			}
			return a.submitFile(c, f)
		}
		return a.submitOne(c, f)
	}
	return c
}

func (f *submitFlags) addOperation(flags *pflag.FlagSet) {
	o := &f.operation
	flags.StringVar(&f.operationType, "type", "", "operation type: a key or a number of the worker's catalogue")
	flags.StringVar(&o.DependencyToken, "token", "", "dependency token: operations with the same one run one after another")
	flags.StringVar(&o.ID, "id", "", "id, which makes repeating safe (default a new UUID)")
	flags.StringVar(&o.Name, "name", "", "display name")
	flags.StringVar(&f.data, "data", "", "the handler's payload: JSON, @FILE, or - for stdin")
	flags.StringVar(&f.postponeUntil, "postpone-until", "", "do not start before: RFC 3339, or a duration from now such as 90s or 2h")
	flags.StringVar(&f.deadline, "deadline", "", "give up if not started by: RFC 3339, or a duration from now")
	flags.StringVar(&o.OwnerID, "owner", "", "whose operation it is")
	flags.StringVar(&o.RegardingObjectID, "regarding", "", "id of the record that it is about")
	flags.StringVar(&o.PrimaryEntityType, "entity", "", "kind of record that it is about")
	flags.StringVar(&o.MessageName, "message", "", "event that it is about")
	flags.StringVar(&o.CorrelationID, "correlation-id", "", "ties operations together that cause each other")
	flags.StringVar(&o.RequestID, "request-id", "", "request that it came from")
	flags.IntVar(&o.Depth, "depth", 0, "operations of this correlation that led to it")
	flags.IntVar(&o.Priority, "priority", 0, "1 (first) to 5, among tokens and free operations")
	flags.StringVar(&o.FairnessKey, "fairness-key", "", "group that shares a task queue fairly")
	flags.StringVar(&o.RecurrencePattern, "recurrence", "", "run it again and again: an RRULE such as FREQ=DAILY;INTERVAL=2, in UTC")
	flags.StringVar(&f.recurrenceStart, "recurrence-start", "", "first instant of the recurrence: RFC 3339, or a duration from now (default now)")
}

// changed lists the flags of a set that were given.
func changed(c *cobra.Command, set *pflag.FlagSet) (names []string) {
	set.VisitAll(func(f *pflag.Flag) {
		if c.Flags().Changed(f.Name) {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

// build is the operation that the flags describe.
func (a *app) build(c *cobra.Command, f submitFlags) (o protocol.Operation, err error) {
	o = f.operation
	if f.operationType == "" {
		return o, usagef("--type is missing, or --file for many")
	}
	o.OperationType = protocol.TypeRef(f.operationType)
	if c.Flags().Changed("data") {
		if o.Data, err = a.readData(f.data); err != nil {
			return o, err
		}
	}
	if o.PostponeUntil, err = optionalInstant("postpone-until", f.postponeUntil); err != nil {
		return o, err
	}
	if o.RecurrenceStartTime, err = optionalInstant("recurrence-start", f.recurrenceStart); err != nil {
		return o, err
	}
	o.Deadline, err = optionalInstant("deadline", f.deadline)
	return o, err
}

// readData reads the payload: given, from a file, or from stdin.
func (a *app) readData(data string) (json.RawMessage, error) {
	var raw []byte
	var err error
	switch {
	case data == "-":
		raw, err = io.ReadAll(io.LimitReader(a.stdin, protocol.MaxOperationBytes+1))
	case strings.HasPrefix(data, "@"):
		raw, err = os.ReadFile(data[1:])
	default:
		raw = []byte(data)
	}
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return nil, &protocol.FieldError{Field: "data", Problem: "is empty: leave the flag out, or give JSON such as null or {}"}
	}
	return raw, nil
}

func (a *app) submitOne(c *cobra.Command, f submitFlags) error {
	o, err := a.build(c, f)
	if err != nil {
		return err
	}
	known, err := a.catalogueOf(f.config)
	if err != nil {
		return err
	}
	operations, closeClient, err := a.connect(c, opclient.Options{MaxOperationBytes: f.maxOperationBytes, Catalogue: known})
	if err != nil {
		return err
	}
	defer closeClient()
	handle, err := operations.Submit(a.traced(c.Context()), o)
	if err != nil {
		return err
	}
	if !f.wait {
		return a.printHandle(handle)
	}
	a.note(fmt.Sprintf("submitted %s, waiting for its end", handle.ID))
	return a.waitHandle(c.Context(), handle)
}

func (a *app) waitHandle(ctx context.Context, handle *opclient.Handle) error {
	found, err := handle.Wait(ctx)
	if err != nil {
		return err
	}
	if err := a.printRecord(found); err != nil {
		return err
	}
	return outcome(found)
}

// handleOutput is a submitted operation as machines read it.
type handleOutput struct {
	ID              string `json:"id"`
	DependencyToken string `json:"dependencyToken,omitempty"`
	WorkflowID      string `json:"workflowId"`
	Duplicate       bool   `json:"duplicate,omitempty"`
}

func (a *app) printHandle(h *opclient.Handle) error {
	value := handleOutput{ID: h.ID, DependencyToken: h.Token, WorkflowID: h.WorkflowID, Duplicate: h.Duplicate}
	return a.print(value, func(w io.Writer) {
		state := "submitted"
		if h.Duplicate {
			state = "was there already, with the same content"
		}
		fmt.Fprintf(w, "%-16s%s\n", "status", state)
		writePairs(w, []pair{{"id", h.ID}, {"token", h.Token}, {"workflow", h.WorkflowID}})
	})
}
