package mail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// Activity is the name under which the handler of bulk.email is usually
// registered.
const Activity = "bulk.email"

// TLS is how a connection is encrypted.
type TLS string

// The ways of SMTP. With StartTLS a server that does not offer it is not sent to.
const (
	StartTLS TLS = "starttls"
	Implicit TLS = "implicit"
	None     TLS = "none"
)

// defaultPorts are the ports of the ways.
var defaultPorts = map[TLS]int{StartTLS: 587, Implicit: 465, None: 25}

// Defaults and bounds of a connection.
const (
	DefaultTimeout        = 30 * time.Second
	DefaultMaxConnections = 5
	maxRate               = 10_000
)

// Options configure the handler of bulk.email.
type Options struct {
	// Connections are the servers that operations may name.
	Connections []Connection
	// Files and Databases hold the lists that operations may name.
	Files     files.Folder
	Databases *sqldb.Databases
}

// Connection is a mail server and how it is spoken to, so that no operation
// carries a credential (SPEC 9.3).
type Connection struct {
	// Name is what operations refer to.
	Name string
	// Host is a name or an address; Port is by default 587 for StartTLS, 465 for
	// Implicit and 25 for None.
	Host string
	Port int
	// TLS is StartTLS by default.
	TLS TLS
	// Username and Password are given to a server that asks for them, under TLS
	// only: SCRAM, CRAM-MD5, PLAIN or LOGIN, the strongest that it offers.
	Username, Password string
	// From is the sender of operations that name none; "Name <a@b.example>" or an
	// address.
	From string
	// Helo is what this machine calls itself; its host name by default.
	Helo string
	// RatePerSecond is how many messages this process sends over it in a second,
	// all operations together, such as 0.5; 0 does not limit it.
	RatePerSecond float64
	// MaxConnections is how many operations of this process speak to the server at
	// a time; default 5.
	MaxConnections int
	// Timeout bounds one message from MAIL to the answer behind its content;
	// default 30 s. A handler that is to stop ends its message first.
	Timeout time.Duration
	// RootCAs are certificates, as PEM, of the authorities under which the server's
	// is good; the system's by default.
	RootCAs []byte
}

// server is a Connection that was checked, with what its operations share.
type server struct {
	Connection
	from    *mail.Address // nil for none
	tls     *tls.Config
	limit   *rate.Limiter
	waiting chan struct{} // holds one entry for each conversation
}

// handler is the handler of bulk.email.
type handler struct {
	servers   map[string]*server
	files     files.Folder
	databases *sqldb.Databases
	now       func() time.Time
}

// New is the handler of bulk.email.
//
//   - Succeeded means that the list was gone through; its result counts what was
//     sent, and lists whom the server or the message's own data refused.
//   - What passes is retried from the checkpoint: a server that is not reached or
//     says 4xx. Where some messages went out before, such a retry does not count.
//   - Suspended means that a person is needed: the server refuses the credentials,
//     the certificate, the sender, or everybody; or the list changed under way.
//   - Data that is no mailing is Failed with 80044304.
//
// The error names the connection that is wrong.
func New(o Options) (activities.Handler, error) {
	h := &handler{
		servers: make(map[string]*server, len(o.Connections)), files: o.Files,
		databases: cmp.Or(o.Databases, &sqldb.Databases{}), now: time.Now,
	}
	for _, c := range o.Connections {
		if _, taken := h.servers[c.Name]; taken || c.Name == "" {
			return nil, fmt.Errorf("connection %q: a name is not empty and is given once", c.Name)
		}
		checked, err := newServer(c)
		if err != nil {
			return nil, fmt.Errorf("connection %q: %w", c.Name, err)
		}
		h.servers[c.Name] = checked
	}
	return activities.Typed(h.handle), nil
}

func newServer(c Connection) (*server, error) {
	c.TLS = cmp.Or(c.TLS, StartTLS)
	c.Port = cmp.Or(c.Port, defaultPorts[c.TLS])
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.MaxConnections = cmp.Or(c.MaxConnections, DefaultMaxConnections)
	if err := c.check(); err != nil {
		return nil, err
	}
	s := &server{
		Connection: c,
		tls:        &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12},
		limit:      rate.NewLimiter(rate.Inf, 1),
		waiting:    make(chan struct{}, c.MaxConnections),
	}
	if c.RatePerSecond > 0 {
		s.limit.SetLimit(rate.Limit(c.RatePerSecond))
	}
	if c.From != "" {
		from, err := parseSender(c.From)
		if err != nil {
			return nil, fmt.Errorf("from: %q %w", c.From, err)
		}
		s.from = from
	}
	if c.RootCAs != nil {
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(c.RootCAs) {
			return nil, errors.New("caFile: holds no certificate as PEM")
		}
	}
	return s, nil
}

// check refuses what no conversation could be held with.
func (c Connection) check() error {
	switch {
	case c.Host == "" || strings.ContainsAny(c.Host, " /:\r\n") && !strings.Contains(c.Host, "::"):
		return fmt.Errorf("host: %q is not a name or an address", c.Host)
	case defaultPorts[c.TLS] == 0:
		return fmt.Errorf("tls: %q is not starttls, implicit or none", c.TLS)
	case c.Port < 1 || c.Port > 65535:
		return fmt.Errorf("port: %d is not in 1..65535", c.Port)
	case (c.Username == "") != (c.Password == ""):
		return errors.New("username, password: one of them is missing")
	case c.TLS == None && c.Username != "":
		return errors.New("tls: none would send the password in the clear: use starttls or implicit, or no username")
	case strings.ContainsAny(c.Helo, " \r\n\t"):
		return fmt.Errorf("helo: %q is not one word", c.Helo)
	case c.RatePerSecond < 0 || c.RatePerSecond > maxRate:
		return fmt.Errorf("ratePerSecond: %v is not in 0..%d", c.RatePerSecond, maxRate)
	case c.MaxConnections < 1:
		return fmt.Errorf("maxConnections: %d is less than 1", c.MaxConnections)
	case c.Timeout < time.Second || c.Timeout > time.Hour:
		return fmt.Errorf("timeout: %v is not in 1s..1h", c.Timeout)
	}
	return nil
}

// handle is one attempt.
func (h *handler) handle(ctx context.Context, r activities.Request, d data) protocol.Outcome {
	j, err := h.newJob(r, d)
	if err != nil {
		return unreadable(err)
	}
	state := checkpoint{Started: h.now().UTC().Truncate(time.Second)}
	if err := r.Resume(&state); err != nil {
		return protocol.Failure("CheckpointUnreadable", err.Error())
	}
	if d.DryRun {
		return j.rehearse(ctx, r)
	}
	s := newSending(j, r, state, h.now)
	defer s.close()
	if stop := s.open(ctx); stop != nil {
		return *stop
	}
	return s.run(ctx)
}

// names lists the connections, for a message.
func (h *handler) names() string {
	return strings.Join(slices.Sorted(maps.Keys(h.servers)), ", ")
}

// unreadable is the outcome for data that is no mailing.
func unreadable(err error) protocol.Outcome {
	return protocol.Failure(string(protocol.CodePayloadUnreadable), err.Error()).
		WithFriendly("The operation's data cannot be used, and nothing was sent. Correct it and submit it as a new operation.")
}
