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

// SPEC 6.4, 6.5: what the server has heard of is not done again, and what it has
// not heard of is.
func TestAHandlerLosesItsWorker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps    []handlertest.Step
		seen     []int
		attempts int
	}{
		"which had told":                     {[]handlertest.Step{handlertest.CrashAfter(2)}, []int{1, 2, 3, 4}, 2},
		"which had not told":                 {[]handlertest.Step{handlertest.CrashBefore(2)}, []int{1, 2, 2, 3, 4}, 2},
		"before it begins":                   {[]handlertest.Step{handlertest.CrashAfter(0)}, []int{1, 2, 3, 4}, 2},
		"before its first report":            {[]handlertest.Step{handlertest.CrashBefore(1)}, []int{1, 1, 2, 3, 4}, 2},
		"twice, and is paused between":       {[]handlertest.Step{handlertest.CrashBefore(2), handlertest.StopAfter(1), handlertest.CrashAfter(1)}, []int{1, 2, 2, 3, 4}, 4},
		"later than it ends, so not":         {[]handlertest.Step{handlertest.CrashAfter(9), handlertest.CrashAfter(1)}, []int{1, 2, 3, 4}, 1},
		"and is canceled, so not once more":  {[]handlertest.Step{handlertest.CrashAfter(1), handlertest.CancelAfter(1), handlertest.StopAfter(1)}, []int{1, 2}, 2},
		"and has ended, so not called again": {[]handlertest.Step{handlertest.Again(), handlertest.Again()}, []int{1, 2, 3, 4}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []int
			attempts := handlertest.Play(t, counting(4, &seen), protocol.Operation{ID: "a1"}, c.steps...)
			require.Equal(t, c.seen, seen)
			require.Len(t, attempts, c.attempts)
			for _, attempt := range attempts {
				require.Equal(t, attempt.Crashed, attempt.Outcome.Kind == "")
			}
		})
	}
}

// SPEC 2.2: as in the service, the engine's own attempts count up, and each
// scheduling of the operation begins anew.
func TestTheFenceGrowsAsInTheService(t *testing.T) {
	t.Parallel()
	outcomes := []protocol.Outcome{
		protocol.Retry("E", "counted"), protocol.Retry("E", "not counted").WithoutCounting(), protocol.Suspension("E", "a person"),
	}
	var fences []string
	h := activities.HandlerFunc(func(_ context.Context, r activities.Request) protocol.Outcome {
		fences = append(fences, r.Fence.String())
		if i := len(fences) - 1; i < len(outcomes) {
			return outcomes[i]
		}
		if err := r.Report(activities.Progress{Done: 1}); err != nil {
			return protocol.Failure("NotReported", err.Error())
		}
		return protocol.Success(nil)
	})
	handlertest.Play(t, h, protocol.Operation{ID: "a1"},
		handlertest.Again(), handlertest.Again(), handlertest.Again(), handlertest.CrashAfter(1), handlertest.StopAfter(1))
	require.Equal(t, []string{"1.1.1", "1.1.2", "1.2.1", "1.3.1", "1.3.2", "1.4.1"}, fences)
}

// A crash takes all goroutines of the handler, wherever the report came from.
func TestCrashInAnotherGoroutine(t *testing.T) {
	t.Parallel()
	var calls int
	h := activities.HandlerFunc(func(ctx context.Context, r activities.Request) protocol.Outcome {
		if calls++; calls == 2 {
			return protocol.Success(nil)
		}
		go func() { _ = r.Report(activities.Progress{Checkpoint: 1}) }()
		<-ctx.Done()
		_ = r.Report(activities.Progress{Checkpoint: 2}) // nobody hears it
		return protocol.Success("lost")
	})
	attempts := handlertest.Play(t, h, protocol.Operation{ID: "a1"}, handlertest.CrashAfter(1))
	require.Equal(t, []bool{true, false}, []bool{attempts[0].Crashed, attempts[1].Crashed})
	require.Equal(t, "1", string(attempts[0].Checkpoint))
	require.Equal(t, protocol.Success(nil), attempts[1].Outcome)
}
