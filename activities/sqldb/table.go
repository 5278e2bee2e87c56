package sqldb

import (
	"context"
	"strings"
)

// Column is one of a table's.
type Column struct {
	Name string
	// Type is the database's word for it, without a length.
	Type string
}

const (
	postgresColumns = `SELECT a.attname, format_type(a.atttypid, -1) FROM pg_attribute a
		WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
	sqliteColumns = `SELECT name, type FROM pragma_table_info(?1, ?2) ORDER BY cid`
)

// Columns are those of a table or view, none if there is no such one. The error
// is an *Error.
func (db *DB) Columns(ctx context.Context, table string) ([]Column, error) {
	query, arguments := postgresColumns, []any{QuoteTable(table)}
	if !db.IsPostgres() {
		schema, name, found := strings.Cut(table, ".")
		if !found {
			schema, name = "main", table
		}
		query, arguments = sqliteColumns, []any{name, schema}
	}
	rows, err := db.QueryContext(ctx, query, arguments...)
	if err != nil {
		return nil, db.Explain(err)
	}
	defer func() { _ = rows.Close() }()
	var columns []Column
	for rows.Next() {
		var c Column
		if err := rows.Scan(&c.Name, &c.Type); err != nil {
			return nil, db.Explain(err)
		}
		columns = append(columns, c)
	}
	return columns, db.Explain(rows.Err())
}
