package handlertest_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/protocol"
)

// counting does the numbers up to n and keeps in seen what it did.
func counting(n int, seen *[]int) activities.Handler {
	return activities.HandlerFunc(func(ctx context.Context, r activities.Request) protocol.Outcome {
		next := 1
		if err := r.Resume(&next); err != nil {
			return protocol.Failure("CheckpointUnreadable", err.Error())
		}
		for ; next <= n; next++ {
			if ctx.Err() != nil {
				return protocol.Cancellation()
			}
			*seen = append(*seen, next)
			if err := r.Report(activities.Progress{Checkpoint: next + 1}); err != nil {
				return protocol.Failure("NotReported", err.Error())
			}
		}
		return protocol.Success(n)
	})
}

// SPEC 6.4, 6.5: wherever it is stopped, it goes on with the next one.
func TestAHandlerIsStoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stopAfter []int
		attempts  int
	}{
		"never":                            {nil, 1},
		"before it begins":                 {[]int{0}, 2},
		"in its middle":                    {[]int{2}, 2},
		"twice":                            {[]int{1, 2}, 3},
		"at its last report":               {[]int{4}, 2},
		"later than it ends, so not again": {[]int{9, 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []int
			attempts := handlertest.Run(t, counting(4, &seen), protocol.Operation{ID: "a1"}, c.stopAfter...)
			require.Equal(t, []int{1, 2, 3, 4}, seen)
			require.Len(t, attempts, c.attempts)
			for i, attempt := range attempts[:len(attempts)-1] {
				require.Len(t, attempt.Reports, c.stopAfter[i])
			}
			require.Equal(t, protocol.Success(4), attempts[len(attempts)-1].Outcome)
		})
	}
}

// SPEC 2.2, 6.4: enough to be idempotent.
func TestAttemptsTellThemselvesApart(t *testing.T) {
	t.Parallel()
	var requests []activities.Request
	handlertest.Run(t, activities.HandlerFunc(func(_ context.Context, r activities.Request) protocol.Outcome {
		requests = append(requests, r)
		return protocol.Cancellation()
	}), protocol.Operation{ID: "a1"}, 0, 0)
	require.Len(t, requests, 3)
	for i, r := range requests[1:] {
		require.Positive(t, r.Fence.Compare(requests[i].Fence))
		require.Equal(t, requests[0].Operation, r.Operation)
		require.Equal(t, requests[0].CreatedOn, r.CreatedOn)
	}
}

func TestCheckpointsAreKeptAndGivenUp(t *testing.T) {
	t.Parallel()
	var got []string
	attempts := handlertest.Run(t, activities.HandlerFunc(func(_ context.Context, r activities.Request) protocol.Outcome {
		got = append(got, string(r.Checkpoint))
		progress := []activities.Progress{{Checkpoint: 1}, {Done: 5}, {Checkpoint: json.RawMessage("null")}, {}}
		if err := r.Report(progress[len(got)-1]); err != nil {
			return protocol.Failure("NotReported", err.Error())
		}
		return protocol.Cancellation()
	}), protocol.Operation{ID: "a1"}, 1, 1, 1)
	require.Equal(t, []string{"", "1", "1", ""}, got)
	require.Equal(t, "1", string(attempts[1].Checkpoint))
	require.Nil(t, attempts[3].Checkpoint)
}
