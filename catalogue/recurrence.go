package catalogue

import (
	"fmt"

	"github.com/seriatim-go/seriatim/protocol"
)

// Numbers of the types whose recurrence is restricted (SPEC 7.7).
const (
	bulkDuplicateDetection = 8
	bulkDelete             = 13
	calculateRollupField   = 57
)

// maxDailyInterval is the largest INTERVAL of the types that recur daily.
const maxDailyInterval = 365

// CheckRecurrence refuses a rule that operations of the type with that number may
// not have (SPEC 7.7), as a *protocol.FieldError with its code: bulk duplicate
// detection and bulk delete recur daily only, every 1 to 365 days; a rollup field
// is not calculated more often than hourly. Any other number has no restriction.
func CheckRecurrence(number int, rule protocol.Rule) error {
	problem := func(code protocol.Code, format string, args ...any) error {
		return &protocol.FieldError{Field: "recurrencePattern", Problem: fmt.Sprintf(format, args...), Code: code}
	}
	switch number {
	case bulkDuplicateDetection, bulkDelete:
		if rule.Freq != protocol.Daily || len(rule.ByHour) > 1 || len(rule.ByMinute) > 1 {
			return problem(protocol.CodeDailyOnly, "operations of type %d recur FREQ=DAILY only, once a day", number)
		}
		if rule.Interval > maxDailyInterval {
			return problem(protocol.CodeIntervalRange, "INTERVAL=%d is not in 1..%d, which operations of type %d need", rule.Interval, maxDailyInterval, number)
		}
	case calculateRollupField:
		if rule.PerHour() > 1 {
			return problem(protocol.CodeRollupIntervalTooShort, "operations of type %d recur once an hour at most", number)
		}
	}
	return nil
}

// CheckRecurring refuses the rule of a recurring operation that its type does not
// allow, where the operation names it by number or the catalogue knows its number.
func (c *Catalogue) CheckRecurring(o protocol.Operation) error {
	if !o.Recurs() {
		return nil
	}
	rule, err := protocol.ParseRecurrence(o.RecurrencePattern)
	if err != nil {
		return err
	}
	return CheckRecurrence(c.numberOf(o.OperationType), rule)
}

// numberOf is a type's number, 0 where it is not known.
func (c *Catalogue) numberOf(ref protocol.TypeRef) int {
	if t, found := c.Lookup(ref); found {
		return t.Number
	}
	var number int
	if _, err := fmt.Sscanf(string(ref), "%d", &number); err != nil || fmt.Sprint(number) != string(ref) {
		return 0
	}
	return number
}
