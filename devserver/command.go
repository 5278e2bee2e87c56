package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	uiversion "github.com/temporalio/ui-server/v2/server/version"
	"go.temporal.io/server/common/headers"
)

const longHelp = `Run the real Temporal server on SQLite, with the real Web UI, in one process.

The command line is that of "temporal server start-dev", so that either program
can take the other's place. The server is for development and tests: it listens
on the loopback address unless --ip says otherwise, and asks nobody for a
password.

Unlike temporal's, this server registers Seriatim's search attributes in each
namespace, polls its transfer queue 2000 times a second instead of 20, and
limits ids to 255 characters, as SQL deployments need.`

const examples = `  # In memory, on 127.0.0.1:7233, with the Web UI on http://127.0.0.1:8233
  devserver

  # In a file that survives a restart and a crash
  devserver --db-filename seriatim.db

  # For a test: ports from the kernel, printed when the server is ready
  devserver --port 0 --headless --namespace my-test

  # The same, as the SDKs' test suites start it
  devserver server start-dev --ip 127.0.0.1 --port 7000 --log-level warn \
    --dynamic-config-value limit.maxIDLength=1000 --search-attribute Customer=Keyword`

// newCommand returns the command line. The root, "start-dev" and
// "server start-dev" all do the same: the first is shortest to type, the last
// is what the SDKs call.
func newCommand(serve func(context.Context, settings) error, stdout, stderr io.Writer) *cobra.Command {
	var f flags
	start := func(cmd *cobra.Command, _ []string) error {
		s, err := f.settings()
		if err != nil {
			return err
		}
		return serve(cmd.Context(), s)
	}
	root := &cobra.Command{
		Use: "devserver", Short: "Run a Temporal server for development and tests",
		Long: longHelp, Example: examples, Version: headers.ServerVersion,
		Args: cobra.NoArgs, RunE: start, SilenceUsage: true, SilenceErrors: true,
	}
	root.SetVersionTemplate(versionText())
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	f.register(root.Flags())
	server := &cobra.Command{Use: "server", Short: "Has start-dev, as temporal server has"}
	for _, parent := range []*cobra.Command{root, server} {
		startDev := &cobra.Command{
			Use: "start-dev", Short: "Run the server", Long: longHelp, Example: examples,
			Args: cobra.NoArgs, RunE: start,
		}
		f.register(startDev.Flags())
		parent.AddCommand(startDev)
	}
	root.AddCommand(server)
	return root
}

func versionText() string {
	return fmt.Sprintf("Seriatim embedded server (Server %s, UI %s)\n", headers.ServerVersion, uiversion.UIVersion)
}
