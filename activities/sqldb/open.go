// Package sqldb is the databases that operations name: a payload says
// {"connection":"crm"}, and driver, place and password are the worker's (SPEC
// 9.3).
//
//   - open.go: connections by name, and the two drivers
//   - dialect.go: what differs between SQLite and PostgreSQL in a statement
//   - errors.go: what an error means for an operation, without the secret
package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/seriatim-go/seriatim/protocol"
)

// Drivers of connections.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Connection is a database as the worker's configuration describes it.
type Connection struct {
	// Name is what operations refer to.
	Name string
	// Driver is SQLite or Postgres.
	Driver string
	// DSN is the path of the file or a file: URI for SQLite, and a postgres:// URL
	// or key=value pairs for PostgreSQL. No error shows it.
	DSN string
	// MaxOpen is how many connections are open at a time; default 4.
	MaxOpen int
}

// DB is one of the databases. Handlers in all operations of a worker share it.
type DB struct {
	*sql.DB
	Dialect
	// Name is what operations refer to.
	Name string

	// reader is the same database for statements that come with an operation's
	// data: SQLite opens it so that nothing can be written, whatever they say.
	reader *sql.DB
}

// Databases are the databases that operations may name. Its zero value has none.
type Databases struct{ byName map[string]*DB }

// Open prepares the connections; each database is connected to when it is first
// used, so that one which is down keeps no worker from its other work. The error
// names the connection, and never shows its DSN.
func Open(connections ...Connection) (*Databases, error) {
	all := &Databases{byName: make(map[string]*DB, len(connections))}
	for _, c := range connections {
		db, err := open(c)
		if _, taken := all.byName[c.Name]; err == nil && (taken || c.Name == "") {
			err = errors.New("a name is not empty and is given once")
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%q: %w", c.Name, err), all.Close())
		}
		all.byName[c.Name] = db
	}
	return all, nil
}

// Get finds a database by its name. The error is a *protocol.FieldError for that
// field of an operation's data, and lists the names that there are.
func (d *Databases) Get(field, name string) (*DB, error) {
	if db, known := d.byName[name]; known {
		return db, nil
	}
	known := strings.Join(slices.Sorted(maps.Keys(d.byName)), ", ")
	return nil, &protocol.FieldError{
		Field: field, Value: fmt.Sprintf("%q", name),
		Problem: fmt.Sprintf("is not in the worker's configuration under sql.connections, which has [%s]", known),
	}
}

// Close closes all of them.
func (d *Databases) Close() error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(d.byName)) {
		db := d.byName[name]
		problems = append(problems, db.Close())
		if db.reader != db.DB {
			problems = append(problems, db.reader.Close())
		}
	}
	return errors.Join(problems...)
}

func open(c Connection) (db *DB, err error) {
	switch c.Driver {
	case SQLite:
		db, err = openSQLite(c)
	case Postgres:
		db, err = openPostgres(c)
	default:
		err = fmt.Errorf("driver: %q is not one of %s, %s", c.Driver, SQLite, Postgres)
	}
	if err != nil {
		return nil, err
	}
	for _, pool := range []*sql.DB{db.DB, db.reader} {
		limit := cmp.Or(c.MaxOpen, 4)
		pool.SetMaxOpenConns(limit)
		pool.SetMaxIdleConns(limit)
	}
	return db, nil
}

// busyTimeout is how long, in milliseconds, a statement waits for a lock.
const busyTimeout = "5000"

func openSQLite(c Connection) (*DB, error) {
	// A name in double quotes that is no column is an error, not a text. What an
	// import writes is held from the transaction's begin, so that no two wait for
	// each other.
	writing := map[string]string{"mode": "rw", "_dqs": "0", "_txlock": "immediate", "_busy_timeout": busyTimeout}
	db, err := openSQLiteWith(c.DSN, writing)
	if err != nil {
		return nil, err
	}
	reading := map[string]string{"mode": "ro", "_dqs": "0", "_query_only": "1", "_busy_timeout": busyTimeout}
	reader, err := openSQLiteWith(c.DSN, reading)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &DB{DB: db, Dialect: sqliteDialect{}, Name: c.Name, reader: reader}, nil
}

// openSQLiteWith adds the settings to those that the DSN has; mode=ro is the
// stronger one.
func openSQLiteWith(dsn string, settings map[string]string) (*sql.DB, error) {
	place, options, err := sqlitePlace(dsn)
	if err != nil {
		return nil, err
	}
	for key, value := range settings {
		if !options.Has(key) || (key == "mode" && value == "ro") {
			options.Set(key, value)
		}
	}
	return sql.Open("sqlite", place+"?"+options.Encode())
}

func sqlitePlace(dsn string) (place string, options url.Values, err error) {
	if !strings.HasPrefix(dsn, "file:") {
		dsn = "file:" + (&url.URL{Path: dsn}).EscapedPath()
	}
	place, query, _ := strings.Cut(dsn, "?")
	if options, err = url.ParseQuery(query); err != nil {
		return "", nil, errors.New("dsn: its parameters cannot be read")
	}
	if strings.Contains(place, ":memory:") || options.Get("mode") == "memory" || place == "file:" {
		return "", nil, errors.New("dsn: a database in memory is gone with the worker, and with it every checkpoint: name a file")
	}
	return place, options, nil
}

func openPostgres(c Connection) (*DB, error) {
	settings, err := pgx.ParseConfig(c.DSN)
	if err != nil {
		return nil, errors.New("dsn: is neither a postgres:// URL nor key=value pairs that PostgreSQL knows")
	}
	if settings.ConnectTimeout == 0 {
		settings.ConnectTimeout = connectTimeout
	}
	if settings.RuntimeParams["application_name"] == "" {
		settings.RuntimeParams["application_name"] = "seriatim"
	}
	db := stdlib.OpenDB(*settings)
	return &DB{DB: db, Dialect: postgresDialect{}, Name: c.Name, reader: db}, nil
}

// Read runs statements that come with an operation's data, in a transaction that
// cannot write. Errors are *Error.
func (db *DB) Read(ctx context.Context, work func(tx *sql.Tx) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if db.reader == db.DB { // SQLite's reader has one snapshot for a transaction anyway
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.reader.BeginTx(ctx, options)
	if err != nil {
		return db.Explain(err)
	}
	defer func() { _ = tx.Rollback() }()
	return work(tx)
}
