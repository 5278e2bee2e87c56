package main

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/pflag"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/testing/freeport"
)

const (
	defaultIP        = "127.0.0.1"
	defaultPort      = 7233
	defaultNamespace = "default"
	uiPortOffset     = 1000
	maxPort          = 65535
)

// flags is the command line as typed.
type flags struct {
	ip, uiIP               string
	port, uiPort, httpPort int
	headless               bool
	namespaces             []string
	dbFilename             string
	dynamicConfig          []string
	searchAttributes       []string
	logLevel, logFormat    string
}

func (f *flags) register(set *pflag.FlagSet) {
	set.SortFlags = false
	set.StringVar(&f.ip, "ip", defaultIP, "address that the server listens on")
	set.IntVarP(&f.port, "port", "p", defaultPort, "port of the gRPC API; 0: a free one")
	set.IntVar(&f.httpPort, "http-port", 0, "port of the HTTP API; 0: a free one")
	set.StringArrayVarP(&f.namespaces, "namespace", "n", nil, "namespace to register besides \"default\"; repeatable")
	set.StringVarP(&f.dbFilename, "db-filename", "f", "", "file that keeps the state (default: in memory, lost on exit)")
	set.BoolVar(&f.headless, "headless", false, "do not run the Web UI")
	set.StringVar(&f.uiIP, "ui-ip", "", "address that the Web UI listens on (default: that of --ip)")
	set.IntVar(&f.uiPort, "ui-port", 0, "port of the Web UI (default: that of --port plus 1000)")
	set.StringArrayVar(&f.searchAttributes, "search-attribute", nil,
		"search attribute to register besides Seriatim's, as NAME=TYPE; repeatable")
	set.StringArrayVar(&f.dynamicConfig, "dynamic-config-value", nil, "server setting, as KEY=JSON; repeatable")
	set.StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn, error or never")
	set.StringVar(&f.logFormat, "log-format", "text", "text, json or pretty (the same as text)")
}

// settings is the checked command line: addresses are IP addresses, every
// port is known, and the file name is absolute.
type settings struct {
	ip                     string
	port, httpPort, uiPort int
	// uiIP is empty when no Web UI runs.
	uiIP string
	// namespaces starts with "default" and holds no name twice.
	namespaces []string
	// dbFilename is empty for a server in memory.
	dbFilename          string
	dynamicConfig       dynamicconfig.StaticClient
	searchAttributes    map[string]enumspb.IndexedValueType
	logLevel, logFormat string
	// fixed are the ports that were asked for, as opposed to free ones.
	fixed []endpoint
}

// endpoint is an address to listen on and the flag that it comes from.
type endpoint struct {
	flag, ip string
	port     int
}

func (f *flags) settings() (settings, error) {
	s := settings{logLevel: f.logLevel, logFormat: f.logFormat}
	var err error
	if s.dynamicConfig, err = parseDynamicConfig(f.dynamicConfig); err != nil {
		return s, err
	}
	if s.searchAttributes, err = parseSearchAttributes(f.searchAttributes); err != nil {
		return s, err
	}
	if err := f.namespaceSettings(&s); err != nil {
		return s, err
	}
	if f.dbFilename != "" {
		if s.dbFilename, err = filepath.Abs(f.dbFilename); err != nil {
			return s, fmt.Errorf("--db-filename %s: %w", f.dbFilename, err)
		}
	}
	if err := f.addressSettings(&s); err != nil {
		return s, err
	}
	return s, s.checkPortsFree()
}

func (f *flags) namespaceSettings(s *settings) error {
	s.namespaces = []string{defaultNamespace}
	for _, name := range f.namespaces {
		if name == "" {
			return fmt.Errorf("--namespace: the name is empty")
		}
		if !slices.Contains(s.namespaces, name) {
			s.namespaces = append(s.namespaces, name)
		}
	}
	return nil
}

func (f *flags) addressSettings(s *settings) error {
	var err error
	if s.ip, err = parseIP("ip", f.ip); err != nil {
		return err
	}
	if s.port, err = s.choosePort("port", s.ip, f.port); err != nil {
		return err
	}
	if s.httpPort, err = s.choosePort("http-port", s.ip, f.httpPort); err != nil {
		return err
	}
	if f.headless {
		return nil
	}
	s.uiIP = s.ip
	if f.uiIP != "" {
		if s.uiIP, err = parseIP("ui-ip", f.uiIP); err != nil {
			return err
		}
	}
	uiPort := f.uiPort
	if uiPort == 0 && f.port != 0 && f.port+uiPortOffset <= maxPort {
		uiPort = f.port + uiPortOffset
	}
	s.uiPort, err = s.choosePort("ui-port", s.uiIP, uiPort)
	return err
}

// parseIP accepts "localhost" because temporal does; the server itself takes
// only addresses.
func parseIP(flag, value string) (string, error) {
	if value == "localhost" {
		return defaultIP, nil
	}
	ip := net.ParseIP(value)
	if ip == nil {
		return "", fmt.Errorf("--%s %q: not an IP address", flag, value)
	}
	return ip.String(), nil
}

// choosePort returns the port to use for the value of a flag.
func (s *settings) choosePort(flag, ip string, value int) (int, error) {
	if value < 0 || value > maxPort {
		return 0, fmt.Errorf("--%s %d: not a port (0 to %d)", flag, value, maxPort)
	}
	if value == 0 {
		return freeport.MustGetFreePort(), nil
	}
	s.fixed = append(s.fixed, endpoint{flag, ip, value})
	return value, nil
}

// checkPortsFree finds a port that is in use before the server starts: the
// server and the Web UI would say so late, in the log, and in their own ways.
func (s settings) checkPortsFree() error {
	for _, e := range s.fixed {
		listener, err := net.Listen("tcp", net.JoinHostPort(e.ip, strconv.Itoa(e.port)))
		if err != nil {
			return fmt.Errorf("--%s %d cannot be used: %w", e.flag, e.port, err)
		}
		// Kept open until all are checked, so that one port given twice is found.
		defer func() { _ = listener.Close() }()
	}
	return nil
}
