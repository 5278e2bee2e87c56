package mailbox

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/mail"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// TLS is how a connection is encrypted.
type TLS string

// The ways of SMTP: not at all, asked for by STARTTLS, from the first byte on.
const (
	None     TLS = "none"
	StartTLS TLS = "starttls"
	Implicit TLS = "implicit"
)

// Stage is a place in the conversation at which the server may refuse.
type Stage string

// The stages, in their order; the address is the sender's at MAIL, else the
// recipient's, and at Greeting there is none.
const (
	Greeting Stage = "greeting"
	Mail     Stage = "MAIL"
	Rcpt     Stage = "RCPT"
	Data     Stage = "DATA"
)

// Options are what a server does; the zero value takes everything, unencrypted.
type Options struct {
	// TLS is None by default.
	TLS TLS
	// Username and Password are asked for before MAIL, where Username is set.
	Username, Password string
	// Mechanisms are of PLAIN and LOGIN; both by default. They are offered under
	// TLS only.
	Mechanisms []string
	// Answer decides at each stage: nil goes on, a Refusal is sent, ErrHangup
	// closes the connection without an answer. A message that is hung up on at Data was
	// accepted: only its sender does not know.
	Answer func(stage Stage, address string) error
	// CloseAfter closes a connection at the MAIL behind so many messages; 0 never.
	CloseAfter int
	// Work is how long it takes over a message before it answers.
	Work time.Duration
}

// Message is one that was accepted.
type Message struct {
	From, To string
	// Header and Body are as they came, the body encoded.
	Header mail.Header
	Body   []byte
	// Connection counts connections from 1.
	Connection int
	At         time.Time
}

// ID is the Message-ID, with its angle brackets.
func (m Message) ID() string { return m.Header.Get("Message-Id") }

// Server is a running server.
type Server struct {
	options   Options
	server    *smtp.Server
	listener  net.Listener
	ended     chan struct{} // closed when it no longer serves
	address   *net.TCPAddr
	authority []byte

	mu       sync.Mutex
	messages []Message
	numbers  map[string]int // of the connections, by the client's address
}

// Start begins to serve on a free port of 127.0.0.1.
func Start(o Options) (*Server, error) {
	certificate, authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, authority: authority, address: listener.Addr().(*net.TCPAddr), numbers: make(map[string]int)}
	s.server = smtp.NewServer(smtp.BackendFunc(s.begin))
	s.server.Domain = "mailbox.localhost"
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	encryption := &tls.Config{Certificates: []tls.Certificate{certificate}}
	switch o.TLS {
	case StartTLS:
		s.server.TLSConfig = encryption
	case Implicit:
		listener = tls.NewListener(listener, encryption)
	}
	s.listener, s.ended = listener, make(chan struct{})
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(listener)
	}()
	return s, nil
}

// Close stops the server and its connections.
func (s *Server) Close() error {
	err := s.server.Close()
	_ = s.listener.Close() // the server does not know of one that it did not begin to serve
	<-s.ended
	return err
}

// Host is 127.0.0.1, for which its certificate is good.
func (s *Server) Host() string { return s.address.IP.String() }

// Port is the port that the kernel gave.
func (s *Server) Port() int { return s.address.Port }

// Authority is the certificate, as PEM, under which the server's own is good.
func (s *Server) Authority() []byte { return bytes.Clone(s.authority) }

// Messages are those that were accepted, in their order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Count is how many messages were accepted.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.messages)
}

// ByRecipient are the messages that each recipient got.
func (s *Server) ByRecipient() map[string][]Message {
	got := make(map[string][]Message)
	for _, m := range s.Messages() {
		got[m.To] = append(got[m.To], m)
	}
	return got
}

// Connections is how many were opened so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.numbers)
}
