package main

import (
	"errors"
	"fmt"

	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/internal/config"
)

// places are what operations name in place of a path or a password: files below
// a folder, and databases by name (SPEC 9.3).
type places struct {
	files     files.Folder
	databases *sqldb.Databases
}

// openPlaces opens the folder and prepares the databases.
func openPlaces(c config.Config, env config.Env) (places, error) {
	var connections []sqldb.Connection
	for _, connection := range c.SQL.Connections {
		dsn, err := c.DSN(connection, env)
		if err != nil {
			return places{}, err
		}
		connections = append(connections, sqldb.Connection{
			Name: connection.Name, Driver: connection.Driver, DSN: dsn, MaxOpen: connection.MaxOpen,
		})
	}
	databases, err := sqldb.Open(connections...)
	if err != nil {
		return places{}, fmt.Errorf("sql.connections: %w", err)
	}
	folder, err := files.Open(c.FilesRoot())
	if err != nil {
		return places{}, errors.Join(err, databases.Close())
	}
	return places{folder, databases}, nil
}

func (p places) close() error { return errors.Join(p.files.Close(), p.databases.Close()) }
