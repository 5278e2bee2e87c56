package activities

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// connection is a Connection that was checked.
type connection struct {
	base    string
	headers http.Header
}

func newConnection(c Connection) (connection, error) {
	base, err := parseTarget(c.BaseURL)
	switch {
	case err != nil:
		return connection{}, fmt.Errorf("baseURL: %q %w", redacted(c.BaseURL), err)
	case strings.ContainsAny(c.BaseURL, "?#"):
		return connection{}, fmt.Errorf("baseURL: %q has a query or a fragment", c.BaseURL)
	}
	headers := make(http.Header, len(c.Headers))
	for name, value := range c.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if slices.Contains(systemHeaders, canonical) {
			return connection{}, fmt.Errorf("headers.%s: is set by the worker only", name)
		}
		if problem := headerForm(canonical, value); problem != "" {
			return connection{}, fmt.Errorf("headers.%s: %s", name, problem)
		}
		headers.Set(canonical, value)
	}
	return connection{base: strings.TrimSuffix(base.String(), "/"), headers: headers}, nil
}

// target is where the operation's request goes, and the connection that it goes
// over, the zero one without.
func (h *httpHandler) target(data httpData) (*url.URL, connection, error) {
	target, over, err := h.address(data)
	if err != nil {
		return nil, connection{}, err
	}
	if len(data.Query) > 0 {
		query := url.Values{}
		for name, value := range data.Query {
			query.Set(name, value)
		}
		target.RawQuery = strings.TrimPrefix(target.RawQuery+"&"+query.Encode(), "&")
	}
	return target, over, nil
}

func (h *httpHandler) address(data httpData) (*url.URL, connection, error) {
	switch {
	case data.URL != "" && data.Connection != "":
		return nil, connection{}, dataError("connection", data.Connection, "is not needed: data.url is the whole address")
	case data.URL == "" && data.Connection == "":
		return nil, connection{}, dataError("url", "", "is missing: give a url, or a connection and a path")
	case data.URL != "" && data.Path != "":
		return nil, connection{}, dataError("path", data.Path, "belongs to a connection: with data.url it has no meaning")
	case data.URL != "":
		target, err := parseTarget(data.URL)
		if err != nil {
			return nil, connection{}, dataError("url", redacted(data.URL), err.Error())
		}
		return target, connection{}, nil
	}
	over, known := h.connections[data.Connection]
	if !known {
		names := strings.Join(slices.Sorted(maps.Keys(h.connections)), ", ")
		return nil, connection{}, dataError("connection", data.Connection,
			fmt.Sprintf("is not in the worker's configuration under http.connections, which has [%s]", names))
	}
	target, err := over.join(data.Path)
	if err != nil {
		return nil, connection{}, dataError("path", data.Path, err.Error())
	}
	return target, over, nil
}

// parseTarget reads an address to which requests may go.
func parseTarget(address string) (*url.URL, error) {
	target, err := url.Parse(address)
	var problem *url.Error
	switch {
	case errors.As(err, &problem):
		return nil, fmt.Errorf("is not a URL: %w", problem.Err) // the whole error would repeat a password
	case err != nil:
		return nil, fmt.Errorf("is not a URL: %w", err)
	case target.Scheme != "http" && target.Scheme != "https":
		return nil, fmt.Errorf("has scheme %q: only http and https are sent to", target.Scheme)
	case target.Hostname() == "":
		return nil, errors.New("has no host")
	case target.User != nil:
		return nil, errors.New("has a user or password: put a credential into the headers of a connection")
	}
	return target, nil
}

// shown is an address as it may stand in a message: without a password, and
// without the query, which often holds one.
func shown(address *url.URL) string {
	without := *address
	without.RawFragment, without.Fragment = "", ""
	if without.RawQuery != "" {
		without.RawQuery = "…"
	}
	return without.Redacted()
}

// withoutQuery shows the address in what the HTTP client says of a request.
func withoutQuery(err error) error {
	var problem *url.Error
	if !errors.As(err, &problem) {
		return err
	}
	text := redacted(problem.URL)
	if parsed, err := url.Parse(problem.URL); err == nil {
		text = shown(parsed)
	}
	reason := problem.Err
	if strings.Contains(reason.Error(), "Location header") {
		reason = errors.New("the answer's Location header cannot be read") // it would be repeated
	}
	return &url.Error{Op: problem.Op, URL: text, Err: reason}
}

// redacted is an address that may be none, without what stands before the host
// and without the query.
func redacted(address string) string {
	if before, _, found := strings.Cut(address, "?"); found {
		address = before + "?…"
	}
	scheme, rest, found := strings.Cut(address, "//")
	if at := strings.LastIndex(rest, "@"); found && at >= 0 {
		return scheme + "//…" + rest[at:]
	}
	return address
}

// join appends an operation's path to the connection's base, below which it
// stays however it is written.
func (c connection) join(path string) (*url.URL, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	joined := c.base
	if path != "" {
		joined += "/" + strings.TrimPrefix(path, "/")
	}
	return parseTarget(joined)
}

// checkPath refuses a path that a server, or a proxy before it, could read as
// one outside of the base: also when it decodes it more than once.
func checkPath(path string) error {
	if strings.ContainsAny(path, "?#") {
		return errors.New("has a query or a fragment: use data.query")
	}
	for {
		if strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
			return errors.New(`starts with "//" or has a "\"`)
		}
		for segment := range strings.SplitSeq(path, "/") {
			segment, _, _ = strings.Cut(segment, ";") // some servers drop what follows
			if segment == "." || segment == ".." {
				return fmt.Errorf("has a segment %q and could leave the connection's base", segment)
			}
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path {
			return nil // the URL's own parser refuses an escape that is malformed
		}
		path = decoded
	}
}
