// Command starter submits operations to Seriatim and follows them. It is a
// client like any other: it addresses workflows by name and id, as
// docs/protocol.md describes, and knows nothing of how they work.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	os.Exit(Run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}
