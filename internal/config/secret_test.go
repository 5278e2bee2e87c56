package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// SPEC 9.3: secrets come from the environment or from a file.
func TestHeadersComeFromWhereTheyAreKept(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "config.yaml")
	require.NoError(t, os.Mkdir(filepath.Join(folder, "secrets"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "secrets", "key"), []byte("k1\n"), 0o600))
	require.NoError(t, os.WriteFile(path, []byte(`
http:
  connections:
    - name: crm
      baseURL: https://crm.example.com
      headers:
        X-Tenant: north
        Authorization: {env: CRM_AUTHORIZATION}
        X-Api-Key: {file: secrets/key}
    - {name: none, baseURL: "https://x", headers: {X-A: {env: ABSENT}}}
    - {name: lost, baseURL: "https://x", headers: {X-A: {file: absent}}}
`), 0o600))
	env := environment(map[string]string{"CRM_AUTHORIZATION": "Bearer t"})
	c, err := Load(path, env)
	require.NoError(t, err, "a client that reads the catalogue needs no secrets")

	headers, err := c.Headers(c.HTTP.Connections[0], env)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"x-tenant": "north", "authorization": "Bearer t", "x-api-key": "k1"}, headers)
	_, err = c.Headers(c.HTTP.Connections[1], env)
	require.ErrorContains(t, err, `http.connections: "none": headers.x-a: the environment variable ABSENT is not set`)
	_, err = c.Headers(c.HTTP.Connections[2], env)
	require.ErrorContains(t, err, `"lost": headers.x-a: open `+filepath.Join(folder, "absent"))
}

// SPEC 9.3: a database's place is a secret, and paths begin at the file's folder.
func TestDatabasesAndFilesAreWhereTheFileSays(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`
files: {root: inbox}
sql:
  connections:
    - {name: crm, driver: postgres, dsn: {env: CRM_DSN}, maxOpen: 2}
    - {name: near, driver: sqlite, dsn: data/near.db}
    - {name: far, driver: sqlite, dsn: /var/lib/far.db}
    - {name: uri, driver: sqlite, dsn: "file:x.db?mode=ro"}
    - {name: lost, driver: postgres, dsn: {env: ABSENT}}
`), 0o600))
	env := environment(map[string]string{"CRM_DSN": "postgres://u:p@h/d"})
	c, err := Load(path, env)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(folder, "inbox"), c.FilesRoot())
	for i, place := range []string{"postgres://u:p@h/d", filepath.Join(folder, "data/near.db"), "/var/lib/far.db", "file:x.db?mode=ro"} {
		dsn, err := c.DSN(c.SQL.Connections[i], env)
		require.NoError(t, err)
		require.Equal(t, place, dsn)
	}
	_, err = c.DSN(c.SQL.Connections[4], env)
	require.ErrorContains(t, err, `sql.connections: "lost": dsn: the environment variable ABSENT is not set`)
	require.Empty(t, Default().FilesRoot())
}
