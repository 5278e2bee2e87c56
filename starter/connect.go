package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"github.com/seriatim-go/seriatim/codec"
	"github.com/seriatim-go/seriatim/internal/reach"
	"github.com/seriatim-go/seriatim/opclient"
)

// connectionFlags are those of the temporal command line.
type connectionFlags struct {
	address, namespace, apiKey, profile, configFile string
	authority                                       string
	grpcMeta                                        []string
	tls, tlsNoHostCheck                             bool
	tlsCert, tlsKey, tlsCA, tlsServerName           string
	identity, keyFile                               string
	timeout, retryFor                               time.Duration

	// dialled is the server that was dialled, and as whom.
	dialled client.Options
}

func (f *connectionFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "address", "", "Temporal server, host:port (default "+client.DefaultHostPort+")")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "Temporal namespace (default "+client.DefaultNamespace+")")
	flags.StringVar(&f.apiKey, "api-key", "", "API key; turns TLS on")
	flags.StringVar(&f.profile, "profile", "", "profile of the configuration file")
	flags.StringVar(&f.configFile, "config-file", "", "Temporal's configuration file with profiles (default $CONFIG/temporalio/temporal.toml)")
	flags.StringVar(&f.authority, "client-authority", "", "value of the :authority header")
	flags.StringArrayVar(&f.grpcMeta, "grpc-meta", nil, "header to send, KEY=VALUE; may be repeated")
	flags.BoolVar(&f.tls, "tls", false, "connect with TLS; --tls=false without, whatever the profile says")
	flags.StringVar(&f.tlsCert, "tls-cert-path", "", "client certificate, PEM")
	flags.StringVar(&f.tlsKey, "tls-key-path", "", "client key, PEM")
	flags.StringVar(&f.tlsCA, "tls-ca-path", "", "certificate of the server's authority, PEM")
	flags.StringVar(&f.tlsServerName, "tls-server-name", "", "server name that the certificate must have")
	flags.BoolVar(&f.tlsNoHostCheck, "tls-disable-host-verification", false, "accept a certificate of any server")
	flags.StringVar(&f.identity, "identity", "", "who asks; kept and shown with what was done (default starter:USER@HOST)")
	flags.StringVar(&f.keyFile, "encryption-key-file", "", "keys of the worker's encryption.keyFile; default $"+codec.KeyFileVariable)
	flags.DurationVar(&f.timeout, "client-connect-timeout", 10*time.Second, "how long connecting may take")
	flags.DurationVar(&f.retryFor, "retry-for", time.Minute, "how long a request that may yet succeed is repeated")
}

// options are the client options by flag, environment and profile, in this
// order.
func (f *connectionFlags) options(flags *pflag.FlagSet, environment envconfig.EnvLookup) (client.Options, error) {
	profile, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{
		ConfigFilePath: f.configFile, ConfigFileProfile: f.profile, EnvLookup: environment,
	})
	if err != nil {
		return client.Options{}, fmt.Errorf("read Temporal's configuration: %w", err)
	}
	if err := f.apply(flags, &profile); err != nil {
		return client.Options{}, err
	}
	options, err := profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
	if err != nil {
		return client.Options{}, fmt.Errorf("use Temporal's configuration: %w", err)
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	if options.Identity = f.identity; options.Identity == "" {
		options.Identity = defaultIdentity(environment)
	}
	return f.encrypted(options, environment)
}

// encrypted has the client use the keys that were named, if any.
func (f *connectionFlags) encrypted(options client.Options, environment envconfig.EnvLookup) (client.Options, error) {
	path := f.keyPath(environment)
	if path == "" {
		return options, nil
	}
	keys, err := codec.Read(path)
	if err != nil {
		return client.Options{}, err
	}
	return keys.DialOptions(options)
}

// keyPath is the key file that was named, empty for none.
func (f *connectionFlags) keyPath(environment envconfig.EnvLookup) string {
	if f.keyFile != "" {
		return f.keyFile
	}
	path, _ := environment.LookupEnv(codec.KeyFileVariable)
	return path
}

// defaultIdentity names the person rather than the process, as the temporal
// command line does.
func defaultIdentity(environment envconfig.EnvLookup) string {
	user, ok := environment.LookupEnv("USER")
	if !ok {
		user = "unknown"
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "starter:" + user + "@" + host
}

// apply puts the flags that were given over the profile.
func (f *connectionFlags) apply(flags *pflag.FlagSet, p *envconfig.ClientConfigProfile) error {
	for flag, set := range map[string]func(){
		"address":          func() { p.Address = f.address },
		"namespace":        func() { p.Namespace = f.namespace },
		"api-key":          func() { p.APIKey = f.apiKey },
		"client-authority": func() { p.Authority = f.authority },
		"tls":              func() { tlsOf(p).Disabled = !f.tls },
		"tls-cert-path":    func() { tlsOf(p).ClientCertPath, p.TLS.ClientCertData = f.tlsCert, nil },
		"tls-key-path":     func() { tlsOf(p).ClientKeyPath, p.TLS.ClientKeyData = f.tlsKey, nil },
		"tls-ca-path":      func() { tlsOf(p).ServerCACertPath, p.TLS.ServerCACertData = f.tlsCA, nil },
		"tls-server-name":  func() { tlsOf(p).ServerName = f.tlsServerName },
		"tls-disable-host-verification": func() {
			tlsOf(p).DisableHostVerification = f.tlsNoHostCheck
		},
	} {
		if flags.Changed(flag) {
			set()
		}
	}
	for _, header := range f.grpcMeta {
		key, value, ok := strings.Cut(header, "=")
		if !ok {
			return usagef("--grpc-meta: %q is not KEY=VALUE", header)
		}
		if p.GRPCMeta == nil {
			p.GRPCMeta = make(map[string]string)
		}
		p.GRPCMeta[envconfig.NormalizeGRPCMetaKey(key)] = value
	}
	return nil
}

func tlsOf(p *envconfig.ClientConfigProfile) *envconfig.ClientConfigTLS {
	if p.TLS == nil {
		p.TLS = &envconfig.ClientConfigTLS{}
	}
	return p.TLS
}

// dial connects within the timeout; the error says where to.
func (f *connectionFlags) dial(c *cobra.Command, environment envconfig.EnvLookup,
	dial func(context.Context, client.Options) (client.Client, error),
) (client.Client, error) {
	options, err := f.options(c.Flags(), environment)
	if err != nil {
		return nil, err
	}
	f.dialled = options
	if err := reach.Check(options); err != nil {
		return nil, &usageError{err}
	}
	ctx, cancel := context.WithTimeout(c.Context(), f.timeout)
	defer cancel()
	temporal, err := dial(ctx, opclient.DialOptions(options))
	if err == nil {
		return temporal, nil
	}
	if c.Context().Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s (--client-connect-timeout): %w", f.timeout, err)
	}
	return nil, fmt.Errorf("cannot reach %w", reach.Error(err, options))
}

// explain adds where the server is to an error of which that may be the reason.
func (f *connectionFlags) explain(err error) error {
	var namespace *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	if errors.As(err, &namespace) || errors.As(err, &denied) {
		return fmt.Errorf("%w (Temporal at %s)", err, f.dialled.HostPort)
	}
	return err
}
