// Package reach tells people which setting of the connection to Temporal is wrong.
package reach

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/client"
)

// Error is a failed connection to a server: its address, its namespace, and what
// to set where TLS was the reason. It wraps the cause.
func Error(cause error, options client.Options) error {
	err := fmt.Errorf("the Temporal server at %s, namespace %q: %w", options.HostPort, options.Namespace, cause)
	if hint := Hint(cause, options.ConnectionOptions.TLS); hint != "" {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	return err
}

// Hint says what to set where TLS, or its absence, is why the server was not
// reached; "" where that is not known. used is what the client was told, nil for
// no TLS.
func Hint(err error, used *tls.Config) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	switch {
	case used == nil && brokeOff(text):
		return "if the server expects TLS, set TEMPORAL_TLS=true (--tls)"
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return "the server speaks no TLS: set TEMPORAL_TLS=false (--tls=false), or look at the address"
	case strings.Contains(text, "certificate signed by unknown authority"):
		return "name the authority that signed the server's certificate: TEMPORAL_TLS_SERVER_CA_CERT_PATH (--tls-ca-path)"
	case strings.Contains(text, "certificate is valid for"), strings.Contains(text, "cannot validate certificate for"), strings.Contains(text, "certificate is not valid for"):
		return "give the name that is in the server's certificate: TEMPORAL_TLS_SERVER_NAME (--tls-server-name)"
	case strings.Contains(text, "certificate has expired or is not yet valid"):
		return "the server's certificate is not good today: renew it, or set this machine's clock"
	case used != nil && len(used.Certificates) == 0 && (strings.Contains(text, "certificate required") || brokeOff(text)):
		return "if the server expects a client's certificate, set TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH (--tls-cert-path, --tls-key-path)"
	case used != nil && strings.Contains(text, "remote error: tls: "):
		return "the server refused the client's certificate: look at TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH (--tls-cert-path, --tls-key-path)"
	}
	return ""
}

// brokeOff says that something answered and then hung up, as a server does that
// was expected to be another one. A port where nobody listens is not that.
func brokeOff(text string) bool {
	for _, sign := range []string{"EOF", "broken pipe", "connection reset", "server preface", "use of closed network connection"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

// ErrKeyInTheOpen refuses to send an API key without TLS.
var ErrKeyInTheOpen = errors.New("an API key is never sent without TLS: leave out TEMPORAL_TLS=false (--tls=false, or disabled in the profile)")

// Check refuses options with which a credential would be sent in the open.
func Check(options client.Options) error {
	if options.Credentials != nil && options.ConnectionOptions.TLS == nil {
		return ErrKeyInTheOpen
	}
	return nil
}
