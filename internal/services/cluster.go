package services

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

const Loopback = "127.0.0.1"

// Cluster is PostgreSQL and the Temporal server of docker-compose.yml.
type Cluster struct {
	Compose
	Postgres *Postgres
	server   *Process
	shards   int
	ports    map[string]string // the server's, by the variable that sets them
}

// serverPorts are the settings of the server for its ports. In a container each
// has a host of its own; here other programs use the same numbers.
var serverPorts = []string{
	"FRONTEND_GRPC_PORT", "FRONTEND_HTTP_PORT", "FRONTEND_MEMBERSHIP_PORT", "HISTORY_GRPC_PORT", "HISTORY_MEMBERSHIP_PORT",
	"MATCHING_GRPC_PORT", "MATCHING_MEMBERSHIP_PORT", "WORKER_GRPC_PORT", "WORKER_MEMBERSHIP_PORT",
}

// Start runs the services of docker-compose.yml in their order: PostgreSQL,
// the schema job, the server, the namespace job.
func Start(ctx context.Context, p Programs, shards int, folder string, out io.Writer) (c *Cluster, err error) {
	c = &Cluster{shards: shards, ports: map[string]string{}}
	if c.Compose, err = loadCompose(ctx, p, folder, types.Mapping{"POSTGRES_PASSWORD": uuid.NewString()}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	begin := time.Now()
	tell := func(what string) {
		_, _ = fmt.Fprintf(out, "%5.1f s  %s\n", time.Since(begin).Seconds(), what)
	}
	if c.Postgres, err = startPostgres(ctx, c.Compose); err != nil {
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
	if err = c.StartServer(ctx); err != nil {
		return c, err
	}
	tell(fmt.Sprintf("the Temporal server answers at %s, with %d history shards", c.Address(), shards))
	if err = c.runJob(ctx, "namespace", map[string]string{"TEMPORAL_ADDRESS": c.Address()}); err != nil {
		return c, err
	}
	tell("namespace and search attributes are there")
	return c, nil
}

// setUp runs the schema job, twice: it runs again at each start of the services.
func (c *Cluster) setUp(ctx context.Context) error {
	for range 2 {
		err := c.runJob(ctx, "schema", map[string]string{"SQL_HOST": Loopback, "SQL_PORT": strconv.Itoa(c.Postgres.port)})
		if err != nil {
			return err
		}
	}
	return nil
}

// StartServer runs temporal-server as the image's entry point does, with the
// service's environment.
func (c *Cluster) StartServer(ctx context.Context) error {
	environment, err := c.Environment("temporal", map[string]string{
		"POSTGRES_SEEDS": Loopback, "DB_PORT": strconv.Itoa(c.Postgres.port), "BIND_ON_IP": Loopback,
		"NUM_HISTORY_SHARDS":       strconv.Itoa(c.shards),
		"DYNAMIC_CONFIG_FILE_PATH": c.Project.Services["temporal"].Volumes[0].Source,
	})
	if err != nil {
		return err
	}
	for _, name := range serverPorts {
		environment[name] = c.ports[name]
	}
	environment["LOG_LEVEL"] = "warn"
	c.server, err = StartProcess(c.Folder, "temporal", c.Command(environment, c.Programs.Path("temporal-server"), "start"))
	if err != nil {
		return err
	}
	return c.server.Wait(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.HTTPAddress()+"/api/v1/system-info", nil)
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

// KillServer ends the server as a crash does.
func (c *Cluster) KillServer() { c.server.Kill() }

// RestartServer kills the server as a crash does and runs it again.
func (c *Cluster) RestartServer(ctx context.Context) error {
	c.KillServer()
	return c.StartServer(ctx)
}

func (c *Cluster) choosePorts() error {
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
		listener, err := net.Listen("tcp", net.JoinHostPort(Loopback, strconv.Itoa(port)))
		if err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("no free port among a hundred from %d to %d", first, last)
}

func (c *Cluster) Address() string { return net.JoinHostPort(Loopback, c.ports["FRONTEND_GRPC_PORT"]) }

func (c *Cluster) HTTPAddress() string {
	return net.JoinHostPort(Loopback, c.ports["FRONTEND_HTTP_PORT"])
}

// Namespace is the one that the namespace job made.
func (c *Cluster) Namespace() string {
	return *c.Project.Services["namespace"].Environment["TEMPORAL_NAMESPACE"]
}

// Stop ends the server, then PostgreSQL. What they hold is not needed any more.
func (c *Cluster) Stop() {
	if c.server != nil {
		_ = c.server.Stop(syscall.SIGTERM)
	}
	if c.Postgres != nil {
		_ = c.Postgres.stop()
	}
}
