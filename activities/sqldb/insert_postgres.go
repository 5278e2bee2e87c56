package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// manyPostgres writes the batch in few statements, each of one array a column.
// With Update no statement has a key twice: PostgreSQL does not say which of the
// two would be the later one.
func (db *DB) manyPostgres(ctx context.Context, tx *sql.Tx, i Insert, rows [][]any) (all Written, err error) {
	statement, keyAt := i.postgres(), i.keyAt()
	seen := make(map[string]bool)
	begin := 0
	flush := func(end int) error {
		written, err := db.chunk(ctx, tx, i, statement, rows[begin:end], begin)
		all.add(written)
		begin = end
		clear(seen)
		return err
	}
	for at, row := range rows {
		if i.OnDuplicate != Update {
			break
		}
		key := keyOf(row, keyAt)
		if seen[key] {
			if err := flush(at); err != nil {
				return all, err
			}
		}
		seen[key] = true
	}
	return all, flush(len(rows))
}

func keyOf(row []any, at []int) string {
	var b strings.Builder
	for _, column := range at {
		if value := textOf(row[column]); value != nil {
			fmt.Fprintf(&b, "%d:%s", len(*value), *value)
		} else {
			b.WriteString("-")
		}
	}
	return b.String()
}

// chunk writes rows in one statement; where one of them is refused, each half by
// itself, down to the row. first is the index of its first row in the batch.
func (db *DB) chunk(ctx context.Context, tx *sql.Tx, i Insert, statement string, rows [][]any, first int) (Written, error) {
	if len(rows) == 0 {
		return Written{}, nil
	}
	if _, err := tx.ExecContext(ctx, `SAVEPOINT rows`); err != nil {
		return Written{}, db.Explain(err)
	}
	var inserted, updated int
	err := tx.QueryRowContext(ctx, statement, arrays(rows)...).Scan(&inserted, &updated)
	if err == nil {
		_, err = tx.ExecContext(ctx, `RELEASE SAVEPOINT rows`)
		return Written{Inserted: inserted, Updated: updated, Skipped: len(rows) - inserted - updated}, db.Explain(err)
	}
	refused := (*Error)(nil)
	if err = db.Explain(err); !errors.As(err, &refused) || refused.Kind != BadValue && refused.Kind != Duplicate {
		return Written{}, err
	}
	if _, err := tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT rows`); err != nil {
		return Written{}, db.Explain(err)
	}
	if len(rows) == 1 {
		return db.refusalOf(refused, first, i.OnDuplicate)
	}
	half := len(rows) / 2
	all, err := db.chunk(ctx, tx, i, statement, rows[:half], first)
	if err != nil {
		return all, err
	}
	rest, err := db.chunk(ctx, tx, i, statement, rows[half:], first+half)
	all.add(rest)
	return all, err
}

// postgres is the statement: it answers how many rows were inserted and updated.
// The types are without their lengths, so that a value which is too long is
// refused: a cast would cut it.
func (i Insert) postgres() string {
	var arguments, names, values []string
	for at, column := range i.Columns {
		arguments = append(arguments, fmt.Sprintf("$%d::text[]", at+1))
		names = append(names, fmt.Sprintf("c%d", at+1))
		values = append(values, fmt.Sprintf("r.c%d::%s", at+1, column.Type))
	}
	conflict, fresh := "", "true"
	switch changes := i.changes(); {
	case i.OnDuplicate == Update && len(changes) > 0:
		set := make([]string, len(changes))
		for at, column := range changes {
			set[at] = fmt.Sprintf("%[1]s = EXCLUDED.%[1]s", Quote(column))
		}
		conflict = fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET %s", QuoteAll(i.Key), strings.Join(set, ", "))
		fresh = "(xmax = 0)" // a row that this statement updated has the number of its lock there
	case i.OnDuplicate != Fail:
		conflict = fmt.Sprintf(" ON CONFLICT (%s) DO NOTHING", QuoteAll(i.Key))
	}
	return fmt.Sprintf(`WITH written AS (INSERT INTO %s (%s) SELECT %s FROM unnest(%s) AS r(%s)%s RETURNING %s AS fresh)
		SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM written`,
		QuoteTable(i.Table), QuoteAll(i.names()), strings.Join(values, ", "), strings.Join(arguments, ", "),
		strings.Join(names, ", "), conflict, fresh)
}

// arrays are the rows column by column, as text: PostgreSQL casts each to the
// column's type.
func arrays(rows [][]any) []any {
	columns := make([]any, len(rows[0]))
	for at := range columns {
		column := make([]*string, len(rows))
		for n, row := range rows {
			column[n] = textOf(row[at])
		}
		columns[at] = column
	}
	return columns
}

func textOf(value any) *string {
	text := ""
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		text = value
	case Number:
		text = string(value)
	case int64:
		text = strconv.FormatInt(value, 10)
	case bool:
		text = strconv.FormatBool(value)
	default:
		text = fmt.Sprint(value)
	}
	return &text
}

// nearest is the number as SQLite stores it.
func nearest(n Number) any {
	if whole, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return whole
	}
	if real, err := strconv.ParseFloat(string(n), 64); err == nil {
		return real
	}
	return string(n)
}
