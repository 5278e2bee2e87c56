package propagate

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// handlerFunc is the handler that calls between with the number of each report.
func handlerFunc(b *bench, between func(n int)) activities.Handler {
	return activities.HandlerFunc(func(ctx context.Context, r activities.Request) protocol.Outcome {
		report, n := r.OnReport, 0
		r.OnReport = func(beat protocol.Heartbeat) {
			n++
			between(n)
			if report != nil {
				report(beat)
			}
		}
		return b.handler().Handle(ctx, r)
	})
}

// SPEC 2.2: an attempt that stood between two batches while another one did the
// rest makes no activity that its campaign's end should have prevented.
func zombieMakesNone(t *testing.T, b *bench) {
	o := spring(everyone, toCalls, aCall, `"batchSize":10`)
	var second protocol.Outcome
	outcome := handlerFunc(b, func(n int) {
		if n == 4 {
			second = b.handler().Handle(t.Context(), activities.Request{Operation: o, Fence: protocol.Fence{N: 1, Attempt: 2}})
			b.Do(t, `DELETE FROM calls`)
		}
	}).Handle(t.Context(), activities.Request{Operation: o, Fence: protocol.Fence{N: 1, Attempt: 1}})
	require.Equal(t, Result{Members: 100, Created: 100}, resultOf(t, second))
	require.Equal(t, "LockLost", outcome.Code, outcome.Message)
	require.Zero(t, b.count(t, `calls`))
}
