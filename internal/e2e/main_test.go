package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// source is the server program; shared is the server that most tests use;
// programs is where the worker and the starter are built to.
var (
	source   embedded.Source
	shared   *embedded.Server
	programs string
)

func TestMain(m *testing.M) {
	if where := os.Getenv(lostWorkerVariable); where != "" {
		if err := runLostWorker(where); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	ctx := context.Background()
	var err error
	if programs, err = os.MkdirTemp("", "seriatim-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(programs) }()
	if source, err = embedded.Locate(ctx, embedded.Options{Out: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if shared, err = embedded.Start(ctx, source, embedded.ServerOptions{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
