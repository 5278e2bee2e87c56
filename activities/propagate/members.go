package propagate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seriatim-go/seriatim/activities/csvfile"
	"github.com/seriatim-go/seriatim/activities/internal/tables"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// place is how far the members were read.
type place struct {
	// After is the last member of a query, whose members are read in the order of
	// their bytes.
	After string `json:"after,omitempty"`
	// File is behind the last record of a file, which has not changed since.
	File  csvfile.Position `json:"file,omitzero"`
	Stamp csvfile.Stamp    `json:"stamp,omitzero"`
}

// members are read a page at a time, none at the end.
type members interface {
	next(ctx context.Context, size int) ([]string, error)
	place() place
	close() error
}

// open begins to read behind the place.
func (h handler) open(ctx context.Context, field string, p people, from place) (members, error) {
	if p.File != "" {
		return h.openFile(field, p, from)
	}
	db, err := h.databases.Get("data."+field+".connection", p.Connection)
	if err != nil {
		return nil, err
	}
	q := &queried{db: db, field: field, after: from.After}
	return q, q.prepare(ctx, p.statement())
}

// queried are the members of a query. It is run anew for each page, in a
// transaction that cannot write and is short: on SQLite nobody could commit while
// it is read.
type queried struct {
	db    *sqldb.DB
	field string
	page  string
	after string
	ahead []string // read, and not yet handed out
	ended bool
}

// pageSize is how many members are read at a time at least; tests read fewer.
var pageSize = 50_000

// prepare finds the query's column.
func (q *queried) prepare(ctx context.Context, query string) error {
	return q.read(ctx, fmt.Sprintf("SELECT * FROM (\n%s\n) AS m LIMIT 0", query), func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		if len(columns) != 1 {
			return tables.Refuse(q.field+".query", strings.Join(columns, ", "), fmt.Sprintf("selects %d columns where the member alone is expected", len(columns)))
		}
		order := `COLLATE "C"`
		if !q.db.IsPostgres() {
			order = `COLLATE BINARY`
		}
		member := fmt.Sprintf("CAST(m.%s AS TEXT) %s", sqldb.Quote(columns[0]), order)
		q.page = fmt.Sprintf("SELECT DISTINCT %[1]s AS member FROM (\n%[2]s\n) AS m WHERE %[1]s > %[3]s ORDER BY 1 LIMIT ", member, query, q.db.Placeholder(1))
		return nil
	})
}

// read runs a statement that came with the data.
func (q *queried) read(ctx context.Context, statement string, work func(*sql.Rows) error, arguments ...any) error {
	err := q.db.Read(ctx, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, statement, arguments...)
		if err != nil {
			return q.db.Explain(err)
		}
		defer func() { _ = rows.Close() }()
		if err := work(rows); err != nil {
			return err
		}
		return q.db.Explain(rows.Err())
	})
	var refused *sqldb.Error
	if errors.As(err, &refused) && (refused.Kind == sqldb.Wrong || refused.Kind == sqldb.BadValue) {
		return tables.Refuse(q.field+".query", "", fmt.Sprintf("connection %q: %s", q.db.Name, refused.Problem))
	}
	return err
}

func (q *queried) next(ctx context.Context, size int) ([]string, error) {
	if len(q.ahead) == 0 && !q.ended {
		limit := (pageSize + size - 1) / size * size // whole pages: a short one is the last
		err := q.read(ctx, q.page+fmt.Sprint(limit), func(rows *sql.Rows) error {
			for rows.Next() {
				var member string
				if err := rows.Scan(&member); err != nil {
					return q.db.Explain(err)
				}
				q.ahead = append(q.ahead, member)
			}
			return nil
		}, q.after)
		if err != nil {
			return nil, err
		}
		q.ended = len(q.ahead) < limit
	}
	n := min(size, len(q.ahead))
	page := q.ahead[:n]
	if q.ahead = q.ahead[n:]; n > 0 {
		q.after = page[n-1]
	}
	return page, nil
}

func (q *queried) place() place { return place{After: q.after} }

func (q *queried) close() error { return nil }

// listed are the members of a file.
type listed struct {
	file   *os.File
	field  string
	name   string
	reader *csvfile.Reader
	column int
	stamp  csvfile.Stamp
}

func (h handler) openFile(field string, p people, from place) (members, error) {
	file, err := h.folder.Read("data."+field+".file", p.File)
	if err != nil {
		return nil, err
	}
	l := &listed{file: file, field: field, name: p.File}
	if err := l.begin(p, from); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

func (l *listed) begin(p people, from place) (err error) {
	if l.stamp, err = csvfile.StampOf(l.file); err != nil {
		return err
	}
	options := csvfile.Options{Encoding: p.Encoding, Separator: p.Separator, Columns: []string{p.Column}}
	resumed := from.Stamp != csvfile.Stamp{}
	if resumed {
		if from.Stamp != l.stamp {
			return l.changed()
		}
		options.Encoding, options.Separator = from.File.Encoding, from.File.Separator
	}
	if l.reader, err = csvfile.Open(l.file, options); err != nil {
		return l.explain(err)
	}
	l.column = l.reader.Index(p.Column)
	if resumed {
		return l.reader.Resume(from.File)
	}
	return nil
}

// changedError says that a file is another one than when its work began.
type changedError struct{ *protocol.FieldError }

// Outcome fails the operation: what it did fits the former file.
func (e *changedError) Outcome() protocol.Outcome { return protocol.Failure("FileChanged", e.Error()) }

func (l *listed) changed() error {
	return &changedError{tables.Refuse(l.field+".file", l.name, "has changed since the operation began")}
}

// explain is what is wrong with the file's content, as the field that names it.
func (l *listed) explain(err error) error {
	var onDisk *os.PathError
	if errors.As(err, &onDisk) {
		return fmt.Errorf("data.%s.file: %q: %w", l.field, l.name, onDisk.Err)
	}
	return tables.Refuse(l.field+".file", l.name, err.Error())
}

// next reads so many records. One that is malformed ends the operation: nobody
// may be left out without a word.
func (l *listed) next(_ context.Context, size int) (page []string, err error) {
	for len(page) < size {
		record, err := l.reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			if now, err := csvfile.StampOf(l.file); err != nil || now != l.stamp {
				return nil, errors.Join(l.changed(), err)
			}
			return page, nil
		case err != nil:
			return nil, l.explain(err)
		case record.Problem != "":
			return nil, tables.Refuse(l.field+".file", l.name, fmt.Sprintf("line %d: %s", record.Line, record.Problem))
		}
		if member := strings.TrimSpace(record.Fields[l.column]); member != "" {
			page = append(page, member)
		}
	}
	return page, nil
}

func (l *listed) place() place { return place{File: l.reader.Position(), Stamp: l.stamp} }

func (l *listed) close() error { return l.file.Close() }
