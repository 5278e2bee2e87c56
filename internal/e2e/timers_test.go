package e2e

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// postponements submits operations that are postponed for those times, each both
// without a token and on a token of its own, and answers when each is due.
func (s *site) postponements(prefix string, after ...time.Duration) map[string]time.Time {
	s.t.Helper()
	due := make(map[string]time.Time)
	for n, wait := range after {
		for k, token := range []string{"", fmt.Sprintf("%s-%d", prefix, n)} {
			o := operation(prefix, 2*n+k)
			now := time.Now()
			until := now.Add(wait)
			o.PostponeUntil, o.DependencyToken = &until, token
			_, err := s.client().Submit(s.ctx, o)
			require.NoError(s.t, err)
			if due[o.ID] = until; until.Before(now) {
				due[o.ID] = now
			}
		}
	}
	return due
}

// waiting submits such operations, all of which wait when it answers: they are
// postponed to their instants last, so that none comes before.
func (s *site) waiting(prefix string, after ...time.Duration) map[string]time.Time {
	s.t.Helper()
	far := make([]time.Duration, len(after))
	for n := range far {
		far[n] = time.Hour
	}
	due := s.postponements(prefix, far...)
	for id := range due {
		s.becomes(id, protocol.Waiting, protocol.SuspendPostponed)
	}
	for n, wait := range after {
		for k := range 2 {
			id := operation(prefix, 2*n+k).ID
			due[id] = time.Now().Add(wait)
			_, err := s.client().Postpone(s.ctx, id, "", due[id], "")
			require.NoError(s.t, err)
		}
	}
	return due
}

// requireFired checks that each ran once and none early, and answers how late the
// latest was.
func (s *site) requireFired(due map[string]time.Time) (latest time.Duration) {
	s.t.Helper()
	for id := range due {
		require.Equal(s.t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id), id)
	}
	ran := make(map[string]bool)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if until, ours := due[r.ID]; ours {
			require.False(s.t, ran[r.ID], "%s ran twice", r.ID)
			require.False(s.t, r.Start.Before(until), "%s ran %v early", r.ID, until.Sub(r.Start))
			ran[r.ID] = true
			latest = max(latest, r.Start.Sub(until))
		}
	}
	require.Len(s.t, ran, len(due))
	return latest
}

// SPEC 5.1, 5.2: in the past, now, and at any instant of the next seconds: early
// is none, and each starts once.
func TestTimersFireOnceAndNeverEarly(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	waits := []time.Duration{-10 * 365 * 24 * time.Hour, -time.Nanosecond, 0, time.Millisecond, time.Second}
	for range 20 {
		waits = append(waits, time.Duration(rand.Int64N(int64(3*time.Second))))
	}
	due := s.postponements(unique(t), waits...)
	t.Logf("%d timers, 0 early, each once, at most %v late", len(due), s.requireFired(due).Round(time.Millisecond))
}

// SPEC 5.1, 5.3, 8.2: what falls due while no worker runs starts when one does, once.
func TestTimersFireOnceAfterTheWorkerWasAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	due := s.waiting(unique(t), time.Second, 2*time.Second, 3*time.Second, 8*time.Second)
	s.stopWorker()
	away := time.Now()
	time.Sleep(4 * time.Second)
	s.startWorker()
	t.Logf("%d timers, the worker away for %.1f s, 0 early, each once, at most %v late",
		len(due), time.Since(away).Seconds(), s.requireFired(due).Round(time.Millisecond))
}

// SPEC 5.1: what falls due while the server is down starts when it is up again,
// once: the timers are in its database.
func TestTimersFireOnceAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	if source.Kind == embedded.KindAddress {
		t.Skipf("%s is not ours to kill", source)
	}
	server, err := embedded.Start(t.Context(), source, embedded.ServerOptions{DBFilename: filepath.Join(t.TempDir(), "temporal.db")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	s := newSite(t, server, workflows.Options{})
	due := s.waiting(unique(t), 3*time.Second, 4*time.Second, 5*time.Second, 18*time.Second)
	server.Kill()
	down := time.Now()
	time.Sleep(6 * time.Second)
	server, err = server.Restart(t.Context())
	require.NoError(t, err)
	t.Logf("%d timers, the server down for %.1f s, 0 early, each once, at most %v late",
		len(due), time.Since(down).Seconds(), s.requireFired(due).Round(time.Millisecond))
}

// SPEC 5.1: the server takes a timer of a year; a longer wait is several. What is
// that far ahead waits, and can be had at once.
func TestTimersFarAheadWait(t *testing.T) {
	t.Parallel()
	const dayLong = 24 * time.Hour
	s := newSite(t, shared, workflows.Options{})
	due := s.postponements(unique(t), 30*dayLong, 3650*dayLong)
	for id, until := range due {
		s.becomes(id, protocol.Waiting, protocol.SuspendPostponed)
		var timers []time.Duration
		require.Eventually(t, func() bool {
			timers = nil
			for _, event := range s.history(protocol.OperationWorkflowID(id), "") {
				if timer := event.GetTimerStartedEventAttributes(); timer != nil {
					timers = append(timers, timer.GetStartToFireTimeout().AsDuration())
				}
			}
			return len(timers) == 1
		}, patience, 50*time.Millisecond)
		require.InDelta(t, min(time.Until(until), 365*dayLong).Seconds(), timers[0].Seconds(), 60)
		require.Zero(t, s.attempts(id))
		_, err := s.client().Resume(s.ctx, id, "", "")
		require.NoError(t, err)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
		require.Equal(t, 1, s.attempts(id))
	}
}
