package main

import (
	"cmp"
	"maps"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/protocol"
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
	a.configNames = c.AttributeNames()
	return c.Catalogue()
}

// namesFlag is the flag that names search attributes.
func namesFlag(flags *pflag.FlagSet, names *map[string]string) {
	flags.StringToStringVar(names, "search-attribute-names", nil,
		"search attributes with another name in the namespace, OperationStatus=NAME,…; default --config where the command has it, else $"+
			config.EnvName("searchAttributes.names.OperationStatus")+" and so on")
}

// names are the names of the search attributes: those of the flag over those of the
// worker's configuration, which has those of the environment, or of the environment
// alone.
func (a *app) names() (protocol.AttributeNames, error) {
	names := maps.Clone(a.configNames)
	if names == nil {
		names = config.AttributeNamesFrom(a.environment.LookupEnv)
	}
	maps.Copy(names, a.attributeNames)
	if err := names.Validate(); err != nil {
		return nil, usagef("%w", err)
	}
	return names, nil
}

// catalogueOf is configured for a command that goes without a file: nil then.
func (a *app) catalogueOf(path string) (*catalogue.Catalogue, error) {
	if path == "" {
		return nil, nil
	}
	return a.configured(path)
}
