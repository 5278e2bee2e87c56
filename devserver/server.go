package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/testing/freeport"
	"go.temporal.io/server/temporal"
)

const (
	clusterName = "active"
	storeName   = "sqlite"
	loopback    = "127.0.0.1"
	// stopTimeout is how long a clean stop may take. What is committed is
	// safe at any moment, so nothing is lost by not waiting longer.
	stopTimeout = 8 * time.Second
)

// server is a Temporal server and, unless headless, its Web UI.
type server struct {
	temporal temporal.Server
	ui       *uiserver.Server
}

// start begins to run the server and returns once its services have been
// started; waitReady tells when they answer.
func start(ctx context.Context, s settings, logger log.Logger) (*server, error) {
	database, err := prepareDatabase(ctx, s)
	if err != nil {
		return nil, err
	}
	conf := serverConfig(s, database)
	services, err := temporal.NewServer(
		temporal.WithConfig(conf),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(staticHosts(conf)),
		temporal.WithLogger(logger),
		temporal.WithDynamicConfigClient(s.dynamicConfig),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
			return authorization.NewNoopClaimMapper()
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("configure the server: %w", err)
	}
	if err := services.Start(); err != nil {
		return nil, fmt.Errorf("start the server: %w", err)
	}
	running := &server{temporal: services}
	if s.uiIP != "" {
		running.ui = uiserver.NewServer(uioptions.WithConfigProvider(uiConfig(s)))
		// It ends the process with a message when it cannot listen.
		go func() { _ = running.ui.Start() }()
	}
	return running, nil
}

// stop ends the server cleanly, or returns an error after stopTimeout.
func (s *server) stop() error {
	stopped := make(chan error, 1)
	go func() {
		if s.ui != nil {
			s.ui.Stop()
		}
		stopped <- s.temporal.Stop()
	}()
	select {
	case err := <-stopped:
		return err
	case <-time.After(stopTimeout):
		return fmt.Errorf("the server did not stop within %s", stopTimeout)
	}
}

// serverConfig puts all services into one process: the frontend on the
// addresses asked for, the others on loopback ports from the kernel. One
// history shard is enough, and cannot be changed once a file exists.
func serverConfig(s settings, database *config.SQL) *config.Config {
	conf := &config.Config{}
	conf.Global.Membership.MaxJoinDuration = 30 * time.Second
	conf.Global.Membership.BroadcastAddress = loopback
	conf.Persistence = config.Persistence{
		DefaultStore: storeName, VisibilityStore: storeName, NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{storeName: {SQL: database}},
	}
	conf.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        clusterName,
		CurrentClusterName:       clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{clusterName: {
			Enabled: true, InitialFailoverVersion: 1,
			RPCAddress: s.grpcAddress(), HTTPAddress: s.httpAddress(),
		}},
	}
	conf.DCRedirectionPolicy.Policy = "noop"
	conf.Services = map[string]config.Service{
		string(primitives.FrontendService): {RPC: config.RPC{BindOnIP: s.ip, GRPCPort: s.port, HTTPPort: s.httpPort}},
		string(primitives.HistoryService):  internalService(),
		string(primitives.MatchingService): internalService(),
		string(primitives.WorkerService):   internalService(),
	}
	conf.Archival.History.State = "disabled"
	conf.Archival.Visibility.State = "disabled"
	conf.NamespaceDefaults.Archival.History.State = "disabled"
	conf.NamespaceDefaults.Archival.Visibility.State = "disabled"
	conf.PublicClient.HostPort = s.grpcAddress()
	return conf
}

func internalService() config.Service {
	return config.Service{RPC: config.RPC{BindOnIP: loopback, GRPCPort: freeport.MustGetFreePort()}}
}

// staticHosts spares a server of one process the membership protocol.
func staticHosts(conf *config.Config) map[primitives.ServiceName]static.Hosts {
	hosts := make(map[primitives.ServiceName]static.Hosts, len(conf.Services))
	for name, service := range conf.Services {
		hosts[primitives.ServiceName(name)] = static.SingleLocalHost(
			net.JoinHostPort(reachable(service.RPC.BindOnIP), strconv.Itoa(service.RPC.GRPCPort)))
	}
	return hosts
}

func uiConfig(s settings) *uiconfig.Config {
	return &uiconfig.Config{
		TemporalGRPCAddress: s.grpcAddress(),
		Host:                bracketed(s.uiIP),
		Port:                s.uiPort,
		EnableUI:            true,
		DefaultNamespace:    s.namespaces[len(s.namespaces)-1],
		// The page is served without TLS, where browsers keep no secure cookie.
		CORS:             uiconfig.CORS{CookieInsecure: true},
		DisableNewsFetch: true,
		HideLogs:         true,
	}
}

// grpcAddress is where clients on this machine reach the gRPC API.
func (s settings) grpcAddress() string {
	return net.JoinHostPort(reachable(s.ip), strconv.Itoa(s.port))
}

func (s settings) httpAddress() string {
	return net.JoinHostPort(reachable(s.ip), strconv.Itoa(s.httpPort))
}

func (s settings) uiAddress() string {
	return net.JoinHostPort(reachable(s.uiIP), strconv.Itoa(s.uiPort))
}

// reachable returns an address to dial for one to listen on.
func reachable(ip string) string {
	switch parsed := net.ParseIP(ip); {
	case !parsed.IsUnspecified():
		return ip
	case parsed.To4() == nil:
		return "::1"
	default:
		return loopback
	}
}

// bracketed returns an IP address as it stands before ":port".
func bracketed(ip string) string {
	if net.ParseIP(ip).To4() == nil {
		return "[" + ip + "]"
	}
	return ip
}
