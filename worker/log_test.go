package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
)

// What a handler says of a failure may quote what the operation carries.
func TestLogsLeaveOutTheMessagesOfHandlers(t *testing.T) {
	t.Parallel()
	failure := temporal.NewNonRetryableApplicationError("the canary is in here", "Fail", nil)
	var written bytes.Buffer
	logger := log.Logger(discreet{log.NewStructuredLogger(newLogger(&written, slog.LevelDebug))})
	for _, each := range []func(string, ...any){logger.Debug, logger.Info, logger.Warn, logger.Error, log.With(logger, "of", failure).Info} {
		written.Reset()
		each("Activity error.", "WorkflowID", "operation:a", "Error", fmt.Errorf("attempt: %w", failure), "Other", errors.New("connection refused"))
		require.NotContains(t, written.String(), "canary")
		require.Contains(t, written.String(), "application error of type Fail")
		require.Contains(t, written.String(), "operation:a")
		require.Contains(t, written.String(), "connection refused")
	}
}
