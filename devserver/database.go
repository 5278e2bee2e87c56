package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"

	"github.com/google/uuid"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	sqliteschema "go.temporal.io/server/schema/sqlite"
)

// prepareDatabase returns the server's database settings, after it has made
// sure that the schema and the namespaces are there. Namespaces that exist
// are left as they are.
func prepareDatabase(ctx context.Context, s settings) (*config.SQL, error) {
	conf := sqlConfig(s.dbFilename)
	if s.dbFilename != "" {
		if err := ensureSchema(ctx, conf); err != nil {
			return nil, fmt.Errorf("--db-filename %s: %w", s.dbFilename, err)
		}
	}
	for _, name := range s.namespaces {
		namespace, err := sqliteschema.NewNamespaceConfig(clusterName, name, false, s.searchAttributes)
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", name, err)
		}
		if err := sqliteschema.CreateNamespaces(conf, namespace); err != nil {
			return nil, fmt.Errorf("namespace %s: %w", name, err)
		}
	}
	return conf, nil
}

// sqlConfig returns the settings of a database in memory, or in a file that
// holds every commit through a crash of the process and of the machine: a
// write-ahead log that is synced at each commit. A file is locked as long as
// the server runs, since two servers on one would take the history shard from
// each other for ever.
func sqlConfig(filename string) *config.SQL {
	if filename == "" {
		return &config.SQL{
			PluginName:   sqliteplugin.PluginName,
			DatabaseName: uuid.NewString(),
			// Shared by all connections of this process.
			ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"},
		}
	}
	return &config.SQL{
		PluginName: sqliteplugin.PluginName,
		// The plugin puts the name into a URI as it is.
		DatabaseName: (&url.URL{Path: filename}).EscapedPath(),
		ConnectAttributes: map[string]string{
			"mode": "rwc", "journal_mode": "wal", "synchronous": "full", "locking_mode": "exclusive",
		},
	}
}

// ensureSchema sets up the schema of a new file, in one transaction: a crash
// half-way leaves an empty file and no half of a schema.
func ensureSchema(ctx context.Context, conf *config.SQL) error {
	db, err := sql.Open("sqlite", "file:"+conf.DatabaseName+"?mode=rwc")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	var tables int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	if tables > 0 {
		return nil
	}
	if err := sqliteschema.SetupSchemaOnDB(transaction{tx: tx}); err != nil {
		return fmt.Errorf("set up the schema: %w", err)
	}
	return tx.Commit()
}

// transaction lets the schema be set up in a transaction: of the interface,
// the set-up uses Exec alone.
type transaction struct {
	sqlplugin.AdminDB
	tx *sql.Tx
}

// Exec runs one statement of the schema.
func (t transaction) Exec(statement string, args ...any) error {
	_, err := t.tx.Exec(statement, args...)
	return err
}
