package activities

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

func TestHTTPAddressPolicy(t *testing.T) {
	t.Parallel()
	var (
		standard = addressPolicy{}
		loopback = addressPolicy{allowLoopback: true}
		public   = addressPolicy{denyPrivate: true}
		open     = addressPolicy{allowLoopback: true}
	)
	for _, c := range []struct {
		address string
		policy  addressPolicy
		problem string // "" is allowed
	}{
		{"93.184.216.34", standard, ""},
		{"2606:2800:220:1::1", standard, ""},
		{"93.184.216.34", public, ""},
		{"127.0.0.1", standard, "loopback"},
		{"127.9.9.9", standard, "loopback"},
		{"::1", standard, "loopback"},
		{"::ffff:127.0.0.1", standard, "loopback"},
		{"64:ff9b::7f00:1", standard, "loopback"},
		{"127.0.0.1", loopback, ""},
		{"::1", loopback, ""},
		{"10.1.2.3", standard, ""},
		{"fd12::1", standard, ""},
		{"10.1.2.3", public, "private"},
		{"172.16.0.1", public, "private"},
		{"172.32.0.1", public, ""},
		{"192.168.1.1", public, "private"},
		{"::ffff:192.168.1.1", public, "private"},
		{"100.64.0.1", public, "private"},
		{"fd12::1", public, "private"},
		// Refused whatever is configured:
		{"169.254.169.254", open, "link-local"},
		{"169.254.0.1", open, "link-local"},
		{"::ffff:169.254.169.254", open, "link-local"},
		{"64:ff9b::a9fe:a9fe", open, "link-local"},
		{"fe80::1", open, "link-local"},
		{"fe80::1%eth0", open, "link-local"},
		{"fd00:ec2::254", open, "metadata"},
		{"fd00:ec2::254%eth0", open, "metadata"},
		{"fd20:ce::254", open, "metadata"},
		{"100.100.100.200", open, "metadata"},
		{"::ffff:100.100.100.200", open, "metadata"},
		{"168.63.129.16", open, "metadata"},
		{"192.0.0.192", open, "metadata"},
		{"0.0.0.0", open, "unspecified"},
		{"0.1.2.3", open, "unspecified"},
		{"::", open, "unspecified"},
		{"224.0.0.1", open, "multicast"},
		{"239.255.255.250", open, "multicast"},
		{"255.255.255.255", open, "multicast"},
		{"ff02::1", open, "multicast"},
	} {
		t.Run(fmt.Sprintf("%s %+v", c.address, c.policy), func(t *testing.T) {
			t.Parallel()
			problem := c.policy.problem(netip.MustParseAddr(c.address))
			if c.problem == "" {
				require.Empty(t, problem)
				return
			}
			require.Contains(t, problem, c.problem)
		})
	}
}

func TestHTTPRefusedAddressFailsAndNamesTheSetting(t *testing.T) {
	t.Parallel()
	_, port, _ := strings.Cut(strings.TrimPrefix(answers(t, 200, nil, ""), "http://"), ":")
	strict, err := HTTP(HTTPOptions{})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		handler  Handler
		url      string
		problems []string
	}{
		"loopback":               {strict, "http://127.0.0.1:" + port, []string{"address 127.0.0.1 is loopback", "http.allowLoopback"}},
		"loopback by name":       {strict, "http://localhost:" + port, []string{"is loopback"}},
		"loopback in one number": {strict, "http://[::ffff:7f00:1]:" + port, []string{"is loopback"}},
		"metadata":               {newHandler(t, HTTPOptions{}), "http://169.254.169.254/latest/meta-data", []string{"address 169.254.169.254 is link-local"}},
		"private, if denied":     {newHandler(t, HTTPOptions{DenyPrivate: true}), "http://10.0.0.1/", []string{"address 10.0.0.1 is private", "http.denyPrivate"}},
		"after a redirect":       {newHandler(t, HTTPOptions{}), answers(t, 307, map[string]string{"Location": "http://169.254.169.254/"}, ""), []string{"is link-local"}},
		"the unspecified host":   {newHandler(t, HTTPOptions{}), "http://0.0.0.0:" + port, []string{"is unspecified"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := handle(t, c.handler, toURL(c.url))
			application, details := failed(t, err)
			require.Equal(t, "Fail", application.Type())
			require.Equal(t, "AddressRefused", details.Code)
			for _, problem := range c.problems {
				require.Contains(t, application.Message(), problem)
			}
			require.NotEmpty(t, details.FriendlyMessage)
		})
	}
}

func TestHTTPUsesAProxyOnlyIfConfigured(t *testing.T) {
	t.Parallel()
	require.Nil(t, newTransport(HTTPOptions{}).Proxy)
	require.NotNil(t, newTransport(HTTPOptions{ProxyFromEnvironment: true}).Proxy)
}

// hops is a receiver that redirects n times and then answers 200.
func hops(t *testing.T, status, n int) string {
	t.Helper()
	return receiver(t, func(w http.ResponseWriter, r *http.Request) {
		at, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if at == n {
			_, _ = io.WriteString(w, "arrived by "+r.Method)
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/%d", at+1), status)
	})
}

func TestHTTPRedirectsAreFollowedWithinBounds(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, HTTPOptions{})
	for name, c := range map[string]struct {
		method     string
		status     int
		hops       int
		end        string // what the last one saw
		code, text string // or how it failed
	}{
		"a GET goes on":                            {"GET", 302, 5, "arrived by GET", "", ""},
		"five and no more":                         {"GET", 302, 6, "", "TooManyRedirects", "more than 5 redirects"},
		"a POST is repeated after 307":             {"POST", 307, 2, "arrived by POST", "", ""},
		"a POST is repeated after 308":             {"POST", 308, 2, "arrived by POST", "", ""},
		"a POST that was done is looked at by GET": {"POST", 303, 1, "arrived by GET", "", ""},
		"a POST never becomes a GET after 302":     {"POST", 302, 1, "", "HTTP 302", "with location /1"},
		"a PUT never becomes a GET after 301":      {"PUT", 301, 1, "", "HTTP 301", "with location /1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := fmt.Sprintf(`{"method":%q,"url":%q,"body":"x"}`, c.method, hops(t, c.status, c.hops))
			result, err := handle(t, handler, data)
			if c.code == "" {
				require.NoError(t, err)
				require.Contains(t, string(result.Result), c.end)
				return
			}
			application, details := failed(t, err)
			require.Equal(t, "Fail", application.Type())
			require.Equal(t, c.code, details.Code)
			require.Contains(t, application.Message(), c.text)
			require.NotEmpty(t, details.FriendlyMessage)
		})
	}
}

func TestHTTPRedirectToAnotherSchemeIsRefused(t *testing.T) {
	t.Parallel()
	plainText := answers(t, 200, nil, "")
	server := httptest.NewTLSServer(http.RedirectHandler(plainText, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	h, err := newHTTP(HTTPOptions{AllowLoopback: true})
	require.NoError(t, err)
	h.client.Transport.(hostGate).onward.(*http.Transport).TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	for name, c := range map[string]struct{ url, problem string }{
		"https to http":    {server.URL, "redirect from https to " + plainText},
		"http to ftp":      {answers(t, 302, map[string]string{"Location": "ftp://x.invalid"}, ""), "redirect from http to ftp://x.invalid"},
		"a password hides": {answers(t, 302, map[string]string{"Location": "ftp://me:pw@x.invalid"}, ""), "ftp://me:xxxxx@x.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := handle(t, Typed(h.handle), `{"method":"GET","url":"`+c.url+`"}`)
			application, details := failed(t, err)
			require.Equal(t, "Fail", application.Type())
			require.Equal(t, "RedirectRefused", details.Code)
			require.Contains(t, application.Message(), c.problem)
		})
	}
}

// A connection's headers are meant for its own host.
func TestHTTPRedirectTakesNoCredentialToAnotherHost(t *testing.T) {
	t.Parallel()
	elsewhere, last := recorder(t)
	var home string
	home = receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, map[string]string{
			"/away": elsewhere + "/x",
			"/here": home + "/away",
		}[r.URL.Path], http.StatusTemporaryRedirect)
	})
	handler := newHandler(t, HTTPOptions{Connections: []Connection{{
		Name: "crm", BaseURL: home,
		Headers: map[string]string{"Authorization": "Bearer s", "Cookie": "c=1", "X-Api-Key": "k"},
	}}})
	for _, path := range []string{"/away", "/here"} {
		_, err := handle(t, handler, `{"connection":"crm","path":"`+path+`","headers":{"X-Own":"o"},"body":{"a":1}}`)
		require.NoError(t, err)
		got := last()
		require.JSONEq(t, `{"a":1}`, got.body)
		for _, name := range []string{"Authorization", "Cookie", "X-Api-Key", "X-Own", "Referer"} {
			require.Empty(t, got.headers.Values(name), name)
		}
		require.Equal(t, "a1", got.headers.Get("Idempotency-Key"))
		require.Equal(t, protocol.Fence{Sequence: 7, N: 2, Attempt: 1}.String(), got.headers.Get("Seriatim-Fence"))
		require.Equal(t, "application/json", got.headers.Get("Content-Type"))
	}
}

func TestHTTPRedirectKeepsCredentialsAtHomeAndNeverGivesThemBack(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 10)
	var home, elsewhere string
	elsewhere = receiver(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, home+"/end", http.StatusTemporaryRedirect)
	})
	home = receiver(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
		case "/away":
			http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
		default:
			seen <- r.Header.Get("X-Api-Key")
		}
	})
	handler := newHandler(t, HTTPOptions{Connections: []Connection{{
		Name: "crm", BaseURL: home, Headers: map[string]string{"X-Api-Key": "k"},
	}}})
	for path, key := range map[string]string{"/here": "k", "/away": ""} {
		_, err := handle(t, handler, `{"connection":"crm","path":"`+path+`"}`)
		require.NoError(t, err)
		require.Equal(t, key, <-seen, path)
	}
}
