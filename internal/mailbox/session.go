package mailbox

import (
	"errors"
	"io"
	"net/mail"
	"slices"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// ErrHangup closes the connection in place of an answer.
var ErrHangup = errors.New("hung up")

// Refusal is an answer with that code, 400 to 599.
func Refusal(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// session is one connection.
type session struct {
	server        *Server
	connection    *smtp.Conn
	number        int
	accepted      int
	authenticated bool
	from          string
	to            []string
}

func (s *Server) begin(c *smtp.Conn) (smtp.Session, error) {
	n := &session{server: s, connection: c, number: s.number(c.Conn().RemoteAddr().String())}
	return n, n.answer(Greeting, "")
}

// number is that of the connection: a session begins again behind STARTTLS and
// where a greeting was refused.
func (s *Server) number(from string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numbers[from] == 0 {
		s.numbers[from] = len(s.numbers) + 1
	}
	return s.numbers[from]
}

// answer asks the options, and carries out what they say.
func (n *session) answer(stage Stage, address string) error {
	err := n.decide(stage, address)
	n.hangUp(err)
	return err
}

func (n *session) decide(stage Stage, address string) error {
	if n.server.options.Answer == nil {
		return nil
	}
	return n.server.options.Answer(stage, address)
}

func (n *session) hangUp(answer error) {
	if errors.Is(answer, ErrHangup) {
		_ = n.connection.Conn().Close()
	}
}

// Reset ends a message.
func (n *session) Reset() { n.from, n.to = "", nil }

// Logout ends the connection.
func (n *session) Logout() error { return nil }

// Mail begins a message.
func (n *session) Mail(from string, _ *smtp.MailOptions) error {
	o := n.server.options
	if o.Username != "" && !n.authenticated {
		return smtp.ErrAuthRequired
	}
	if o.CloseAfter > 0 && n.accepted >= o.CloseAfter {
		_ = n.connection.Conn().Close()
		return ErrHangup
	}
	n.from = from
	return n.answer(Mail, from)
}

// Rcpt adds a recipient.
func (n *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := n.answer(Rcpt, to); err != nil {
		return err
	}
	n.to = append(n.to, to)
	return nil
}

// Data accepts the message for each recipient.
func (n *session) Data(r io.Reader) error {
	read, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(read.Body)
	if err != nil {
		return err
	}
	time.Sleep(n.server.options.Work)
	for _, to := range n.to {
		answer := n.decide(Data, to)
		if answer == nil || errors.Is(answer, ErrHangup) {
			n.keep(Message{From: n.from, To: to, Header: read.Header, Body: body, Connection: n.number, At: time.Now()})
		}
		n.hangUp(answer) // once it is kept: the client comes again at once
		if answer != nil {
			return answer
		}
	}
	n.accepted++
	return nil
}

func (n *session) keep(m Message) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	n.server.messages = append(n.server.messages, m)
}

// AuthMechanisms are what EHLO offers.
func (n *session) AuthMechanisms() []string {
	switch o := n.server.options; {
	case o.Username == "":
		return nil
	case o.Mechanisms == nil:
		return []string{sasl.Plain, sasl.Login}
	default:
		return o.Mechanisms
	}
}

// Auth begins an authentication.
func (n *session) Auth(mechanism string) (sasl.Server, error) {
	switch {
	case !slices.Contains(n.AuthMechanisms(), mechanism):
		return nil, smtp.ErrAuthUnknownMechanism
	case mechanism == sasl.Login:
		return &login{check: n.check}, nil
	}
	return sasl.NewPlainServer(func(_, username, password string) error { return n.check(username, password) }), nil
}

func (n *session) check(username, password string) error {
	if o := n.server.options; username != o.Username || password != o.Password {
		return smtp.ErrAuthFailed
	}
	n.authenticated = true
	return nil
}

// login is the server's side of LOGIN: it asks for the name, then for the
// password.
type login struct {
	check    func(username, password string) error
	username string
	asked    int
}

// Next takes an answer and asks the next question.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.asked++
	switch {
	case l.asked == 1 && response == nil:
		return []byte("Username:"), false, nil
	case l.asked <= 2 && l.username == "":
		l.username, l.asked = string(response), 2
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.username, string(response))
}
