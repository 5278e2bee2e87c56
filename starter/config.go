package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/config"
)

// configFlag is the flag that names the worker's configuration, of a command that
// is about it.
func configFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "config", "", "the worker's configuration (default $SERIATIM_CONFIG, else config.yaml)")
}

// checkFlag names it for a command that goes without, too.
func checkFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "config", "", "the worker's config.yaml: what its types do not allow is refused before it is sent")
}

// configured reads the worker's configuration.
func (a *app) configured(path string) (*catalogue.Catalogue, error) {
	fromEnvironment, _ := a.environment.LookupEnv("SERIATIM_CONFIG")
	c, err := config.Load(cmp.Or(path, fromEnvironment, "config.yaml"), a.environment.LookupEnv)
	if err != nil {
		return nil, err
	}
	return c.Catalogue()
}

// catalogueOf is configured for a command that goes without a file: nil then.
func (a *app) catalogueOf(path string) (*catalogue.Catalogue, error) {
	if path == "" {
		return nil, nil
	}
	return a.configured(path)
}
