package protocol

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawFence(t *rapid.T, label string) Fence {
	small := rapid.OneOf(rapid.Int64Range(0, 2), rapid.Int64())
	return Fence{
		Sequence: small.Draw(t, label+" sequence"), N: small.Draw(t, label+" n"),
		Attempt: rapid.OneOf(rapid.Int32Range(0, 2), rapid.Int32()).Draw(t, label+" attempt"),
	}
}

// SPEC 2.2: two attempts are never equally new.
func TestFencesAreTotallyOrdered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawFence(t, "a"), drawFence(t, "b"), drawFence(t, "c")
		require.Equal(t, -b.Compare(a), a.Compare(b), "antisymmetric")
		require.Equal(t, a == b, a.Compare(b) == 0, "equal only where they are the same")
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 {
			require.LessOrEqual(t, a.Compare(c), 0, "transitive")
		}
		if a.Compare(b) < 0 && b.Compare(c) <= 0 {
			require.Negative(t, a.Compare(c))
		}
	})
}

// SPEC 2.2: sequence, then n, then attempt.
func TestFencesGrow(t *testing.T) {
	t.Parallel()
	ascending := []Fence{{}, {0, 0, 1}, {0, 1, 0}, {0, 1, 9}, {0, 2, 1}, {1, 1, 1}, {1, 1, 2}, {1, 2, 1}, {2, 1, 1}, {1 << 60, 1, 1}}
	for i, older := range ascending {
		for _, newer := range ascending[i+1:] {
			require.Negative(t, older.Compare(newer))
			require.Positive(t, newer.Compare(older))
		}
	}
	require.Equal(t, "1896076800000001.2.3", Fence{Sequence: 1_896_076_800_000_001, N: 2, Attempt: 3}.String())
}

// SPEC 6.1
func TestOutcomesSayHowAHandlerEnded(t *testing.T) {
	t.Parallel()
	require.Equal(t, Outcome{Kind: OutcomeSucceeded}, Success(nil))
	require.Equal(t, Outcome{Kind: OutcomeSucceeded, Result: json.RawMessage(`{"n":1}`)}, Success(map[string]int{"n": 1}))
	require.Equal(t, Outcome{Kind: OutcomeFailed, Code: "E7", Message: "no", FriendlyMessage: "Sorry."}, Failure("E7", "no").WithFriendly("Sorry."))
	require.Equal(t, Outcome{Kind: OutcomeRetry, Code: "503", Message: "later", After: time.Minute}, Retry("503", "later").WithDelay(time.Minute))
	require.Equal(t, Outcome{Kind: OutcomeCanceled}, Cancellation())
	require.Equal(t, Outcome{Kind: OutcomeSuspended, Code: "E8", Message: "which one?"}, Suspension("E8", "which one?"))
	require.Equal(t, Outcome{Kind: OutcomeRetry, Uncounted: true, At: day}, Retry("", "").WithoutCounting().WithDelay(time.Minute).WithInstant(day))
	require.Equal(t, Outcome{Kind: OutcomeRetry, After: time.Minute}, Retry("", "").WithInstant(day).WithDelay(time.Minute), "the last one counts")
}

// SPEC 1.2: a result over 256 KiB fails the operation, with the limit named.
func TestResultsBeyondTheirLimitFail(t *testing.T) {
	t.Parallel()
	require.Equal(t, OutcomeSucceeded, Success(strings.Repeat("x", 256<<10-2)).Kind)
	tooLarge := Success(strings.Repeat("x", 256<<10-1))
	require.Equal(t, OutcomeFailed, tooLarge.Kind)
	require.Equal(t, "ResultTooLarge", tooLarge.Code)
	require.Contains(t, tooLarge.Message, "result: has 262145 bytes, the limit is 262144")
	unreadable := Success(func() {})
	require.Equal(t, OutcomeFailed, unreadable.Kind)
	require.Equal(t, "ResultUnreadable", unreadable.Code)
}
