package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// HTTPActivity is the name under which the handler of http.request is usually
// registered.
const HTTPActivity = "http.request"

// Bounds of http.request.
const (
	// DefaultMaxResponseBytes is how much of a response is kept unless
	// HTTPOptions say otherwise.
	DefaultMaxResponseBytes = 64 << 10
	// MaxRedirects is how many redirects one request follows.
	MaxRedirects = 5
	// MaxRetryAfter bounds the wait that a receiver may ask for.
	MaxRetryAfter = time.Hour
)

// HTTPOptions configure the handler of http.request.
type HTTPOptions struct {
	// AllowLoopback lets requests reach this machine (127.0.0.0/8, ::1).
	// Link-local and metadata addresses are refused whatever is set here.
	AllowLoopback bool
	// DenyPrivate refuses private networks too: 10/8, 172.16/12, 192.168/16,
	// 100.64/10, fc00::/7.
	DenyPrivate bool
	// ProxyFromEnvironment sends requests through HTTP_PROXY and HTTPS_PROXY.
	// Addresses are then resolved by the proxy, and only the proxy's own is
	// checked here.
	ProxyFromEnvironment bool
	// AllowHosts are those to which requests may go, by their names in URLs and
	// redirects; none allows all. An entry is a host, an address, or "*." and a name
	// for every host below it, each with ":port" or for all ports. Case, the dot at
	// the end, and the form of an international name do not matter.
	AllowHosts []string
	// MaxResponseBytes is how much of a response is kept in the result; default
	// 64 KiB.
	MaxResponseBytes int
	// Connections are the targets that operations may name.
	Connections []Connection
}

// Connection is a target with headers that no operation has to carry, so that
// no payload holds a secret (SPEC 9.3).
type Connection struct {
	// Name is what operations refer to.
	Name string
	// BaseURL is http or https without user, query or fragment; an operation's
	// path stays below its path.
	BaseURL string
	// Headers are sent with each request, and to no other host by a redirect.
	Headers map[string]string
}

// httpData is the data of an operation of type http.request.
type httpData struct {
	// Method is POST unless it is set.
	Method string `json:"method"`
	// URL is the whole address; or Connection and Path name it.
	URL        string `json:"url"`
	Connection string `json:"connection"`
	Path       string `json:"path"`
	// Query is added to the address.
	Query   map[string]string `json:"query"`
	Headers map[string]string `json:"headers"`
	// Body is sent as text if it is a string, else as JSON.
	Body json.RawMessage `json:"body"`
	// TimeoutSeconds bounds the whole exchange; default 30, at most 3600. The
	// type's startToClose in the catalogue bounds it too.
	TimeoutSeconds *float64 `json:"timeoutSeconds"`
}

// httpHandler sends what operations ask for. All requests share its client.
type httpHandler struct {
	client           *http.Client
	connections      map[string]connection
	maxResponseBytes int
}

// HTTP is the handler of http.request: it sends one HTTP request, with the
// operation's id as Idempotency-Key and the fence as Seriatim-Fence. It goes on the
// trace of the span in ctx, or of the operation, with a traceparent.
//
//   - 2xx is Succeeded, with status, headers and body as the result.
//   - 408, 425, 429, 5xx and errors of the network are retried, for 429 and 503
//     when the receiver's Retry-After says, at most an hour later. Where the worker
//     has no descriptor or port left for the request, that does not count.
//   - Everything else is Failed with code "HTTP <status>" and the response's
//     first 2 KiB in the message; data that is no request is Failed with 80044304.
//
// The error names the connection that is wrong.
func HTTP(o HTTPOptions) (Handler, error) {
	h, err := newHTTP(o)
	if err != nil {
		return nil, err
	}
	return Typed(h.handle), nil
}

func newHTTP(o HTTPOptions) (*httpHandler, error) {
	allowed, err := parseHosts(o.AllowHosts)
	if err != nil {
		return nil, err
	}
	h := &httpHandler{
		client: &http.Client{
			Transport:     hostGate{allowed, newTransport(o)},
			CheckRedirect: checkRedirect,
		},
		connections:      make(map[string]connection, len(o.Connections)),
		maxResponseBytes: cmp.Or(o.MaxResponseBytes, DefaultMaxResponseBytes),
	}
	for _, c := range o.Connections {
		if _, taken := h.connections[c.Name]; taken || c.Name == "" {
			return nil, fmt.Errorf("connection %q: a name is not empty and is given once", c.Name)
		}
		parsed, err := newConnection(c)
		if err != nil {
			return nil, fmt.Errorf("connection %q: %w", c.Name, err)
		}
		if base, err := url.Parse(parsed.base); err != nil || !allowsURL(allowed, base) {
			return nil, fmt.Errorf("connection %q: baseURL: its host is not in allowHosts", c.Name)
		}
		h.connections[c.Name] = parsed
	}
	return h, nil
}

func (h *httpHandler) handle(ctx context.Context, r Request, data httpData) protocol.Outcome {
	timeout, err := data.timeout()
	if err != nil {
		return unreadable(err)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := h.newRequest(limited, r, data)
	if err != nil {
		return unreadable(err)
	}
	response, err := h.client.Do(request)
	if err != nil {
		return notAnswered(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	received, err := receive(response, h.maxResponseBytes)
	if err != nil && response.StatusCode < 300 { // for the others the status decides
		return notAnswered(ctx, fmt.Errorf("%s %q: reading the response: %w", request.Method, shown(request.URL), err))
	}
	return received.outcome()
}
