package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// filterFlags say which operations are meant.
type filterFlags struct {
	status, kind, token, owner string
	olderThan                  time.Duration
}

// filterNames are the flags that filterFlags adds, except for token, which
// stands beside ids too.
var filterNames = []string{"status", "type", "owner", "older-than"}

func (f *filterFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.status, "status", "", "only those with this status")
	flags.StringVar(&f.kind, "type", "", "only those of this operation type")
	flags.StringVar(&f.owner, "owner", "", "only those of this owner")
	flags.DurationVar(&f.olderThan, "older-than", 0, "only those that were created at least so long ago, such as 36h")
}

// filter is what the flags say.
func (f *filterFlags) filter() (opclient.Filter, error) {
	if f.status != "" {
		if _, err := protocol.ParseStatus(f.status); err != nil {
			return opclient.Filter{}, usagef("--status: %w", err)
		}
	}
	if f.olderThan < 0 {
		return opclient.Filter{}, usagef("--older-than: %s is less than 0", f.olderThan)
	}
	filter := opclient.Filter{Status: f.status, Type: f.kind, Token: f.token, Owner: f.owner}
	if f.olderThan > 0 {
		filter.CreatedBefore = opclient.OlderThan(f.olderThan)
	}
	return filter, nil
}

// given are the flags of the filter that were given.
func (f *filterFlags) given(c *cobra.Command, names ...string) (given []string) {
	for _, name := range names {
		if c.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}
