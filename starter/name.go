package main

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// extensionName is the executable that Temporal's command line runs as "temporal
// operation", where it finds it on PATH.
const extensionName = "temporal-operation"

// programName is how the program was started.
func programName(path string) string {
	if strings.TrimSuffix(filepath.Base(path), ".exe") == extensionName {
		return extensionName
	}
	return "starter"
}

// shownName is what people type to start it.
func (a *app) shownName() string {
	if a.name == extensionName {
		return "temporal operation"
	}
	return "starter"
}

var ownName = regexp.MustCompile(`\bstarter\b`)

// named puts the name under which the program was started into text about it.
func (a *app) named(text string) string {
	return ownName.ReplaceAllLiteralString(text, a.shownName())
}

// rename has the help speak of the program by that name.
func (a *app) rename(root *cobra.Command) {
	if a.name != extensionName {
		return
	}
	root.Use = a.name // that of the completion scripts
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: a.shownName()}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		c.Long, c.Example = a.named(c.Long), a.named(c.Example)
		for _, child := range c.Commands() {
			visit(child)
		}
	}
	visit(root)
}
