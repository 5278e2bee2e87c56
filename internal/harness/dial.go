package harness

import (
	"context"
	"log/slog"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/seriatim-go/seriatim/opclient"
)

// Dial reaches the server at an address, host:port. The client logs to standard
// error what is of that level at least.
func Dial(ctx context.Context, address, namespace string, level slog.Level) (client.Client, error) {
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	return client.DialContext(ctx, opclient.DialOptions(client.Options{
		HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(logger),
	}))
}
