package activities

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// allowedHost is an entry of HTTPOptions.AllowHosts.
type allowedHost struct {
	// name is a host in lower-case ASCII, or an address as netip writes it; below
	// says that it is what comes after "*.".
	name  string
	below bool
	// port is "" for every port.
	port string
}

// parseHost reads an entry; the error says what is wrong with it.
func parseHost(entry string) (allowedHost, error) {
	host, port := entry, ""
	if bare, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(entry, "]") {
		host = strings.TrimSuffix(bare, "]")
	} else if _, err := netip.ParseAddr(entry); err != nil && strings.Contains(entry, ":") {
		if host, port, err = net.SplitHostPort(entry); err != nil {
			return allowedHost{}, errors.New("is not a host, nor a host and a port: no scheme, no path")
		}
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return allowedHost{}, fmt.Errorf("has port %q, which is not 1..65535", port)
		}
	}
	name, below := strings.CutPrefix(host, "*.")
	plain, err := hostName(name)
	_, isAddress := netip.ParseAddr(plain)
	if err != nil || plain == "" || strings.ContainsAny(plain, "*/ ") || below && isAddress == nil {
		return allowedHost{}, errors.New(`is neither a host's name, nor "*." and one, nor an address`)
	}
	return allowedHost{name: plain, below: below, port: port}, nil
}

// hostName is a host in the one form in which two of them are compared: an address
// as netip writes it, a name in lower-case ASCII without its last dot.
func hostName(host string) (string, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.WithZone("").Unmap().String(), nil
	}
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil {
		// Such as one with an underscore, which some networks have.
		name = strings.TrimSuffix(host, ".")
		if strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) >= 0 {
			return "", err
		}
	}
	return strings.ToLower(name), nil
}

// allows says whether requests to that host and port may be sent.
func (a allowedHost) allows(host, port string) bool {
	if a.port != "" && a.port != port {
		return false
	}
	if a.below {
		return strings.HasSuffix(host, "."+a.name)
	}
	return host == a.name
}

// allowsURL asks each entry; without one everything is allowed.
func allowsURL(list []allowedHost, target *url.URL) bool {
	if len(list) == 0 {
		return true
	}
	host, err := hostName(target.Hostname())
	if err != nil {
		return false
	}
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	return slices.ContainsFunc(list, func(a allowedHost) bool { return a.allows(host, port) })
}

// hostGate sends requests to hosts of the list only. Each step of a redirect
// passes it.
type hostGate struct {
	allowed []allowedHost
	onward  http.RoundTripper
}

// RoundTrip refuses before anything is resolved or dialled.
func (g hostGate) RoundTrip(request *http.Request) (*http.Response, error) {
	if allowsURL(g.allowed, request.URL) {
		return g.onward.RoundTrip(request)
	}
	return nil, &refusal{
		code:     "HostRefused",
		message:  fmt.Sprintf("host %s is not in http.allowHosts of the worker's configuration", request.URL.Host),
		friendly: "The worker does not send requests to that host.",
	}
}

func parseHosts(entries []string) (list []allowedHost, err error) {
	for _, entry := range entries {
		parsed, err := parseHost(entry)
		if err != nil {
			return nil, fmt.Errorf("allowHosts: %q %w", entry, err)
		}
		list = append(list, parsed)
	}
	return list, nil
}
