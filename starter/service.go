package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// controlPatience is how long a request to stop or to start waits to be taken.
const controlPatience = 10 * time.Second

func (a *app) serviceCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "service", Short: "Stop and start the handlers of all workers", Args: subcommand,
		Example: "  starter service status\n" + serviceStopExample + "\n" + serviceStartExample,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.serviceStopCommand(), a.serviceStartCommand(), a.serviceStatusCommand())
	return c
}

const serviceStopHelp = `Keep handlers from starting, on every worker of the task queue: all of them, or
those of one operation type. What runs gets the workers' stopTimeout, then it waits
with its checkpoint, and no attempt is used up. Submissions, queries and actions go
on being answered, and nothing is lost.

It is durable: it holds for workers that are restarted or added, and may be asked
for while none runs. Types that are bound to workers with a task queue of their own
are stopped by the server's rate limit of that task queue.`

const serviceStopExample = `  starter service stop --reason "the data centre moves"
  starter service stop --type bulk.email --reason "the mail server is blocked"`

func (a *app) serviceStopCommand() *cobra.Command {
	return a.controlCommand("stop", "Keep handlers from starting", serviceStopHelp, serviceStopExample, (*opclient.Client).StopService)
}

const serviceStartHelp = `End the stop of one operation type, or without --type every stop. What fell due
meanwhile runs.`

const serviceStartExample = `  starter service start --type bulk.email
  starter service start`

func (a *app) serviceStartCommand() *cobra.Command {
	return a.controlCommand("start", "Let handlers start again", serviceStartHelp, serviceStartExample, (*opclient.Client).StartService)
}

func (a *app) controlCommand(use, short, long, example string, do func(*opclient.Client, context.Context, protocol.TypeRef, string) error) *cobra.Command {
	var of, reason string
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			if err := do(operations, c.Context(), protocol.TypeRef(of), reason); err != nil {
				return err
			}
			status, err := operations.AwaitService(c.Context(), controlPatience)
			if errors.Is(err, opclient.ErrNotTaken) {
				a.note(err.Error())
				err = nil
			}
			if err != nil {
				return err
			}
			return a.printService(status)
		},
	}
	c.Flags().StringVar(&of, "type", "", "only this operation type, by key or number (default: all)")
	reasonFlag(c, &reason)
	return c
}

const serviceStatusHelp = `Say which handlers are stopped, since when, by whom and why. Without a worker it
says what was written down last.`

func (a *app) serviceStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say what is stopped", Long: serviceStatusHelp, Example: "  starter service status -o json",
		Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			operations, closeClient, err := a.connect(c, opclient.Options{})
			if err != nil {
				return err
			}
			defer closeClient()
			status, err := operations.Service(c.Context())
			if err != nil {
				return err
			}
			return a.printService(status)
		},
	}
}

func (a *app) printService(s opclient.ServiceStatus) error {
	if s.Unread {
		a.note("no worker has read the last requests yet; the first one does before it starts a handler")
	}
	if s.Problem != "" {
		a.note(s.Problem)
	}
	if s.Refused != "" {
		a.note("refused: " + s.Refused)
	}
	return a.print(s, func(w io.Writer) { a.writeService(w, s) })
}

func (a *app) writeService(w io.Writer, s opclient.ServiceStatus) {
	if len(s.Stops) == 0 {
		fmt.Fprintf(w, "task queue %s: nothing is stopped\n", printable(s.TaskQueue))
		return
	}
	t := &table{header: []string{"STOPPED", "SINCE", "BY", "REASON"}}
	for _, stop := range s.Stops {
		what := "all handlers"
		if stop.OperationType != "" {
			what = stop.OperationType
		}
		t.rows = append(t.rows, []string{printable(what), instant(&stop.On), printable(stop.Identity), printable(stop.Reason)})
	}
	t.write(w, a.colored())
}
