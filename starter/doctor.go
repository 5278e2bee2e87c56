package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/protocol"
)

const doctorHelp = `Look at everything that operations need, and say what to do about what is not
right: the connection, the server and its clock, the namespace, the search
attributes, whether this command line encrypts and reads what is encrypted, the
workers of both task queues, limits, and with --config the worker's configuration
and the task queues that it names.

One line for each check:
  ok    as it should be
  warn  operations run; something is missing or will be missed
  fail  operations do not run, or not safely

It changes nothing. To read the server's clock it polls a task queue of its own
for a moment. What a connection may not ask is a warning.

Exit code 9 says that a check failed; with --strict, that one failed or warned.`

const doctorExample = `  starter doctor
  starter doctor --config config.yaml
  starter doctor -o jsonl | jq -r 'select(.status != "ok") | .check + ": " + .hint'`

// What a check found.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// finding is what a check found, as machines read it.
type finding struct {
	Check   string `json:"check"`
	Status  string `json:"status"`
	Message string `json:"message"`
	// Hint is what to do or where to look.
	Hint string `json:"hint,omitempty"`
	// Details depend on the check.
	Details any `json:"details,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	var file string
	var strict bool
	c := &cobra.Command{
		Use: "doctor", Short: "Check that operations can run, and say what to do", Long: doctorHelp, Example: doctorExample,
		Args: arguments(0, 0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			options, err := a.connection.options(c.Flags(), a.environment)
			if err != nil {
				return err
			}
			d := &doctor{app: a, command: c, options: options, results: series{app: a}, taskQueue: a.taskQueue}
			err = d.examine(c.Context(), file)
			if endErr := d.results.end(); err != nil || endErr != nil {
				return firstOf(err, endErr)
			}
			return d.verdict(strict)
		},
	}
	c.Flags().StringVar(&file, "config", "", "the worker's configuration file, to check too")
	c.Flags().BoolVar(&strict, "strict", false, "take a warning for a failure")
	return c
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// doctor examines one namespace.
type doctor struct {
	app       *app
	command   *cobra.Command
	options   client.Options
	temporal  client.Client
	results   series
	taskQueue string
	names     protocol.AttributeNames

	// ahead is by how much the server's clock is ahead of ours, where that is known.
	ahead          time.Duration
	failed, warned int
	// err is the first that printing met.
	err error
}

// examine makes all checks that still make sense after what was found. The error
// is not about the server: it was interrupted, or cannot print.
func (d *doctor) examine(ctx context.Context, file string) error {
	queues := d.checkConfig(file)
	names, err := d.app.names()
	if err != nil {
		return err
	}
	d.names = names
	if d.checkConnection() && d.checkServer(ctx) {
		defer d.temporal.Close()
		if d.checkNamespace(ctx) {
			d.checkClock(ctx)
			d.checkAttributes(ctx)
			d.checkEncryption(ctx)
			d.checkWorkers(ctx, queues)
			d.checkLimits(ctx)
			d.tellWebUI()
		}
	}
	return firstOf(ctx.Err(), d.err)
}

// bounded is a context for one check.
func (d *doctor) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.app.connection.timeout)
}

func (d *doctor) ok(check, message string) { d.report(finding{check, checkOK, message, "", nil}) }

func (d *doctor) warn(check, message, hint string) {
	d.report(finding{check, checkWarn, message, hint, nil})
}

func (d *doctor) fail(check, message, hint string) {
	d.report(finding{check, checkFail, message, hint, nil})
}

// report counts and prints a finding.
func (d *doctor) report(f finding) {
	f.Hint = d.app.named(f.Hint)
	switch f.Status {
	case checkFail:
		d.failed++
	case checkWarn:
		d.warned++
	}
	if d.app.output == outputText {
		d.app.writeFinding(d.app.stdout, f)
		return
	}
	if err := d.results.add(f); d.err == nil {
		d.err = err
	}
}

// checkWidth is that of the longest check's name and two spaces.
const checkWidth = 19

func (a *app) writeFinding(w io.Writer, f finding) {
	status := fmt.Sprintf("%-6s", f.Status)
	if a.colored() {
		status = "\x1b[" + map[string]string{checkOK: "32", checkWarn: "33", checkFail: "31"}[f.Status] + "m" + status + "\x1b[0m"
	}
	indent := strings.Repeat(" ", len(checkFail)+2+checkWidth)
	fmt.Fprintf(w, "%s%-*s%s\n", status, checkWidth, f.Check, printableLines(f.Message, indent))
	if f.Hint != "" {
		fmt.Fprintf(w, "%s→ %s\n", indent, printableLines(f.Hint, indent+"  "))
	}
}

// verdict is the error of what was found.
func (d *doctor) verdict(strict bool) error {
	switch {
	case d.failed > 0:
		return unfit("%s failed, %s", plural(d.failed, "check"), plural(d.warned, "warning"))
	case strict && d.warned > 0:
		return unfit("%s (--strict)", plural(d.warned, "warning"))
	}
	return nil
}

// checkConfig reads the worker's configuration and answers the task queues of its
// types besides the worker's own.
func (d *doctor) checkConfig(file string) (queues map[string][]string) {
	const check = "config"
	if file == "" {
		return nil
	}
	c, err := config.Load(file, d.app.environment.LookupEnv)
	if err != nil {
		d.fail(check, err.Error(), "the worker does not start with it; every setting is explained in the config.yaml that comes with Seriatim")
		return nil
	}
	if given := d.app.taskQueue; d.command.Flags().Changed("task-queue") && given != c.TaskQueue {
		d.warn(check, fmt.Sprintf("%s: taskQueue is %q, and --task-queue %q", file, c.TaskQueue, given), "clients have to name the task queue of the workers")
	} else {
		d.taskQueue = c.TaskQueue
		d.ok(check, fmt.Sprintf("%s: task queue %q, %s of operation", file, c.TaskQueue, plural(len(c.Types), "type")))
	}
	d.compareKeys(file, c)
	d.app.configNames = c.AttributeNames()
	queues = make(map[string][]string)
	for _, t := range c.Types {
		if t.TaskQueue != "" && t.TaskQueue != c.TaskQueue {
			queues[t.TaskQueue] = append(queues[t.TaskQueue], t.Key)
		}
	}
	return queues
}
