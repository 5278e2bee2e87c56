// Command devserver runs a Temporal server in the foreground: the one that
// the tests would take, built if need be. Its flags are those of
// "temporal server start-dev".
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// run becomes the server, so that Ctrl-C reaches it like any program in the
// foreground.
func run(flags []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	source, err := embedded.Locate(ctx, embedded.Options{Out: os.Stderr})
	stop()
	if err != nil {
		return err
	}
	path, args, environment, err := embedded.Command(source, flags)
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, environment)
}
