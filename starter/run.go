package main

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// app is one run of the program.
type app struct {
	// name is that of the executable; see programName.
	name           string
	stdin          io.Reader
	stdout, stderr io.Writer
	// environment is where TEMPORAL_* and NO_COLOR come from; dial connects.
	environment envconfig.EnvLookup
	dial        func(context.Context, client.Options) (client.Client, error)

	connection connectionFlags
	taskQueue  string
	// attributeNames are those of the flag, configNames those of the worker's
	// configuration where the command read it.
	attributeNames map[string]string
	configNames    protocol.AttributeNames
	output         string
	color          string

	// terminal says whether a stream is one, and size how much fits on it;
	// default isTerminal and terminalSize.
	terminal func(any) bool
	size     func(any) (width, height int)

	// telling keeps notes of several goroutines apart; told are those that are
	// told once.
	telling sync.Mutex
	told    map[string]bool
}

// Run runs the command line, the program's name first, and answers the exit code. It reads stdin only where
// a flag says "-" or a question is asked, and writes results to stdout and all else to stderr.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		name: programName(args[0]), stdin: stdin, stdout: stdout, stderr: stderr,
		environment: envconfig.EnvLookupOS, dial: client.DialContext, terminal: isTerminal, size: terminalSize,
	}
	return a.run(ctx, args[1:])
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	command, err := root.ExecuteContextC(ctx)
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Canceled) {
		err = errors.Join(context.Cause(ctx), err)
	}
	err = a.connection.explain(err)
	a.fail(command, err)
	return exitCode(err)
}

const rootHelp = `starter submits operations to Seriatim and follows them.

An operation is one piece of durable work. Operations with the same dependency
token run strictly one after another, in the order in which they were accepted;
different tokens, and operations without one, run side by side. Submitting
returns as soon as the operation is durable, whether or not a worker is running.

The connection is that of the temporal command line: flags go over environment
variables (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY,
TEMPORAL_TLS_…), these over the profile in its configuration file. The worker's
config.yaml is read only by commands that have --config.

Without a worker submitting works all the same; show, why, list and token show
answer from what the server holds, and say so.

Results go to stdout, everything else to stderr. Times are UTC, RFC 3339.

` + exitHelp

const rootExample = `  starter setup
  starter doctor
  starter submit --type http.request --token customer-42 --data '{"url":"https://example.com/hook"}'
  starter submit --file deliveries.jsonl
  starter raise --message update --entity account --record 42 --data '{"name":"Zoe"}'
  starter list --token customer-42
  starter token show customer-42
  starter why 0198c2f4-7d1e-7f6a-9a51-0f3c1f0f8a11 --token customer-42
  starter token hold customer-42 --until 2h --reason stocktaking
  starter cancel --owner ada --older-than 168h
  starter recover customer-42 --dry-run
  starter submit --type http.request --id nightly --recurrence 'FREQ=DAILY;BYHOUR=2' --data @request.json
  starter verify --all
  TEMPORAL_ADDRESS=temporal.example.com:7233 starter list --status failed`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "starter",
		Short:         "Submit operations and follow them",
		Long:          rootHelp,
		Example:       rootExample,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          subcommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	flags := root.PersistentFlags()
	a.connection.add(flags)
	flags.StringVar(&a.taskQueue, "task-queue", protocol.DefaultTaskQueue, "task queue of the workers")
	namesFlag(flags, &a.attributeNames)
	flags.StringVarP(&a.output, "output", "o", outputText, "output: text, json, jsonl or none")
	flags.StringVar(&a.color, "color", "auto", "colour in text output: always, never or auto; NO_COLOR turns auto off")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkOutput() }
	root.AddCommand(
		a.submitCommand(), a.raiseCommand(), a.showCommand(), a.listCommand(), a.waitCommand(),
		a.whyCommand(), a.typesCommand(), a.handlersCommand(), a.tokenCommand(), a.recoverCommand(), a.verifyCommand(), a.serviceCommand(),
		a.cancelCommand(), a.postponeCommand(), a.pauseCommand(), a.resumeCommand(), a.rerunCommand(), a.deleteCommand(),
		a.recurrenceCommand(),
		a.setupCommand(), a.doctorCommand(),
	)
	a.rename(root)
	complete(root)
	return root
}

// subcommand refuses what is no command.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%q is not a command of %q", args[0], c.CommandPath())
}

// arguments makes a wrong number of arguments a usage error that says what is
// expected.
func arguments(least, most int, expected string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return usagef("expected %s, got %d arguments", expected, len(args))
		}
		return nil
	}
}

// connect dials and wraps the client.
func (a *app) connect(c *cobra.Command, o opclient.Options) (*opclient.Client, func(), error) {
	o.TaskQueue, o.RetryFor = a.taskQueue, a.connection.retryFor
	if o.Notice == nil {
		o.Notice = a.noteOnce
	}
	names, err := a.names()
	if err != nil {
		return nil, nil, err
	}
	temporal, err := a.connection.dial(c, a.environment, a.dial)
	if err != nil {
		return nil, nil, err
	}
	o.AttributeNames = names
	o.Identity, o.Namespace = a.connection.dialled.Identity, a.connection.dialled.Namespace
	return opclient.New(temporal, o), temporal.Close, nil
}
