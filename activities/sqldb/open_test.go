package sqldb

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// near is an SQLite database in a file of the test's own.
func near(t *testing.T, statements ...string) *DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "near #1?.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	all, err := Open(Connection{Name: "near", Driver: SQLite, DSN: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, all.Close()) })
	db, err := all.Get("data.connection", "near")
	require.NoError(t, err)
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	return db
}

// SPEC 9.3: an operation names a connection, and what cannot be is refused by
// name.
func TestUnknownConnectionIsRefusedByName(t *testing.T) {
	t.Parallel()
	all, err := Open(
		Connection{Name: "crm", Driver: Postgres, DSN: "postgres://u:secret@h/d"},
		Connection{Name: "near", Driver: SQLite, DSN: "near.db"})
	require.NoError(t, err)
	_, err = all.Get("data.connection", "cmr")
	var refused *protocol.FieldError
	require.ErrorAs(t, err, &refused)
	require.EqualError(t, err, `data.connection: is not in the worker's configuration under sql.connections, which has [crm, near] (got "cmr")`)
	require.NoError(t, all.Close())
	_, err = new(Databases).Get("data.connection", "")
	require.ErrorContains(t, err, "which has []")
}

func TestWrongConnectionsAreNamedWithoutTheirPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connections []Connection
		problem     string
	}{
		"an unknown driver":    {[]Connection{{Name: "a", Driver: "mysql", DSN: "secret"}}, `"a": driver: "mysql" is not one of sqlite, postgres`},
		"a malformed place":    {[]Connection{{Name: "a", Driver: Postgres, DSN: "postgres://u:secret@h:x/d"}}, `"a": dsn: is neither`},
		"a wrong pair":         {[]Connection{{Name: "a", Driver: Postgres, DSN: "host=h password=secret sslmode=sometimes"}}, `"a": dsn: is neither`},
		"malformed parameters": {[]Connection{{Name: "a", Driver: SQLite, DSN: "file:secret?%zz"}}, `"a": dsn: its parameters cannot be read`},
		"memory":               {[]Connection{{Name: "a", Driver: SQLite, DSN: "file:secret?mode=memory"}}, `"a": dsn: a database in memory is gone`},
		"memory by name":       {[]Connection{{Name: "a", Driver: SQLite, DSN: ":memory:"}}, `"a": dsn: a database in memory is gone`},
		"a name twice":         {[]Connection{{Name: "a", Driver: SQLite, DSN: "secret"}, {Name: "a", Driver: SQLite, DSN: "secret"}}, `"a": a name is not empty and is given once`},
		"no name":              {[]Connection{{Driver: SQLite, DSN: "secret"}}, `"": a name is not empty`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(c.connections...)
			require.ErrorContains(t, err, c.problem)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

// A database that cannot be reached is worth another attempt, and no error shows
// where it is or who asks.
func TestUnreachableDatabasesAreRetriedWithoutTheirPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Connection{
		"a port where nobody listens": {Name: "crm", Driver: Postgres, DSN: "postgres://secretuser:secret@127.0.0.1:1/secretdb"},
		"a socket that is not there":  {Name: "crm", Driver: Postgres, DSN: "host=/secret/socket user=secretuser"},
		"a file that is not there":    {Name: "crm", Driver: SQLite, DSN: "/nowhere/secret.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := Open(c)
			require.NoError(t, err)
			db, err := all.Get("data.connection", "crm")
			require.NoError(t, err)
			err = db.Explain(db.PingContext(t.Context()))
			var explained *Error
			require.ErrorAs(t, err, &explained)
			require.Equal(t, protocol.OutcomeRetry, explained.Outcome().Kind, err.Error())
			require.ErrorContains(t, err, `sql connection "crm": `)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "127.0.0.1")
			require.NoError(t, all.Close())
		})
	}
}

func TestErrorsSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	db := near(t, `CREATE TABLE people (email TEXT PRIMARY KEY, age INTEGER NOT NULL CHECK (age > 0)) STRICT`, `INSERT INTO people VALUES ('a', 1)`)
	for name, c := range map[string]struct {
		statement string
		kind      Kind
	}{
		"a table that is not there": {`INSERT INTO persons VALUES (1)`, Wrong},
		"a column in quotes":        {`INSERT INTO people VALUES ("b", 1)`, Wrong},
		"a key that is there":       {`INSERT INTO people VALUES ('a', 1)`, Duplicate},
		"a missing value":           {`INSERT INTO people VALUES ('b', NULL)`, BadValue},
		"a value against a check":   {`INSERT INTO people VALUES ('b', 0)`, BadValue},
		"a value of another type":   {`INSERT INTO people VALUES ('b', 'x')`, BadValue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := db.ExecContext(t.Context(), c.statement)
			var explained *Error
			require.ErrorAs(t, db.Explain(err), &explained)
			require.Equal(t, c.kind, explained.Kind, explained.Problem)
		})
	}
	require.NoError(t, db.Explain(nil))
}

// SPEC 9.3: a statement of an operation's data reads only.
func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	db := near(t, `CREATE TABLE people (email TEXT)`)
	for _, statement := range []string{
		`INSERT INTO people VALUES ('a')`,
		`PRAGMA query_only=OFF; INSERT INTO people VALUES ('a')`,
		`SELECT 1; COMMIT; PRAGMA query_only=OFF; DROP TABLE people`,
	} {
		err := db.Read(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), statement)
			return db.Explain(err)
		})
		require.Error(t, err, statement)
	}
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM people`).Scan(&n))
	require.Zero(t, n)
}

func TestNamesCannotEndTheirQuotes(t *testing.T) {
	t.Parallel()
	db := near(t, "CREATE TABLE "+QuoteTable(`odd" table`)+" ("+QuoteAll([]string{`a"b`, `order`})+")")
	_, err := db.ExecContext(t.Context(), "INSERT INTO "+QuoteTable(`main.odd" table`)+" ("+QuoteAll([]string{"order"})+") VALUES ("+db.Placeholder(1)+")", 5)
	require.NoError(t, err)
}
