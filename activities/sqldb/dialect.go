package sqldb

import (
	"strconv"
	"strings"
)

// Dialect is what differs between the databases in a statement.
type Dialect interface {
	// Placeholder is the n-th argument of a statement, from 1.
	Placeholder(n int) string
	// ForUpdate ends a SELECT whose rows stay as they are until the transaction's
	// end.
	ForUpdate() string
	// IsPostgres tells PostgreSQL from SQLite, for what no method covers.
	IsPostgres() bool
}

type sqliteDialect struct{}

func (sqliteDialect) Placeholder(n int) string { return "?" + strconv.Itoa(n) }
func (sqliteDialect) ForUpdate() string        { return "" } // a writer has the whole database
func (sqliteDialect) IsPostgres() bool         { return false }

type postgresDialect struct{}

func (postgresDialect) Placeholder(n int) string { return "$" + strconv.Itoa(n) }
func (postgresDialect) ForUpdate() string        { return " FOR UPDATE" }
func (postgresDialect) IsPostgres() bool         { return true }

// Quote is a name as an identifier of a statement, exactly as it is written: no
// name can end it.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// QuoteTable is Quote for the name of a table, before which its schema may stand
// with a dot.
func QuoteTable(name string) string {
	if schema, table, found := strings.Cut(name, "."); found {
		return Quote(schema) + "." + Quote(table)
	}
	return Quote(name)
}

// QuoteAll is a list of columns.
func QuoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = Quote(name)
	}
	return strings.Join(quoted, ", ")
}
