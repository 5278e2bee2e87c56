package e2e

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// apiKey is a key that the server behind the front does not look at.
const apiKey = "test-api-key"

// behind are the settings of a program that goes to the front, and nothing else
// of TEMPORAL_*.
func behind(f *front, settings ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "TEMPORAL_NAMESPACE=" + shared.Namespace(), "TEMPORAL_ADDRESS=" + f.address,
	}, settings...)
}

// runBehind runs one of the programs to its end.
func runBehind(t *testing.T, environment []string, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.Command(program(t, name), args...)
	command.Env = environment
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return out.String(), problems.String(), command.ProcessState.ExitCode()
}

// profileOf writes Temporal's configuration file with one profile.
func profileOf(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// Worker and starter reach a server behind TLS with the settings that every
// Temporal tool has, from the environment or from a profile; with an API key, that
// is what each request carries.
func TestProgramsReachAServerBehindTLS(t *testing.T) {
	t.Parallel()
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	certFile, keyFile := clients.issue("worker", x509.ExtKeyUsageClientAuth)
	byAuthority := []string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + servers.file, "TEMPORAL_TLS_SERVER_NAME=" + frontName}
	byCertificate := append(byAuthority[:2:2], "TEMPORAL_TLS_CLIENT_CERT_PATH="+certFile, "TEMPORAL_TLS_CLIENT_KEY_PATH="+keyFile)
	profile := profileOf(t, fmt.Sprintf("[profile.behind]\n[profile.behind.tls]\nserver_ca_cert_path = %q\nserver_name = %q\nclient_cert_path = %q\nclient_key_path = %q\n",
		servers.file, frontName, certFile, keyFile))
	for name, c := range map[string]struct {
		front    *front
		settings []string
		sent     []string
	}{
		"by its authority":              {newFront(t, servers, nil), byAuthority, []string{""}},
		"with an API key":               {newFront(t, servers, nil), append(byAuthority[:2:2], "TEMPORAL_API_KEY="+apiKey), []string{"Bearer " + apiKey}},
		"with a client's certificate":   {newFront(t, servers, clients), byCertificate, []string{""}},
		"with one, by a profile's name": {newFront(t, servers, clients), []string{"TEMPORAL_CONFIG_FILE=" + profile, "TEMPORAL_PROFILE=behind"}, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			received, queue := newTarget(t, time.Millisecond), unique(t)
			environment := behind(c.front, c.settings...)
			startProcessWith(t, environment, fmt.Sprintf(crashConfig, queue, received.URL))
			stdout, stderr, code := runBehind(t, environment, "starter", "submit", "--type", "http.request", "--token", unique(t),
				"--data", `{"connection":"target","path":"/x"}`, "--task-queue", queue)
			require.Zero(t, code, stdout+stderr)
			require.Eventually(t, func() bool { return len(received.all()) == 1 }, patience, 50*time.Millisecond)
			require.Equal(t, c.sent, c.front.seen(), "the worker's requests and the starter's")
		})
	}
}

// A connection that TLS refuses says which setting is wrong.
func TestProgramsSayWhatTLSLacks(t *testing.T) {
	t.Parallel()
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	open, closed := newFront(t, servers, nil), newFront(t, servers, clients)
	ca, host := "TEMPORAL_TLS_SERVER_CA_CERT_PATH="+servers.file, "TEMPORAL_TLS_SERVER_NAME="+frontName
	for name, c := range map[string]struct {
		front    *front
		settings []string
		hint     string
	}{
		"an authority that is not the server's": {open, []string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + clients.file, host}, "TEMPORAL_TLS_SERVER_CA_CERT_PATH"},
		"the system's authorities":              {open, []string{"TEMPORAL_TLS=true", host}, "TEMPORAL_TLS_SERVER_CA_CERT_PATH"},
		"another name":                          {open, []string{ca}, "TEMPORAL_TLS_SERVER_NAME"},
		"no certificate of its own":             {closed, []string{ca, host}, "TEMPORAL_TLS_CLIENT_CERT_PATH"},
		"no TLS":                                {open, nil, "TEMPORAL_TLS=true"},
		"TLS where there is none":               {&front{address: shared.Address()}, []string{"TEMPORAL_TLS=true"}, "TEMPORAL_TLS=false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environment := behind(c.front, c.settings...)
			_, stderr, code := runBehind(t, environment, "starter", "list", "--client-connect-timeout", "3s")
			require.Equal(t, 1, code, stderr)
			require.Contains(t, stderr, c.hint)
			require.Contains(t, stderr, c.front.address)

			waiting := startProcessWith(t, environment, fmt.Sprintf(crashConfig, unique(t), "http://127.0.0.1:1"))
			require.Eventually(t, func() bool {
				log, err := os.ReadFile(waiting.log)
				return err == nil && bytes.Contains(log, []byte(c.hint)) && bytes.Contains(log, []byte(c.front.address))
			}, patience, 100*time.Millisecond, "the worker waits and says it")
		})
	}
}
