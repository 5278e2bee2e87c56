package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// recurring is an operation that recurs once a day and whose first point has just
// passed, so that it begins at once and then waits.
func recurring(id, token string) protocol.Operation {
	start := time.Now().Add(-90 * time.Minute).UTC()
	return protocol.Operation{
		ID: id, OperationType: "test.record", DependencyToken: token,
		RecurrencePattern: "FREQ=DAILY", RecurrenceStartTime: &start,
	}
}

// ended waits for the n-th occurrence to have ended, and the next to be known.
func (s *site) ended(id string, n int64) (record protocol.Record) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		found, err := s.client().Get(s.ctx, id, "")
		if err != nil {
			return false
		}
		record = found.Record
		last := record.LastOccurrence
		return record.SuspendReason == protocol.SuspendNextOccurrence && last != nil && last.ID == protocol.OccurrenceID(id, n)
	}, patience, 50*time.Millisecond, "%s: %+v", id, record)
	return record
}

// SPEC 7.2 to 7.5, 7.8: on a real server; each occurrence has its own record, a
// repeat is no second recurrence.
func TestARecurringOperationRunsAgainAndAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	id := unique(t)
	o := recurring(id, "")
	handle, err := s.client().Submit(s.ctx, o)
	require.NoError(t, err)
	require.False(t, handle.Duplicate)
	record := s.ended(id, 1)
	require.Equal(t, o.RecurrenceStartTime.Add(24*time.Hour).Truncate(time.Second).Add(time.Second), *record.PostponeUntil, "the grid stays where it is")

	again, err := s.client().Submit(s.ctx, o)
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	o.Name = "other content"
	_, err = s.client().Submit(s.ctx, o)
	require.ErrorIs(t, err, opclient.ErrDuplicateID)

	s.handle = func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error) {
		return protocol.HandlerResult{}, failure("no such customer")
	}
	_, err = s.client().Resume(s.ctx, id, "", "now")
	require.NoError(t, err)
	record = s.ended(id, 2)
	require.Equal(t, protocol.Failed, record.LastOccurrence.StatusCode)
	require.Equal(t, o.RecurrenceStartTime.Add(48*time.Hour).Truncate(time.Second).Add(time.Second), *record.PostponeUntil, "it was the pending one")

	found, err := s.client().Get(s.ctx, protocol.OccurrenceID(id, 2), "")
	require.NoError(t, err)
	require.Equal(t, id, found.RecurrenceOf)
	require.Equal(t, int64(2), found.Occurrence)
	require.Equal(t, protocol.Failed, found.StatusCode)
	require.Equal(t, id, found.CorrelationID)

	start := time.Now().Add(50 * time.Hour).UTC().Truncate(time.Second)
	changed, err := handle.SetRecurrence(s.ctx, "FREQ=HOURLY;INTERVAL=7", &start, "too rare")
	require.NoError(t, err)
	require.Equal(t, "FREQ=HOURLY;INTERVAL=7", changed.RecurrencePattern)
	require.Eventually(t, func() bool {
		why, err := handle.Why(s.ctx)
		return err == nil && why.NextOn != nil && why.NextOn.Equal(start)
	}, patience, 50*time.Millisecond)
	_, err = s.client().SetRecurrence(s.ctx, protocol.OccurrenceID(id, 2), "", "FREQ=DAILY", nil, "")
	require.ErrorContains(t, err, "80044168")

	_, err = handle.Cancel(s.ctx, "not needed")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
	require.Equal(t, []string{protocol.OccurrenceID(id, 1), protocol.OccurrenceID(id, 2)}, ids(s.ran("")))
}

// failure ends an operation Failed.
func failure(message string) error {
	return temporal.NewNonRetryableApplicationError(message, protocol.ErrTypeFail, nil)
}

// occurrence is the number of the occurrence that a handler runs, 0 for none.
func occurrence(r activities.Request) int64 {
	_, n, _ := protocol.ParseOccurrenceID(r.Operation.ID)
	return n
}

// SPEC 7.6: with a token each occurrence takes its place in order; the recurrence
// blocks nobody. One that is terminated does not end it.
func TestOccurrencesOfATokenTakeTheirPlaceInOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	s.submit(token, operation(token, 1)) // the token is proved in the end
	s.closed(operation(token, 1).ID)
	id := token + "-nightly"
	_, err := s.client().Submit(s.ctx, recurring(id, token))
	require.NoError(t, err)
	s.ended(id, 1)

	gate := make(chan struct{})
	s.handle = func(ctx context.Context, in protocol.HandlerInput) (result protocol.HandlerResult, err error) {
		if in.Operation.ID == operation(token, 2).ID {
			<-gate
		}
		return result, nil
	}
	s.submit(token, operation(token, 2))
	require.Eventually(t, func() bool { return s.attempts(operation(token, 2).ID) == 1 }, patience, 20*time.Millisecond)
	_, err = s.client().Resume(s.ctx, id, "", "")
	require.NoError(t, err)
	second := protocol.OccurrenceID(id, 2)
	require.Eventually(t, func() bool { return s.state(token).Queued == 1 }, patience, 50*time.Millisecond)
	s.submit(token, operation(token, 3))
	found, err := s.client().Get(s.ctx, second, token)
	require.NoError(t, err)
	require.Equal(t, []any{1, id, int64(2), operation(token, 2).ID}, []any{found.Position, found.RecurrenceOf, found.Occurrence, found.BlockedBy})
	postponed, err := s.client().Postpone(s.ctx, id, "", time.Now().Add(time.Hour), "passed on to the queued occurrence")
	require.NoError(t, err)
	require.Equal(t, second, postponed.ID)
	_, err = s.client().Resume(s.ctx, id, "", "")
	require.NoError(t, err)
	close(gate)
	s.closed(operation(token, 3).ID)
	s.ended(id, 2)
	requireInOrder(t, []string{
		operation(token, 1).ID, protocol.OccurrenceID(id, 1), operation(token, 2).ID, second, operation(token, 3).ID,
	}, s.ran(token))

	_, err = s.client().Postpone(s.ctx, id, "", time.Now().Add(2*time.Second), "soon")
	require.NoError(t, err)
	s.ended(id, 3)
	_, err = s.client().Cancel(s.ctx, id, "", "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
}

// SPEC 7.3: a raw client may send a recurring operation to the token: it is
// started, and the token goes on. What is asked while an occurrence runs reaches
// it; terminated, it does not end the recurrence.
func TestATokenHandsARecurringOperationOver(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	s.works = func(ctx context.Context, r activities.Request) protocol.Outcome {
		if occurrence(r) != 1 {
			return protocol.Success(nil)
		}
		<-ctx.Done()
		return protocol.Cancellation()
	}
	token := unique(t)
	id := token + "-nightly"
	o := recurring(id, "")
	o.OperationType = workType
	other := o
	other.Name = "other content"
	s.submit(token, []any{o, operation(token, 1), o, other, map[string]any{"id": "x", "operationType": "test.record", "recurrencePattern": "FREQ=SECONDLY"}})
	s.closed(operation(token, 1).ID)
	require.Eventually(t, func() bool { return s.state(token).Counts.Recurring == 1 }, patience, 50*time.Millisecond)
	first := protocol.OccurrenceID(id, 1)
	require.Eventually(t, func() bool { return s.attempts(first) == 1 }, patience, 50*time.Millisecond)
	state := s.state(token)
	require.Equal(t, int64(1), state.Counts.Duplicates)
	require.Len(t, state.Rejects, 2)

	paused, err := s.client().Pause(s.ctx, id, "", "the site is down")
	require.NoError(t, err)
	require.Equal(t, []any{first, protocol.Pausing}, []any{paused.ID, paused.StatusCode})
	s.becomes(first, protocol.Waiting, protocol.SuspendPaused)
	why, err := s.client().Why(s.ctx, id, "")
	require.NoError(t, err)
	require.Contains(t, why.Why[0], first)
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.OperationWorkflowID(first), "", "by hand"))
	record := s.ended(id, 1)
	require.Equal(t, protocol.Canceled, record.LastOccurrence.StatusCode)
	_, err = s.client().Resume(s.ctx, id, "", "")
	require.NoError(t, err)
	require.Equal(t, protocol.Succeeded, s.ended(id, 2).LastOccurrence.StatusCode)
	_, err = s.client().Cancel(s.ctx, id, "", "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
}

// SPEC 7.4, 8.2: several points pass while no worker runs: one late run, then the
// grid. And it is cancelled with an occurrence open.
func TestARecurrenceCatchesUpOnceAfterTheWorkersWereAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	s.works = func(ctx context.Context, r activities.Request) protocol.Outcome {
		if occurrence(r) == 2 {
			<-ctx.Done()
			return protocol.Cancellation()
		}
		return protocol.Success(nil)
	}
	id := unique(t)
	s.stopWorker()
	o := recurring(id, "")
	o.OperationType, o.RecurrencePattern = workType, "FREQ=MINUTELY;INTERVAL=10"
	_, err := s.client().Submit(s.ctx, o)
	require.NoError(t, err)
	found, err := s.client().Get(s.ctx, id, "")
	require.NoError(t, err)
	require.Equal(t, opclient.FromDescribe, found.Source)
	s.startWorker()
	record := s.ended(id, 1)
	require.True(t, record.PostponeUntil.After(time.Now()), "ten points were missed and are one run")
	require.Equal(t, int64(1), record.Occurrence)

	_, err = s.client().Resume(s.ctx, id, "", "")
	require.NoError(t, err)
	second := protocol.OccurrenceID(id, 2)
	require.Eventually(t, func() bool { return s.attempts(second) == 1 }, patience, 50*time.Millisecond)
	_, err = s.client().Cancel(s.ctx, id, "", "not needed")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(second))
}

// The command line submits, shows, explains and changes a recurring operation.
func TestStarterAndARecurringOperation(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	c := cli{t: t, queue: s.taskQueue}
	id := unique(t)
	c.ok("submit", "--type", "test.record", "--id", id, "--recurrence", "FREQ=DAILY;BYHOUR=2,14", "--recurrence-start", "2h")
	s.becomes(id, protocol.Waiting, protocol.SuspendNextOccurrence)
	shown := c.ok("show", id)
	require.Contains(t, shown, "FREQ=DAILY;BYHOUR=2,14 (every day, at hour 2 and 14)")
	require.Contains(t, shown, "next occurrence at ")
	require.Contains(t, c.ok("why", id), "no occurrence has begun")
	c.ok("resume", id)
	s.ended(id, 1)
	require.Contains(t, c.ok("show", id), "occurrence:1:"+id+" ended Succeeded")
	require.Contains(t, c.ok("show", "occurrence:1:"+id), "occurrence of   "+id)
	require.Contains(t, c.ok("recurrence", "set", id, "FREQ=WEEKLY;BYDAY=SU"), "every week, on Sunday")
	_, stderr, code := c.run("", "recurrence", "set", id, "FREQ=SECONDLY")
	require.NotZero(t, code)
	require.Contains(t, stderr, "80040246")
	_, stderr, code = c.run("", "submit", "--type", "13", "--recurrence", "FREQ=HOURLY")
	require.NotZero(t, code)
	require.Contains(t, stderr, "8004D2A0")
	var listed struct{ ID string }
	require.Eventually(t, func() bool {
		for line := range strings.Lines(c.ok("list", "--status", "Waiting", "-o", "jsonl", "--limit", "1000")) {
			if json.Unmarshal([]byte(line), &listed) == nil && listed.ID == id {
				return true
			}
		}
		return false
	}, patience, 200*time.Millisecond)
	c.ok("cancel", id)
	s.closed(id)
}
