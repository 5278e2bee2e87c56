package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// OnDuplicate is what becomes of a row whose key is there.
type OnDuplicate string

// The ways of OnDuplicate.
const (
	// Fail ends the batch with a *DuplicateError.
	Fail OnDuplicate = "fail"
	// Skip leaves the row that is there.
	Skip OnDuplicate = "skip"
	// Update writes the new row's values over it.
	Update OnDuplicate = "update"
)

// Number is a decimal as it was written: PostgreSQL reads it exactly, SQLite as
// its nearest REAL.
type Number string

// Insert writes rows into one table.
type Insert struct {
	Table string
	// Columns are those that are written, with the table's types.
	Columns []Column
	// Key are the columns of a unique key, for Skip and Update.
	Key         []string
	OnDuplicate OnDuplicate
}

// Written is what became of the rows of one batch.
type Written struct {
	Inserted, Updated, Skipped int
	// Refused are the rows that the database does not take: they are not written.
	Refused []Refused
}

// Refused is a row by its index in the batch, and what the database said.
type Refused struct {
	Row     int
	Problem string
}

// DuplicateError says that with Fail a row's key was there.
type DuplicateError struct {
	// Row is its index in the batch.
	Row     int
	Problem string
}

// Error is what the database said.
func (e *DuplicateError) Error() string { return e.Problem }

// Outcome fails the operation: another attempt finds the same row.
func (e *DuplicateError) Outcome() protocol.Outcome { return protocol.Failure("Duplicate", e.Problem) }

func (w *Written) add(other Written) {
	w.Inserted += other.Inserted
	w.Updated += other.Updated
	w.Skipped += other.Skipped
	w.Refused = append(w.Refused, other.Refused...)
}

// Rows writes a batch in the order of its rows. A value is nil, a string, an
// int64, a bool or a Number. A row that the database refuses is answered as such,
// and the others are written. The error is an *Error or a *DuplicateError, after
// which the transaction is to be rolled back.
func (db *DB) Rows(ctx context.Context, tx *sql.Tx, i Insert, rows [][]any) (Written, error) {
	if len(rows) == 0 {
		return Written{}, nil
	}
	if db.IsPostgres() {
		return db.manyPostgres(ctx, tx, i, rows)
	}
	return db.manySQLite(ctx, tx, i, rows)
}

func (i Insert) names() []string {
	names := make([]string, len(i.Columns))
	for at, column := range i.Columns {
		names[at] = column.Name
	}
	return names
}

// keyAt are the places of the key's columns in a row.
func (i Insert) keyAt() []int {
	names, at := i.names(), make([]int, len(i.Key))
	for n, column := range i.Key {
		at[n] = slices.Index(names, column)
	}
	return at
}

// changes are the columns that Update writes: all but the key.
func (i Insert) changes() (columns []string) {
	for _, name := range i.names() {
		if !slices.Contains(i.Key, name) {
			columns = append(columns, name)
		}
	}
	return columns
}

// refusalOf turns the error of a single row into its refusal; others are errors.
func (db *DB) refusalOf(err error, row int, mode OnDuplicate) (Written, error) {
	explained := (*Error)(nil)
	if err = db.Explain(err); !errors.As(err, &explained) {
		return Written{}, err
	}
	switch {
	case explained.Kind == Duplicate && mode == Fail:
		return Written{}, &DuplicateError{Row: row, Problem: explained.Problem}
	case explained.Kind == Duplicate, explained.Kind == BadValue:
		return Written{Refused: []Refused{{Row: row, Problem: explained.Problem}}}, nil
	}
	return Written{}, explained
}

// manySQLite writes row by row: a statement that fails leaves the transaction as
// it was before it.
func (db *DB) manySQLite(ctx context.Context, tx *sql.Tx, i Insert, rows [][]any) (all Written, err error) {
	insert, err := tx.PrepareContext(ctx, i.sqliteInsert())
	if err != nil {
		return all, db.Explain(err)
	}
	defer func() { _ = insert.Close() }()
	quiet := context.WithoutCancel(ctx) // the driver starts a goroutine to watch one that can end
	for at, row := range rows {
		if err := ctx.Err(); err != nil {
			return all, db.Explain(err)
		}
		row = forSQLite(row)
		one := Written{}
		result, err := insert.ExecContext(quiet, row...)
		if err == nil {
			one, err = db.countSQLite(quiet, tx, i, row, result)
		}
		if err != nil {
			if one, err = db.refusalOf(err, at, i.OnDuplicate); err != nil {
				return all, err
			}
		}
		all.add(one)
	}
	return all, nil
}

// countSQLite says what became of an INSERT that did not fail, and updates the
// row that was there.
func (db *DB) countSQLite(ctx context.Context, tx *sql.Tx, i Insert, row []any, result sql.Result) (Written, error) {
	hit, err := result.RowsAffected()
	switch changes := i.changes(); {
	case err != nil:
		return Written{}, err
	case hit > 0:
		return Written{Inserted: 1}, nil
	case i.OnDuplicate != Update || len(changes) == 0:
		return Written{Skipped: 1}, nil
	}
	_, err = tx.ExecContext(ctx, i.sqliteUpdate(), row...)
	return Written{Updated: 1}, err
}

func (i Insert) sqliteInsert() string {
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(i.Columns)), ", ")
	text := fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s)`, QuoteTable(i.Table), QuoteAll(i.names()), marks)
	if i.OnDuplicate == Skip || i.OnDuplicate == Update {
		text += fmt.Sprintf(` ON CONFLICT (%s) DO NOTHING`, QuoteAll(i.Key))
	}
	return text
}

// sqliteUpdate takes the arguments of the INSERT.
func (i Insert) sqliteUpdate() string {
	names := i.names()
	number := func(column string) string {
		return fmt.Sprintf("%s = ?%d", Quote(column), slices.Index(names, column)+1)
	}
	var set, where []string
	for _, column := range i.changes() {
		set = append(set, number(column))
	}
	for _, column := range i.Key {
		where = append(where, number(column))
	}
	return fmt.Sprintf(`UPDATE %s SET %s WHERE %s`, QuoteTable(i.Table), strings.Join(set, ", "), strings.Join(where, " AND "))
}

// forSQLite gives numbers the form in which SQLite computes with them.
func forSQLite(row []any) []any {
	out := slices.Clone(row)
	for at, value := range out {
		if number, is := value.(Number); is {
			out[at] = nearest(number)
		}
	}
	return out
}
