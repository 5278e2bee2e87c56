package activities

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 6.5: what is committed is kept before the handler goes on, and the SDK has
// it before, so that nothing older follows.
func TestCommitIsKeptBeforeItReturns(t *testing.T) {
	t.Parallel()
	var told []string
	p := &pulse{
		began:  time.Now(),
		last:   protocol.Heartbeat{Checkpoint: json.RawMessage("1")},
		record: func(beat protocol.Heartbeat) { told = append(told, "SDK "+string(beat.Checkpoint)) },
		keep: func(ctx context.Context, beat protocol.Heartbeat) error {
			require.NoError(t, ctx.Err(), "a handler commits where it stopped")
			told = append(told, "server "+string(beat.Checkpoint))
			return nil
		},
	}
	r := Request{OnReport: p.report, OnCommit: p.commit}
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, r.Commit(ctx, Progress{Checkpoint: 2}))
	cancel()
	require.NoError(t, r.Commit(ctx, Progress{Done: 5}), "without a checkpoint the one before is kept")
	require.Equal(t, []string{"SDK 2", "server 2", "SDK 2", "server 2"}, told)
	require.Equal(t, "2", string(p.checkpoint()))

	var field *protocol.FieldError
	require.ErrorAs(t, r.Commit(ctx, Progress{Checkpoint: func() {}}), &field)
	require.Len(t, told, 4, "what cannot be encoded is not sent")
}

func TestCommitInAUnitTestReports(t *testing.T) {
	t.Parallel()
	var beats []protocol.Heartbeat
	r := Request{OnReport: func(beat protocol.Heartbeat) { beats = append(beats, beat) }}
	require.NoError(t, r.Commit(t.Context(), Progress{Checkpoint: 1}))
	require.Equal(t, []protocol.Heartbeat{{Checkpoint: json.RawMessage("1")}}, beats)
}

// SPEC 2.2: a handler whose lock is gone hears of it before it goes on.
func TestCommitReadsTheServersAnswer(t *testing.T) {
	t.Parallel()
	unreachable := errors.New("unreachable")
	for name, c := range map[string]struct{ answer, wanted error }{
		"kept":                              {nil, nil},
		"kept, and asked to cancel":         {temporal.NewCanceledError(), nil},
		"kept, and paused at the server":    {activity.ErrActivityPaused, nil},
		"kept, and reset at the server":     {activity.ErrActivityReset, nil},
		"another attempt has it, or nobody": {serviceerror.NewNotFound("activity not found"), ErrLockLost},
		"no answer":                         {unreachable, unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, kept(c.answer), c.wanted)
		})
	}
}
