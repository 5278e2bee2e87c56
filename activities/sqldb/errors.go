package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/seriatim-go/seriatim/activities/internal/shortage"
	"github.com/seriatim-go/seriatim/protocol"
)

// connectTimeout bounds how long a database may take to answer at first.
const connectTimeout = 15 * time.Second

// lockedDelay is the wait before a database is asked again that somebody else
// has locked.
const lockedDelay = 5 * time.Second

// Kind is what an error of a database means for an operation.
type Kind int

// The kinds of errors.
const (
	// Wrong is a statement that can never work: a table that is not there, a right
	// that is missing. It is the kind of every error that is not known.
	Wrong Kind = iota
	// Unavailable is a database that cannot be reached or broke off: try again.
	Unavailable
	// Locked is one that another one holds, or that gave up on two that waited for
	// each other: wait.
	Locked
	// BadValue is a row that the database does not take.
	BadValue
	// Duplicate is a row whose key is there.
	Duplicate
)

// Error is an error of a database, described without its place or its password.
type Error struct {
	// Connection is the database's name.
	Connection string
	Kind       Kind
	// Problem is what the database said.
	Problem string

	cause error
}

// Error names the connection and the problem.
func (e *Error) Error() string { return fmt.Sprintf("sql connection %q: %s", e.Connection, e.Problem) }

// Unwrap is for context.Canceled and its like.
func (e *Error) Unwrap() error { return e.cause }

// Outcome is how a handler ends on the error: it tries again where that can help,
// without counting where it only has to wait for another one.
func (e *Error) Outcome() protocol.Outcome {
	if shortage.Is(e.cause) {
		return shortage.Retry(e)
	}
	switch e.Kind {
	case Unavailable:
		return protocol.Retry("DatabaseUnavailable", e.Error())
	case Locked:
		return protocol.Retry("DatabaseLocked", e.Error()).WithoutCounting().WithDelay(lockedDelay)
	}
	return protocol.Failure("DatabaseRefused", e.Error())
}

// Explain says what an error of this database means; nil stays nil, and what was
// explained stays as it is.
func (db *DB) Explain(err error) error {
	if known := (*Error)(nil); err == nil || errors.As(err, &known) {
		return err
	}
	kind, problem := explain(err)
	return &Error{Connection: db.Name, Kind: kind, Problem: problem, cause: err}
}

func explain(err error) (Kind, string) {
	var (
		fromSQLite   *sqlite.Error
		fromPostgres *pgconn.PgError
		connecting   *pgconn.ConnectError
	)
	switch {
	case errors.As(err, &connecting):
		return Unavailable, "it cannot be connected to: " + withoutPlace(err)
	case errors.As(err, &fromPostgres):
		return kindOfState(fromPostgres.Code), describePostgres(fromPostgres)
	case errors.As(err, &fromSQLite):
		return kindOfCode(fromSQLite.Code()), fromSQLite.Error()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Unavailable, "the statement was interrupted"
	case isNetwork(err):
		return Unavailable, "the connection broke: " + withoutPlace(err)
	}
	return Wrong, err.Error()
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) ||
		strings.Contains(err.Error(), "unexpected EOF") || strings.Contains(err.Error(), "conn closed")
}

// withoutPlace says why a connection fails without host, user and database.
func withoutPlace(err error) string {
	var (
		refused *pgconn.PgError
		number  syscall.Errno
		name    *net.DNSError
	)
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("the server refuses (SQLSTATE %s)", refused.Code)
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &name):
		return "its host's name is not known"
	case pgconn.Timeout(err):
		return "it does not answer in time"
	}
	return "it does not answer as a PostgreSQL server"
}

func describePostgres(e *pgconn.PgError) string {
	text := e.Message
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", text, e.Code)
}

// kindOfState reads PostgreSQL's SQLSTATE: its first two characters are a class.
func kindOfState(code string) Kind {
	if len(code) != 5 {
		return Wrong
	}
	switch code {
	case "23505", "23P01": // unique, exclusion
		return Duplicate
	case "40001", "40P01", "55P03": // serialization, deadlock, lock not available
		return Locked
	case "57014", "25P03": // statement timeout, idle in transaction
		return Unavailable
	}
	switch code[:2] {
	case "22", "23", "21":
		return BadValue
	case "08", "28", "3D", "53", "57", "58":
		return Unavailable
	}
	return Wrong
}

// kindOfCode reads SQLite's result code: its low byte is the primary one.
func kindOfCode(code int) Kind {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return Duplicate
	}
	switch code & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
		return BadValue
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return Locked
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT:
		return Unavailable
	}
	return Wrong
}
