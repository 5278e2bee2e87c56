package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/uuid"
)

const loopback = "127.0.0.1"

// cluster is PostgreSQL and the Temporal server of docker-compose.yml.
type cluster struct {
	compose
	postgres *postgres
	server   *process
	shards   int
	ports    map[string]string // the server's, by the variable that sets them
}

// serverPorts are the settings of the server for its ports. In a container each
// has a host of its own; here other programs use the same numbers.
var serverPorts = []string{
	"FRONTEND_GRPC_PORT", "FRONTEND_HTTP_PORT", "FRONTEND_MEMBERSHIP_PORT", "HISTORY_GRPC_PORT", "HISTORY_MEMBERSHIP_PORT",
	"MATCHING_GRPC_PORT", "MATCHING_MEMBERSHIP_PORT", "WORKER_GRPC_PORT", "WORKER_MEMBERSHIP_PORT",
}

// startCluster runs the services of docker-compose.yml in their order: PostgreSQL,
// the schema job, the server, the namespace job.
func startCluster(ctx context.Context, p programs, shards int, folder string, out io.Writer) (c *cluster, err error) {
	c = &cluster{shards: shards, ports: map[string]string{}}
	if c.compose, err = loadCompose(ctx, p, folder, types.Mapping{"POSTGRES_PASSWORD": uuid.NewString()}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	begin := time.Now()
	tell := func(what string) {
		_, _ = fmt.Fprintf(out, "%5.1f s  %s\n", time.Since(begin).Seconds(), what)
	}
	if c.postgres, err = startPostgres(ctx, c.compose); err != nil {
		return c, err
	}
	tell("PostgreSQL answers")
	if err = c.setUp(ctx); err != nil {
		return c, err
	}
	tell("the schema is there")
	if err = c.choosePorts(); err != nil {
		return c, err
	}
	if err = c.startServer(ctx); err != nil {
		return c, err
	}
	tell(fmt.Sprintf("the Temporal server answers at %s, with %d history shards", c.address(), shards))
	if err = c.runJob(ctx, "namespace", map[string]string{"TEMPORAL_ADDRESS": c.address()}); err != nil {
		return c, err
	}
	tell("namespace and search attributes are there")
	return c, nil
}

// setUp runs the schema job, twice: it runs again at each start of the services.
func (c *cluster) setUp(ctx context.Context) error {
	for range 2 {
		err := c.runJob(ctx, "schema", map[string]string{"SQL_HOST": loopback, "SQL_PORT": strconv.Itoa(c.postgres.port)})
		if err != nil {
			return err
		}
	}
	return nil
}

// startServer runs temporal-server as the image's entry point does, with the
// service's environment.
func (c *cluster) startServer(ctx context.Context) error {
	environment, err := c.environment("temporal", map[string]string{
		"POSTGRES_SEEDS": loopback, "DB_PORT": strconv.Itoa(c.postgres.port), "BIND_ON_IP": loopback,
		"NUM_HISTORY_SHARDS":       strconv.Itoa(c.shards),
		"DYNAMIC_CONFIG_FILE_PATH": c.project.Services["temporal"].Volumes[0].Source,
	})
	if err != nil {
		return err
	}
	for _, name := range serverPorts {
		environment[name] = c.ports[name]
	}
	environment["LOG_LEVEL"] = "warn"
	c.server, err = startProcess(c.folder, "temporal", c.command(environment, c.programs.path("temporal-server"), "start"))
	if err != nil {
		return err
	}
	return c.server.wait(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.httpAddress()+"/api/v1/system-info", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("the HTTP API says %s", response.Status)
		}
		return nil
	})
}

// restartServer kills the server as a crash does and runs it again.
func (c *cluster) restartServer(ctx context.Context) error {
	c.server.kill()
	return c.startServer(ctx)
}

func (c *cluster) choosePorts() error {
	for _, name := range serverPorts {
		port, err := lowPort()
		if err != nil {
			return err
		}
		c.ports[name] = strconv.Itoa(port)
	}
	return nil
}

// lowPort returns a free port below those that the kernel gives away: the schema
// keeps a member's port in a SMALLINT, and the server does not start with a
// higher one.
func lowPort() (int, error) {
	const first, last = 20_000, 32_000
	for range 100 {
		port := first + rand.IntN(last-first)
		listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port among a hundred from %d to %d", first, last)
}

func (c *cluster) address() string { return net.JoinHostPort(loopback, c.ports["FRONTEND_GRPC_PORT"]) }

func (c *cluster) httpAddress() string {
	return net.JoinHostPort(loopback, c.ports["FRONTEND_HTTP_PORT"])
}

// site is where the worker of the profile "full" works.
func (c *cluster) site() site { return site{c.compose, "worker", c.address()} }

// stop ends the server, then PostgreSQL. What they hold is not needed any more.
func (c *cluster) stop() {
	if c.server != nil {
		_ = c.server.stop(syscall.SIGTERM)
	}
	if c.postgres != nil {
		_ = c.postgres.stop()
	}
}
