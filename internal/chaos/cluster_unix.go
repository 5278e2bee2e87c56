//go:build unix

package main

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/seriatim-go/seriatim/internal/services"
)

// historyShards are as good as hosts for what must not depend on there being one.
const historyShards = 4

// cluster is the server of docker-compose.yml on PostgreSQL.
type cluster struct{ *services.Cluster }

func startCluster(ctx context.Context, folder string, progress io.Writer) (server, database, error) {
	programs, err := services.BuildPrograms(ctx, filepath.Join(folder, "programs"), progress)
	if err != nil {
		return nil, nil, err
	}
	c, err := services.Start(ctx, programs, historyShards, folder, progress)
	if err != nil {
		return nil, nil, err
	}
	return cluster{c}, c.Postgres, nil
}

func (c cluster) Kill() { c.KillServer() }

// Start runs it again until it stays, as the restart policy of docker-compose.yml
// does: it ends where the database recovers just then.
func (c cluster) Start(ctx context.Context) error {
	for begin := time.Now(); ; {
		err := c.StartServer(ctx)
		if err == nil || time.Since(begin) > time.Minute || !pause(ctx, time.Second) {
			return err
		}
	}
}
