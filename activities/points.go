package activities

import (
	"context"
	"fmt"
	"time"

	"github.com/teambition/rrule-go"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// nextPoint answers the first point of a recurrence's grid after an instant. The
// rule passed the strict front of package protocol before; here it passes again,
// since the library's evaluation of what that refuses may have no end.
func (e *engine) nextPoint(_ context.Context, request protocol.NextPointRequest) (protocol.NextPointReply, error) {
	rule, err := protocol.ParseRecurrence(request.RecurrencePattern)
	if err == nil {
		rule, err = rule.Anchored(request.Anchor)
	}
	if err != nil {
		return protocol.NextPointReply{}, temporal.NewNonRetryableApplicationError(err.Error(), protocol.ErrTypeInvalidOperation, err)
	}
	point, found, err := nextPoint(rule, request.Anchor.UTC(), request.After.UTC())
	if err != nil || !found {
		return protocol.NextPointReply{}, err
	}
	return protocol.NextPointReply{Point: &point}, nil
}

// lastInstant is the end of every grid: no instant on the wire is later.
var lastInstant = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

// nextPoint is the first point after an instant, of a grid whose rule was
// Anchored there. A rule with COUNT is followed from its anchor; any other from
// the period of that instant, so that the answer takes as long in the tenth year
// as in the first.
func nextPoint(rule protocol.Rule, anchor, after time.Time) (point time.Time, found bool, err error) {
	from := anchor
	if rule.Count == 0 && after.After(anchor) {
		from = after
	}
	until := lastInstant
	if rule.Until != nil && rule.Until.Before(until) {
		until = *rule.Until
	}
	if until.Before(from) {
		return point, false, nil
	}
	expanded, err := rrule.NewRRule(optionsOf(rule, periodOf(rule, anchor, from), until))
	if err != nil {
		return point, false, fmt.Errorf("recurrence rule: %w", err)
	}
	next := expanded.Iterator()
	for counted := 0; ; {
		point, found = next()
		if !found || rule.Count > 0 && counted == rule.Count {
			return point, false, nil
		}
		if point.Before(anchor) {
			continue
		}
		if counted++; point.After(after) {
			return point, true, nil
		}
	}
}

// periodOf is the beginning of the last period of the grid, of FREQ and INTERVAL,
// that begins by that instant.
func periodOf(rule protocol.Rule, anchor, at time.Time) time.Time {
	begin, unit := periodBegin(rule, anchor), int64(0)
	switch rule.Freq {
	case protocol.Yearly:
		return begin.AddDate(stepsOf(rule, at.Year()-begin.Year()), 0, 0)
	case protocol.Monthly:
		return begin.AddDate(0, stepsOf(rule, 12*(at.Year()-begin.Year())+int(at.Month()-begin.Month())), 0)
	case protocol.Weekly:
		unit = 7 * 24 * 60 * 60
	case protocol.Daily:
		unit = 24 * 60 * 60
	case protocol.Hourly:
		unit = 60 * 60
	default:
		unit = 60
	}
	steps := int64(stepsOf(rule, int((at.Unix()-begin.Unix())/unit)))
	return time.Unix(begin.Unix()+steps*unit, 0).UTC()
}

// stepsOf is how many periods lie in whole intervals.
func stepsOf(rule protocol.Rule, periods int) int { return periods / rule.Interval * rule.Interval }

// periodBegin is the beginning of the period in which an instant is.
func periodBegin(rule protocol.Rule, at time.Time) time.Time {
	year, month, day := at.Date()
	switch rule.Freq {
	case protocol.Yearly:
		return time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
	case protocol.Monthly:
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	case protocol.Weekly:
		return time.Date(year, month, day-int(at.Weekday()-rule.WeekStart+7)%7, 0, 0, 0, 0, time.UTC)
	case protocol.Daily:
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	case protocol.Hourly:
		return time.Date(year, month, day, at.Hour(), 0, 0, 0, time.UTC)
	}
	return time.Date(year, month, day, at.Hour(), at.Minute(), 0, 0, time.UTC)
}

var (
	frequencies = map[protocol.Frequency]rrule.Frequency{
		protocol.Yearly: rrule.YEARLY, protocol.Monthly: rrule.MONTHLY, protocol.Weekly: rrule.WEEKLY,
		protocol.Daily: rrule.DAILY, protocol.Hourly: rrule.HOURLY, protocol.Minutely: rrule.MINUTELY,
	}
	days = [...]rrule.Weekday{rrule.SU, rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA}
)

// optionsOf is the rule as the library has it, from the beginning of a period.
// COUNT is counted by the caller, who does not begin with the first period.
func optionsOf(rule protocol.Rule, period, until time.Time) rrule.ROption {
	o := rrule.ROption{
		Freq: frequencies[rule.Freq], Interval: rule.Interval, Dtstart: period, Until: until, Wkst: days[rule.WeekStart],
		Bymonth: rule.ByMonth, Bymonthday: rule.ByMonthDay, Bysetpos: rule.BySetPos,
		Byhour: rule.ByHour, Byminute: rule.ByMinute, Bysecond: rule.BySecond,
	}
	for _, day := range rule.ByDay {
		weekday := days[day.Day]
		o.Byweekday = append(o.Byweekday, weekday.Nth(day.N))
	}
	return o
}
