package workflows

import (
	"testing"
	"time"
	_ "time/tzdata" // zones with daylight saving time, wherever the test runs

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/protocol"
)

// alone runs an operation without a token until it completes.
func (b *bench) alone(o protocol.Operation, start time.Time) protocol.Record {
	b.t.Helper()
	b.SetStartTime(start)
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID(o.ID)})
	b.ExecuteWorkflow(protocol.OperationWorkflow, o)
	require.True(b.t, b.IsWorkflowCompleted())
	require.NoError(b.t, b.GetWorkflowError())
	answer, err := b.QueryWorkflow(protocol.OperationQueryName)
	require.NoError(b.t, err)
	var record protocol.Record
	require.NoError(b.t, answer.Get(&record))
	return record
}

// SPEC 5.1, 5.2: whatever the distance, and whatever the calendar does between,
// it starts at its instant, never before, and once; one that has passed starts at
// once.
func TestPostponedStartsAtItsInstantOnce(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for name, tc := range map[string]struct{ now, until time.Time }{
		"ten years ago":                           {day, day.AddDate(-10, 0, 0)},
		"a nanosecond ago":                        {day, day.Add(-1)},
		"now":                                     {day, day},
		"in a nanosecond":                         {day, day.Add(1)},
		"in a second":                             {day, day.Add(time.Second)},
		"in 30 days":                              {day, day.Add(30 * 24 * time.Hour)},
		"in a year, the longest timer":            {day, day.Add(maxTimer)},
		"in a year and a nanosecond, two timers":  {day, day.Add(maxTimer + 1)},
		"in 10 years, over three leap days":       {day, day.AddDate(10, 0, 0)},
		"on a leap day":                           {day.AddDate(1, 0, 0), time.Date(2032, 2, 29, 23, 59, 59, 999_999_999, time.UTC)},
		"over the hour that summer time skips":    {day, time.Date(2030, 3, 31, 3, 0, 0, 0, berlin)},
		"within the hour that there is not":       {day, time.Date(2030, 3, 31, 2, 30, 0, 0, berlin)},
		"in the second of the hours that repeat":  {day, time.Date(2030, 10, 27, 3, 0, 0, 0, berlin).Add(-time.Minute)},
		"in the first of the hours that repeat":   {day, time.Date(2030, 10, 27, 1, 59, 0, 0, berlin).Add(time.Hour)},
		"over the hours that repeat, from inside": {time.Date(2030, 10, 27, 0, 30, 0, 0, time.UTC), time.Date(2030, 10, 27, 1, 30, 0, 0, time.UTC)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			due := tc.until
			if tc.until.Before(tc.now) {
				due = tc.now
			}
			for _, token := range []bool{false, true} {
				b := newBench(t, Options{})
				b.SetWorkflowRunTimeout(20 * 365 * 24 * time.Hour) // the environment's own is ten years
				if token {
					b.SetStartTime(tc.now)
					b.submit(0, postponed("A", tc.until))
					b.start(testToken)
				} else {
					b.alone(postponed("A", tc.until), tc.now)
				}
				require.Equal(t, []string{"A"}, b.ids(), "once")
				require.False(t, b.runs[0].At.Before(tc.until), "%v early", tc.until.Sub(b.runs[0].At))
				require.WithinDuration(t, due, b.runs[0].At, 0)
			}
		})
	}
}

// SPEC 5.3: moved as often as wanted, also at the very instant at which its timer
// fires, whichever the workflow hears of first: it starts once, and at the
// instant that counts.
func TestPostponedAgainAtTheInstantStartsOnce(t *testing.T) {
	t.Parallel()
	for _, offset := range []time.Duration{-time.Second, -1, 0, 1} {
		b := newBench(t, Options{})
		due, later := day.Add(time.Minute), day.Add(time.Hour)
		moved := b.update(time.Minute+offset, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: later})
		record := b.alone(postponed("A", due), day)
		require.Len(t, b.runs, 1)
		require.Equal(t, protocol.Succeeded, record.StatusCode)
		require.True(t, moved.done || offset > 0, "only after its instant may it have ended before the update came")
		if moved.done && moved.err == nil && moved.record.StatusCode == protocol.Waiting {
			require.WithinDuration(t, later, b.runs[0].At, 0, "acknowledged %v after", offset)
			continue
		}
		require.GreaterOrEqual(t, offset, time.Duration(0), "before its instant it is Suspended: %v", moved.err)
		require.False(t, b.runs[0].At.Before(due))
		require.WithinDuration(t, due, b.runs[0].At, offset)
	}
}

// SPEC 5.3: earlier, later, and to the past; each time the timer before is gone.
func TestPostponedBackAndForthStartsOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	moves := []time.Duration{10 * 365 * 24 * time.Hour, time.Hour, 30 * 24 * time.Hour, 2 * time.Hour, 90 * time.Minute}
	for n, until := range moves {
		b.update(time.Duration(n+1)*time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: day.Add(until)})
	}
	b.alone(postponed("A", day.Add(3*time.Hour)), day)
	require.Len(t, b.runs, 1)
	require.WithinDuration(t, day.Add(90*time.Minute), b.runs[0].At, 0)

	b = newBench(t, Options{})
	b.update(time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: day.AddDate(-1, 0, 0)})
	b.alone(postponed("A", day.Add(time.Hour)), day)
	require.Len(t, b.runs, 1)
	require.WithinDuration(t, day.Add(time.Minute), b.runs[0].At, 0)
}
