package activities

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/protocol"
)

// newEnvironment runs activities without their logs.
func newEnvironment() *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return suite.NewTestActivityEnvironment()
}

// attempt runs a handler once as an activity, as a worker would.
func attempt(ctx context.Context, t *testing.T, handler Handler, in protocol.HandlerInput) (protocol.HandlerResult, error) {
	t.Helper()
	env := newEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	RegisterAs(env, "host-1", Handlers{"test.handler": handler})
	value, err := env.ExecuteActivity("test.handler", in)
	var result protocol.HandlerResult
	if err == nil {
		require.NoError(t, value.Get(&result))
	}
	return result, err
}

// handle runs the handler on data that is given as JSON.
func handle(t *testing.T, handler Handler, data string) (protocol.HandlerResult, error) {
	t.Helper()
	return attempt(context.Background(), t, handler, protocol.HandlerInput{
		Operation: protocol.Operation{ID: "a1", Data: json.RawMessage(data)},
		Fence:     protocol.Fence{Sequence: 7, N: 2},
	})
}

func returns(o protocol.Outcome) Handler {
	return HandlerFunc(func(context.Context, Request) protocol.Outcome { return o })
}

// failed takes the application error and its details apart.
func failed(t *testing.T, err error) (*temporal.ApplicationError, protocol.FailureDetails) {
	t.Helper()
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	var details protocol.FailureDetails
	require.NoError(t, application.Details(&details))
	return application, details
}

// SPEC 6.4: enough to be idempotent.
func TestHandlerIsCalledWithWhatItNeedsToBeIdempotent(t *testing.T) {
	t.Parallel()
	createdOn := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var got Request
	_, err := attempt(context.Background(), t, HandlerFunc(func(_ context.Context, r Request) protocol.Outcome {
		got = r
		return protocol.Success(nil)
	}), protocol.HandlerInput{
		Operation:  protocol.Operation{ID: "a1", Data: json.RawMessage(`{"x":1}`)},
		CreatedOn:  createdOn,
		Fence:      protocol.Fence{Sequence: 7, N: 2},
		Checkpoint: json.RawMessage(`{"row":4000}`),
	})
	require.NoError(t, err)
	require.NotNil(t, got.OnReport)
	require.NotNil(t, got.OnCommit)
	got.OnReport, got.OnCommit = nil, nil
	require.Equal(t, Request{
		Operation:  protocol.Operation{ID: "a1", Data: json.RawMessage(`{"x":1}`)},
		CreatedOn:  createdOn,
		Fence:      protocol.Fence{Sequence: 7, N: 2, Attempt: 1}, // the attempt is the activity's
		Checkpoint: json.RawMessage(`{"row":4000}`),
	}, got)
}

// SPEC 6.1
func TestSuccessIsTheActivitysResult(t *testing.T) {
	t.Parallel()
	result, err := handle(t, returns(protocol.Success(map[string]int{"rows": 3})), "")
	require.NoError(t, err)
	require.JSONEq(t, `{"rows":3}`, string(result.Result))
	require.Equal(t, "host-1", result.Held.HostID)
	require.Zero(t, result.Held.Retries)
	require.WithinDuration(t, time.Now(), result.Held.StartedOn, time.Minute)
	require.Equal(t, time.UTC, result.Held.StartedOn.Location())
}

// SPEC 6.1
func TestOtherEndsAreApplicationErrors(t *testing.T) {
	t.Parallel()
	broken, uncounted := protocol.Retry("E1", "broken"), protocol.Retry("E1", "broken").WithoutCounting()
	for name, c := range map[string]struct {
		outcome      protocol.Outcome
		errorType    string
		nonRetryable bool
		delay        time.Duration
	}{
		"a failure is never retried":                       {protocol.Failure("E1", "broken"), "Fail", true, 0},
		"a failure has no delay":                           {protocol.Failure("E1", "broken").WithDelay(time.Minute), "Fail", true, 0},
		"a suspension waits for a person":                  {protocol.Suspension("E1", "broken"), "Suspend", true, 0},
		"a suspension has no delay":                        {protocol.Suspension("E1", "broken").WithDelay(time.Minute), "Suspend", true, 0},
		"a retry leaves the wait to the policy":            {broken, "Retry", false, 0},
		"a retry may say when":                             {broken.WithDelay(90 * time.Second), "Retry", false, 90 * time.Second},
		"a retry in the past is one without a delay":       {broken.WithDelay(-time.Second), "Retry", false, 0},
		"a retry that does not count is the workflow's":    {uncounted, "Retry", true, 0},
		"a retry that does not count may say when, too":    {uncounted.WithDelay(90 * time.Second), "Retry", true, 90 * time.Second},
		"a retry that does not count, of the past, is now": {uncounted.WithDelay(-time.Second), "Retry", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := handle(t, returns(c.outcome.WithFriendly("Sorry.")), "")
			application, details := failed(t, err)
			require.Equal(t, c.errorType, application.Type())
			require.Equal(t, "broken", application.Message())
			require.Equal(t, c.nonRetryable, application.NonRetryable())
			if !c.nonRetryable {
				require.Equal(t, c.delay, application.NextRetryDelay())
			}
			require.Equal(t, c.outcome.Uncounted, details.Counted != nil && !*details.Counted)
			require.Equal(t, "E1", details.Code)
			require.Equal(t, "Sorry.", details.FriendlyMessage)
			require.InDelta(t, c.delay.Seconds(), details.AfterSeconds, 0)
			require.Nil(t, details.At)
			require.Equal(t, "host-1", details.Held.HostID)
		})
	}
}

// SPEC 6.1: retry at an instant.
func TestRetryMayNameAnInstant(t *testing.T) {
	t.Parallel()
	local := time.FixedZone("", 3600)
	for name, retry := range map[string]protocol.Outcome{
		"that counts":         protocol.Retry("E1", "broken"),
		"that does not count": protocol.Retry("E1", "broken").WithoutCounting(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := time.Now().Add(time.Hour).In(local)
			_, err := handle(t, returns(retry.WithInstant(at)), "")
			application, details := failed(t, err)
			require.True(t, at.Equal(*details.At))
			require.Equal(t, time.UTC, details.At.Location())
			require.InDelta(t, 3600, details.AfterSeconds, 60)
			if !retry.Uncounted {
				require.InDelta(t, 3600, application.NextRetryDelay().Seconds(), 60)
			}
			_, err = handle(t, returns(retry.WithInstant(time.Date(-5, 1, 1, 0, 0, 0, 0, local))), "")
			_, details = failed(t, err)
			require.Nil(t, details.At, "an instant that has passed is none")
			require.Zero(t, details.AfterSeconds)
		})
	}
}

// SPEC 1.2, 6.3: a failure must not fail to be reported.
func TestWhatTheWireCannotCarryIsReplaced(t *testing.T) {
	t.Parallel()
	limit := protocol.MaxErrorMessageBytes
	for name, c := range map[string]struct {
		outcome       protocol.Outcome
		code, message string
	}{
		"no outcome":                      {protocol.Outcome{}, "OutcomeUnknown", `the handler ended as ""`},
		"an outcome of an unknown kind":   {protocol.Outcome{Kind: "done"}, "OutcomeUnknown", `the handler ended as "done"`},
		"a result that is no JSON":        {protocol.Outcome{Kind: protocol.OutcomeSucceeded, Result: json.RawMessage("{")}, "ResultUnreadable", "cannot be encoded"},
		"a result over the limit":         {protocol.Outcome{Kind: protocol.OutcomeSucceeded, Result: json.RawMessage(`"` + strings.Repeat("x", 262143) + `"`)}, "ResultTooLarge", "result: has 262145 bytes, the limit is 262144"},
		"a result that escapes lengthen":  {protocol.Outcome{Kind: protocol.OutcomeSucceeded, Result: json.RawMessage(`"` + strings.Repeat("<", 100_000) + `"`)}, "ResultTooLarge", "the limit is 262144"},
		"a message over the limit":        {protocol.Failure("E1", strings.Repeat("é", limit)), "E1", "(cut: it had 200000 bytes, the limit is 100000)"},
		"a message that is not UTF-8":     {protocol.Failure("E1", "caf\xe9"), "E1", "caf\uFFFD"},
		"a code that is longer than ids":  {protocol.Failure(strings.Repeat("c", 300), "broken"), strings.Repeat("c", 255), "broken"},
		"a result that does not count":    {protocol.Success(1).WithoutCounting(), "OutcomeInvalid", `ended as "succeeded" without counting: only a Retry`},
		"a retry in three hundred years":  {protocol.Retry("E1", "broken").WithDelay(math.MaxInt64), "OutcomeInvalid", "the limit is 87600h0m0s"},
		"a retry in the year 10000":       {protocol.Retry("E1", "broken").WithInstant(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)), "OutcomeInvalid", "the limit is 87600h0m0s"},
		"canceled, but nobody had asked":  {protocol.Cancellation(), "CancellationUnexpected", "nobody had asked"},
		"a result at the limit succeeds":  {protocol.Outcome{Kind: protocol.OutcomeSucceeded, Result: json.RawMessage(`"` + strings.Repeat("x", 262142) + `"`)}, "", ""},
		"no result succeeds":              {protocol.Outcome{Kind: protocol.OutcomeSucceeded}, "", ""},
		"a message at the limit is whole": {protocol.Failure("E1", strings.Repeat("x", limit)), "E1", strings.Repeat("x", limit)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := handle(t, returns(c.outcome), "")
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			application, details := failed(t, err)
			require.Equal(t, "Fail", application.Type())
			require.Equal(t, c.code, details.Code)
			require.Contains(t, application.Message(), c.message)
			require.LessOrEqual(t, len(application.Message()), limit)
			require.True(t, utf8.ValidString(application.Message()))
		})
	}
}

func TestFriendlyMessageOverTheLimitIsCutWithANote(t *testing.T) {
	t.Parallel()
	_, err := handle(t, returns(protocol.Failure("E1", "broken").WithFriendly(strings.Repeat("x", 100_001))), "")
	_, details := failed(t, err)
	require.Len(t, details.FriendlyMessage, 100_000)
	require.Contains(t, details.FriendlyMessage, "cut: it had 100001 bytes")
}

// SPEC 3.2, 8.2
func TestCancellationIsBelievedOnlyIfItWasAskedFor(t *testing.T) {
	t.Parallel()
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		return ctx
	}
	t.Run("asked to cancel, it is canceled", func(t *testing.T) {
		t.Parallel()
		_, err := attempt(ended(temporal.NewCanceledError()), t, returns(protocol.Cancellation()), protocol.HandlerInput{})
		var canceled *temporal.CanceledError
		require.ErrorAs(t, err, &canceled)
		var details protocol.FailureDetails
		require.NoError(t, canceled.Details(&details))
		require.Equal(t, "host-1", details.Held.HostID)
	})
	t.Run("a worker that stops makes it a retry", func(t *testing.T) {
		t.Parallel()
		_, err := attempt(ended(worker.ErrWorkerShutdown), t, returns(protocol.Cancellation()), protocol.HandlerInput{})
		application, details := failed(t, err)
		require.Equal(t, "Retry", application.Type())
		require.Equal(t, "Interrupted", details.Code)
	})
	t.Run("paused or reset at the server, the server keeps it", func(t *testing.T) {
		t.Parallel()
		for _, cause := range []error{activity.ErrActivityPaused, activity.ErrActivityReset} {
			_, err := attempt(ended(cause), t, returns(protocol.Cancellation()), protocol.HandlerInput{})
			application, details := failed(t, err)
			require.Equal(t, "Retry", application.Type())
			require.False(t, application.NonRetryable())
			require.Nil(t, details.Counted)
		}
	})
	t.Run("asked to cancel, a handler may still fail", func(t *testing.T) {
		t.Parallel()
		_, err := attempt(ended(temporal.NewCanceledError()), t, returns(protocol.Failure("E1", "broken")), protocol.HandlerInput{})
		application, _ := failed(t, err)
		require.Equal(t, "Fail", application.Type())
	})
}

func TestRegisterRefusesAProgrammingMistake(t *testing.T) {
	t.Parallel()
	env := newEnvironment()
	require.Panics(t, func() { Register(env, Handlers{"x": nil}) })
	require.Panics(t, func() { Register(env, Handlers{"": returns(protocol.Success(nil))}) })
}
