package reach

import (
	"crypto/tls"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

func TestHintNamesWhatToSet(t *testing.T) {
	t.Parallel()
	with := &tls.Config{Certificates: make([]tls.Certificate, 1)}
	for name, c := range map[string]struct {
		err  string
		used *tls.Config
		hint string // "" is none
	}{
		"TLS is expected":                      {"error reading server preface: EOF", nil, "TEMPORAL_TLS=true"},
		"nobody listens":                       {"dial tcp 127.0.0.1:1: connect: connection refused", nil, ""},
		"no TLS is expected":                   {"tls: first record does not look like a TLS handshake", &tls.Config{}, "TEMPORAL_TLS=false"},
		"an unknown authority":                 {"x509: certificate signed by unknown authority", &tls.Config{}, "TEMPORAL_TLS_SERVER_CA_CERT_PATH"},
		"another name":                         {"x509: certificate is valid for a, not b", &tls.Config{}, "TEMPORAL_TLS_SERVER_NAME"},
		"a name for an address":                {"x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs", &tls.Config{}, "TEMPORAL_TLS_SERVER_NAME"},
		"an old certificate":                   {"x509: certificate has expired or is not yet valid", &tls.Config{}, "clock"},
		"a client's certificate is expected":   {"remote error: tls: certificate required", &tls.Config{}, "TEMPORAL_TLS_CLIENT_CERT_PATH"},
		"the same, seen as an end":             {"write: broken pipe", &tls.Config{}, "TEMPORAL_TLS_CLIENT_CERT_PATH"},
		"a client's certificate was refused":   {"remote error: tls: unknown certificate authority", with, "refused the client's certificate"},
		"the server went away in the meantime": {"EOF", with, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hint := Hint(errors.New(c.err), c.used)
			if c.hint == "" {
				require.Empty(t, hint)
				return
			}
			require.Contains(t, hint, c.hint)
		})
	}
	require.Empty(t, Hint(nil, nil))
}

func TestAnAPIKeyIsNotSentInTheOpen(t *testing.T) {
	t.Parallel()
	key := client.Options{Credentials: client.NewAPIKeyStaticCredentials("secret")}
	require.ErrorIs(t, Check(key), ErrKeyInTheOpen)
	key.ConnectionOptions.TLS = &tls.Config{}
	require.NoError(t, Check(key))
	require.NoError(t, Check(client.Options{}))
}
