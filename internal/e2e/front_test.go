package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority signs certificates for one test; its own is in the file.
type authority struct {
	t      *testing.T
	key    *ecdsa.PrivateKey
	root   *x509.Certificate
	file   string
	folder string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, folder: t.TempDir()}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a.root = certificate(1, name)
	a.root.IsCA, a.root.BasicConstraintsValid, a.root.KeyUsage = true, true, x509.KeyUsageCertSign
	signed, err := x509.CreateCertificate(rand.Reader, a.root, a.root, a.key.Public(), a.key)
	require.NoError(t, err)
	a.file = a.write("authority.pem", "CERTIFICATE", signed)
	return a
}

func certificate(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

func (a *authority) write(name, kind string, content []byte) (path string) {
	path = filepath.Join(a.folder, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
	return path
}

// issue signs a certificate for that host, or for a client that is called so.
func (a *authority) issue(name string, usage x509.ExtKeyUsage) (certFile, keyFile string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	leaf := certificate(2, name)
	leaf.DNSNames, leaf.ExtKeyUsage = []string{name}, []x509.ExtKeyUsage{usage}
	signed, err := x509.CreateCertificate(rand.Reader, leaf, a.root, key.Public(), a.key)
	require.NoError(a.t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	return a.write(name+".pem", "CERTIFICATE", signed), a.write(name+".key", "PRIVATE KEY", encoded)
}

// frontName is the name that the certificate of a front has.
const frontName = "temporal.example"

// front stands before the shared server, as a gateway does, and speaks TLS. It
// keeps the credentials that came.
type front struct {
	address string

	mu             sync.Mutex
	authorizations []string
}

// newFront serves under a certificate of the authority. Where clients is given,
// only those with a certificate of it are let through.
func newFront(t *testing.T, of, clients *authority) *front {
	t.Helper()
	f := &front{}
	target := &url.URL{Scheme: "http", Host: shared.Address()}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	onward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, FlushInterval: -1,
	}
	onward.ErrorLog = log.New(io.Discard, "", 0) // a poll that is given up
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.note(r.Header.Get("Authorization"))
		onward.ServeHTTP(w, r)
	}))
	pair, err := tls.LoadX509KeyPair(of.issue(frontName, x509.ExtKeyUsageServerAuth))
	require.NoError(t, err)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		pool := x509.NewCertPool()
		pool.AddCert(clients.parsed())
		server.TLS.ClientAuth, server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, pool
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	f.address = net.JoinHostPort("127.0.0.1", port)
	return f
}

func (a *authority) parsed() *x509.Certificate {
	content, err := os.ReadFile(a.file)
	require.NoError(a.t, err)
	block, _ := pem.Decode(content)
	parsed, err := x509.ParseCertificate(block.Bytes)
	require.NoError(a.t, err)
	return parsed
}

func (f *front) note(authorization string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.authorizations, authorization) {
		f.authorizations = append(f.authorizations, authorization)
	}
}

// seen are the different credentials that came so far; "" is none.
func (f *front) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.authorizations)
}
