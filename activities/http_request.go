package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of timeoutSeconds.
const (
	defaultHTTPTimeout = 30 * time.Second
	maxHTTPTimeout     = time.Hour
)

// Headers that tell the receiver which attempt of which operation it is.
const (
	// IdempotencyKeyHeader carries the operation's id. Bytes that a header
	// cannot hold, and "%", are percent-encoded.
	IdempotencyKeyHeader = "Idempotency-Key"
	// FenceHeader carries the fence as "sequence.n.attempt" (SPEC 2.2).
	FenceHeader = "Seriatim-Fence"
)

var httpMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// systemHeaders are set here or by the transport; some would let a payload
// change where a request goes or how it is framed.
var systemHeaders = []string{
	"Host", "Content-Length", IdempotencyKeyHeader, FenceHeader, "Accept-Encoding",
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
}

// secretHeaders are credentials: an operation is stored and shown as it was
// submitted (SPEC 9.3).
var secretHeaders = []string{"Authorization", "Cookie", "Proxy-Authorization"}

// content is what is sent as the body, and its type; nil for no body.
func content(body json.RawMessage) (content []byte, contentType string) {
	if len(body) == 0 || string(body) == "null" {
		return nil, ""
	}
	var text string
	if json.Unmarshal(body, &text) == nil {
		return []byte(text), "text/plain; charset=utf-8"
	}
	return body, "application/json"
}

func (d httpData) timeout() (time.Duration, error) {
	if d.TimeoutSeconds == nil {
		return defaultHTTPTimeout, nil
	}
	if seconds := *d.TimeoutSeconds; seconds <= 0 || seconds > maxHTTPTimeout.Seconds() {
		return 0, &protocol.FieldError{
			Field: "data.timeoutSeconds", Value: fmt.Sprint(seconds),
			Problem: fmt.Sprintf("is not more than 0 and at most %v", maxHTTPTimeout.Seconds()),
		}
	}
	return time.Duration(*d.TimeoutSeconds * float64(time.Second)), nil
}

// newRequest builds the request; the error names the field of the operation's
// data that is wrong.
func (h *httpHandler) newRequest(ctx context.Context, r Request, data httpData) (*http.Request, error) {
	method := cmp.Or(data.Method, http.MethodPost)
	if !slices.Contains(httpMethods, method) {
		return nil, dataError("method", method, "is not one of "+strings.Join(httpMethods, ", "))
	}
	target, connection, err := h.target(data)
	if err != nil {
		return nil, err
	}
	body, contentType := content(data.Body)
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, dataError("url", shown(target), err.Error())
	}
	if err := setHeaders(request.Header, data.Headers, connection.headers); err != nil {
		return nil, err
	}
	setDefault(request.Header, "Content-Type", contentType)
	setDefault(request.Header, "User-Agent", "seriatim")
	request.Header.Set(IdempotencyKeyHeader, headerSafe(r.Operation.ID))
	request.Header.Set(FenceHeader, r.Fence.String())
	setTraceparent(ctx, request.Header, r.Operation)
	return request, nil
}

func setDefault(headers http.Header, name, value string) {
	if value != "" && headers.Get(name) == "" {
		headers.Set(name, value)
	}
}

// setHeaders copies the operation's headers and then the connection's, which an
// operation cannot override.
func setHeaders(into http.Header, own map[string]string, connection http.Header) error {
	var problems []error
	for name, value := range own {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if problem := headerProblem(canonical, value, into, connection); problem != "" {
			problems = append(problems, &protocol.FieldError{Field: "data.headers." + name, Problem: problem})
			continue
		}
		into.Set(canonical, value)
	}
	for name, values := range connection {
		into[name] = values
	}
	slices.SortFunc(problems, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// headerProblem says why an operation may not send that header. Values are not
// shown, since they may be secrets.
func headerProblem(name, value string, seen, connection http.Header) string {
	switch {
	case slices.Contains(systemHeaders, name):
		return "is set by the worker only"
	case slices.Contains(secretHeaders, name):
		return "would put a secret into the operation's record: name a connection that has it instead"
	case connection.Values(name) != nil:
		return "is set by the connection"
	case seen.Values(name) != nil:
		return "is there twice in different spellings"
	}
	return headerForm(name, value)
}

// headerForm says why a header cannot be sent at all.
func headerForm(name, value string) string {
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return "is not a header name"
	case !httpguts.ValidHeaderFieldValue(value):
		return "has a value with a control character"
	}
	return ""
}

// headerSafe percent-encodes what a header value cannot carry unchanged, and the
// percent sign, so that two ids never look the same.
func headerSafe(id string) string {
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; c > ' ' && c < 0x7f && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// dataError refuses a field of the operation's data.
func dataError(field, value, problem string) error {
	if value != "" {
		value = preview(fmt.Appendf(nil, "%q", value))
	}
	return &protocol.FieldError{Field: "data." + field, Value: value, Problem: problem}
}
