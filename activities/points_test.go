package activities

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

func instantOf(t require.TestingT, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// grid is the first points of a rule from its start.
func grid(t require.TestingT, pattern string, start time.Time, most int) (points []time.Time) {
	rule, err := protocol.ParseRecurrence(pattern)
	require.NoError(t, err, pattern)
	rule, err = rule.Anchored(start)
	require.NoError(t, err, pattern)
	for after := start.Add(-time.Nanosecond); len(points) < most; {
		point, found, err := nextPoint(rule, start, after)
		require.NoError(t, err, pattern)
		if !found {
			break
		}
		require.True(t, point.After(after), "%s: %s is not after %s", pattern, point, after)
		points = append(points, point)
		after = point
	}
	return points
}

// SPEC 7.1, 7.2, 7.4: the grid is anchored at the start, in UTC.
func TestGrid(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ claim, pattern, start, points string }{
		{"a missing INTERVAL is 1", "FREQ=DAILY", "2030-01-31T08:00:05Z", "01-31T08:00:05 02-01T08:00:05 02-02T08:00:05"},
		{"a semicolon may end it", "FREQ=HOURLY;INTERVAL=5;", "2030-01-31T20:10:05Z", "01-31T20:10:05 02-01T01:10:05 02-01T06:10:05"},
		{"minutes", "FREQ=MINUTELY;INTERVAL=90", "2030-01-31T22:10:05Z", "01-31T22:10:05 01-31T23:40:05 02-01T01:10:05"},
		{"weeks", "FREQ=WEEKLY;INTERVAL=2", "2030-01-31T08:00:00Z", "01-31T08:00:00 02-14T08:00:00 02-28T08:00:00"},
		{"months", "FREQ=MONTHLY", "2030-01-15T08:00:00Z", "01-15T08:00:00 02-15T08:00:00 03-15T08:00:00"},
		{"a short month has its last day", "FREQ=MONTHLY", "2030-01-31T08:00:00Z", "01-31T08:00:00 02-28T08:00:00 03-31T08:00:00 04-30T08:00:00 05-31T08:00:00"},
		{"day 30 in February", "FREQ=MONTHLY", "2031-12-30T08:00:00Z", "12-30T08:00:00 01-30T08:00:00 02-29T08:00:00 03-30T08:00:00"},
		{"every other month", "FREQ=MONTHLY;INTERVAL=2", "2029-12-31T08:00:00Z", "12-31T08:00:00 02-28T08:00:00 04-30T08:00:00 06-30T08:00:00 08-31T08:00:00"},
		{"BYMONTHDAY skips short months", "FREQ=MONTHLY;BYMONTHDAY=31", "2030-01-31T08:00:00Z", "01-31T08:00:00 03-31T08:00:00 05-31T08:00:00"},
		{"the last day of each month", "FREQ=MONTHLY;BYMONTHDAY=-1", "2030-01-01T08:00:00Z", "01-31T08:00:00 02-28T08:00:00 03-31T08:00:00"},
		{"COUNT counts from the start", "FREQ=DAILY;COUNT=2", "2030-01-31T08:00:00Z", "01-31T08:00:00 02-01T08:00:00"},
		{"UNTIL is in the set", "FREQ=DAILY;UNTIL=20300201T080000Z", "2030-01-31T08:00:00Z", "01-31T08:00:00 02-01T08:00:00"},
		{"UNTIL a second too early", "FREQ=DAILY;UNTIL=20300201T075959Z", "2030-01-31T08:00:00Z", "01-31T08:00:00"},
		{"UNTIL a date is all of it", "FREQ=DAILY;UNTIL=20300201", "2030-01-31T08:00:00Z", "01-31T08:00:00 02-01T08:00:00"},
		{"the second Tuesday", "FREQ=MONTHLY;BYDAY=2TU", "2030-01-01T08:00:00Z", "01-08T08:00:00 02-12T08:00:00 03-12T08:00:00"},
		{"the last weekday", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2030-01-01T08:00:00Z", "01-31T08:00:00 02-28T08:00:00 03-29T08:00:00"},
		{"twice a day", "FREQ=DAILY;BYHOUR=6,18;BYMINUTE=30", "2030-01-31T08:00:07Z", "01-31T18:30:07 02-01T06:30:07 02-01T18:30:07"},
		{"hours of a day", "FREQ=HOURLY;INTERVAL=6;BYHOUR=2,8,9", "2030-01-31T08:15:00Z", "01-31T08:15:00 02-01T02:15:00 02-01T08:15:00"},
		{"the week begins on WKST", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", "1997-08-05T09:00:00Z", "08-05T09:00:00 08-17T09:00:00 08-19T09:00:00 08-31T09:00:00"},
		{"the week begins on Monday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU", "1997-08-05T09:00:00Z", "08-05T09:00:00 08-10T09:00:00 08-19T09:00:00 08-24T09:00:00"},
		{"a start that the rule does not mean is no point", "FREQ=WEEKLY;BYDAY=MO", "2030-01-31T08:00:00Z", "02-04T08:00:00 02-11T08:00:00"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			t.Parallel()
			want := strings.Fields(tc.points)
			ends := strings.Contains(tc.pattern, "COUNT") || strings.Contains(tc.pattern, "UNTIL")
			most := len(want)
			if ends {
				most++
			}
			var got []string
			for _, point := range grid(t, tc.pattern, instantOf(t, tc.start), most) {
				got = append(got, point.Format("01-02T15:04:05"))
			}
			require.Equal(t, want, got)
		})
	}
}

// SPEC 7.4: a year without February 29 has the 28th.
func TestLeapYears(t *testing.T) {
	t.Parallel()
	var years []string
	for _, point := range grid(t, "FREQ=YEARLY", instantOf(t, "2028-02-29T08:00:00Z"), 6) {
		years = append(years, point.Format("2006-01-02"))
	}
	require.Equal(t, []string{"2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29", "2033-02-28"}, years)
	points := grid(t, "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", instantOf(t, "2096-02-29T08:00:00Z"), 2)
	require.Equal(t, 2104, points[1].Year(), "2100 is no leap year")
}

// simple is a rule whose points a loop over minutes, or days, finds.
type simple struct {
	pattern string
	start   time.Time
	meets   func(time.Time) bool
	step    time.Duration
}

// drawSimple draws a rule together with what it means.
func drawSimple(t *rapid.T) simple {
	start := instantOf(t, "2027-12-25T00:00:00Z").Add(time.Duration(rapid.IntRange(0, 500*24*60).Draw(t, "minutes")) * time.Minute)
	interval := rapid.IntRange(1, 40).Draw(t, "interval")
	months := pick(t, "month", 1, 12)
	weekdays := pick(t, "weekday", 0, 6)
	hours := pick(t, "hour", 0, 23)
	freq := rapid.SampledFrom([]string{"MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"}).Draw(t, "freq")
	pattern := fmt.Sprintf("FREQ=%s;INTERVAL=%d", freq, interval)
	add := func(name string, values []int, text func(int) string) {
		if len(values) == 0 {
			return
		}
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = text(v)
		}
		pattern += ";" + name + "=" + strings.Join(words, ",")
	}
	number := func(n int) string { return fmt.Sprint(n) }
	add("BYMONTH", months, number)
	add("BYDAY", weekdays, func(n int) string { return strings.ToUpper(time.Weekday(n).String()[:2]) })
	add("BYHOUR", hours, number)
	meets := func(at time.Time) bool {
		day := periods(freq, start, at)%interval == 0 && in(months, int(at.Month())) && in(weekdays, int(at.Weekday())) && in(hours, at.Hour())
		switch {
		case !day:
		case freq == "HOURLY":
			return at.Minute() == start.Minute()
		case freq != "MINUTELY":
			sameHour := len(hours) > 0 || at.Hour() == start.Hour()
			return sameHour && at.Minute() == start.Minute() && meetsDay(freq, start, at, len(months) > 0, len(weekdays) > 0, len(hours) > 0)
		}
		return day
	}
	return simple{pattern, start, meets, time.Minute}
}

// meetsDay is what a rule that does not say its days means by them.
func meetsDay(freq string, start, at time.Time, months, weekdays, hours bool) bool {
	if weekdays {
		return true
	}
	alone := !months && !hours
	last := time.Date(at.Year(), at.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	switch freq {
	case "WEEKLY":
		return at.Weekday() == start.Weekday()
	case "MONTHLY":
		return at.Day() == start.Day() || alone && at.Day() == last && last < start.Day()
	case "YEARLY":
		sameMonth := months || at.Month() == start.Month()
		return sameMonth && (at.Day() == start.Day() || alone && at.Day() == last && last < start.Day())
	}
	return true
}

// periods is how many periods lie between the start's and that instant's.
func periods(freq string, start, at time.Time) int {
	day := func(t time.Time) int { return int(t.Unix() / (24 * 60 * 60)) }
	switch freq {
	case "YEARLY":
		return at.Year() - start.Year()
	case "MONTHLY":
		return 12*(at.Year()-start.Year()) + int(at.Month()) - int(start.Month())
	case "WEEKLY": // 1970-01-01 was a Thursday: three days after a Monday
		return (day(at)+3)/7 - (day(start)+3)/7
	case "DAILY":
		return day(at) - day(start)
	case "HOURLY":
		return int(at.Unix()/3600) - int(start.Unix()/3600)
	}
	return int(at.Unix()/60) - int(start.Unix()/60)
}

func pick(t *rapid.T, label string, least, most int) []int {
	if rapid.Bool().Draw(t, "no "+label) {
		return nil
	}
	picked := rapid.SliceOfNDistinct(rapid.IntRange(least, most), 1, 5, rapid.ID[int]).Draw(t, label)
	slices.Sort(picked)
	return picked
}

func in(list []int, value int) bool { return len(list) == 0 || slices.Contains(list, value) }

// SPEC 7.4: the evaluator finds what a look at every minute finds, and drifts
// nowhere.
func TestTheGridIsThatOfALoopOverEveryMinute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSimple(t)
		rule, err := protocol.ParseRecurrence(s.pattern)
		require.NoError(t, err, s.pattern)
		rule, err = rule.Anchored(s.start)
		if err != nil {
			require.ErrorContains(t, err, "never reach")
			end := s.start.Add(60 * 24 * time.Hour)
			for at := s.start; at.Before(end); at = at.Add(s.step) {
				require.False(t, s.meets(at), "%s: %s", s.pattern, at)
			}
			return
		}
		// from anywhere on the grid, for ten days or one point
		after := s.start.Add(time.Duration(rapid.IntRange(-1, 800*24*60).Draw(t, "after")) * time.Minute)
		point, found, err := nextPoint(rule, s.start, after)
		require.NoError(t, err)
		limit := after.Add(100 * 24 * time.Hour)
		for at := after.Truncate(time.Minute).Add(s.step); at.Before(limit); at = at.Add(s.step) {
			if !at.Before(s.start) && s.meets(at) {
				require.True(t, found, "%s from %s after %s: %s is not found", s.pattern, s.start, after, at)
				require.Equal(t, at, point, "%s from %s after %s", s.pattern, s.start, after)
				return
			}
		}
		require.True(t, !found || !point.Before(limit), "%s from %s after %s: %s is no point", s.pattern, s.start, after, point)
	})
}

// SPEC 7.1, hazard: what the strict front lets through ends, whatever it is.
func TestEvaluationEnds(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		"FREQ=DAILY;INTERVAL=7;BYDAY=MO", "FREQ=HOURLY;INTERVAL=168;BYDAY=MO", "FREQ=MINUTELY;INTERVAL=10080;BYDAY=MO",
		"FREQ=MONTHLY;INTERVAL=12;BYMONTH=2", "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300",
		"FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO", "FREQ=YEARLY;INTERVAL=100000", "FREQ=MINUTELY;INTERVAL=100000;BYMONTHDAY=31;BYHOUR=1,2,3,4,5",
		"FREQ=WEEKLY;INTERVAL=99999;BYMONTH=2", "FREQ=DAILY;INTERVAL=1461;BYMONTH=2;BYMONTHDAY=29",
	} {
		began := time.Now()
		start := instantOf(t, "2030-01-29T00:07:00Z") // a Tuesday
		rule, err := protocol.ParseRecurrence(pattern)
		require.NoError(t, err, pattern)
		if rule, err = rule.Anchored(start); err != nil {
			continue
		}
		_, _, err = nextPoint(rule, start, start)
		require.NoError(t, err)
		t.Logf("%s: %s", pattern, time.Since(began))
	}
}

func FuzzNextPoint(f *testing.F) {
	for _, pattern := range []string{
		"FREQ=HOURLY;INTERVAL=2;BYHOUR=1", "FREQ=MONTHLY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;", "FREQ=WEEKLY;BYDAY=MO;WKST=SU",
		"FREQ=MINUTELY;INTERVAL=7;BYHOUR=1,2;BYMINUTE=3", "FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;UNTIL=20300131",
	} {
		f.Add(pattern, int64(1_896_076_800), int64(60))
	}
	f.Fuzz(func(t *testing.T, pattern string, start, after int64) {
		o := protocol.Operation{OperationType: "a", RecurrencePattern: pattern}
		anchor := time.Unix(start, 0).UTC()
		if o.Validate() != nil || anchor.Year() < 1 || anchor.Year() > 9999 || pattern == "" {
			return
		}
		rule, err := protocol.ParseRecurrence(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, rule.String())
		if rule, err = rule.Anchored(anchor); err != nil {
			return
		}
		from := time.Unix(start+after%4_000_000_000, 0).UTC()
		point, found, err := nextPoint(rule, anchor, from)
		require.NoError(t, err, pattern)
		if found {
			require.True(t, point.After(from) && !point.Before(anchor), "%s: %s", pattern, point)
		}
	})
}
