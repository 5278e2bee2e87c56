package embedded

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Command returns what to execute to run a server in the foreground: its
// path, its arguments (the first is the path) and its environment, which has
// no TEMPORAL_* variables. The defaults are in the arguments ahead of flags,
// so that flags win.
func Command(source Source, flags []string) (path string, args, env []string, err error) {
	if source.Kind == KindAddress {
		return "", nil, nil, fmt.Errorf("nothing to run: %s says to use the server at %s", AddressVariable, source.Address)
	}
	args = append([]string{source.Path}, startDev...)
	if !source.ours() {
		args = append(args, dynamicConfigFlags(DefaultDynamicConfig())...)
		attributes := DefaultSearchAttributes()
		for _, name := range slices.Sorted(maps.Keys(attributes)) {
			args = append(args, "--search-attribute", name+"="+attributes[name].String())
		}
	}
	return source.Path, append(args, flags...), environment(), nil
}

// startDev is the command of temporal and of the devserver.
var startDev = []string{"server", "start-dev"}

// arguments returns the command line for a server of Start, which adds the
// search attributes itself: temporal sets them up only in a new file.
func arguments(source Source, o ServerOptions) []string {
	args := append(slices.Clone(startDev),
		"--log-level", "warn", "--ip", loopback, "--port", strconv.Itoa(o.Port),
		"--http-port", strconv.Itoa(o.HTTPPort), "--namespace", o.Namespace)
	if o.UI {
		args = append(args, "--ui-port", strconv.Itoa(o.UIPort))
	} else {
		args = append(args, "--headless")
	}
	if o.DBFilename != "" {
		args = append(args, "--db-filename", o.DBFilename)
	}
	settings := make(map[string]string)
	if !source.ours() {
		settings = DefaultDynamicConfig()
	}
	maps.Copy(settings, o.DynamicConfig)
	return append(args, dynamicConfigFlags(settings)...)
}

func dynamicConfigFlags(settings map[string]string) []string {
	var flags []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		flags = append(flags, "--dynamic-config-value", key+"="+settings[key])
	}
	return flags
}
