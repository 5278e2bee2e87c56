package activities

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHTTPAllowedHosts(t *testing.T) {
	t.Parallel()
	list := []string{"API.example.com", "*.Example.org", "only.example.net:8443", "10.0.0.5", "[2001:db8::1]:443", "bücher.example", "under_score.internal"}
	allowed, err := parseHosts(list)
	require.NoError(t, err)
	for target, wanted := range map[string]bool{
		"http://api.example.com/":             true,
		"https://API.EXAMPLE.COM:9000/":       true,
		"http://api.example.com./":            true,
		"http://example.com/":                 false,
		"http://api.example.com.evil.test/":   false,
		"http://xapi.example.com/":            false,
		"http://a.example.org/":               true,
		"http://a.b.example.org/":             true,
		"http://example.org/":                 false,
		"http://evilexample.org/":             false,
		"https://only.example.net:8443/":      true,
		"https://only.example.net/":           false,
		"http://10.0.0.5/":                    true,
		"http://[::ffff:10.0.0.5]:81/":        true,
		"http://10.0.0.50/":                   false,
		"http://167772165/":                   false, // 10.0.0.5 in one number
		"https://[2001:db8::1]/":              true,
		"https://[2001:0db8:0:0:0:0:0:1]/":    true,
		"http://[2001:db8::1]/":               false,
		"http://xn--bcher-kva.example/":       true,
		"http://BÜCHER.example/":              true,
		"http://bucher.example/":              false,
		"http://under_score.internal/":        true,
		"http://api.example.com%2eevil.test/": false,
		"http://a.example.org@evil.test/":     false,
	} {
		parsed, err := url.Parse(target)
		if err != nil {
			require.False(t, wanted, target)
			continue
		}
		require.Equal(t, wanted, allowsURL(allowed, parsed), target)
	}
	require.True(t, allowsURL(nil, &url.URL{Host: "anything.test"}), "no list")
}

func TestHTTPAllowedHostsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"", "*", "*.", "a.*.b", "*.10.0.0.1", "http://example.com", "example.com/path", "example.com:0", "example.com:65536",
		"example.com:x", "a b", "[::1", "*.*.example.com",
	} {
		_, err := HTTP(HTTPOptions{AllowHosts: []string{"fine.test", entry}})
		require.ErrorContains(t, err, "allowHosts: ", entry)
	}
	_, err := HTTP(HTTPOptions{AllowHosts: []string{"a.test"}, Connections: []Connection{{Name: "crm", BaseURL: "http://b.test"}}})
	require.ErrorContains(t, err, `connection "crm": baseURL: its host is not in allowHosts`)
	require.NotContains(t, err.Error(), "b.test")
}

// It is asked before a name is resolved, and again after each redirect.
func TestHTTPSendsToAllowedHostsOnly(t *testing.T) {
	t.Parallel()
	elsewhere, arrived := answers(t, 200, nil, "arrived"), false
	home := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		arrived = true
		http.Redirect(w, r, strings.Replace(elsewhere, "127.0.0.1", "localhost", 1), http.StatusTemporaryRedirect)
	})
	handler := newHandler(t, HTTPOptions{AllowHosts: []string{"127.0.0.1"}})
	_, err := handle(t, handler, toURL(elsewhere))
	require.NoError(t, err, "every port")
	for _, target := range []string{home, "http://no-such-host.invalid/"} {
		_, err := handle(t, handler, toURL(target))
		application, details := failed(t, err)
		require.Equal(t, "Fail", application.Type())
		require.Equal(t, "HostRefused", details.Code)
		require.Contains(t, application.Message(), "http.allowHosts")
	}
	require.True(t, arrived, "the redirect was refused, not what led to it")
}

// A query often holds a secret.
func TestHTTPMessagesShowNoQuery(t *testing.T) {
	t.Parallel()
	const query = "?key=canary-5c1&more=1#canary-5c1"
	handler := newHandler(t, HTTPOptions{})
	strict, err := HTTP(HTTPOptions{})
	require.NoError(t, err)
	refuses := answers(t, 400, map[string]string{"Location": "/x?key=canary-5c1"}, "no")
	for name, c := range map[string]struct {
		handler Handler
		data    string
	}{
		"an answer":             {handler, toURL(refuses + query)},
		"query in data":         {handler, `{"url":"` + refuses + `","query":{"key":"canary-5c1"}}`},
		"a retry":               {handler, toURL(answers(t, 503, nil, "") + query)},
		"nobody there":          {handler, toURL("http://127.0.0.1:1/" + query)},
		"a refused address":     {strict, toURL("http://127.0.0.1:1/" + query)},
		"a refused redirect":    {handler, toURL(answers(t, 302, map[string]string{"Location": "ftp://x.invalid/" + query}, ""))},
		"a redirect to nowhere": {handler, toURL(answers(t, 307, map[string]string{"Location": "http://127.0.0.1:1/" + query}, ""))},
		"a broken redirect":     {handler, toURL(answers(t, 307, map[string]string{"Location": "http://[::1/" + query}, ""))},
		"no URL":                {handler, toURL("ftp://x.invalid/" + query)},
		"a broken URL":          {handler, toURL("http://[::1/" + query)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := handle(t, c.handler, c.data)
			application, _ := failed(t, err)
			require.NotContains(t, application.Message(), "canary-5c1")
			require.NotEmpty(t, application.Message())
		})
	}
}
