package fenced

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/internal/postgres"
	"github.com/seriatim-go/seriatim/protocol"
)

// open is a database with a table of rows, reached twice: as two processes would.
func open(t *testing.T, driver, dsn string) (a, b *sqldb.DB) {
	t.Helper()
	all, err := sqldb.Open(sqldb.Connection{Name: "a", Driver: driver, DSN: dsn}, sqldb.Connection{Name: "b", Driver: driver, DSN: dsn})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, all.Close()) })
	a, err = all.Get("", "a")
	require.NoError(t, err)
	b, err = all.Get("", "b")
	require.NoError(t, err)
	_, err = a.ExecContext(t.Context(), `CREATE TABLE numbers (n INTEGER)`)
	require.NoError(t, err)
	return a, b
}

func work(n int64, attempt int32) Work {
	return Work{OperationID: "o", Subject: "s", Fence: protocol.Fence{Sequence: 3, N: n, Attempt: attempt}}
}

// add writes one row with the position n.
func add(ctx context.Context, n int) func(tx *sql.Tx) (any, error) {
	return func(tx *sql.Tx) (any, error) {
		_, err := tx.ExecContext(ctx, `INSERT INTO numbers VALUES (1)`)
		return n, err
	}
}

func rows(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM numbers`).Scan(&n))
	return n
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	a, b := open(t, sqldb.SQLite, "file:"+path+"?_busy_timeout=50")
	fencesHold(t, a, b)
	inTheMiddle(t, a, b, func(err error) {
		require.NoError(t, err, "the one that holds the database ends its batch, however long that takes")
	})
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	a, b := open(t, sqldb.Postgres, postgres.Start(t))
	fencesHold(t, a, b)
	inTheMiddle(t, a, b, func(err error) {
		require.Error(t, err, "the server ended the transaction of the one that was silent")
	})
}

// SPEC 2.2: only the newest attempt writes, and it goes on where the last batch
// of any attempt ended.
func fencesHold(t *testing.T, a, b *sqldb.DB) {
	ctx, at := t.Context(), 0
	first, err := Claim(ctx, a, work(1, 1), &at)
	require.NoError(t, err)
	require.Zero(t, at)
	require.NoError(t, first.Commit(ctx, add(ctx, 10)))
	broken := errors.New("broken")
	err = first.Commit(ctx, func(tx *sql.Tx) (any, error) {
		_, err := add(ctx, 11)(tx)
		require.NoError(t, err)
		return nil, broken
	})
	require.ErrorIs(t, err, broken)
	require.Equal(t, 1, rows(t, a), "a batch that fails leaves nothing")

	second, err := Claim(ctx, b, work(1, 2), &at)
	require.NoError(t, err)
	require.Equal(t, 10, at)
	lost := (*LostError)(nil)
	require.ErrorAs(t, first.Commit(ctx, add(ctx, 12)), &lost)
	require.Equal(t, LostError{work(1, 1).Fence, work(1, 2).Fence}, *lost)
	require.NoError(t, second.Commit(ctx, add(ctx, 20)))
	require.Equal(t, 2, rows(t, a))

	for _, older := range []Work{work(1, 1), {OperationID: "o", Subject: "s", Fence: protocol.Fence{Sequence: 2, N: 9, Attempt: 9}}} {
		_, err = Claim(ctx, a, older, &at)
		require.ErrorAs(t, err, &lost, older.Fence)
	}
	_, err = Claim(ctx, a, work(2, 1), &at) // scheduled anew: its attempts count from 1
	require.NoError(t, err)
	require.Equal(t, 20, at)
	other := work(3, 1)
	other.Subject = "another"
	subject := (*SubjectError)(nil)
	_, err = Claim(ctx, a, other, &at)
	require.ErrorAs(t, err, &subject)

	_, err = a.ExecContext(ctx, `DELETE FROM `+Table)
	require.NoError(t, err)
	require.ErrorAs(t, second.Commit(ctx, add(ctx, 30)), &lost)
	require.Equal(t, "attempt 3.1.2 lost its lock: its row in seriatim_checkpoints is gone", lost.Error())
	require.Equal(t, 2, rows(t, a))
}

// SPEC 2.2: nobody takes over in the middle of a batch. Who comes then waits
// without using up an attempt.
func inTheMiddle(t *testing.T, a, b *sqldb.DB, ended func(error)) {
	ctx, at := t.Context(), 0
	first, err := Claim(ctx, a, work(1, 1), &at)
	require.NoError(t, err)
	before := rows(t, a)
	var second *Lock
	err = first.Commit(ctx, func(tx *sql.Tx) (any, error) {
		if a.IsPostgres() {
			_, err := tx.ExecContext(ctx, `SELECT set_config('idle_in_transaction_session_timeout', '3000', true)`)
			require.NoError(t, err)
		}
		_, err := add(ctx, 1)(tx)
		require.NoError(t, err)
		second, err = Claim(ctx, b, work(1, 2), &at)
		if !a.IsPostgres() {
			locked := (*sqldb.Error)(nil)
			require.ErrorAs(t, err, &locked)
			require.Equal(t, sqldb.Locked, locked.Kind, locked.Problem)
			require.True(t, locked.Outcome().Uncounted)
			return 1, nil
		}
		require.NoError(t, err, "it waited until the server ended the silent transaction")
		return 1, nil
	})
	ended(err)
	if second == nil {
		second, err = Claim(ctx, b, work(1, 2), &at)
		require.NoError(t, err)
		before++
	}
	require.Equal(t, before, rows(t, a))
	require.Error(t, first.Commit(ctx, add(ctx, 2)))
	require.NoError(t, second.Commit(ctx, add(ctx, 2)))
	require.Equal(t, before+1, rows(t, a))
}

// Rows stay: without its row, an attempt that was stopped before it claimed its lock
// begins the work again, however long it has been done (docs/handlers-import.md).
func TestTheRowRefusesAnAttemptThatComesLate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	a, b := open(t, sqldb.SQLite, "file:"+path)
	ctx, at := t.Context(), 0
	second, err := Claim(ctx, b, work(1, 2), &at)
	require.NoError(t, err)
	require.NoError(t, second.Commit(ctx, add(ctx, 100)), "all is done")

	lost := (*LostError)(nil)
	_, err = Claim(ctx, a, work(1, 1), &at)
	require.ErrorAs(t, err, &lost, "it is refused as long as the row is there")
	_, err = Claim(ctx, a, work(1, 3), &at)
	require.NoError(t, err)
	require.Equal(t, 100, at, "and one that follows finds that all is done")

	_, err = a.ExecContext(ctx, `DELETE FROM `+Table)
	require.NoError(t, err)
	at = 0
	late, err := Claim(ctx, a, work(1, 1), &at)
	require.NoError(t, err)
	require.Zero(t, at)
	require.NoError(t, late.Commit(ctx, add(ctx, 1)))
	require.Equal(t, 2, rows(t, a), "written twice: this is why")
}
