package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const raiseHelp = `Raise an event: something that happened to a record. Each handler that the worker's
configuration registers for it becomes one operation; "starter handlers" lists them.

Raising returns as soon as the event is durable, whether or not a worker is
running, and no handler's error is the caller's. Choose --id yourself where the
command may be repeated: the same id with the same content is raised once.

With --wait it waits until an operation was submitted for each handler, not for
their ends, and shows them (exit code 6: not for all of them).

Where the environment has TRACEPARENT, the W3C trace context of a span, the
operations go on that trace.`

const raiseExample = `  starter raise --message update --entity account --record 42
  starter raise --message update --entity account --record 42 --data @account.json --id u1 --wait`

func (a *app) raiseCommand() *cobra.Command {
	var e protocol.Event
	var data string
	var wait bool
	c := &cobra.Command{
		Use: "raise --message NAME", Short: "Raise an event for the handlers that are registered", Long: raiseHelp, Example: raiseExample,
		Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if e.MessageName == "" {
				return usagef("--message is missing: say what happened")
			}
			if c.Flags().Changed("data") {
				if e.Data, err = a.readData(data); err != nil {
					return err
				}
			}
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			return a.raise(c, operations, e, wait)
		},
	}
	flags := c.Flags()
	flags.StringVar(&e.MessageName, "message", "", "what happened, such as update")
	flags.StringVar(&e.PrimaryEntityType, "entity", "", "kind of record that it happened to")
	flags.StringVar(&e.RegardingObjectID, "record", "", "id of that record")
	flags.StringVar(&data, "data", "", "what the handlers get: JSON, @FILE, or - for stdin")
	flags.StringVar(&e.ID, "id", "", "id, which makes repeating safe (default a new UUID)")
	flags.StringVar(&e.OwnerID, "owner", "", "whose operations they are")
	flags.StringVar(&e.CorrelationID, "correlation-id", "", "ties what causes each other together (default the id)")
	flags.StringVar(&e.RequestID, "request-id", "", "request that it came from")
	flags.IntVar(&e.Depth, "depth", 0, "operations of this correlation that led to it")
	flags.BoolVar(&wait, "wait", false, "wait until the operations were submitted, and show them")
	return c
}

// raisedOutput is a raised event as machines read it.
type raisedOutput struct {
	ID         string                  `json:"id"`
	WorkflowID string                  `json:"workflowId"`
	Duplicate  bool                    `json:"duplicate,omitempty"`
	Handlers   []protocol.EventHandled `json:"handlers,omitempty"`
}

func (a *app) raise(c *cobra.Command, operations *opclient.Client, e protocol.Event, wait bool) error {
	raised, err := operations.Raise(a.traced(c.Context()), e)
	if err != nil {
		return err
	}
	out := raisedOutput{ID: raised.ID, WorkflowID: raised.WorkflowID, Duplicate: raised.Duplicate}
	if wait {
		a.note(fmt.Sprintf("raised %s, waiting for its operations", raised.ID))
		outcome, err := raised.Wait(c.Context())
		if err != nil {
			return err
		}
		out.Handlers = outcome.Handlers
	}
	if err := a.print(out, func(w io.Writer) { writeRaised(w, out, wait) }); err != nil {
		return err
	}
	bad := 0
	for _, h := range out.Handlers {
		if h.Error != "" {
			bad++
		}
	}
	if bad > 0 {
		return &someRefusedError{fmt.Sprintf("%d of %d handlers got no operation", bad, len(out.Handlers))}
	}
	return nil
}

func writeRaised(w io.Writer, out raisedOutput, waited bool) {
	state := "raised"
	if out.Duplicate {
		state = "was raised already, with the same content"
	}
	fmt.Fprintf(w, "%-16s%s\n", "status", state)
	writePairs(w, []pair{{"id", out.ID}, {"workflow", out.WorkflowID}})
	switch {
	case waited && len(out.Handlers) == 0:
		fmt.Fprintln(w, "\nno handler is registered for it")
	case waited:
		fmt.Fprintln(w)
		writeHandled(w, out.Handlers)
	}
}

func writeHandled(w io.Writer, handlers []protocol.EventHandled) {
	rows := &table{header: []string{"HANDLER", "OPERATION", "TOKEN", "ERROR"}, status: -1}
	for _, h := range handlers {
		o := cmp.Or(h.Operation, &protocol.Handle{})
		rows.rows = append(rows.rows, []string{printable(h.Handler), printable(o.ID), printable(o.Token), printable(h.Error)})
	}
	rows.write(w, false)
}
