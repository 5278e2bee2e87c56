package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// kind is what an answer means for the mailing.
type kind int

const (
	// accepted: the server has the message.
	accepted kind = iota
	// rejected: this recipient never gets it.
	rejected
	// later: this recipient may get it later.
	later
	// broken: the connection is gone.
	broken
	// busy: the server takes no message now, from nobody.
	busy
	// refused: the server takes none before a person did something.
	refused
	// interrupted: the attempt was asked to stop.
	interrupted
)

// answer is what the server said to a message, or to a connection.
type answer struct {
	kind kind
	// code is SMTP's, 0 where the server did not say one.
	code int
	// reason is the server's text, about is what it refused: "sender",
	// "credentials" and so on.
	reason, about string
	// inDoubt: the whole message was on its way when the connection broke, so the
	// server may have it.
	inDoubt bool
	// wasUsed: the server took messages over the connection before it broke.
	wasUsed bool
}

// codeServiceNotAvailable is what a server says before it closes.
const codeServiceNotAvailable = 421

// maxReasonBytes is how much of a server's text is kept.
const maxReasonBytes = 200

// sent reads the outcome of one message.
func sent(err error) answer {
	var problem *gomail.SendError
	if err == nil {
		return answer{kind: accepted}
	}
	if !errors.As(err, &problem) {
		return answer{kind: broken, reason: reasonOf(err)}
	}
	a := answer{code: problem.ErrorCode(), reason: reasonOf(err)}
	switch a.kind = kindOf(a.code); {
	case a.kind == broken:
		a.inDoubt = a.code == 0 && problem.Reason == gomail.ErrSMTPDataClose
	case problem.Reason == gomail.ErrSMTPMailFrom && a.kind == later:
		a.kind = busy
	case problem.Reason == gomail.ErrSMTPMailFrom:
		a.kind, a.about = refused, "sender"
	}
	return a
}

// kindOf is what a code means for a recipient.
func kindOf(code int) kind {
	switch {
	case code == 0 || code == codeServiceNotAvailable:
		return broken
	case code < 500:
		return later
	}
	return rejected
}

// notConnected reads why there is no connection. What waiting may help with is
// known: the network, and the server's own 4xx. All else is the configuration.
func notConnected(err error) answer {
	a := answer{kind: refused, about: "connection", reason: reasonOf(err)}
	var said *textproto.Error
	var network net.Error
	var name *net.DNSError
	switch {
	case errors.As(err, &said):
		a.code = said.Code
		if said.Code < 500 {
			a.kind = busy
		}
	case errors.As(err, &name) && name.IsNotFound:
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded):
		a.kind = broken
	}
	return a
}

// reasonOf is the server's text, on one line and not without end.
func reasonOf(err error) string {
	text := err.Error()
	var said *textproto.Error
	if errors.As(err, &said) {
		text = fmt.Sprintf("%d %s", said.Code, said.Msg)
	}
	var problem *gomail.SendError
	if errors.As(err, &problem) { // it repeats address and id behind the text
		text, _, _ = strings.Cut(text, ", affected recipient(s): ")
		text, _, _ = strings.Cut(text, ", affected message ID: ")
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) > maxReasonBytes {
		text = strings.ToValidUTF8(text[:maxReasonBytes], "") + "…"
	}
	return text
}
