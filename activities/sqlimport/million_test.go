//go:build unix

package sqlimport

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/internal/postgres"
	"github.com/seriatim-go/seriatim/internal/sqlbench"
)

const million = 1_000_000

// maxMemory is what a process may take that imports a file of any size, in KiB.
const maxMemory = 256 << 10

// millionPeople is a file without a mistake, which the databases' own tools can
// read too.
func millionPeople(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	w := bufio.NewWriter(file)
	_, _ = w.WriteString("email,name,born,points,pay,active\n")
	for i := range million {
		_, _ = fmt.Fprintf(w, "person-%d@example.com,\"Doe, Jane %d\",19%02d-0%d-1%d,%d,%d.50,%t\n", i, i, i%100, i%9+1, i%9, i%1000, i%5000, i%2 == 0)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, file.Close())
}

const million1 = `"table":"people","columns":[{"from":"email","required":true},{"from":"name"},{"from":"born","type":"date"},
	{"from":"points","type":"integer"},{"from":"pay","type":"number"},{"from":"active","type":"boolean"}]`

var millionTable = strings.ReplaceAll(peopleTable, "points < 1000", "points >= 0")

// peak is the most memory that this process had, in KiB.
func peak(t *testing.T) int {
	t.Helper()
	n := harness.PeakMemory(os.Getpid())
	if n == 0 {
		t.Skip("memory is read from /proc, which this system does not have")
	}
	return n
}

// A million records, next to what the database's own tool takes for the same file
// into the same table on the same machine; make import-bench runs it.
func TestMillionRows(t *testing.T) {
	if os.Getenv("SERIATIM_LONG") == "" {
		t.Skip("SERIATIM_LONG=1 imports a million records: make import-bench")
	}
	file := filepath.Join(t.TempDir(), "million.csv")
	millionPeople(t, file)
	t.Run("SQLite", func(t *testing.T) {
		path := sqlbench.NewSQLite(t)
		b := newBench(t, sqlbench.Open(t, sqldb.SQLite, path))
		b.importMillion(t, file)
		tool(t, "sqlite3 .import", "sqlite3", path, strings.Replace(millionTable, "people", "other", 1), ".mode csv", ".import --skip 1 "+file+" other")
		require.Equal(t, []string{"1000000"}, b.list(t, `SELECT CAST(count(*) AS TEXT) FROM other`))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgres.Start(t)
		b := newBench(t, sqlbench.Open(t, sqldb.Postgres, server))
		b.importMillion(t, file)
		b.Do(t, strings.Replace(millionTable, "people", "other", 1))
		tool(t, "psql \\copy", "psql", "--quiet", server, "--command", `\copy other FROM '`+file+`' WITH (FORMAT csv, HEADER)`)
		require.Equal(t, []string{"1000000"}, b.list(t, `SELECT CAST(count(*) AS TEXT) FROM other`))
	})
}

func (b *bench) importMillion(t *testing.T, file string) {
	t.Helper()
	require.NoError(t, os.Link(file, filepath.Join(b.Folder, "in.csv")))
	b.Do(t, `DROP TABLE people`)
	b.Do(t, millionTable)
	began, before := time.Now(), processor(t)
	r := b.succeed(t, operation("in.csv", million1, `"batchSize":5000`))
	report(t, "import", time.Since(began), processor(t)-before)
	require.Equal(t, int64(million), r.Imported)
	require.Equal(t, []string{"1000000"}, b.list(t, `SELECT CAST(count(*) AS TEXT) FROM people`))
	memory := peak(t)
	t.Logf("peak memory of this process: %d MiB", memory>>10)
	require.Less(t, memory, maxMemory)
}

// processor is the time that this process computed.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func report(t *testing.T, what string, took, computed time.Duration) {
	t.Helper()
	t.Logf("%s: %.1f s, %.0f rows/s; the client computed %.1f s", what, took.Seconds(), million/took.Seconds(), computed.Seconds())
}

// tool runs the database's own program.
func tool(t *testing.T, what, program string, arguments ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed, there is nothing to compare with", program)
	}
	began := time.Now()
	command := exec.Command(program, arguments...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	report(t, what, time.Since(began), command.ProcessState.UserTime()+command.ProcessState.SystemTime())
}
