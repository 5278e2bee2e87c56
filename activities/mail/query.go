package mail

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// maxQueried is how many rows a query may have: they are kept in memory, since a
// mailing of hours must not hold a transaction open.
const maxQueried = 200_000

// queryOfPeople is a list in a database.
type queryOfPeople struct {
	// Connection is a name of the worker's configuration, sql.connections.
	Connection string `json:"connection"`
	// Query selects the recipients in an order that stays: ORDER BY a key to which
	// new rows only come behind. It cannot write.
	Query string `json:"query"`
	columns
}

// list runs the query each time; the error names the field that is wrong.
func (q *queryOfPeople) list(databases *sqldb.Databases) (list, error) {
	db, err := databases.Get("data.recipientsQuery.connection", q.Connection)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(strings.ToUpper(q.Query), "ORDER BY") {
		return nil, wrong("recipientsQuery.query", q.Query, "has no ORDER BY: a mailing that goes on needs the same order again")
	}
	return func(ctx context.Context) iter.Seq2[recipient, error] {
		return func(yield func(recipient, error) bool) {
			recipients, err := q.read(ctx, db)
			if err != nil {
				yield(recipient{}, err)
				return
			}
			for _, r := range recipients {
				if !yield(r, nil) {
					return
				}
			}
		}
	}, nil
}

func (q *queryOfPeople) read(ctx context.Context, db *sqldb.DB) (recipients []recipient, err error) {
	err = db.Read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, q.Query)
		if err != nil {
			return db.Explain(err)
		}
		defer func() { _ = rows.Close() }()
		names, err := rows.Columns()
		if err != nil {
			return db.Explain(err)
		}
		if err := q.find(names, "data.recipientsQuery"); err != nil {
			return err
		}
		for rows.Next() {
			if len(recipients) == maxQueried {
				return &protocol.FieldError{
					Field:   "data.recipientsQuery.query",
					Problem: fmt.Sprintf("has more than %d rows: split it", maxQueried),
				}
			}
			cells, err := scan(rows, names)
			if err != nil {
				return db.Explain(err)
			}
			recipients = append(recipients, q.recipient(cells))
		}
		return db.Explain(rows.Err())
	})
	return recipients, err
}

// scan is a row by the names of its columns.
func scan(rows *sql.Rows, names []string) (map[string]any, error) {
	row, into := make([]any, len(names)), make([]any, len(names))
	for i := range row {
		into[i] = &row[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	cells := make(map[string]any, len(names))
	for i, name := range names {
		cells[name] = plain(row[i])
	}
	return cells, nil
}

// plain is a database's value as a template shows it.
func plain(value any) any {
	switch value := value.(type) {
	case []byte:
		return string(value)
	case time.Time:
		return value.Format(time.RFC3339)
	case float64:
		return json.Number(strconv.FormatFloat(value, 'f', -1, 64))
	}
	return value
}
