package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// errNoPostgres tells what to do.
var errNoPostgres = errors.New("PostgreSQL is not installed: there is no initdb in /usr/lib/postgresql/*/bin or on PATH; " +
	"on Debian: apt-get install -y postgresql")

// Postgres is a PostgreSQL server with an empty database folder of its own.
type Postgres struct {
	*Process
	bin, folder    string
	port           int
	user, password string
}

// findPostgres returns the folder with PostgreSQL's programs, of the newest
// version that is there.
func findPostgres() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is right
	slices.SortFunc(found, func(a, b string) int { return majorVersion(b) - majorVersion(a) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", errNoPostgres
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return "", err
	}
	return filepath.Dir(initdb), nil
}

// majorVersion reads /usr/lib/postgresql/<version>/bin/initdb.
func majorVersion(initdb string) int {
	version, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb)))) // an odd one is the oldest
	return version
}

// startPostgres initialises a database folder and runs a server on it, with the
// user, the password and the arguments of the service in docker-compose.yml.
func startPostgres(ctx context.Context, c Compose) (*Postgres, error) {
	p := &Postgres{}
	environment, err := c.Environment("postgres", nil)
	if err != nil {
		return nil, err
	}
	p.user, p.password = environment["POSTGRES_USER"], environment["POSTGRES_PASSWORD"]
	if p.bin, err = findPostgres(); err != nil {
		return nil, err
	}
	if p.port, err = embedded.FreePort(); err != nil {
		return nil, err
	}
	if p.folder, err = os.MkdirTemp("", "seriatim-postgres-"); err != nil {
		return nil, err
	}
	if err := p.run(ctx, c); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.folder))
	}
	return p, nil
}

func (p *Postgres) run(ctx context.Context, c Compose) error {
	owner, err := p.giveAway()
	if err != nil {
		return err
	}
	data, secret := filepath.Join(p.folder, "data"), filepath.Join(p.folder, "password")
	command := func(program string, args ...string) *exec.Cmd {
		command := exec.Command(filepath.Join(p.bin, program), args...)
		command.Dir, command.SysProcAttr = p.folder, owner
		return command
	}
	err = RunToEnd(ctx, c.Folder, "initdb", command("initdb", "--pgdata", data, "--username", p.user,
		"--pwfile", secret, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8"))
	if err != nil {
		return err
	}
	args := []string{"-D", data, "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	if line := c.Project.Services["postgres"].Command; len(line) > 0 {
		args = append(args, line[1:]...) // the first word is the program
	}
	p.Process, err = StartProcess(c.Folder, "postgres", command("postgres", args...))
	if err != nil {
		return err
	}
	return p.Wait(ctx, func(ctx context.Context) error { return p.healthy(ctx, c) })
}

// giveAway writes the password and hands the folder to the user "postgres" if
// this is root, as which PostgreSQL does not run.
func (p *Postgres) giveAway() (*syscall.SysProcAttr, error) {
	secret := filepath.Join(p.folder, "password")
	if err := os.WriteFile(secret, []byte(p.password), 0o600); err != nil {
		return nil, err
	}
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, _ := strconv.Atoi(account.Uid) // numbers on Unix
	gid, _ := strconv.Atoi(account.Gid)
	for _, path := range []string{p.folder, secret} {
		if err := os.Chown(path, uid, gid); err != nil {
			return nil, err
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// healthy runs the service's own health check.
func (p *Postgres) healthy(ctx context.Context, c Compose) error {
	check := c.Project.Services["postgres"].HealthCheck.Test // CMD, program, arguments
	command := exec.CommandContext(ctx, filepath.Join(p.bin, check[1]), check[2:]...)
	command.Env = append(os.Environ(), "PGPORT="+strconv.Itoa(p.port))
	return command.Run()
}

// Query asks a database for one value.
func (p *Postgres) Query(ctx context.Context, database, question string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(p.bin, "psql"), "--host", "127.0.0.1", "--port", strconv.Itoa(p.port),
		"--username", p.user, "--dbname", database, "--no-align", "--tuples-only", "--command", question)
	command.Env = append(os.Environ(), "PGPASSWORD="+p.password)
	answer, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", question, err)
	}
	return strings.TrimSpace(string(answer)), nil
}

// temporalBackends are the database processes that serve the Temporal server.
const temporalBackends = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname LIKE 'temporal%'"

// TerminateBackend ends one of the database processes that serve the Temporal
// server, as an administrator does.
func (p *Postgres) TerminateBackend(ctx context.Context) error {
	ended, err := p.Query(ctx, "postgres", "SELECT pg_terminate_backend(pid) "+temporalBackends+" ORDER BY random() LIMIT 1")
	if err == nil && ended != "t" {
		err = fmt.Errorf("pg_terminate_backend: there was no backend to end, it answered %q", ended)
	}
	return err
}

// KillBackend kills one of them as a crash does. PostgreSQL then ends every other
// one and recovers from its log; KillBackend returns when it answers again.
func (p *Postgres) KillBackend(ctx context.Context) error {
	answer, err := p.Query(ctx, "postgres", "SELECT pid "+temporalBackends+" ORDER BY random() LIMIT 1")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(answer)
	if err != nil {
		return fmt.Errorf("there was no backend to kill: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill backend %d: %w", pid, err)
	}
	return p.Wait(ctx, func(ctx context.Context) error {
		_, err := p.Query(ctx, "postgres", "SELECT 1")
		return err
	})
}

// Recoveries counts how often the database ended its processes and recovered,
// since one of them was killed.
func (p *Postgres) Recoveries() (int, error) {
	log, err := os.ReadFile(p.log)
	return strings.Count(string(log), "all server processes terminated; reinitializing"), err
}

// Report says what the tests left in the database, and fails where the server was
// refused a connection.
func (p *Postgres) Report(ctx context.Context, out io.Writer) error {
	for _, line := range []struct{ database, what, question string }{
		{"postgres", "version", "SHOW server_version"},
		{"temporal", "history shards with executions", "SELECT count(DISTINCT shard_id) FROM executions"},
		{"temporal_visibility", "executions in visibility", "SELECT count(*) FROM executions_visibility"},
		{"postgres", "size", "SELECT pg_size_pretty(sum(pg_database_size(datname))) FROM pg_database"},
	} {
		answer, err := p.Query(ctx, line.database, line.question)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "PostgreSQL: %s: %s\n", line.what, answer)
	}
	log, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	if strings.Contains(string(log), "too many clients") {
		return errors.New("PostgreSQL refused connections: max_connections is too low")
	}
	return nil
}

func (p *Postgres) stop() error {
	return errors.Join(p.Process.Stop(syscall.SIGINT), os.RemoveAll(p.folder)) // SIGINT: fast shutdown
}
