// Package fenced writes to a database in batches of which each counts exactly
// once: what a batch writes, how far the work is, and the proof that the attempt
// still holds its lock are one transaction (SPEC 2.2, 6.5).
//
// A heartbeat's checkpoint alone cannot give that: it is sent before or after the
// batch, and a handler that was stopped and wakes does not know that another
// attempt went on. Here the place to go on is a row in the target database, in
// the table seriatim_checkpoints, and each batch changes it only if it still
// carries this attempt's fence.
//
// Rows stay when the work is done: an attempt may come late, and only the row tells
// it so.
package fenced

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// Table is the name of the table of checkpoints; it is created when it is first
// needed.
const Table = "seriatim_checkpoints"

const createTable = `CREATE TABLE IF NOT EXISTS ` + Table + ` (
	operation_id TEXT PRIMARY KEY,
	sequence BIGINT NOT NULL, n BIGINT NOT NULL, attempt BIGINT NOT NULL,
	subject TEXT NOT NULL,
	position TEXT NOT NULL,
	modified_on TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT CURRENT_TIMESTAMP)`

// Work is whose batches they are.
type Work struct {
	OperationID string
	// Fence is the attempt's.
	Fence protocol.Fence
	// Subject says what the work is about: an operation of the same id with another
	// one is refused, since its checkpoint would lead nowhere.
	Subject string
}

// LostError says that another attempt holds the lock, or that the checkpoint is
// gone: nothing was written.
type LostError struct {
	Ours protocol.Fence
	// Theirs is who holds it, zero if nobody does.
	Theirs protocol.Fence
}

// Error names both attempts.
func (e *LostError) Error() string {
	if e.Theirs == (protocol.Fence{}) {
		return fmt.Sprintf("attempt %s lost its lock: its row in %s is gone", e.Ours, Table)
	}
	return fmt.Sprintf("attempt %s lost its lock: attempt %s went on", e.Ours, e.Theirs)
}

// SubjectError says that the operation's checkpoint is about other work.
type SubjectError struct{ OperationID string }

// Error names the operation.
func (e *SubjectError) Error() string {
	return fmt.Sprintf("operation %s has a checkpoint of other data in %s: an id is for one operation only", e.OperationID, Table)
}

// Lock is one attempt's right to write.
type Lock struct {
	work Work
	db   *sqldb.DB
}

// Claim takes the work over from every earlier attempt, and reads the place where
// the last batch left it into the pointer; without one it leaves the value as it
// is. From then on no earlier attempt can write. It waits for a batch that one is
// writing; if that takes long, the error's kind is sqldb.Locked. Errors are
// *LostError, *SubjectError or *sqldb.Error.
func Claim(ctx context.Context, db *sqldb.DB, w Work, position any) (*Lock, error) {
	if err := ensureTable(ctx, db); err != nil {
		return nil, err
	}
	l := &Lock{work: w, db: db}
	err := l.within(ctx, func(tx *sql.Tx) error {
		before, theirs, subject, err := l.take(ctx, tx)
		switch {
		case err != nil:
			return err
		case subject != w.Subject:
			return &SubjectError{OperationID: w.OperationID}
		case theirs.Compare(w.Fence) > 0:
			return &LostError{Ours: w.Fence, Theirs: theirs}
		}
		if before != "" {
			if err := json.Unmarshal([]byte(before), position); err != nil {
				return fmt.Errorf("%s: the position of operation %s: %w", Table, w.OperationID, err)
			}
		}
		_, err = tx.ExecContext(ctx, l.statement(`UPDATE `+Table+` SET sequence = ?, n = ?, attempt = ?, modified_on = CURRENT_TIMESTAMP WHERE operation_id = ?`),
			w.Fence.Sequence, w.Fence.N, w.Fence.Attempt, w.OperationID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// take reads the operation's row, which it makes if there is none, and holds it.
func (l *Lock) take(ctx context.Context, tx *sql.Tx) (position string, theirs protocol.Fence, subject string, err error) {
	w := l.work
	_, err = tx.ExecContext(ctx, l.statement(`INSERT INTO `+Table+` (operation_id, sequence, n, attempt, subject, position)
		VALUES (?, ?, ?, ?, ?, '') ON CONFLICT (operation_id) DO NOTHING`),
		w.OperationID, w.Fence.Sequence, w.Fence.N, w.Fence.Attempt, w.Subject)
	if err != nil {
		return "", theirs, "", err
	}
	row := tx.QueryRowContext(ctx, l.statement(`SELECT position, subject, sequence, n, attempt FROM `+Table+` WHERE operation_id = ?`)+l.db.ForUpdate(), w.OperationID)
	err = row.Scan(&position, &subject, &theirs.Sequence, &theirs.N, &theirs.Attempt)
	return position, theirs, subject, err
}

// Commit writes one batch and the place behind it, which write answers, or
// neither. The error is a *LostError if another attempt took over meanwhile, an
// *sqldb.Error, or the one of write. After an error of kind sqldb.Unavailable the
// batch may have been written: the next Claim knows.
func (l *Lock) Commit(ctx context.Context, write func(tx *sql.Tx) (position any, err error)) error {
	return l.within(ctx, func(tx *sql.Tx) error {
		// First, so that a handler that was stopped writes nothing, and that nobody
		// takes over in the middle of a batch.
		if err := l.hold(ctx, tx, `modified_on = CURRENT_TIMESTAMP`); err != nil {
			return err
		}
		position, err := write(tx)
		if err != nil {
			return err
		}
		encoded, err := json.Marshal(position)
		if err != nil {
			return fmt.Errorf("%s: the position of operation %s: %w", Table, l.work.OperationID, err)
		}
		return l.hold(ctx, tx, `position = ?`, string(encoded))
	})
}

// hold changes the operation's row as long as it carries this attempt's fence.
func (l *Lock) hold(ctx context.Context, tx *sql.Tx, change string, arguments ...any) error {
	f := l.work.Fence
	arguments = append(arguments, l.work.OperationID, f.Sequence, f.N, f.Attempt)
	result, err := tx.ExecContext(ctx, l.statement(`UPDATE `+Table+` SET `+change+`
		WHERE operation_id = ? AND sequence = ? AND n = ? AND attempt = ?`), arguments...)
	if err != nil {
		return err
	}
	if hit, err := result.RowsAffected(); err != nil || hit == 1 {
		return err
	}
	lost := &LostError{Ours: f}
	row := tx.QueryRowContext(ctx, l.statement(`SELECT sequence, n, attempt FROM `+Table+` WHERE operation_id = ?`), l.work.OperationID)
	err = row.Scan(&lost.Theirs.Sequence, &lost.Theirs.N, &lost.Theirs.Attempt)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return lost
}

// timeouts keep a stopped process from holding its row for ever: PostgreSQL ends
// a transaction that is silent for so long, and another attempt does not wait
// longer than that in one go.
const timeouts = `SELECT set_config('idle_in_transaction_session_timeout', '20000', true), set_config('lock_timeout', '10000', true)`

// within runs work in a transaction and describes the database's errors.
func (l *Lock) within(ctx context.Context, work func(tx *sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return l.db.Explain(err)
	}
	defer func() { _ = tx.Rollback() }()
	if l.db.IsPostgres() {
		if _, err := tx.ExecContext(ctx, timeouts); err != nil {
			return l.db.Explain(err)
		}
	}
	if err := work(tx); err != nil {
		if isOwn(err) {
			return err
		}
		return l.db.Explain(err)
	}
	return l.db.Explain(tx.Commit())
}

// isOwn tells errors that say what is wrong themselves from a database's.
func isOwn(err error) bool {
	var (
		lost    *LostError
		subject *SubjectError
		own     interface{ Outcome() protocol.Outcome }
	)
	return errors.As(err, &lost) || errors.As(err, &subject) || errors.As(err, &own)
}

// statement numbers the placeholders of the database.
func (l *Lock) statement(text string) string {
	var b strings.Builder
	parts := strings.Split(text, "?")
	for i, part := range parts {
		b.WriteString(part)
		if i < len(parts)-1 {
			b.WriteString(l.db.Placeholder(i + 1))
		}
	}
	return b.String()
}

// ensureTable makes the table where it is missing: one that somebody made before
// needs no right to do so.
func ensureTable(ctx context.Context, db *sqldb.DB) error {
	columns, err := db.Columns(ctx, Table)
	if err != nil || len(columns) > 0 {
		return err
	}
	if _, err = db.ExecContext(ctx, createTable); err == nil {
		return nil
	}
	if made, later := db.Columns(ctx, Table); later == nil && len(made) > 0 {
		return nil // by another worker at the same time
	}
	return db.Explain(err)
}

// Outcome is how a handler ends on an error of Claim or Commit; ok is false if it
// is not one of this package or of a database.
func Outcome(err error) (outcome protocol.Outcome, ok bool) {
	var (
		lost     *LostError
		subject  *SubjectError
		explicit interface{ Outcome() protocol.Outcome }
	)
	switch {
	case errors.As(err, &lost):
		return protocol.Failure("LockLost", lost.Error()), true
	case errors.As(err, &subject):
		return protocol.Failure("CheckpointOfOtherData", subject.Error()), true
	case errors.As(err, &explicit):
		return explicit.Outcome(), true
	}
	return protocol.Outcome{}, false
}
