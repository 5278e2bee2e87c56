package main

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/dynamicconfig"
)

// parse returns the settings that a command line gives.
func parse(t *testing.T, args ...string) (settings, error) {
	t.Helper()
	var got settings
	command := newCommand(func(_ context.Context, s settings) error {
		got = s
		return nil
	}, io.Discard, io.Discard)
	command.SetArgs(args)
	return got, command.ExecuteContext(t.Context())
}

func TestEveryWayToStartTakesTheSameFlags(t *testing.T) {
	t.Parallel()
	for _, prefix := range [][]string{nil, {"start-dev"}, {"server", "start-dev"}} {
		got, err := parse(t, append(prefix, "--port", "0", "--ui-port", "0", "-n", "one", "-n", "two", "-n", "one")...)
		require.NoError(t, err)
		require.Equal(t, []string{"default", "one", "two"}, got.namespaces)
		require.Equal(t, "127.0.0.1", got.ip)
		require.NotZero(t, got.port)
		require.NotZero(t, got.httpPort)
		require.NotZero(t, got.uiPort)
		require.Equal(t, "warn", got.logLevel)
		require.Empty(t, got.dbFilename, "in memory unless a file is named")
	}
}

func TestTheCallOfTheSDKIsUnderstood(t *testing.T) {
	t.Parallel()
	got, err := parse(t, "server", "start-dev", "--ip", "localhost", "--port", "0", "--namespace", "ns",
		"--dynamic-config-value", "frontend.enableServerVersionCheck=false", "--log-level", "warn",
		"--log-format", "pretty", "--headless", "--db-filename", "x.db", "--search-attribute", "Customer=keyword")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", got.ip)
	require.Empty(t, got.uiIP, "no Web UI")
	require.True(t, filepath.IsAbs(got.dbFilename))
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD, got.searchAttributes["Customer"])
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_DATETIME, got.searchAttributes["PostponeUntil"])
}

func TestTheWebUIIsOneThousandPortsAbove(t *testing.T) {
	t.Parallel()
	var f flags
	f.ip, f.port = "127.0.0.1", 7233
	var s settings
	require.NoError(t, f.addressSettings(&s))
	require.Equal(t, 8233, s.uiPort)
	f.port = 65000
	require.NoError(t, f.addressSettings(&s))
	require.NotEqual(t, 66000, s.uiPort, "a free port where there is no such number")
}

func TestDynamicConfigOverridesTheDefaults(t *testing.T) {
	t.Parallel()
	got, err := parseDynamicConfig([]string{
		"limit.maxIDLength=1000", "frontend.enableServerVersionCheck=true", `a.duration="5s"`, "a.rate=0.5", "a.list=[1]",
	})
	require.NoError(t, err)
	value := func(key string) any { return got[dynamicconfig.MakeKey(key)] }
	require.Equal(t, 1000, value("limit.maxIDLength"), "whole numbers are int, as the server's settings are")
	require.Equal(t, true, value("frontend.enableServerVersionCheck"))
	require.Equal(t, 2000, value("history.transferProcessorMaxPollRPS"))
	require.Equal(t, "5s", value("a.duration"))
	require.InEpsilon(t, 0.5, value("a.rate"), 0)
	require.NotNil(t, value("a.list"))
}

func TestErrorsNameTheFlagAndTheValue(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"unknown flag: --nope":               {"--nope"},
		`unknown command "extra"`:            {"extra"},
		`--ip "example.org"`:                 {"--ip", "example.org"},
		"--port 70000":                       {"--port", "70000"},
		`--dynamic-config-value "novalue"`:   {"--dynamic-config-value", "novalue"},
		`the value "{" is not JSON`:          {"--dynamic-config-value", "key={"},
		`--search-attribute "NoType"`:        {"--search-attribute", "NoType"},
		`unknown type "Str"`:                 {"--search-attribute", "X=Str"},
		"the type is Keyword, not Int":       {"--search-attribute", "OperationType=Int"},
		"--namespace: the name is empty":     {"--namespace", ""},
		"invalid argument \"x\" for \"-p, -": {"--port", "x"},
	}
	for want, args := range cases {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, args...)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	for _, flag := range []string{"--port", "--http-port", "--ui-port"} {
		args := []string{"--port", "0", flag, port}
		_, err := parse(t, args...)
		require.ErrorContains(t, err, flag+" "+port+" cannot be used")
		require.ErrorContains(t, err, "address already in use")
	}
}

// Not parallel: a port that was just closed is still open in another test's
// child until that child is its own program.
func TestOnePortForTwoThingsIsRefused(t *testing.T) {
	s, err := parse(t, "--port", "0", "--ui-port", "0")
	require.NoError(t, err)
	port := strconv.Itoa(s.port)
	_, err = parse(t, "--port", port, "--http-port", port, "--headless")
	require.ErrorContains(t, err, "--http-port "+port)
}
