package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// client is a client of the site's worker.
func (s *site) client() *opclient.Client {
	return opclient.New(s.Client, opclient.Options{
		TaskQueue: s.taskQueue, Namespace: s.namespace, Identity: "tester", QueryTimeout: time.Second,
		Notice: func(text string) { s.t.Logf("note: %s", text) },
	})
}

// SPEC 3.1, 2.2: resume on retrying schedules the next attempt at once, and the
// fence goes on growing; heartbeats are kept.
func TestResumeSchedulesARetryAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	var attempts []protocol.Fence
	var kept []string
	s.handle = func(ctx context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		info := activity.GetInfo(ctx)
		in.Fence.Attempt = info.Attempt
		attempts = append(attempts, in.Fence)
		var heartbeat string
		if activity.HasHeartbeatDetails(ctx) {
			require.NoError(t, activity.GetHeartbeatDetails(ctx, &heartbeat))
		}
		kept = append(kept, heartbeat)
		activity.RecordHeartbeat(ctx, fmt.Sprint("attempt ", info.Attempt))
		if info.Attempt < 3 {
			return protocol.HandlerResult{}, temporal.NewApplicationErrorWithOptions("not yet", protocol.ErrTypeRetry,
				temporal.ApplicationErrorOptions{NextRetryDelay: time.Hour})
		}
		return protocol.HandlerResult{}, nil
	}
	c, token := s.client(), unique(t)
	o := operation(token, 1)
	o.DependencyToken = token
	handle, err := c.Submit(s.ctx, o)
	require.NoError(t, err)
	for retries := 1; retries <= 2; retries++ {
		require.Eventually(t, func() bool {
			found, err := handle.Get(s.ctx)
			return err == nil && found.SuspendReason == protocol.SuspendRetrying && found.RetryCount == retries
		}, patience, 50*time.Millisecond)
		record, err := handle.Resume(s.ctx, "it is there now")
		require.NoError(t, err)
		require.NotEqual(t, protocol.SuspendRetrying, record.SuspendReason)
	}
	found, err := handle.Wait(s.ctx)
	require.NoError(t, err)
	require.Equal(t, protocol.Succeeded, found.StatusCode)
	require.Len(t, attempts, 3)
	for i := 1; i < len(attempts); i++ {
		require.Positive(t, attempts[i].Compare(attempts[i-1]), "%v", attempts)
	}
	require.Equal(t, []string{"", "attempt 1", "attempt 2"}, kept)
}

// SPEC 3.1: only a completed operation is deleted; a repeat does no harm.
func TestDeleteRemovesOnlyWhatHasCompleted(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	c, token := s.client(), unique(t)
	done, head, queued := operation(token, 1), postponed(token, 2), operation(token, 3)
	for _, o := range []protocol.Operation{done, head, queued} {
		s.submit(token, o)
	}
	s.closed(done.ID)
	for _, id := range []string{head.ID, queued.ID} {
		require.Eventually(t, func() bool {
			_, err := c.Get(s.ctx, id, token)
			return err == nil
		}, patience, 50*time.Millisecond)
		_, err := c.Delete(s.ctx, id, token)
		require.ErrorIs(t, err, opclient.ErrInvalidTransition)
		require.ErrorContains(t, err, string(protocol.CodeCannotDeleteUnlessCompleted))
	}
	for _, wanted := range []bool{true, false} {
		deleted, err := c.Delete(s.ctx, done.ID, token)
		require.NoError(t, err)
		require.Equal(t, wanted, deleted)
	}
	_, err := c.Get(s.ctx, done.ID, token)
	require.ErrorIs(t, err, opclient.ErrNotFound)
	other := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, Namespace: "temporal-system", RetryFor: time.Second})
	_, err = c.Cancel(s.ctx, head.ID, token, "")
	require.NoError(t, err)
	s.closed(head.ID)
	_, err = other.Delete(s.ctx, head.ID, token)
	require.ErrorContains(t, err, "Options.Namespace", "another namespace is never touched")
}

// Without a worker all reading verbs answer, and say where from.
func TestReadingWithoutAWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{MaxRunEvents: 20, SearchAttributes: true})
	c, token := s.client(), unique(t)
	for n := range 20 {
		s.submit(token, operation(token, n))
	}
	s.closed(operation(token, 19).ID)
	due := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	head := operation(token, 20)
	head.PostponeUntil = &due
	s.submit(token, []protocol.Operation{head, operation(token, 21)})
	require.Eventually(t, func() bool { return s.state(token).Queued == 1 }, patience, 50*time.Millisecond)
	s.rests(token)
	live := s.state(token)
	s.stopWorker()
	s.submit(token, operation(token, 22))
	s.submit(token, operation(token, 21)) // a repeat

	// The worker may have taken the task for the first signal away with it.
	var state opclient.TokenState
	require.Eventually(t, func() bool {
		var err error
		state, err = c.Token(s.ctx, token)
		require.NoError(t, err)
		return state.Queued == 2
	}, patience, 100*time.Millisecond)
	require.Equal(t, opclient.FromHistory, state.Source)
	require.Equal(t, head.ID, state.Head.ID)
	require.Equal(t, live.Counts.Succeeded, state.Counts.Succeeded)
	require.Equal(t, live.Counts.Accepted+1, state.Counts.Accepted)
	require.Equal(t, live.Counts.Runs, state.Counts.Runs)
	page, err := c.Queue(s.ctx, token, 0, 0)
	require.NoError(t, err)
	require.Equal(t, operation(token, 21).ID, page.Operations[0].ID)
	require.Equal(t, operation(token, 22).ID, page.Operations[1].ID)

	why, err := c.Why(s.ctx, operation(token, 22).ID, token)
	require.NoError(t, err)
	require.Equal(t, opclient.FromHistory, why.Source)
	require.Equal(t, 2, why.Position)
	require.Equal(t, opclient.FromDescribe, why.Blocker.Source)
	require.Contains(t, why.Why[0], "postponed until "+due.Format(time.RFC3339))
	require.Eventually(t, func() bool { // the index lags
		var listed []string
		for found, err := range c.List(s.ctx, opclient.Filter{Token: token, Limit: 3}) {
			require.NoError(t, err)
			listed = append(listed, found.ID)
		}
		return slices.Equal([]string{operation(token, 21).ID, operation(token, 22).ID, head.ID}, listed)
	}, patience, time.Second)
}
