package opclient

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/seriatim-go/seriatim/protocol"
)

var (
	errSignalLimit = serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events")
	errClosing     = serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
		"workflow operation can not be applied because workflow is closing")
	errAway = serviceerror.NewUnavailable("connection refused")
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want kind
	}{
		{errSignalLimit, full},
		{errClosing, busy},
		{errAway, unanswered},
		{serviceerror.NewDeadlineExceeded("late"), unanswered},
		{fmt.Errorf("call: %w", context.DeadlineExceeded), unanswered},
		{&protocol.Refusal{Type: protocol.ErrTypeQueueFull}, full},
		{serviceerror.NewInvalidArgument("WorkflowId length exceeds limit"), final},
		{serviceerror.NewInvalidArgument("Workflow history count exceeds limit."), busy},
		{serviceerror.NewNamespaceNotFound("none"), final},
		{serviceerror.NewPermissionDenied("no", ""), final},
		{serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", ""), final},
		{errors.New("cannot encode"), final},
	} {
		require.Equal(t, test.want, classify(test.err), "%v", test.err)
	}
}

// retryWith runs retry over answers in turn, the last one repeated.
func retryWith(t *testing.T, ctx context.Context, answers ...error) (calls int, took time.Duration, err error) {
	t.Helper()
	begin := time.Now()
	c := New(nil, Options{})
	err = c.retry(ctx, ctx, func(ctx context.Context) error {
		answer := answers[min(calls, len(answers)-1)]
		calls++
		return answer
	})
	return calls, time.Since(begin), err
}

func TestRetryGoesOnWhileItMayHelp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls, _, err := retryWith(t, t.Context(), errClosing, errSignalLimit, errAway, nil)
		require.NoError(t, err)
		require.Equal(t, 4, calls)
	})
}

func TestRetryGivesUpAfterAMinute(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer error
		check  func(*testing.T, error)
	}{
		"full": {errSignalLimit, func(t *testing.T, err error) {
			require.ErrorIs(t, err, ErrQueueFull)
			require.NotErrorIs(t, err, ErrNotFound)
			require.ErrorContains(t, err, "is a worker running?")
		}},
		"closing": {errClosing, func(t *testing.T, err error) { require.Equal(t, errClosing, err) }},
		"away": {errAway, func(t *testing.T, err error) {
			var unanswered *UnansweredError
			require.ErrorAs(t, err, &unanswered)
			require.ErrorIs(t, err, errAway)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, took, err := retryWith(t, t.Context(), test.answer)
				test.check(t, err)
				require.GreaterOrEqual(t, took, time.Minute)
				require.Less(t, took, 70*time.Second)
				require.Less(t, calls, 40)
			})
		})
	}
}

func TestRetryStopsWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, took, err := retryWith(t, ctx, errAway, errClosing)
		var unanswered *UnansweredError
		require.ErrorAs(t, err, &unanswered, "the first call may have arrived")
		require.Equal(t, time.Second, took)
	})
}

func TestRetryLeavesAFinalErrorAlone(t *testing.T) {
	t.Parallel()
	calls, _, err := retryWith(t, t.Context(), errors.New("no"))
	require.EqualError(t, err, "no")
	require.Equal(t, 1, calls)
}
