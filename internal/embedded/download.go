package embedded

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
)

const (
	downloadTimeout = 15 * time.Second
	downloadPoll    = 100 * time.Millisecond
)

// download returns the temporal program that belongs to the version of the Go
// SDK in go.mod, from the cache folder or from the network. Away from the
// network it fails soon, and always within 15 s.
//
// The SDK downloads only on the way to starting a server. So it is asked to
// start one with --help, which ends at once, and is stopped as soon as the
// program is there; the SDK renames it when it is complete.
func download(ctx context.Context, cache string) (string, error) {
	path := downloadPath(cache)
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- startHelp(ctx, cache) }()
	ticker := time.NewTicker(downloadPoll)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			version, err := programVersion(ctx, path)
			if err != nil {
				return "", err
			}
			return path, checkVersion(version)
		}
		select {
		case err := <-failed:
			return "", fmt.Errorf("download the temporal program: %w", err)
		case <-ctx.Done():
			return "", fmt.Errorf("download the temporal program: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

// downloadPath returns the name that the SDK gives the program.
func downloadPath(cache string) string {
	return filepath.Join(cache, "temporal-cli-go-sdk-"+temporal.SDKVersion)
}

func startHelp(ctx context.Context, cache string) error {
	_, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		CachedDownload: testsuite.CachedDownload{DestDir: cache},
		ClientOptions:  &client.Options{Logger: quiet()},
		ExtraArgs:      []string{"--help"},
		Stdout:         io.Discard,
		Stderr:         io.Discard,
	})
	return err
}

// quiet returns a logger for the SDK that logs nothing.
func quiet() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }
