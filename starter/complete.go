package main

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seriatim-go/seriatim/protocol"
)

// completions are the values of flags that are known without asking a server.
func completions() map[string][]string {
	var statuses []string
	for _, status := range []protocol.StatusCode{
		protocol.WaitingForResources, protocol.Waiting, protocol.InProgress, protocol.Succeeded, protocol.Failed, protocol.Canceled,
	} {
		statuses = append(statuses, status.String())
	}
	return map[string][]string{
		"output":     {outputText, outputJSON, outputJSONL, outputNone},
		"color":      {"auto", "always", "never"},
		"status":     statuses,
		"type":       {"http.request"},
		"on-failure": {string(protocol.ContinueOnFailure), string(protocol.HoldOnFailure), string(protocol.CancelRestOnFailure)},
	}
}

// fileFlags take a file's name; no other flag and no argument does.
var fileFlags = []string{"file", "config", "config-file", "tls-cert-path", "tls-key-path", "tls-ca-path"}

// complete tells shells what commands and flags take.
func complete(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	values := completions()
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		flag := func(f *pflag.Flag) {
			directive := cobra.ShellCompDirectiveNoFileComp
			if slices.Contains(fileFlags, f.Name) {
				directive = cobra.ShellCompDirectiveDefault
			}
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values[f.Name], directive)) // it is there, and once
		}
		c.PersistentFlags().VisitAll(flag)
		c.LocalNonPersistentFlags().VisitAll(flag)
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(root)
}
