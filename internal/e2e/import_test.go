//go:build unix

package e2e

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities/fenced"
	"github.com/seriatim-go/seriatim/activities/propagate"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/activities/sqlimport"
	"github.com/seriatim-go/seriatim/internal/postgres"
	"github.com/seriatim-go/seriatim/internal/sqlbench"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const importConfig = `
taskQueue: %q
files: {root: %s}
sql:
  connections:
    - {name: crm, driver: %s, dsn: %q}
types:
  - key: import
    activity: import
    startToClose: 10m
    heartbeat: 2s
    retry: {initial: 100ms, max: 1s, maxAttempts: 100}
  - key: activity.propagation
    activity: activity.propagation
    startToClose: 10m
    heartbeat: 2s
    retry: {initial: 100ms, max: 1s, maxAttempts: 100}
`

// importSite is a database and worker processes that import into it.
type importSite struct {
	*opclient.Client
	t      *testing.T
	db     *sqldb.DB
	probe  *sqldb.DB // does not wait for a lock
	config string
	folder string
}

func newImportSite(t *testing.T, driver, dsn string) *importSite {
	t.Helper()
	s := &importSite{t: t, folder: t.TempDir()}
	queue := unique(t)
	s.config = fmt.Sprintf(importConfig, queue, s.folder, driver, dsn)
	crm, probe := sqldb.Connection{Name: "crm", Driver: driver, DSN: dsn}, sqldb.Connection{Name: "probe", Driver: driver, DSN: dsn}
	if driver == sqldb.SQLite {
		// A reader that is stopped keeps others from committing too.
		probe.DSN = "file:" + dsn + "?_busy_timeout=1&_txlock=exclusive"
	}
	databases, err := sqldb.Open(crm, probe)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, databases.Close()) })
	s.db, err = databases.Get("", "crm")
	require.NoError(t, err)
	s.probe, err = databases.Get("", "probe")
	require.NoError(t, err)
	temporal := dial(t, shared.Namespace())
	s.Client = opclient.New(temporal, opclient.Options{TaskQueue: queue})
	return s
}

// write makes a file of n records, of which each hundredth is no number.
func (s *importSite) write(name string, n int) {
	require.NoError(s.t, os.MkdirAll(filepath.Dir(filepath.Join(s.folder, name)), 0o700))
	file, err := os.Create(filepath.Join(s.folder, name))
	require.NoError(s.t, err)
	w := bufio.NewWriter(file)
	_, _ = w.WriteString("note,number\n")
	for i := range n {
		if i%100 == 50 {
			_, _ = fmt.Fprintf(w, "bad %d,none\n", i)
		} else {
			_, _ = fmt.Fprintf(w, "\"note\n%d\",%d\n", i, i)
		}
	}
	require.NoError(s.t, w.Flush())
	require.NoError(s.t, file.Close())
}

// row is the operation's checkpoint in the database: how many rows it wrote so
// far, and which attempt holds it.
func (s *importSite) row(id string) (written int64, fence protocol.Fence) {
	var text string
	row := s.db.QueryRowContext(s.t.Context(), `SELECT position, sequence, n, attempt FROM `+fenced.Table+` WHERE operation_id = `+s.db.Placeholder(1), id)
	if row.Scan(&text, &fence.Sequence, &fence.N, &fence.Attempt) != nil || text == "" {
		return 0, fence // the table or the row is still to be made, or locked
	}
	var position struct {
		Counts struct {
			sqlimport.Result
			Created int64 `json:"created"`
		} `json:"counts"`
	}
	require.NoError(s.t, json.Unmarshal([]byte(text), &position))
	return position.Counts.Imported + position.Counts.Created, fence
}

func (s *importSite) reaches(id string, written int64) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		now, _ := s.row(id)
		return now >= written
	}, 4*patience, 5*time.Millisecond, "%d rows are written", written)
}

// stop stops a process as SIGSTOP does, while it holds no lock of the database: on
// SQLite nobody could write until it goes on.
func (s *importSite) stop(p *process, id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		require.NoError(s.t, p.command.Process.Signal(syscall.SIGSTOP))
		// Until its last thread stands it may still begin a transaction.
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.command.Process.Pid, &status, syscall.WUNTRACED, nil)
		require.NoError(s.t, err)
		require.True(s.t, status.Stopped(), "it ended")
		if s.isFree(id) {
			return true
		}
		require.NoError(s.t, p.command.Process.Signal(syscall.SIGCONT))
		return false
	}, 2*patience, 3*time.Millisecond, "it stops between two batches")
}

func (s *importSite) isFree(id string) bool {
	tx, err := s.probe.BeginTx(s.t.Context(), &sql.TxOptions{})
	if err != nil {
		return false
	}
	defer func() { _ = tx.Rollback() }()
	if !s.db.IsPostgres() {
		return true // its begin takes the file for itself
	}
	_, err = tx.ExecContext(s.t.Context(), `SELECT 1 FROM `+fenced.Table+` WHERE operation_id = $1 FOR UPDATE NOWAIT`, id)
	return err == nil
}

// count is how many rows there are, and how many different ones.
func (s *importSite) count() (rows, different int64) {
	require.NoError(s.t, s.db.QueryRowContext(s.t.Context(), `SELECT count(*), count(DISTINCT number) FROM notes`).Scan(&rows, &different))
	return rows, different
}

// SPEC 2.2, 6.5: an import into a table that would take each row twice. Its worker
// is killed with -9 again and again, then one is stopped and wakes after another
// took over: each record is there once, and each reject too.
func TestImportSurvivesKillsAndAStop(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		surviveImport(t, sqldb.SQLite, sqlbench.NewSQLite(t))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		surviveImport(t, sqldb.Postgres, postgres.Start(t))
	})
}

func surviveImport(t *testing.T, driver, dsn string) {
	const records, kills = 30_000, 3
	s := newImportSite(t, driver, dsn)
	_, err := s.db.ExecContext(t.Context(), `CREATE TABLE notes (note TEXT, number INTEGER)`)
	require.NoError(t, err)
	s.write("in/notes.csv", records)
	o := protocol.Operation{ID: uuid.NewString(), OperationType: "import", Data: json.RawMessage(
		`{"file":"in/notes.csv","connection":"crm","table":"notes","batchSize":50,"rejects":"out/bad.csv",
		"columns":[{"from":"note"},{"from":"number","type":"integer"}]}`)}
	p := startProcess(t, shared, s.config)
	_, err = s.Submit(t.Context(), o)
	require.NoError(t, err)
	for k := range int64(kills) {
		s.reaches(o.ID, (k+1)*records/10)
		p.kill()
		p = startProcess(t, shared, s.config)
	}
	s.reaches(o.ID, 5*records/10)
	next, before, zombie := s.takeOver(p, o.ID)

	var r sqlimport.Result
	s.succeeds(o.ID, &r)
	const bad = records / 100
	require.Equal(t, []int64{records, records - bad, bad}, []int64{r.Parsed, r.Imported, r.Rejected})
	rows, different := s.count()
	require.Equal(t, []int64{records - bad, records - bad}, []int64{rows, different}, "each row once")
	rejects, err := os.ReadFile(filepath.Join(s.folder, r.RejectsFile))
	require.NoError(t, err)
	require.Equal(t, bad+1, strings.Count(string(rejects), "\n"))
	for i := 50; i < records; i += 100 {
		require.Equal(t, 1, strings.Count(string(rejects), fmt.Sprintf(",bad %d,", i)), "bad %d", i)
	}
	_, last := s.row(o.ID)
	p.kill()
	s.propagate(next, records-bad)
	t.Logf("%d records, %d kills, stopped at %d as attempt %s, ended by attempt %s: 0 doubled, 0 lost", records, kills, before, zombie, last)
}

// succeeds waits for the operation's end and reads its result into the pointer.
func (s *importSite) succeeds(id string, result any) {
	s.t.Helper()
	found, err := s.Wait(s.t.Context(), id, "")
	require.NoError(s.t, err)
	require.Equal(s.t, protocol.Succeeded, found.StatusCode, found.Message)
	require.NoError(s.t, json.Unmarshal(found.Result, result))
}

// takeOver stops a worker in the middle of an operation, has another one go on with
// it, and wakes the first.
func (s *importSite) takeOver(p *process, id string) (next *process, before int64, zombie protocol.Fence) {
	s.t.Helper()
	s.stop(p, id)
	found, err := s.Get(s.t.Context(), id, "")
	require.NoError(s.t, err)
	require.False(s.t, found.StatusCode.Terminal(), "it was stopped after its end")
	before, zombie = s.row(id)
	next = startProcess(s.t, shared, s.config)
	require.Eventually(s.t, func() bool {
		now, holder := s.row(id)
		return holder.Compare(zombie) > 0 && now > before
	}, 4*patience, 20*time.Millisecond, "another attempt goes on while one is stopped")
	require.NoError(s.t, p.command.Process.Signal(syscall.SIGCONT))
	return next, before, zombie
}

// propagate makes an activity for each note; its worker is killed, the next one
// stopped in the middle.
func (s *importSite) propagate(p *process, notes int64) {
	_, err := s.db.ExecContext(s.t.Context(), `CREATE TABLE calls (campaign TEXT, member TEXT, subject TEXT)`)
	require.NoError(s.t, err)
	_, err = s.db.ExecContext(s.t.Context(), `CREATE UNIQUE INDEX one_call ON calls (campaign, member)`)
	require.NoError(s.t, err)
	o := protocol.Operation{ID: uuid.NewString(), OperationType: "activity.propagation", Data: json.RawMessage(
		`{"campaign":"spring","activity":{"subject":"Call"},"target":{"connection":"crm","table":"calls"},"batchSize":5,
		"members":{"connection":"crm","query":"SELECT number FROM notes"},
		"exclusions":{"connection":"crm","query":"SELECT number FROM notes WHERE number < 1000"}}`)}
	_, err = s.Submit(s.t.Context(), o)
	require.NoError(s.t, err)
	s.reaches(o.ID, notes/4)
	p.kill()
	p = startProcess(s.t, shared, s.config)
	s.reaches(o.ID, notes/2)
	s.takeOver(p, o.ID)
	var r propagate.Result
	s.succeeds(o.ID, &r)
	require.Equal(s.t, propagate.Result{Members: notes, Created: notes - 990, Excluded: 990, Seconds: r.Seconds}, r)
	var calls int64
	require.NoError(s.t, s.db.QueryRowContext(s.t.Context(), `SELECT count(*) FROM calls`).Scan(&calls))
	require.Equal(s.t, r.Created, calls)
}
