package mail

import (
	"context"
	"crypto/tls"
	"net"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// conversation is one operation's connection to its server. It is opened when it
// is needed, used for many messages, and opened again where the server closed it.
type conversation struct {
	server *server
	client *gomail.Client
	open   *smtp.Client // nil when closed
	line   net.Conn
	taken  int // messages that the server took over the open connection
}

// ensure opens the connection if it is not open.
func (c *conversation) ensure(ctx context.Context) answer {
	if c.open != nil {
		return answer{kind: accepted}
	}
	return c.connect(ctx)
}

// say sends one message over the open connection. It does not stop half way when
// somebody asks: whether the server took the message would not be known.
func (c *conversation) say(message *gomail.Msg) answer {
	a := sent(c.client.SendWithSMTPClient(c.open, message))
	switch a.kind {
	case accepted:
		c.taken++
	case broken:
		a.wasUsed = c.taken > 0
		c.drop()
	default: // a server that refused the content may still be within the message
		if c.open.Reset() != nil {
			c.drop()
		}
	}
	return a
}

// connect opens the connection, or says what stood against it. It waits for its
// turn where the process has as many to the server as it may.
func (c *conversation) connect(ctx context.Context) answer {
	select {
	case c.server.waiting <- struct{}{}:
	case <-ctx.Done():
		return answer{kind: interrupted}
	}
	client, err := c.newClient()
	if err == nil {
		c.client = client
		c.open, err = client.DialToSMTPClientWithContext(ctx)
	}
	if err == nil {
		return answer{kind: accepted}
	}
	c.drop()
	if ctx.Err() != nil {
		return answer{kind: interrupted}
	}
	return notConnected(err)
}

// newClient is a client of go-mail with the server's settings.
func (c *conversation) newClient() (*gomail.Client, error) {
	s := c.server
	options := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithTimeout(s.Timeout), gomail.WithTLSConfig(s.tls.Clone()),
		gomail.WithDialContextFunc(c.dial), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	switch s.TLS {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit: // dial encrypts it; go-mail sees that it is
		options = append(options, gomail.WithTLSPolicy(gomail.TLSOpportunistic))
	case None:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.Helo != "" {
		options = append(options, gomail.WithHELO(s.Helo))
	}
	if s.Username != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover),
			gomail.WithUsername(s.Username), gomail.WithPassword(s.Password))
	}
	return gomail.NewClient(s.Host, options...)
}

// dial keeps the connection, so that one on which nothing came about is closed.
func (c *conversation) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var err error
	if c.server.TLS == Implicit {
		c.line, err = (&tls.Dialer{Config: c.server.tls.Clone()}).DialContext(ctx, network, address)
	} else {
		c.line, err = (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return c.line, err
}

// drop closes the connection without a word and gives its turn away.
func (c *conversation) drop() {
	if c.line != nil {
		_ = c.line.Close()
	}
	c.open, c.line, c.taken = nil, nil, 0
	<-c.server.waiting
}

// close ends the conversation; the server's answer to QUIT does not matter.
func (c *conversation) close() {
	if c.open == nil {
		return
	}
	_ = c.client.CloseWithSMTPClient(c.open)
	c.drop()
}
