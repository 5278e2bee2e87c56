// Package sqlbench tests what writes to a database on each database that there is.
package sqlbench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/internal/postgres"
)

// Bench is a folder and an empty database, the connection "crm".
type Bench struct {
	// Folder is the path of Files.
	Folder    string
	Files     files.Folder
	Databases *sqldb.Databases
	DB        *sqldb.DB
}

// Open is a bench on that database; both are closed with the test.
func Open(t *testing.T, driver, dsn string) *Bench {
	t.Helper()
	b := &Bench{Folder: t.TempDir()}
	var err error
	b.Files, err = files.Open(b.Folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Files.Close()) })
	b.Databases, err = sqldb.Open(sqldb.Connection{Name: "crm", Driver: driver, DSN: dsn})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Databases.Close()) })
	b.DB, err = b.Databases.Get("", "crm")
	require.NoError(t, err)
	return b
}

// Do executes a statement.
func (b *Bench) Do(t *testing.T, statement string) {
	t.Helper()
	_, err := b.DB.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// Save writes a file of the folder.
func (b *Bench) Save(t *testing.T, name, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(b.Folder, name), []byte(content), 0o600))
}

// NewSQLite is the file of an empty database, which is gone with the test.
func NewSQLite(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "crm.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return path
}

// OnSQLite tests each claim, by its name, on a bench of its own, of which prepare
// makes the test's.
func OnSQLite[B any](t *testing.T, claims map[string]func(*testing.T, B), prepare func(*testing.T, *Bench) B) {
	t.Helper()
	for name, claim := range claims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claim(t, prepare(t, Open(t, sqldb.SQLite, NewSQLite(t))))
		})
	}
}

// OnPostgres does the same on a PostgreSQL server, where one can be started; each
// claim has a database of its own.
func OnPostgres[B any](t *testing.T, claims map[string]func(*testing.T, B), prepare func(*testing.T, *Bench) B) {
	t.Helper()
	server := postgres.Start(t)
	admin := Open(t, sqldb.Postgres, server)
	for name, claim := range claims {
		t.Run(name, func(t *testing.T) { // one after another: the machine is small
			database := "d" + uuid.NewString()[:8]
			admin.Do(t, "CREATE DATABASE "+database)
			claim(t, prepare(t, Open(t, sqldb.Postgres, strings.Replace(server, "dbname=postgres", "dbname="+database, 1))))
		})
	}
}
