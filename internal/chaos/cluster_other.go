//go:build !unix

package main

import (
	"context"
	"errors"
	"io"
)

func startCluster(context.Context, string, io.Writer) (server, database, error) {
	return nil, nil, errors.New("--db postgres: PostgreSQL is run here on Unix only")
}
