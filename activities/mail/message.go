package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/mail"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// messageID is the Message-ID of what an operation sends to an address, without
// angle brackets: the same in every attempt, so that a message that was sent twice
// is known by it.
func messageID(operation, address, from string) string {
	return digest(operation, address) + "@" + domainOf(from)
}

func digest(operation, address string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", operation, address))
	return hex.EncodeToString(sum[:16])
}

// rendered is one recipient's message, before it is encoded.
type rendered struct {
	to                  *mail.Address
	subject, text, html string
	headers             [][2]string
}

// render fills the templates for a recipient. The error is about this recipient
// alone.
func (j *job) render(to string, r recipient) (m rendered, err error) {
	m.to = &mail.Address{Name: r.Name, Address: to}
	if problem := nameProblem(r.Name); problem != "" {
		return m, fmt.Errorf("name: %s", problem)
	}
	values := make(map[string]any, len(r.Values)+2)
	values["to"], values["name"] = to, r.Name
	for name, value := range r.Values {
		values[name] = value
	}
	if m.subject, err = j.templates.subject.renderLine(values); err != nil {
		return m, fmt.Errorf("subject: %w", err)
	}
	if m.text, err = j.templates.text.render(values); err != nil {
		return m, fmt.Errorf("text: %w", err)
	}
	if m.html, err = j.templates.html.render(values); err != nil {
		return m, fmt.Errorf("html: %w", err)
	}
	for _, header := range j.templates.headers {
		value, err := header.value.renderLine(values)
		if err != nil {
			return m, fmt.Errorf("headers.%s: %w", header.name, err)
		}
		m.headers = append(m.headers, [2]string{header.name, value})
	}
	return m, nil
}

// message is the message as it travels. Nothing in it differs between attempts:
// Message-ID and boundary come from operation and recipient, the date is when the
// operation's first attempt began.
func (j *job) message(m rendered, date time.Time) *gomail.Msg {
	g := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(digest("boundary "+j.operation, m.to.Address)))
	g.FromMailAddress(j.from)
	g.ToMailAddress(m.to)
	if j.replyTo != nil {
		g.ReplyToMailAddress(j.replyTo)
	}
	g.Subject(m.subject)
	g.SetDateWithValue(date)
	g.SetMessageIDWithValue(messageID(j.operation, m.to.Address, j.from.Address))
	g.SetGenHeader(gomail.HeaderPrecedence, "bulk")
	for _, header := range m.headers {
		g.SetGenHeader(gomail.Header(header[0]), header[1])
	}
	switch {
	case !j.templates.html.given():
		g.SetBodyString(gomail.TypeTextPlain, m.text)
	case !j.templates.text.given():
		g.SetBodyString(gomail.TypeTextHTML, m.html)
	default:
		g.SetBodyString(gomail.TypeTextPlain, m.text)
		g.AddAlternativeString(gomail.TypeTextHTML, m.html)
	}
	return g
}
