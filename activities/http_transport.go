package activities

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// maxResponseHeaderBytes bounds a response's headers.
const maxResponseHeaderBytes = 64 << 10

// newTransport checks each address when it is dialled, after the name was
// resolved: that covers redirects and names that resolve to something else the
// second time.
func newTransport(o HTTPOptions) *http.Transport {
	policy := addressPolicy{allowLoopback: o.AllowLoopback, denyPrivate: o.DenyPrivate}
	dialer := &net.Dialer{
		Timeout:        10 * time.Second,
		KeepAlive:      30 * time.Second,
		ControlContext: policy.control,
	}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           200,
		MaxIdleConnsPerHost:    20,
		MaxResponseHeaderBytes: maxResponseHeaderBytes,
	}
	if o.ProxyFromEnvironment {
		transport.Proxy = http.ProxyFromEnvironment
	}
	return transport
}

// addressPolicy says to which addresses requests may go.
type addressPolicy struct{ allowLoopback, denyPrivate bool }

// refusal is a request that was not sent, or not followed, on purpose.
type refusal struct{ code, message, friendly string }

func (r *refusal) Error() string { return r.message }

// control is called with the resolved address of each connection.
func (p addressPolicy) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	resolved, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	if problem := p.problem(resolved.Addr()); problem != "" {
		return &refusal{
			code:     "AddressRefused",
			message:  fmt.Sprintf("address %s is %s", resolved.Addr(), problem),
			friendly: "The worker does not send requests to that address.",
		}
	}
	return nil
}

// Addresses of cloud metadata services that no other rule covers.
var metadataAddresses = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
	netip.MustParseAddr("fd00:ec2::254"),   // Amazon
	netip.MustParseAddr("fd20:ce::254"),    // Google
}

var (
	thisNetwork   = netip.MustParsePrefix("0.0.0.0/8")
	broadcast     = netip.MustParseAddr("255.255.255.255")
	carrierShared = netip.MustParsePrefix("100.64.0.0/10")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
)

// problem says why the address is refused and what allows it, "" if nothing.
func (p addressPolicy) problem(address netip.Addr) string {
	address = plain(address)
	switch {
	case slices.Contains(metadataAddresses, address):
		return "a metadata service, which is never sent to"
	case address.IsLinkLocalUnicast():
		return "link-local, which is never sent to"
	case address.IsUnspecified(), thisNetwork.Contains(address):
		return "unspecified, which is never sent to"
	case address.IsMulticast(), address == broadcast:
		return "multicast, which is never sent to"
	case address.IsLoopback() && !p.allowLoopback:
		return "loopback: http.allowLoopback in the worker's configuration allows it"
	case (address.IsPrivate() || carrierShared.Contains(address)) && p.denyPrivate:
		return "private: http.denyPrivate in the worker's configuration refuses it"
	}
	return ""
}

// plain takes an IPv4 address out of the IPv6 forms that lead to it, and drops
// the zone.
func plain(address netip.Addr) netip.Addr {
	address = address.WithZone("").Unmap()
	if nat64.Contains(address) {
		bytes := address.As16()
		return netip.AddrFrom4([4]byte(bytes[12:]))
	}
	return address
}

// redirectHeaders are all that follow a redirect to another host: a connection's
// headers are meant for its own host only, whatever they are called.
var redirectHeaders = []string{"Accept", "Content-Type", "User-Agent", IdempotencyKeyHeader, FenceHeader}

// checkRedirect follows at most MaxRedirects, never from https to http, and not
// where the redirect would turn the request into a GET that does no work: such
// an answer is judged by its status.
func checkRedirect(next *http.Request, via []*http.Request) error {
	last, status := via[len(via)-1], next.Response.StatusCode
	refuse := func(code, problem string) error {
		return &refusal{
			code: code, message: problem + " to " + shown(next.URL),
			friendly: "The receiver pointed to another address where the request cannot follow.",
		}
	}
	switch {
	case next.Method != last.Method && status != http.StatusSeeOther:
		return http.ErrUseLastResponse
	case len(via) > MaxRedirects:
		return refuse("TooManyRedirects", fmt.Sprintf("more than %d redirects, the next one", MaxRedirects))
	case next.URL.Scheme != "https" && (next.URL.Scheme != "http" || last.URL.Scheme == "https"):
		return refuse("RedirectRefused", fmt.Sprintf("redirect from %s", last.URL.Scheme))
	}
	if leftOrigin(next, via) {
		for name := range next.Header {
			if !slices.Contains(redirectHeaders, name) {
				delete(next.Header, name)
			}
		}
	}
	return nil
}

// leftOrigin says whether any step went to another scheme, host or port than the
// first: a chain that comes back does not get the headers back.
func leftOrigin(next *http.Request, via []*http.Request) bool {
	first := via[0].URL
	for _, step := range append(via[1:len(via):len(via)], next) {
		if step.URL.Scheme != first.Scheme || step.URL.Host != first.Host {
			return true
		}
	}
	return false
}
