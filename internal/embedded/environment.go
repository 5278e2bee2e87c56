package embedded

import (
	"os"
	"slices"
	"strings"
)

// Environment returns this process's environment without the TEMPORAL_*
// variables, and with the extra ones, each NAME=VALUE.
func Environment(extra ...string) []string { return environment(extra...) }

// environment returns this process's environment without the TEMPORAL_*
// variables, which belong to the user's own servers.
func environment(extra ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "TEMPORAL_")
	})
	return append(kept, extra...)
}
