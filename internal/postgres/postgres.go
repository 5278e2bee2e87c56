//go:build unix

// Package postgres runs a PostgreSQL server for a test: Debian's, as a user
// without rights, in a folder of its own, reached by a socket in it.
package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Start is the place of a server's own database, which is gone with the test.
// Where PostgreSQL is not installed, and with -short, the test skips and says so.
func Start(t testing.TB) (dsn string) {
	t.Helper()
	if testing.Short() {
		t.Skip("this test needs a PostgreSQL server: left out with -short")
	}
	programs := find(t)
	// Not the test's own folder: a socket's path has at most 107 bytes, and the
	// server's user may not enter it.
	folder, err := os.MkdirTemp("", "pg-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	account := serverAccount(t, folder)
	data := filepath.Join(folder, "data")
	run(t, account, filepath.Join(programs, "initdb"), "--pgdata", data, "--username", "seriatim", "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--no-sync")
	settings := fmt.Sprintf("-c listen_addresses='' -c unix_socket_directories=%s -c fsync=on", folder)
	run(t, account, filepath.Join(programs, "pg_ctl"), "start", "--wait", "--timeout", "180", "--pgdata", data,
		"--log", filepath.Join(folder, "log"), "--options", settings)
	t.Cleanup(func() {
		run(t, account, filepath.Join(programs, "pg_ctl"), "stop", "--mode", "immediate", "--pgdata", data)
	})
	return fmt.Sprintf("host=%s user=seriatim dbname=postgres sslmode=disable", folder)
}

// find is the folder of the newest server's programs.
func find(t testing.TB) string {
	t.Helper()
	if found, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(found)
	}
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	require.NoError(t, err)
	if len(installed) == 0 {
		t.Skip("PostgreSQL is not installed: this test needs initdb and pg_ctl (Debian: apt-get install postgresql)")
	}
	slices.SortFunc(installed, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(installed[len(installed)-1])
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

// serverAccount is who runs the server, nil for this user: root may not. The folder
// becomes theirs, open to all for its socket.
func serverAccount(t testing.TB, folder string) *syscall.Credential {
	t.Helper()
	require.NoError(t, os.Chmod(folder, 0o755))
	if os.Getuid() != 0 {
		return nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		who, err = user.Lookup("nobody")
	}
	require.NoError(t, err)
	uid, err := strconv.Atoi(who.Uid)
	require.NoError(t, err)
	gid, err := strconv.Atoi(who.Gid)
	require.NoError(t, err)
	require.NoError(t, os.Chown(folder, uid, gid))
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// run runs one of the programs to its end. Its output goes to a file: the server
// that pg_ctl leaves behind would keep a pipe open.
func run(t testing.TB, account *syscall.Credential, program string, arguments ...string) {
	t.Helper()
	output, err := os.CreateTemp("", "pg-output-")
	require.NoError(t, err)
	defer func() { _, _ = output.Close(), os.Remove(output.Name()) }()
	command := exec.Command(program, arguments...)
	command.Dir, command.Stdout, command.Stderr = "/", output, output
	if account != nil {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	}
	if err := command.Run(); err != nil {
		said, _ := os.ReadFile(output.Name())
		require.NoError(t, err, "%s: %s", filepath.Base(program), said)
	}
}
