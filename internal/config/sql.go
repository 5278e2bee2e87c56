package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Drivers of SQL connections.
const (
	DriverSQLite   = "sqlite"
	DriverPostgres = "postgres"
)

// DefaultMaxOpen is how many connections a worker opens to one database.
const DefaultMaxOpen = 4

// Files is where handlers read and write files.
type Files struct {
	// Root is the folder below which every file that an operation names is; a
	// relative one begins at the configuration's folder. "" is none, which is the
	// default: operations that name a file then fail and say so.
	Root string `mapstructure:"root"`
}

// SQL configures the databases that operations may name.
type SQL struct {
	Connections []SQLConnection `mapstructure:"connections"`
}

// SQLConnection is a database by a name that no operation has to carry a
// password for (SPEC 9.3).
type SQLConnection struct {
	// Name is what operations refer to.
	Name string `mapstructure:"name"`
	// Driver is sqlite or postgres.
	Driver string `mapstructure:"driver"`
	// DSN is, for sqlite, the path of the database file, which begins at the
	// configuration's folder unless it is absolute; for postgres a postgres:// URL
	// or key=value pairs.
	DSN Secret `mapstructure:"dsn"`
	// MaxOpen is how many connections one worker opens at most, 1..1000; default 4.
	MaxOpen int `mapstructure:"maxOpen"`
}

// DSN reads where a database is. The error names the connection, and the variable
// or file, never a value.
func (c Config) DSN(connection SQLConnection, env Env) (string, error) {
	dsn, err := c.Read(connection.DSN, env)
	if err != nil {
		return "", fmt.Errorf("%s: sql.connections: %q: dsn: %w", c.path, connection.Name, err)
	}
	if connection.Driver == DriverSQLite && !strings.HasPrefix(dsn, "file:") {
		return c.relative(dsn), nil
	}
	return dsn, nil
}

// FilesRoot is the folder of files as the process sees it, "" for none.
func (c Config) FilesRoot() string {
	if c.Files.Root == "" {
		return ""
	}
	return c.relative(c.Files.Root)
}

// validateDatabases checks the form of SQL connections; whether there is a
// database is seen when an operation needs it.
func (c Config) validateDatabases() error {
	var problems []error
	seen := make(map[string]bool, len(c.SQL.Connections))
	for i, connection := range c.SQL.Connections {
		key := fmt.Sprintf("sql.connections[%d]", i)
		if connection.Name == "" || seen[connection.Name] {
			problems = append(problems, fmt.Errorf("%s.name: %q is empty or taken", key, connection.Name))
		}
		seen[connection.Name] = true
		if drivers := []string{DriverSQLite, DriverPostgres}; !slices.Contains(drivers, connection.Driver) {
			problems = append(problems, fmt.Errorf("%s.driver: %q is not one of %s", key, connection.Driver, strings.Join(drivers, ", ")))
		}
		if !connection.DSN.isSet() {
			problems = append(problems, fmt.Errorf("%s.dsn: is missing for %q", key, connection.Name))
		}
		if err := connection.DSN.validate(); err != nil {
			problems = append(problems, fmt.Errorf("%s.dsn: %w", key, err))
		}
		problems = append(problems, within(key+".maxOpen", cmp.Or(connection.MaxOpen, DefaultMaxOpen), 1, 1000))
	}
	return errors.Join(problems...)
}
