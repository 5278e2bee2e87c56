// Package tables is what the handlers share that write to one table of a database,
// batch by batch: activity.propagation and import.
package tables

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/activities/fenced"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// Refuse refuses a field of the operation's data; of a value it shows 64 bytes.
func Refuse(field, value, problem string) *protocol.FieldError {
	if value != "" {
		if len(value) > 64 {
			value = strings.ToValidUTF8(value[:64], "") + "…"
		}
		value = fmt.Sprintf("%q", value)
	}
	return &protocol.FieldError{Field: "data." + field, Value: value, Problem: problem}
}

// Subject tells an activity's data from other data: it is the subject of its
// fenced.Work.
func Subject(activity string, data any) string {
	encoded, err := json.Marshal(data)
	if err != nil {
		return err.Error() // what was decoded encodes again
	}
	sum := sha256.Sum256(encoded)
	return activity + " " + hex.EncodeToString(sum[:8])
}

// Wanted is a column, and the field of the operation's data that names it.
type Wanted struct{ Field, Name string }

// Columns finds the wanted columns of a table, which tableField names. The error
// names the table or each column that is not there, or is an *sqldb.Error.
func Columns(ctx context.Context, db *sqldb.DB, tableField, table string, wanted []Wanted) ([]sqldb.Column, error) {
	all, err := db.Columns(ctx, table)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, Refuse(tableField, table, fmt.Sprintf("is not in the database of connection %q", db.Name))
	}
	byName := make(map[string]sqldb.Column, len(all))
	var names []string
	for _, column := range all {
		byName[column.Name] = column
		names = append(names, column.Name)
	}
	var columns []sqldb.Column
	var problems []error
	for _, w := range wanted {
		column, there := byName[w.Name]
		if !there {
			problems = append(problems, Refuse(w.Field, w.Name,
				fmt.Sprintf("is not a column of table %q, which has %s", table, strings.Join(names, ", "))))
		}
		columns = append(columns, column)
	}
	return columns, errors.Join(problems...)
}

// Explain adds what a statement was about to what a database says of one that can
// never work.
func Explain(err error, about string) error {
	var refused *sqldb.Error
	if errors.As(err, &refused) && refused.Kind == sqldb.Wrong {
		refused.Problem = about + ": " + refused.Problem
	}
	return err
}

// Seconds is how long the work took in all, to the millisecond: so many seconds
// before, and the time since.
func Seconds(before float64, began time.Time) float64 {
	return math.Round((before+time.Since(began).Seconds())*1000) / 1000
}

// Unreadable is the outcome for data that cannot be worked with.
func Unreadable(err error, friendly string) protocol.Outcome {
	return protocol.Failure(string(protocol.CodePayloadUnreadable), err.Error()).WithFriendly(friendly)
}

// Outcome is how an attempt ends on an error: with what the error says itself, as
// Unreadable where it is about a field, else with another attempt, whose code is
// interrupted.
func Outcome(ctx context.Context, err error, interrupted, friendly string) protocol.Outcome {
	if ctx.Err() != nil {
		return protocol.Cancellation()
	}
	if outcome, known := fenced.Outcome(err); known {
		return outcome
	}
	if field := (*protocol.FieldError)(nil); errors.As(err, &field) {
		return Unreadable(err, friendly)
	}
	return protocol.Retry(interrupted, err.Error())
}
