package embedded

import (
	"fmt"
	"net"
	"strconv"
)

const loopback = "127.0.0.1"

// fillPorts replaces each port that is 0 by a free one.
func fillPorts(o *ServerOptions) error {
	for _, port := range []*int{&o.Port, &o.HTTPPort, &o.UIPort} {
		if *port != 0 {
			continue
		}
		free, err := freePort()
		if err != nil {
			return err
		}
		*port = free
	}
	return nil
}

// FreePort returns a port of 127.0.0.1 that nobody listens on.
func FreePort() (int, error) { return freePort() }

// freePort asks the kernel for a port. A connection that is opened and closed
// on it makes Linux keep the number back from others for a while, without
// keeping the server from listening on it.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = client.Close() }()
	server, err := listener.Accept()
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	// The side that closes first is the one whose number is kept back.
	_ = server.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return strconv.Atoi(port)
}
