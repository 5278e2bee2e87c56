package workflows

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/teambition/rrule-go"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// recurring is a bench for a Recurrence, with an engine that computes points and
// knows of occurrences what the test says.
type recurring struct {
	*bench
	submitted []protocol.OccurrenceRequest
	asked     []protocol.OccurrenceActionRequest
	looks     int
	taken     map[int]bool // submissions, from 0, whose id is another's
	find      func(protocol.OccurrenceRequest) protocol.FindOccurrenceReply
	act       func(protocol.OccurrenceActionRequest) (protocol.Record, error)
}

func newRecurringBench(t *testing.T, o Options) *recurring {
	t.Helper()
	r := &recurring{bench: newBench(t, o)}
	r.SetStartTime(day)
	r.SetWorkflowRunTimeout(100 * 365 * 24 * time.Hour)
	register := func(name string, do any) {
		r.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	register(protocol.NextPointActivity, func(_ context.Context, q protocol.NextPointRequest) (reply protocol.NextPointReply, err error) {
		option, err := rrule.StrToROption(strings.TrimSuffix(q.RecurrencePattern, ";"))
		if err != nil {
			return reply, err
		}
		option.Dtstart = q.Anchor
		rule, err := rrule.NewRRule(*option)
		if err != nil {
			return reply, err
		}
		if point := rule.After(q.After, false); !point.IsZero() {
			reply.Point = &point
		}
		return reply, nil
	})
	register(protocol.SubmitOccurrenceActivity, func(_ context.Context, q protocol.OccurrenceRequest) (protocol.SubmitOccurrenceReply, error) {
		r.submitted = append(r.submitted, q)
		return protocol.SubmitOccurrenceReply{Taken: r.taken[len(r.submitted)-1]}, nil
	})
	register(protocol.FindOccurrenceActivity, func(_ context.Context, q protocol.OccurrenceRequest) (protocol.FindOccurrenceReply, error) {
		r.looks++
		if r.find == nil {
			return protocol.FindOccurrenceReply{Found: true, Closed: true, Status: protocol.Succeeded}, nil
		}
		return r.find(q), nil
	})
	register(protocol.ActOnOccurrenceActivity, func(_ context.Context, q protocol.OccurrenceActionRequest) (protocol.Record, error) {
		r.asked = append(r.asked, q)
		if r.act == nil {
			return protocol.Record{Operation: protocol.Operation{ID: q.OperationID}, StatusCode: protocol.Pausing}, nil
		}
		return r.act(q)
	})
	return r
}

// done has the occurrence signal its end.
func (r *recurring) done(after time.Duration) {
	r.RegisterDelayedCallback(func() {
		r.SignalWorkflow(protocol.OccurrenceDoneSignalName, protocol.OperationClosed{})
	}, after)
}

func every(pattern string, start time.Duration) protocol.Operation {
	o := op("nightly")
	at := day.Add(start)
	o.RecurrencePattern, o.RecurrenceStartTime = pattern, &at
	return o
}

// play runs the recurrence to its end and answers its record and how it closed.
func (r *recurring) play(o protocol.Operation) (record protocol.Record, err error) {
	r.t.Helper()
	r.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID(o.ID)})
	r.ExecuteWorkflow(protocol.RecurrenceWorkflow, o)
	require.True(r.t, r.IsWorkflowCompleted())
	return r.record(), r.GetWorkflowError()
}

func (r *recurring) record() (record protocol.Record) {
	r.t.Helper()
	answer, err := r.QueryWorkflow(protocol.OperationQueryName)
	require.NoError(r.t, err)
	require.NoError(r.t, answer.Get(&record))
	return record
}

// recordAfter is the record then.
func (r *recurring) recordAfter(after time.Duration) *protocol.Record {
	record := &protocol.Record{}
	r.RegisterDelayedCallback(func() { *record = r.record() }, after)
	return record
}

// at are the times of the runs, from the beginning.
func (r *recurring) at() (at []time.Duration) {
	for _, run := range r.runs {
		at = append(at, run.At.Sub(day))
	}
	return at
}

// SPEC 7.2, 7.3, 7.4: the first at its start, then on the grid, without drift;
// each is an operation of its own; COUNT ends the recurrence.
func TestOccurrencesAreOnTheGrid(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	between := r.recordAfter(90 * time.Minute)
	record, err := r.play(every("FREQ=HOURLY;COUNT=3", time.Hour))
	require.NoError(t, err)
	require.Equal(t, []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}, r.at())
	require.Equal(t, []string{"occurrence:1:nightly", "occurrence:2:nightly", "occurrence:3:nightly"}, r.ids())
	require.Equal(t, protocol.Succeeded, record.StatusCode)
	require.Equal(t, int64(3), record.Occurrence)
	require.Equal(t, protocol.OccurrenceEnd{ID: "occurrence:3:nightly", StatusCode: protocol.Succeeded, On: day.Add(3 * time.Hour)}, *record.LastOccurrence)

	require.Equal(t, protocol.Waiting, between.StatusCode)
	require.Equal(t, protocol.SuspendNextOccurrence, between.SuspendReason)
	require.Equal(t, day.Add(2*time.Hour), *between.PostponeUntil)
	require.Equal(t, int64(1), between.Occurrence)
}

// SPEC 7.3: twenty years pass in a moment.
func TestARecurrenceOfYears(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	record, err := r.play(every("FREQ=YEARLY;COUNT=20", 0))
	require.NoError(t, err)
	require.Len(t, r.runs, 20)
	require.Equal(t, day.AddDate(19, 0, 0).Sub(day), r.at()[19])
	require.Equal(t, protocol.Succeeded, record.StatusCode)
}

// SPEC 7.2: without a start the first is at once.
func TestWithoutAStartTheFirstIsNow(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	o := op("nightly")
	o.RecurrencePattern = "FREQ=DAILY;COUNT=2;"
	_, err := r.play(o)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{0, 24 * time.Hour}, r.at())
}

// SPEC 7.4, 8.2: points that were missed are one late run, then the grid.
func TestMissedPointsAreOneLateRun(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	_, err := r.play(every("FREQ=HOURLY;UNTIL=20300131T100000Z", -10*time.Hour-30*time.Minute))
	require.NoError(t, err)
	require.Equal(t, []time.Duration{0, 30 * time.Minute, 90 * time.Minute}, r.at(), "eleven points were missed")
}

// SPEC 7.4: occurrences never overlap: what fell due while one was open is one
// late run.
func TestOccurrencesNeverOverlap(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	uncounted := false
	r.handle = func(in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == "occurrence:1:nightly" && in.Fence.N == 1 { // it takes 150 minutes
			return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError("later", protocol.ErrTypeRetry, nil,
				protocol.FailureDetails{AfterSeconds: 150 * 60, Counted: &uncounted})
		}
		return protocol.HandlerResult{}, nil
	}
	_, err := r.play(every("FREQ=HOURLY;COUNT=5", 0))
	require.NoError(t, err)
	require.Equal(t, []string{"occurrence:1:nightly", "occurrence:1:nightly", "occurrence:2:nightly", "occurrence:3:nightly", "occurrence:4:nightly"}, r.ids())
	require.Equal(t, []time.Duration{0, 150 * time.Minute, 150 * time.Minute, 3 * time.Hour, 4 * time.Hour}, r.at())
}

// SPEC 7.5: a failure is recorded, and the recurrence goes on.
func TestAFailingOccurrenceDoesNotEndTheRecurrence(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	r.failing("occurrence:1:nightly")
	after := r.recordAfter(30 * time.Minute)
	record, err := r.play(every("FREQ=HOURLY;COUNT=2", 0))
	require.NoError(t, err)
	require.Len(t, r.runs, 2)
	require.Equal(t, protocol.Failed, after.LastOccurrence.StatusCode)
	require.Equal(t, protocol.Waiting, after.StatusCode)
	require.Equal(t, protocol.Succeeded, record.LastOccurrence.StatusCode)
}

// SPEC 7.8: postpone moves the pending occurrence, resume runs it now; the grid
// stays.
func TestPostponeAndResumeMoveOnlyThePendingOccurrence(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	resumed := r.update(10*time.Minute, protocol.ResumeUpdateName, protocol.ActionRequest{Reason: "now", Identity: "ops@host"})
	moved := r.update(130*time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: day.Add(200 * time.Minute)})
	sooner := r.update(310*time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: day.Add(320 * time.Minute)})
	far := r.update(425*time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: day.Add(610 * time.Minute)})
	record, err := r.play(every("FREQ=HOURLY;COUNT=12", time.Hour))
	require.NoError(t, err)
	minutes := []time.Duration{10, 120, 200, 240, 300, 320, 420, 610, 660, 720}
	for i := range minutes {
		minutes[i] *= time.Minute
	}
	require.Equal(t, minutes, r.at(), "the points at 1 h, 3 h, 6 h and those of 8 to 10 h")
	for _, u := range []*updated{resumed, moved, sooner, far} {
		require.NoError(t, u.err)
	}
	require.Equal(t, protocol.WaitingForResources, resumed.record.StatusCode)
	require.Equal(t, protocol.ActionPostpone, record.LastAction.Action)
}

// SPEC 3.1, 7.3: cancel ends it; what its state does not take is refused.
func TestCancelEndsTheRecurrence(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	pause := r.update(20*time.Minute, protocol.PauseUpdateName, protocol.ActionRequest{})
	cancel := r.update(90*time.Minute, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "not needed"})
	record, err := r.play(every("FREQ=HOURLY", time.Hour))
	require.True(t, temporal.IsCanceledError(err))
	require.ErrorContains(t, pause.err, "80044F01")
	require.NoError(t, cancel.err)
	require.Equal(t, protocol.Canceled, cancel.record.StatusCode)
	require.Equal(t, protocol.Canceled, record.StatusCode)
	require.Contains(t, record.Message, "not needed")
	require.Len(t, r.runs, 1)
}

// SPEC 3.1: a cancellation from the Web UI is one too.
func TestACancelledWorkflowIsACancelledRecurrence(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	r.RegisterDelayedCallback(r.CancelWorkflow, 90*time.Minute)
	record, err := r.play(every("FREQ=HOURLY", time.Hour))
	require.True(t, temporal.IsCanceledError(err))
	require.Equal(t, protocol.Canceled, record.StatusCode)
	require.Len(t, r.runs, 1)
}

// SPEC 7.6: with a token each occurrence is submitted when it falls due, and
// awaited.
func TestWithATokenOccurrencesAreSubmitted(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	open := r.recordAfter(time.Minute)
	r.done(2 * time.Minute)
	r.done(65 * time.Minute)
	r.find = func(protocol.OccurrenceRequest) protocol.FindOccurrenceReply {
		return protocol.FindOccurrenceReply{Found: true, Closed: r.Now().After(day.Add(110 * time.Second)), Status: protocol.Failed}
	}
	o := every("FREQ=HOURLY;COUNT=2", 0)
	o.DependencyToken = testToken
	record, err := r.play(o)
	require.NoError(t, err)
	require.Empty(t, r.runs, "nothing runs beside the token")
	require.Len(t, r.submitted, 2)
	first := r.submitted[0].Operation
	require.Equal(t, protocol.Operation{
		ID: "occurrence:1:nightly", OperationType: "test.record", DependencyToken: testToken, CorrelationID: "nightly",
	}, first)
	require.Equal(t, day, r.submitted[0].DecidedOn)
	require.Equal(t, day.Add(time.Hour), r.submitted[1].DecidedOn)
	require.Equal(t, protocol.InProgress, open.StatusCode)
	require.Equal(t, protocol.Failed, record.LastOccurrence.StatusCode)
}

// SPEC 7.6: an occurrence that nobody tells of, since it was terminated, is seen
// by the look.
func TestATerminatedOccurrenceIsSeen(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	r.find = func(protocol.OccurrenceRequest) protocol.FindOccurrenceReply {
		return protocol.FindOccurrenceReply{Found: true, Closed: r.Now().After(day.Add(3 * time.Hour)), Status: protocol.Canceled}
	}
	o := every("FREQ=DAILY;COUNT=2", 0)
	o.DependencyToken = testToken
	record, err := r.play(o)
	require.NoError(t, err)
	require.Equal(t, protocol.Canceled, record.LastOccurrence.StatusCode)
	require.Less(t, r.looks, 20, "a slow look")
}

// SPEC 7.6: an occurrence that ends while the engine looks at it is looked at once
// more, and not after a wait that has grown to an hour.
func TestAnOccurrenceThatEndsDuringALookIsSeen(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	var looked []time.Time
	r.find = func(protocol.OccurrenceRequest) protocol.FindOccurrenceReply {
		if looked = append(looked, r.Now()); len(looked) > 1 {
			return protocol.FindOccurrenceReply{Found: true, Closed: true, Status: protocol.Succeeded}
		}
		r.SignalWorkflow(protocol.OccurrenceDoneSignalName, protocol.OperationClosed{})
		return protocol.FindOccurrenceReply{Found: true, Status: protocol.InProgress}
	}
	o := every("FREQ=DAILY;COUNT=1", 0)
	o.DependencyToken = testToken
	_, err := r.play(o)
	require.NoError(t, err)
	require.Len(t, looked, 2)
	require.Equal(t, looked[0], looked[1])
}

// SPEC 7.6: one whose queue is gone is submitted again; one that its token
// refused is recorded.
func TestALostOccurrenceIsSubmittedAgain(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	r.find = func(protocol.OccurrenceRequest) protocol.FindOccurrenceReply {
		switch len(r.submitted) {
		case 1:
			return protocol.FindOccurrenceReply{}
		case 2:
			return protocol.FindOccurrenceReply{Found: true, Closed: true, Status: protocol.Succeeded}
		}
		return protocol.FindOccurrenceReply{Refused: "the queue holds 5 operations"}
	}
	o := every("FREQ=DAILY;COUNT=2", 0)
	o.DependencyToken = testToken
	record, err := r.play(o)
	require.NoError(t, err)
	var ids []string
	for _, s := range r.submitted {
		ids = append(ids, s.Operation.ID)
	}
	require.Equal(t, []string{"occurrence:1:nightly", "occurrence:1:nightly", "occurrence:2:nightly"}, ids)
	require.Equal(t, protocol.Failed, record.LastOccurrence.StatusCode)
	require.Contains(t, record.LastOccurrence.Message, "the queue holds 5 operations")
}

// A number that an earlier recurrence with the same id left behind is passed
// over.
func TestATakenNumberIsPassedOver(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	r.taken = map[int]bool{0: true, 1: true}
	o := every("FREQ=DAILY;COUNT=1", 0)
	o.DependencyToken = testToken
	record, err := r.play(o)
	require.NoError(t, err)
	require.Equal(t, int64(3), record.Occurrence)
	require.Equal(t, "occurrence:3:nightly", r.submitted[2].Operation.ID)
}

// SPEC 7.3, 7.8: while an occurrence is open it is asked, and answers; cancel ends
// the recurrence with it.
func TestWhatIsAskedWhileAnOccurrenceIsOpenIsPassedOn(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	r.find = func(protocol.OccurrenceRequest) protocol.FindOccurrenceReply {
		return protocol.FindOccurrenceReply{Found: true, Closed: len(r.asked) == 4, Status: protocol.Canceled}
	}
	r.act = func(q protocol.OccurrenceActionRequest) (protocol.Record, error) {
		if q.Action == protocol.ActionResume {
			refusal := &protocol.Refusal{Type: protocol.ErrTypeInvalidTransition, Code: protocol.CodeInvalidStateChangeToReady, Message: "it runs"}
			return protocol.Record{}, temporal.NewNonRetryableApplicationError("it runs", refusal.Type, nil, refusal)
		}
		return protocol.Record{Operation: protocol.Operation{ID: q.OperationID}, StatusCode: protocol.Pausing}, nil
	}
	until := day.Add(5 * time.Hour)
	pause := r.update(time.Minute, protocol.PauseUpdateName, protocol.ActionRequest{Reason: "the site is down", Identity: "ops@host"})
	resume := r.update(2*time.Minute, protocol.ResumeUpdateName, protocol.ActionRequest{})
	postpone := r.update(3*time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: until})
	cancel := r.update(4*time.Minute, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "not needed"})
	late := r.update(4*time.Minute, protocol.PauseUpdateName, protocol.ActionRequest{})
	o := every("FREQ=HOURLY", 0)
	o.DependencyToken = testToken
	record, err := r.play(o)
	require.True(t, temporal.IsCanceledError(err))
	require.Equal(t, []protocol.OccurrenceActionRequest{
		{OperationID: "occurrence:1:nightly", Token: testToken, Action: protocol.ActionPause, Reason: "the site is down", Identity: "ops@host"},
		{OperationID: "occurrence:1:nightly", Token: testToken, Action: protocol.ActionResume},
		{OperationID: "occurrence:1:nightly", Token: testToken, Action: protocol.ActionPostpone, Until: until},
		{OperationID: "occurrence:1:nightly", Token: testToken, Action: protocol.ActionCancel, Reason: "not needed"},
	}, r.asked)
	require.NoError(t, pause.err)
	require.Equal(t, "occurrence:1:nightly", pause.record.ID, "the occurrence answers")
	require.ErrorContains(t, resume.err, "it runs")
	require.NoError(t, postpone.err)
	require.Equal(t, protocol.Canceling, cancel.record.StatusCode)
	require.ErrorContains(t, late.err, "80044F01")
	require.Equal(t, protocol.Canceled, record.StatusCode)
	require.Equal(t, protocol.Canceled, record.LastOccurrence.StatusCode)
}

// SPEC 7.3: the rule and the start can be changed; what has passed on the new grid
// is not run.
func TestSetRecurrenceChangesTheGrid(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	start := day.Add(10 * time.Hour)
	rule := r.update(90*time.Minute, protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{RecurrencePattern: "FREQ=HOURLY;INTERVAL=3", Reason: "too often"})
	moved := r.update(5*time.Hour, protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{RecurrencePattern: "FREQ=MINUTELY;INTERVAL=10;COUNT=2", RecurrenceStartTime: &start})
	bad := r.update(6*time.Hour, protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{RecurrencePattern: "FREQ=SECONDLY"})
	none := r.update(6*time.Hour, protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{})
	never := r.update(6*time.Hour, protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{RecurrencePattern: "FREQ=HOURLY;INTERVAL=2;BYHOUR=1"})
	record, err := r.play(every("FREQ=HOURLY", time.Hour))
	require.NoError(t, err)
	require.NoError(t, rule.err)
	require.NoError(t, moved.err)
	require.Equal(t, []time.Duration{time.Hour, 4 * time.Hour, 10 * time.Hour, 10*time.Hour + 10*time.Minute}, r.at())
	require.ErrorContains(t, bad.err, "80040246")
	require.ErrorContains(t, none.err, "80044169")
	require.ErrorContains(t, never.err, "80040246")
	require.Equal(t, "FREQ=MINUTELY;INTERVAL=10;COUNT=2", record.RecurrencePattern)
	require.Equal(t, protocol.Succeeded, record.StatusCode)
}

// SPEC 7.7
func TestSetRecurrenceOfWhatDoesNotRecurIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	refused := b.update(time.Minute, protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{RecurrencePattern: "FREQ=DAILY"})
	b.alone(postponed("A", day.Add(time.Hour)), day)
	require.ErrorContains(t, refused.err, "80044168")
	require.True(t, refused.rejected)

	b = newBench(t, Options{})
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), op("B"))
	refused = b.update(time.Minute, protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{OperationID: "B", RecurrencePattern: "FREQ=DAILY"})
	b.start(testToken)
	require.ErrorContains(t, refused.err, "80044168")
	require.Equal(t, []string{"A", "B"}, b.ids())
}

// SPEC 7.1, 8.3: what a client starts directly is judged by the worker.
func TestAWrongRecurrenceIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*protocol.Operation)
		reason string
	}{
		"no pattern":          {func(o *protocol.Operation) { o.RecurrencePattern, o.RecurrenceStartTime = "", nil }, "recurrencePattern: is missing"},
		"a part that is none": {func(o *protocol.Operation) { o.RecurrencePattern = "FREQ=DAILY;BYWEEKNO=3" }, "BYWEEKNO"},
		"never":               {func(o *protocol.Operation) { o.RecurrencePattern = "FREQ=HOURLY;INTERVAL=2;BYHOUR=1" }, "never reach"},
		"another id":          {func(o *protocol.Operation) { o.ID = "other" }, "id: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRecurringBench(t, Options{})
			o := every("FREQ=DAILY", 0)
			tc.change(&o)
			r.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID("nightly")})
			r.ExecuteWorkflow(protocol.RecurrenceWorkflow, o)
			var application *temporal.ApplicationError
			require.ErrorAs(t, r.GetWorkflowError(), &application)
			require.Equal(t, protocol.ErrTypeInvalidOperation, application.Type())
			require.Contains(t, application.Message(), tc.reason)
			require.Empty(t, r.runs)
		})
	}
}

// What fits by itself, and not with what an occurrence has besides, is refused
// before any occurrence fails for it.
func TestARecurrenceWhoseOccurrencesWouldNotFitIsRefused(t *testing.T) {
	t.Parallel()
	o := op(strings.Repeat("x", protocol.MaxIDBytes))
	o.RecurrencePattern = "FREQ=DAILY"
	encoded, err := json.Marshal(o)
	require.NoError(t, err)
	o.Data = json.RawMessage(strings.Repeat("1", protocol.MaxOperationBytes-len(encoded)-len(`"data":,`)))
	require.NoError(t, o.Validate())
	require.ErrorContains(t, checkOccurrences(o), "the limit is 262144")
	o.Data = o.Data[200:]
	require.NoError(t, checkOccurrences(o))
	o.Traceparent = testTrace
	require.NoError(t, checkOccurrences(o), "a trace is left out where it does not fit")
}

// SPEC 8.3
func TestARecurrenceOfAnUnknownTypeFails(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	o := every("FREQ=DAILY", 0)
	o.OperationType = "no.such.type"
	record, err := r.play(o)
	require.ErrorContains(t, err, "80044303")
	require.Contains(t, record.FriendlyMessage, "no.such.type")
}

// SPEC 7.1: a rule that nothing ever meets from its start does not end in silence.
func TestARuleWithoutAnyPointFails(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	record, err := r.play(every("FREQ=DAILY;INTERVAL=7;BYDAY=TU", 0)) // day is a Thursday
	require.ErrorContains(t, err, "80040246")
	require.Contains(t, record.Message, "has no point")
}

// SPEC 3.1, 8.6: postponeUntil is for the first occurrence, and so is the
// deadline.
func TestPostponeUntilAndDeadlineAreForTheFirstOccurrence(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{})
	o := every("FREQ=HOURLY;COUNT=4", 0)
	o.PostponeUntil = ptr(day.Add(90 * time.Minute))
	_, err := r.play(o)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{90 * time.Minute, 2 * time.Hour, 3 * time.Hour}, r.at())

	r = newRecurringBench(t, Options{})
	o.Deadline = ptr(day.Add(time.Hour))
	record, err := r.play(o)
	require.True(t, temporal.IsCanceledError(err))
	require.Contains(t, record.Message, "deadline")
	require.Empty(t, r.runs)
}

// A long recurrence goes on in a fresh run, with what it knows.
func TestARecurrenceGoesOnInAFreshRun(t *testing.T) {
	t.Parallel()
	r := newRecurringBench(t, Options{MaxRunEvents: 30})
	r.RegisterDelayedCallback(func() { r.SetCurrentHistoryLength(100) }, 90*time.Minute)
	o := every("FREQ=HOURLY;COUNT=5", 0)
	r.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID(o.ID)})
	r.ExecuteWorkflow(protocol.RecurrenceWorkflow, o)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, r.GetWorkflowError(), &again)
	var state RecurrenceStart
	var submitted protocol.Operation
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &submitted, &state))
	require.Equal(t, o.ID, submitted.ID)
	require.Equal(t, int64(2), state.Life.Record.Occurrence)

	next := newRecurringBench(t, Options{MaxRunEvents: 30})
	next.SetStartTime(day.Add(2 * time.Hour))
	next.SetContinuedExecutionRunID("before")
	next.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID(o.ID)})
	next.ExecuteWorkflow(protocol.RecurrenceWorkflow, submitted, state)
	require.NoError(t, next.GetWorkflowError())
	require.Equal(t, int64(5), next.record().Occurrence)
	require.Equal(t, append([]string{"occurrence:1:nightly", "occurrence:2:nightly", "occurrence:3:nightly"}, "occurrence:4:nightly", "occurrence:5:nightly"), append(r.ids(), next.ids()...))
}

// SPEC 7.3: a token that receives a recurring operation has it started and goes
// on; a repeat is acknowledged, another with its id is refused.
func TestATokenHandsRecurringOperationsOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	var started []protocol.Operation
	var mu sync.Mutex // they are started side by side
	b.RegisterActivityWithOptions(func(_ context.Context, o protocol.Operation) (reply protocol.StartRecurrenceReply, err error) {
		mu.Lock()
		started = append(started, o)
		mu.Unlock()
		switch o.ID {
		case "there":
			reply.Duplicate = true
		case "another's":
			reply = protocol.StartRecurrenceReply{Refused: "another operation has the id", Type: protocol.ErrTypeDuplicateID}
		}
		return reply, nil
	}, activity.RegisterOptions{Name: protocol.StartRecurrenceActivity})
	recurs := func(id string) protocol.Operation {
		o := op(id)
		o.RecurrencePattern = "FREQ=DAILY"
		return o
	}
	changed := recurs("nightly")
	changed.Name = "other content"
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), recurs("nightly"), op("B"), recurs("nightly"), changed, recurs("there"), recurs("another's"), op("nightly"), recurs(""))
	between := b.stateAfter(time.Minute)
	b.start(testToken)
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, []string{"A", "B"}, b.ids())
	require.Equal(t, 1, between.Queued, "none of them queues")
	require.Equal(t, int64(1), between.Counts.Recurring, "started while the head waits")
	state := b.state()
	require.Equal(t, []int64{2, 1, 2}, []int64{state.Counts.Accepted, state.Counts.Recurring, state.Counts.Duplicates})
	require.Equal(t, state.NextSequence, state.ChainStartedOn.UnixMicro()+2, "and takes no number")
	var refused []string
	for _, r := range state.Rejects {
		refused = append(refused, r.OperationID+" "+r.Type)
	}
	require.Equal(t, []string{"nightly DuplicateId", "nightly DuplicateId", " InvalidOperation", "another's DuplicateId"}, refused)
	require.Len(t, started, 3)
	require.Equal(t, testToken, started[0].DependencyToken)
}
