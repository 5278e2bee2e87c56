package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/seriatim-go/seriatim/protocol"
)

// newHandler is the handler of http.request; test servers are on loopback.
func newHandler(t *testing.T, o HTTPOptions) Handler {
	t.Helper()
	o.AllowLoopback = true
	handler, err := HTTP(o)
	require.NoError(t, err)
	return handler
}

// receiver starts a server with one handler and answers its address.
func receiver(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// answers is a receiver that always answers the same.
func answers(t *testing.T, status int, headers map[string]string, body string) string {
	t.Helper()
	return receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func toURL(url string) string { return fmt.Sprintf(`{"url":%q}`, url) }

// sent is what a receiver saw.
type sent struct {
	method, uri, body string
	headers           http.Header
}

func recorder(t *testing.T) (url string, last func() sent) {
	t.Helper()
	seen := make(chan sent, 10)
	url = receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- sent{r.Method, r.URL.RequestURI(), string(body), r.Header}
	})
	return url, func() sent { return <-seen }
}

func TestHTTPRequestIsSentAsTheDataSays(t *testing.T) {
	t.Parallel()
	url, last := recorder(t)
	handler := newHandler(t, HTTPOptions{Connections: []Connection{{
		Name: "crm", BaseURL: url + "/api/", Headers: map[string]string{"authorization": "Bearer secret"},
	}}})
	for name, c := range map[string]struct {
		data              string
		method, uri, body string
		headers           map[string]string
	}{
		"the method is POST by default": {
			toURL(url + "/hook?a=1"), "POST", "/hook?a=1", "", nil,
		},
		"a string is sent as text": {
			`{"method":"PUT","url":"` + url + `","body":"hällo"}`, "PUT", "/", "hällo",
			map[string]string{"Content-Type": "text/plain; charset=utf-8"},
		},
		"anything else is sent as JSON, as it was written": {
			`{"url":"` + url + `","body":{"b":1.0,"a":[null]}}`, "POST", "/", `{"b":1.0,"a":[null]}`,
			map[string]string{"Content-Type": "application/json"},
		},
		"null is no body": {
			`{"url":"` + url + `","body":null}`, "POST", "/", "", map[string]string{"Content-Type": ""},
		},
		"own headers are sent, a content type too": {
			`{"url":"` + url + `","headers":{"x-tenant":"t1","content-type":"application/xml","user-agent":"me"},"body":"<a/>"}`,
			"POST", "/", "<a/>",
			map[string]string{"X-Tenant": "t1", "Content-Type": "application/xml", "User-Agent": "me"},
		},
		"a query is added to the address": {
			`{"method":"GET","url":"` + url + `/x?a=1;2","query":{"b":"ä&"}}`, "GET", "/x?a=1;2&b=%C3%A4%26", "", nil,
		},
		"a query alone is the query": {
			`{"url":"` + url + `","query":{"b":"1"}}`, "POST", "/?b=1", "", nil,
		},
		"a connection gives base and headers": {
			`{"connection":"crm","path":"/contacts/42"}`, "POST", "/api/contacts/42", "",
			map[string]string{"Authorization": "Bearer secret", "User-Agent": "seriatim"},
		},
		"a connection without a path is its base": {
			`{"connection":"crm","query":{"q":"1"}}`, "POST", "/api?q=1", "", nil,
		},
	} {
		t.Run(name, func(t *testing.T) { // one after another: they share the recorder
			_, err := handle(t, handler, c.data)
			require.NoError(t, err)
			got := last()
			require.Equal(t, []string{c.method, c.uri, c.body}, []string{got.method, got.uri, got.body})
			for header, value := range c.headers {
				require.Equal(t, value, got.headers.Get(header), header)
			}
		})
	}
}

// SPEC 2.2: our own handlers send what a target needs to refuse a late attempt.
func TestHTTPRequestCarriesIdempotencyKeyAndFence(t *testing.T) {
	t.Parallel()
	url, last := recorder(t)
	handler := newHandler(t, HTTPOptions{})
	for id, key := range map[string]string{
		"0197-a1": "0197-a1",
		"a b":     "a%20b",
		"a%20b":   "a%2520b", // and so differs from the one before
		"ä":       "%C3%A4",
		" a":      "%20a",
	} {
		_, err := attempt(context.Background(), t, handler, protocol.HandlerInput{
			Operation: protocol.Operation{ID: id, Data: json.RawMessage(toURL(url))},
			Fence:     protocol.Fence{Sequence: 7, N: 2},
		})
		require.NoError(t, err)
		headers := last().headers
		require.Equal(t, key, headers.Get("Idempotency-Key"))
		require.Equal(t, "7.2.1", headers.Get("Seriatim-Fence"))
		require.Equal(t, "seriatim", headers.Get("User-Agent"))
	}
}

func TestHTTPWithoutAnAnswerIsRetried(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, HTTPOptions{})
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		_, err = handle(t, handler, toURL("http://"+listener.Addr().String()))
		application, details := failed(t, err)
		require.Equal(t, "Retry", application.Type())
		require.Equal(t, "NoAnswer", details.Code)
		require.NotEmpty(t, details.FriendlyMessage)
	})
	t.Run("the receiver is too slow", func(t *testing.T) {
		t.Parallel()
		release := make(chan struct{})
		url := receiver(t, func(http.ResponseWriter, *http.Request) { <-release })
		t.Cleanup(func() { close(release) }) // before the server closes
		_, err := handle(t, handler, `{"url":"`+url+`","timeoutSeconds":0.05}`)
		application, details := failed(t, err)
		require.Equal(t, "Retry", application.Type())
		require.Equal(t, "Timeout", details.Code)
	})
	t.Run("the answer breaks off after 200", func(t *testing.T) {
		t.Parallel()
		_, err := handle(t, handler, toURL(answers(t, 200, map[string]string{"Content-Length": "100"}, "half")))
		application, details := failed(t, err)
		require.Equal(t, "Retry", application.Type())
		require.Equal(t, "NoAnswer", details.Code)
		require.Contains(t, application.Message(), "reading the response")
	})
	t.Run("an answer that breaks off after 404 is a 404", func(t *testing.T) {
		t.Parallel()
		_, err := handle(t, handler, toURL(answers(t, 404, map[string]string{"Content-Length": "100"}, "half")))
		application, _ := failed(t, err)
		require.Equal(t, "Fail", application.Type())
	})
}

// SPEC 3.2, 8.2
func TestHTTPRequestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	handler, url := newHandler(t, HTTPOptions{}), answers(t, 200, nil, "")
	in := protocol.HandlerInput{Operation: protocol.Operation{Data: json.RawMessage(toURL(url))}}
	for name, c := range map[string]struct {
		cause    error
		canceled bool
	}{
		"asked to cancel, it is canceled":      {temporal.NewCanceledError(), true},
		"when the worker stops, it is retried": {worker.ErrWorkerShutdown, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(c.cause)
			_, err := attempt(ctx, t, handler, in)
			require.Equal(t, c.canceled, temporal.IsCanceledError(err))
			if !c.canceled {
				application, _ := failed(t, err)
				require.Equal(t, "Retry", application.Type())
			}
		})
	}
}

// SPEC 3.2: a request in flight ends with the request to cancel or to pause.
func TestHTTPRequestStopsAtOnceWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(http.ResponseWriter){
		"before the answer": func(http.ResponseWriter) {},
		"in its body": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(context.Background())
			url := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				begin(w)
				time.AfterFunc(50*time.Millisecond, func() { cancel(temporal.NewCanceledError()) })
				<-r.Context().Done() // the sender has gone away
			})
			began := time.Now()
			_, err := attempt(ctx, t, newHandler(t, HTTPOptions{}), protocol.HandlerInput{
				Operation: protocol.Operation{ID: "a1", Data: json.RawMessage(toURL(url))},
			})
			var canceled *temporal.CanceledError
			require.ErrorAs(t, err, &canceled)
			require.Less(t, time.Since(began), 10*time.Second)
		})
	}
}
