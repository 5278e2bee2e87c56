package protocol

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// SPEC 7.1: what is supported is read, in any case and order, with one ";" at the
// end.
func TestRecurrenceRulesAreRead(t *testing.T) {
	t.Parallel()
	for pattern, words := range map[string]string{
		"FREQ=DAILY":                                            "every day",
		"FREQ=MINUTELY;INTERVAL=15;":                            "every 15 minutes",
		"interval=2;freq=weekly;byday=fr,mo":                    "every 2 weeks, on Friday and Monday",
		"FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=6,18;COUNT=10":          "every month, on Friday the last, at hour 6 and 18, 10 times",
		"FREQ=MONTHLY;BYMONTHDAY=1,-2;COUNT=1":                  "every month, on day 2 from the end and 1, once",
		"FREQ=YEARLY;BYMONTH=3;BYDAY=2TU;UNTIL=20300131":        "every year, in March, on Tuesday 2, until 2030-01-31T23:59:59Z",
		"FREQ=HOURLY;BYMINUTE=30;BYSECOND=5":                    "every hour, at minute 30, at second 5",
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;WKST=SU": "every month, on Monday, Tuesday, Wednesday, Thursday and Friday, of these number the last",
		"FREQ=DAILY;UNTIL=20300131T080000Z":                     "every day, until 2030-01-31T08:00:00Z",
		"FREQ=YEARLY;BYDAY=+20MO":                               "every year, on Monday 20",
	} {
		rule, err := ParseRecurrence(pattern)
		require.NoError(t, err, pattern)
		require.Equal(t, words, rule.String(), pattern)
	}
}

// SPEC 7.1: what is not supported is refused by its part with 80040246, never
// ignored.
func TestOtherRecurrenceRulesAreRefusedByPart(t *testing.T) {
	t.Parallel()
	for pattern, named := range map[string]string{
		";":                                     "is not supported",
		"INTERVAL=2":                            "FREQ is missing",
		"FREQ=SECONDLY":                         "FREQ=SECONDLY: is not one of YEARLY",
		"FREQ=":                                 "FREQ",
		"FREQ=DAILY;FREQ=DAILY":                 "FREQ is given twice",
		"FREQ=DAILY;;":                          `the part "" is not supported`,
		" FREQ=DAILY":                           `the part " FREQ=DAILY"`,
		"RRULE:FREQ=DAILY":                      `the part "RRULE:FREQ=DAILY"`,
		"FREQ=DAILY;INTERVAL=0":                 "INTERVAL=0: is not a whole number in 1..100000",
		"FREQ=DAILY;INTERVAL=-1":                "INTERVAL",
		"FREQ=DAILY;INTERVAL=1.5":               "INTERVAL",
		"FREQ=DAILY;INTERVAL=100001":            "INTERVAL",
		"FREQ=DAILY;INTERVAL=9999999999":        "INTERVAL",
		"FREQ=DAILY;COUNT=0":                    "COUNT=0",
		"FREQ=DAILY;COUNT=2;UNTIL=20300131":     "COUNT and UNTIL",
		"FREQ=DAILY;UNTIL=20300131T080000":      "UNTIL=20300131T080000: is neither an instant in UTC",
		"FREQ=DAILY;UNTIL=20300231":             "UNTIL",
		"FREQ=YEARLY;BYWEEKNO=3":                `the part "BYWEEKNO=3" is not supported`,
		"FREQ=YEARLY;BYYEARDAY=3":               "BYYEARDAY",
		"FREQ=YEARLY;BYEASTER=1":                "BYEASTER",
		"FREQ=YEARLY;RSCALE=GREGORIAN":          "RSCALE",
		"FREQ=DAILY;X-NAME=1":                   "X-NAME",
		"FREQ=DAILY;BYMONTH=13":                 `BYMONTH=13: "13" is not in 1..12`,
		"FREQ=DAILY;BYMONTH=1,1":                "1 is given twice",
		"FREQ=DAILY;BYMONTHDAY=0":               "BYMONTHDAY",
		"FREQ=DAILY;BYMONTHDAY=-32":             "1..31 or -31..-1",
		"FREQ=DAILY;BYHOUR=24":                  "BYHOUR",
		"FREQ=DAILY;BYHOUR=-1":                  "BYHOUR",
		"FREQ=DAILY;BYMINUTE=60":                "BYMINUTE",
		"FREQ=DAILY;BYSECOND=60":                "BYSECOND",
		"FREQ=MINUTELY;BYSECOND=0,30":           "BYSECOND has more than one value",
		"FREQ=DAILY;BYDAY=XX":                   "BYDAY",
		"FREQ=DAILY;BYDAY=":                     "BYDAY",
		"FREQ=MONTHLY;BYDAY=0MO":                "BYDAY",
		"FREQ=MONTHLY;BYDAY=6MO":                "BYDAY counts beyond 5",
		"FREQ=YEARLY;BYDAY=54MO":                "BYDAY",
		"FREQ=YEARLY;BYMONTH=2;BYDAY=6MO":       "BYDAY counts beyond 5",
		"FREQ=WEEKLY;BYDAY=2MO":                 "BYDAY counts days",
		"FREQ=WEEKLY;BYMONTHDAY=2":              "BYMONTHDAY does not go with FREQ=WEEKLY",
		"FREQ=MONTHLY;BYSETPOS=1":               "BYSETPOS needs another",
		"FREQ=DAILY;BYHOUR=1,2;BYSETPOS=1":      "BYSETPOS goes with",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0":      "BYSETPOS",
		"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367":    "BYSETPOS",
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30,31": "BYMONTHDAY names no day",
		"FREQ=DAILY;WKST=1":                     "WKST",
	} {
		_, err := ParseRecurrence(pattern)
		require.ErrorContains(t, err, named, pattern)
		require.ErrorContains(t, err, "80040246 InvalidRecurrence", pattern)
		require.Equal(t, CodeInvalidRecurrence, CodeOf(err))
		_, err = decode(fmt.Sprintf(`{"operationType":"a","recurrencePattern":%q}`, pattern))
		require.ErrorContains(t, err, named, pattern)
	}
}

// SPEC 7.1: empty is none, and the limit is 256 characters.
func TestRecurrenceFields(t *testing.T) {
	t.Parallel()
	o, err := decode(`{"operationType":"a","recurrencePattern":""}`)
	require.NoError(t, err)
	require.False(t, o.Recurs())
	_, err = decode(`{"operationType":"a","recurrenceStartTime":"2030-01-31T08:00:00Z"}`)
	require.ErrorContains(t, err, "recurrenceStartTime: needs a recurrencePattern")
	_, err = decode(fmt.Sprintf(`{"operationType":"a","recurrencePattern":"FREQ=DAILY;%s"}`, strings.Repeat("x", 256)))
	require.ErrorContains(t, err, "recurrencePattern: has 267 characters, the limit is 256")
	_, err = decode(`{"id":"occurrence:1:a","operationType":"a","recurrencePattern":"FREQ=DAILY"}`)
	require.ErrorContains(t, err, "does not recur itself")
	_, err = decode(`{"operationType":"a","recurrencePattern":"FREQ=DAILY;UNTIL=20300101","recurrenceStartTime":"2030-01-31T08:00:00Z"}`)
	require.ErrorContains(t, err, "UNTIL is before the start")
}

// The steps of an hourly or minutely rule that never come to its hours are found,
// since an evaluation of it would have no end.
func TestUnreachableHoursAreRefused(t *testing.T) {
	t.Parallel()
	for pattern, reached := range map[string]bool{
		"FREQ=HOURLY;INTERVAL=2;BYHOUR=1":                true, // the start is at 7:13
		"FREQ=HOURLY;INTERVAL=2;BYHOUR=2":                false,
		"FREQ=HOURLY;INTERVAL=5;BYHOUR=2":                true,
		"FREQ=HOURLY;INTERVAL=24;BYHOUR=8":               false,
		"FREQ=MINUTELY;INTERVAL=60;BYMINUTE=0":           false,
		"FREQ=MINUTELY;INTERVAL=7;BYMINUTE=0":            true,
		"FREQ=MINUTELY;INTERVAL=15;BYHOUR=3;BYMINUTE=28": true,
		"FREQ=MINUTELY;INTERVAL=15;BYHOUR=3;BYMINUTE=29": false,
		"FREQ=DAILY;INTERVAL=2;BYHOUR=1":                 true,
	} {
		rule, err := ParseRecurrence(pattern)
		require.NoError(t, err)
		_, err = rule.Anchored(day.Add(-47 * time.Minute))
		require.Equal(t, reached, err == nil, "%s: %v", pattern, err)
	}
}

// SPEC 7.3: the id of an occurrence is its own, bounded, and nobody else's.
func TestOccurrenceIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, "occurrence:3:nightly", OccurrenceID("nightly", 3))
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 128, 128).Draw(t, "id")
		n := rapid.Int64Min(1).Draw(t, "n")
		occurrence := OccurrenceID(id, n)
		recurrence, number, ok := ParseOccurrenceID(occurrence)
		require.True(t, ok)
		require.Equal(t, id, recurrence)
		require.Equal(t, n, number)
		require.Equal(t, occurrence, OperationWorkflowID(occurrence))
		require.LessOrEqual(t, len(occurrence), 255)
		back, ok := OperationID(occurrence)
		require.True(t, ok)
		require.Equal(t, occurrence, back)
		other := rapid.String().Draw(t, "other")
		require.Equal(t, other == occurrence, OperationWorkflowID(other) == OperationWorkflowID(occurrence))
	})
	for _, id := range []string{"occurrence:0:a", "occurrence:01:a", "occurrence:-1:a", "occurrence:1:", "occurrence:x:a", "occurrence:9223372036854775808:a"} {
		_, _, ok := ParseOccurrenceID(id)
		require.False(t, ok, id)
	}
	require.NoError(t, ValidateID(OccurrenceID(strings.Repeat("x", 128), 1<<62)))
	require.ErrorContains(t, ValidateID(OccurrenceID(strings.Repeat("x", 129), 1)), "the limit is 128")
	require.ErrorContains(t, ValidateID(OccurrenceID(OccurrenceID("x", 1), 1)), "occurrence of an occurrence")
}

// SPEC 7.3, 8.4: a recurring operation is explained in words.
func TestARecurringOperationIsExplained(t *testing.T) {
	t.Parallel()
	e := Explain(Situation{Record: recurringRecord()})
	require.Equal(t, []string{
		"it is Suspended (Waiting): it waits for its next occurrence",
		"it recurs every day; 3 occurrences have begun",
		`occurrence "occurrence:3:nightly" ended Failed at 2030-01-31T08:01:00Z: its token refused it`,
	}, e.Why)
	require.Equal(t, "its next occurrence begins", e.Next)
	require.Equal(t, at(24*time.Hour), e.NextOn)
	require.Equal(t, []Action{ActionPostpone, ActionResume, ActionCancel, ActionSetRecurrence}, e.Allowed)

	r := recurringRecord()
	r.StatusCode, r.StateCode, r.SuspendReason = InProgress, Locked, ""
	e = Explain(Situation{Record: r})
	require.Equal(t, `it is Locked (InProgress): its occurrence "occurrence:3:nightly" is open`, e.Why[0])
	require.Contains(t, e.Allowed, ActionResume)
}

func FuzzParseRecurrence(f *testing.F) {
	for _, pattern := range []string{"FREQ=DAILY;", "FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1", "FREQ=HOURLY;INTERVAL=2;BYHOUR=1", "=;=", "\x00"} {
		f.Add(pattern)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		rule, err := ParseRecurrence(pattern)
		if err != nil {
			require.ErrorContains(t, err, "80040246")
			return
		}
		require.NotEmpty(t, rule.String())
		require.GreaterOrEqual(t, rule.Interval, 1)
		require.Positive(t, rule.PerHour())
		_, _ = rule.Anchored(day)
	})
}
