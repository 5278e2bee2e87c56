package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a recurrence rule, so that its instants can be computed in bounded
// time.
const (
	// MaxRecurrenceInterval is the largest INTERVAL.
	MaxRecurrenceInterval = 100_000
	// MaxRecurrenceCount is the largest COUNT.
	MaxRecurrenceCount = 100_000
)

// Frequency is the FREQ of a recurrence rule, from rare to frequent.
type Frequency int

// The frequencies.
const (
	Yearly Frequency = iota
	Monthly
	Weekly
	Daily
	Hourly
	Minutely
)

var frequencyNames = []string{"YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"}

// String is the frequency as a rule has it.
func (f Frequency) String() string { return frequencyNames[f] }

// RuleDay is a day of the week in BYDAY. N counts it within the month or the
// year, from the end where it is negative; 0 is every one.
type RuleDay struct {
	Day time.Weekday
	N   int
}

// Rule is a recurrence rule that passed the strict front (SPEC 7.1): an RRULE of
// RFC 5545, in UTC. What is not supported never becomes a Rule.
type Rule struct {
	Freq Frequency
	// Interval is at least 1.
	Interval int
	// Count is how many points the grid has, 0 for no such end.
	Count int
	// Until is the last instant at which a point may be.
	Until *time.Time
	// The BY parts, empty where they were not given.
	ByMonth, ByMonthDay, ByHour, ByMinute, BySecond, BySetPos []int
	ByDay                                                     []RuleDay
	// WeekStart is WKST, Monday by default.
	WeekStart time.Weekday
}

// ParseRecurrence reads a recurrence rule: parts with "=", separated by ";", in
// any order and case, with one ";" at the end allowed. A part that is unknown,
// comes twice, is outside its bounds, or could never be met is refused as a
// *FieldError with CodeInvalidRecurrence that names it (SPEC 7.1).
func ParseRecurrence(pattern string) (Rule, error) {
	rule := Rule{Interval: 1, WeekStart: time.Monday, Freq: -1}
	seen := make(map[string]bool)
	for _, part := range strings.Split(strings.TrimSuffix(pattern, ";"), ";") {
		name, value, _ := strings.Cut(strings.ToUpper(part), "=")
		read := ruleParts[name]
		switch {
		case read == nil:
			return rule, invalidRule(pattern, fmt.Sprintf("the part %s is not supported; known are %s", quoted(part), strings.Join(rulePartNames, ", ")))
		case seen[name]:
			return rule, invalidRule(pattern, name+" is given twice")
		}
		seen[name] = true
		if problem := read(&rule, value); problem != "" {
			return rule, invalidRule(pattern, fmt.Sprintf("%s=%s: %s", name, shownValue(value), problem))
		}
	}
	if problem := rule.problem(); problem != "" {
		return rule, invalidRule(pattern, problem)
	}
	return rule, nil
}

func invalidRule(pattern, problem string) error {
	return &FieldError{Field: "recurrencePattern", Value: quoted(pattern), Problem: problem, Code: CodeInvalidRecurrence}
}

func shownValue(value string) string {
	if strings.Trim(value, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ,+-") == "" && len(value) <= 64 {
		return value
	}
	return quoted(value)
}

// rulePartNames are the parts that are supported, in the order in which they are
// named.
var rulePartNames = []string{
	"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND", "BYSETPOS", "WKST",
}

// ruleParts read each part's value and say what is wrong with it.
var ruleParts = map[string]func(*Rule, string) string{
	"FREQ":       readFrequency,
	"INTERVAL":   wholeNumber(1, MaxRecurrenceInterval, func(r *Rule) *int { return &r.Interval }),
	"COUNT":      wholeNumber(1, MaxRecurrenceCount, func(r *Rule) *int { return &r.Count }),
	"UNTIL":      readUntil,
	"BYMONTH":    wholeNumbers(1, 12, false, func(r *Rule) *[]int { return &r.ByMonth }),
	"BYMONTHDAY": wholeNumbers(1, 31, true, func(r *Rule) *[]int { return &r.ByMonthDay }),
	"BYDAY":      readDays,
	"BYHOUR":     wholeNumbers(0, 23, false, func(r *Rule) *[]int { return &r.ByHour }),
	"BYMINUTE":   wholeNumbers(0, 59, false, func(r *Rule) *[]int { return &r.ByMinute }),
	"BYSECOND":   wholeNumbers(0, 59, false, func(r *Rule) *[]int { return &r.BySecond }),
	"BYSETPOS":   wholeNumbers(1, 366, true, func(r *Rule) *[]int { return &r.BySetPos }),
	"WKST": func(r *Rule, value string) string {
		day, ok := weekdays[value]
		r.WeekStart = day
		return unless(ok, "is not one of MO, TU, WE, TH, FR, SA, SU")
	},
}

func unless(ok bool, problem string) string {
	if ok {
		return ""
	}
	return problem
}

func readFrequency(r *Rule, value string) string {
	r.Freq = Frequency(slices.Index(frequencyNames, value))
	return unless(r.Freq >= 0, "is not one of "+strings.Join(frequencyNames, ", "))
}

// number reads digits, with a sign where that is allowed.
func number(text string, signed bool) (n int, ok bool) {
	digits := text
	if signed {
		digits = strings.TrimPrefix(strings.TrimPrefix(text, "+"), "-")
	}
	if !isNumber(digits) || len(digits) > 6 || len(text)-len(digits) > 1 {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

func wholeNumber(least, most int, of func(*Rule) *int) func(*Rule, string) string {
	return func(r *Rule, value string) string {
		n, ok := number(value, false)
		*of(r) = n
		return unless(ok && n >= least && n <= most, fmt.Sprintf("is not a whole number in %d..%d", least, most))
	}
}

// wholeNumbers reads a list. One that is signed may count from the end.
func wholeNumbers(least, most int, signed bool, of func(*Rule) *[]int) func(*Rule, string) string {
	bounds := fmt.Sprintf("%d..%d", least, most)
	if signed {
		bounds += fmt.Sprintf(" or -%d..-%d", most, least)
	}
	return func(r *Rule, value string) string {
		for _, text := range strings.Split(value, ",") {
			n, ok := number(text, signed)
			if size := max(n, -n); !ok || size < least || size > most {
				return fmt.Sprintf("%s is not in %s", quoted(text), bounds)
			}
			if slices.Contains(*of(r), n) {
				return fmt.Sprintf("%d is given twice", n)
			}
			*of(r) = append(*of(r), n)
		}
		slices.Sort(*of(r))
		return ""
	}
}

var weekdays = map[string]time.Weekday{
	"MO": time.Monday, "TU": time.Tuesday, "WE": time.Wednesday, "TH": time.Thursday,
	"FR": time.Friday, "SA": time.Saturday, "SU": time.Sunday,
}

func readDays(r *Rule, value string) string {
	for _, text := range strings.Split(value, ",") {
		at := max(len(text)-2, 0)
		day, ok := weekdays[text[at:]]
		d := RuleDay{Day: day}
		if ok && at > 0 {
			d.N, ok = number(text[:at], true)
			ok = ok && d.N != 0 && max(d.N, -d.N) <= 53
		}
		if !ok {
			return fmt.Sprintf("%s is not a day such as MO, 2TU or -1FR", quoted(text))
		}
		if slices.Contains(r.ByDay, d) {
			return quoted(text) + " is given twice"
		}
		r.ByDay = append(r.ByDay, d)
	}
	return ""
}

// readUntil reads an instant in UTC, or a date, which is its last second.
func readUntil(r *Rule, value string) string {
	at, err := time.Parse("20060102T150405Z", value)
	if err != nil {
		if at, err = time.Parse("20060102", value); err == nil {
			at = at.Add(24*time.Hour - time.Second)
		}
	}
	r.Until = &at
	return unless(err == nil, "is neither an instant in UTC such as 20300131T080000Z nor a date such as 20300131")
}

// problem refuses parts that do not go together, or that nothing ever meets.
func (r Rule) problem() string {
	counted := slices.ContainsFunc(r.ByDay, func(d RuleDay) bool { return d.N != 0 })
	inMonths := r.Freq == Monthly || r.Freq == Yearly && len(r.ByMonth) > 0
	beyond := slices.ContainsFunc(r.ByDay, func(d RuleDay) bool { return max(d.N, -d.N) > 5 })
	switch {
	case r.Freq < 0:
		return "FREQ is missing: one of " + strings.Join(frequencyNames, ", ")
	case r.Count > 0 && r.Until != nil:
		return "COUNT and UNTIL do not go together"
	case len(r.BySecond) > 1:
		return "BYSECOND has more than one value: a recurrence is never more frequent than once a minute"
	case counted && r.Freq > Monthly:
		return "BYDAY counts days, which only MONTHLY and YEARLY rules can"
	case beyond && inMonths:
		return "BYDAY counts beyond 5, and no month has more of a day"
	case len(r.ByMonthDay) > 0 && r.Freq == Weekly:
		return "BYMONTHDAY does not go with FREQ=WEEKLY"
	case len(r.BySetPos) > 0 && r.Freq > Weekly:
		return "BYSETPOS goes with YEARLY, MONTHLY and WEEKLY rules only"
	case len(r.BySetPos) > 0 && !r.hasParts():
		return "BYSETPOS needs another BY part to choose from"
	case !r.dayExists():
		return "BYMONTHDAY names no day that a month of BYMONTH has"
	}
	return ""
}

// hasParts says that it has a BY part, besides BYSETPOS.
func (r Rule) hasParts() bool {
	return len(r.ByMonth)+len(r.ByMonthDay)+len(r.ByDay)+len(r.ByHour)+len(r.ByMinute)+len(r.BySecond) > 0
}

// longest is how many days each month has at most.
var longest = [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func (r Rule) dayExists() bool {
	if len(r.ByMonthDay) == 0 || len(r.ByMonth) == 0 {
		return true
	}
	return slices.ContainsFunc(r.ByMonth, func(month int) bool {
		return slices.ContainsFunc(r.ByMonthDay, func(day int) bool { return max(day, -day) <= longest[month-1] })
	})
}

// Anchored fills in what the rule takes from its start: the anchor of its grid
// (SPEC 7.4), so that the rule alone says which instants are meant. MONTHLY and
// YEARLY rules without BY parts, anchored on a day that not every month has,
// mean the last day of a shorter one. A start from which the rule has no point
// is refused as a *FieldError.
func (r Rule) Anchored(start time.Time) (Rule, error) {
	start = start.UTC()
	if r.Until != nil && r.Until.Before(start) {
		return r, r.neverFrom(start, "UNTIL is before the start")
	}
	if !r.hourIsReached(start) {
		return r, r.neverFrom(start, "steps of its INTERVAL never reach a time of BYHOUR and BYMINUTE")
	}
	r.anchorDay(start)
	if len(r.ByHour) == 0 && r.Freq < Hourly {
		r.ByHour = []int{start.Hour()}
	}
	if len(r.ByMinute) == 0 && r.Freq < Minutely {
		r.ByMinute = []int{start.Minute()}
	}
	if len(r.BySecond) == 0 {
		r.BySecond = []int{start.Second()}
	}
	return r, nil
}

func (r Rule) neverFrom(start time.Time, problem string) error {
	return &FieldError{
		Field: "recurrencePattern", Code: CodeInvalidRecurrence,
		Problem: fmt.Sprintf("FREQ=%s from %s has no point: %s", r.Freq, stamp(start), problem),
	}
}

// anchorDay fills in the days that are meant.
func (r *Rule) anchorDay(start time.Time) {
	day, alone := start.Day(), !r.hasParts()
	switch {
	case len(r.ByMonthDay) > 0 || len(r.ByDay) > 0 || r.Freq > Weekly:
	case r.Freq == Weekly:
		r.ByDay = []RuleDay{{Day: start.Weekday()}}
	case r.Freq == Monthly && day > 28 && alone:
		for d := 28; d <= day; d++ {
			r.ByMonthDay = append(r.ByMonthDay, d)
		}
		r.BySetPos = []int{-1}
	case r.Freq == Yearly && start.Month() == time.February && day == 29 && alone:
		r.ByMonth, r.ByMonthDay, r.BySetPos = []int{2}, []int{28, 29}, []int{-1}
	default:
		r.ByMonthDay = []int{day}
		if r.Freq == Yearly && len(r.ByMonth) == 0 {
			r.ByMonth = []int{int(start.Month())}
		}
	}
}

// hourIsReached says whether an hourly or minutely rule ever comes to one of its
// hours and minutes: an evaluation of one that does not would have no end.
func (r Rule) hourIsReached(start time.Time) bool {
	step := r.Interval
	switch {
	case r.Freq == Hourly:
		step *= 60
	case r.Freq < Hourly, len(r.ByHour)+len(r.ByMinute) == 0:
		return true
	}
	step = gcd(step, 24*60)
	minute := start.Hour()*60 + start.Minute()
	for at := 0; at < 24*60; at++ {
		onStep := (at-minute)%step == 0
		if r.Freq == Hourly {
			onStep = (at/60-start.Hour())%(step/60) == 0
		}
		if onStep && fits(r.ByHour, at/60) && fits(r.ByMinute, at%60) {
			return true
		}
	}
	return false
}

func fits(part []int, value int) bool { return len(part) == 0 || slices.Contains(part, value) }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// PerHour is how often the rule may have a point within one hour at most.
func (r Rule) PerHour() int {
	if r.Freq == Minutely {
		most := (60 + r.Interval - 1) / r.Interval
		if n := len(r.ByMinute); n > 0 {
			most = min(most, n)
		}
		return most
	}
	return max(1, len(r.ByMinute))
}
