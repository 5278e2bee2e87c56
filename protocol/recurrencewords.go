package protocol

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var frequencyUnits = []string{"year", "month", "week", "day", "hour", "minute"}

// String is the rule in words for people, in English, such as "every 2 weeks, on
// Monday and Friday, at hour 9, 10 times".
func (r Rule) String() string {
	text := "every " + frequencyUnits[r.Freq]
	if r.Interval > 1 {
		text = fmt.Sprintf("every %d %ss", r.Interval, frequencyUnits[r.Freq])
	}
	for _, part := range []string{
		words("in ", names(r.ByMonth, func(n int) string { return time.Month(n).String() })),
		words("on day ", names(r.ByMonthDay, fromEnd)),
		words("on ", names(r.ByDay, RuleDay.String)),
		words("at hour ", names(r.ByHour, strconv.Itoa)),
		words("at minute ", names(r.ByMinute, strconv.Itoa)),
		words("at second ", names(r.BySecond, strconv.Itoa)),
		words("of these number ", names(r.BySetPos, fromEnd)),
	} {
		text += part
	}
	switch {
	case r.Count == 1:
		text += ", once"
	case r.Count > 1:
		text += fmt.Sprintf(", %d times", r.Count)
	case r.Until != nil:
		text += ", until " + stamp(*r.Until)
	}
	return text
}

func names[T any](values []T, name func(T) string) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = name(value)
	}
	return all
}

// words joins a list with a comma before it, empty for none.
func words(before string, list []string) string {
	switch n := len(list); n {
	case 0:
		return ""
	case 1:
		return ", " + before + list[0]
	default:
		return ", " + before + strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
}

// fromEnd is a number that counts from the end where it is negative.
func fromEnd(n int) string {
	switch {
	case n > 0:
		return strconv.Itoa(n)
	case n == -1:
		return "the last"
	}
	return strconv.Itoa(-n) + " from the end"
}

// String is the day with its count, such as "Monday 2" or "Friday the last".
func (d RuleDay) String() string {
	if d.N == 0 {
		return d.Day.String()
	}
	return d.Day.String() + " " + fromEnd(d.N)
}
