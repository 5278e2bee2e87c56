package mail

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a mail server for the test.
func serve(t *testing.T, o mailbox.Options) *mailbox.Server {
	t.Helper()
	s, err := mailbox.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// to is a connection to the server, named "news".
func to(s *mailbox.Server) Connection {
	return Connection{
		Name: "news", Host: s.Host(), Port: s.Port(), TLS: None, From: "Seriatim News <news@seriatim.example>",
		Helo: "worker.example", RootCAs: s.Authority(),
	}
}

func newHandler(t *testing.T, connections ...Connection) activities.Handler {
	t.Helper()
	h, err := New(Options{Connections: connections})
	require.NoError(t, err)
	return h
}

// recipients are n of them, r000@inbox.example and so on.
func recipients(n int) []recipient {
	list := make([]recipient, n)
	for i := range list {
		list[i] = recipient{To: fmt.Sprintf("r%03d@inbox.example", i), Values: values{"n": i}}
	}
	return list
}

// mailing is one to so many recipients.
func mailing(n int) data {
	return data{Connection: "news", Subject: "Number {{.n}}", Text: "You are number {{.n}}.", Recipients: recipients(n)}
}

func operation(t *testing.T, d any) protocol.Operation {
	t.Helper()
	encoded, err := json.Marshal(d)
	require.NoError(t, err)
	return protocol.Operation{ID: "mailing-1", OperationType: "bulk.email", Data: encoded}
}

// send runs the handler, stopped behind so many reports each time, and answers
// its last outcome.
func send(t *testing.T, h activities.Handler, d any, stopAfter ...int) protocol.Outcome {
	t.Helper()
	attempts := handlertest.Run(t, h, operation(t, d), stopAfter...)
	return attempts[len(attempts)-1].Outcome
}

// succeeded is the result of an outcome that is a success.
func succeeded(t *testing.T, o protocol.Outcome) (r result) {
	t.Helper()
	require.Equal(t, protocol.OutcomeSucceeded, o.Kind, "%s: %s", o.Code, o.Message)
	require.NoError(t, json.Unmarshal(o.Result, &r))
	return r
}

// requireEachOnce checks the server's record: each recipient got one message.
func requireEachOnce(t *testing.T, s *mailbox.Server, n int) {
	t.Helper()
	got := s.ByRecipient()
	for _, r := range recipients(n) {
		require.Len(t, got[r.To], 1, "%s", r.To)
	}
	require.Len(t, got, n)
}

// text is a part's text as a reader sees it.
func text(t *testing.T, encoded string) string {
	t.Helper()
	decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(encoded)))
	require.NoError(t, err)
	return string(decoded)
}

func subject(t *testing.T, m mailbox.Message) string {
	t.Helper()
	decoded, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	return decoded
}

func TestEveryWayOfEncryptionAndAuthenticationIsSpoken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		encryption mailbox.TLS
		mechanisms []string
		user       string
	}{
		"STARTTLS and PLAIN":      {mailbox.StartTLS, []string{"PLAIN"}, "u"},
		"STARTTLS and LOGIN":      {mailbox.StartTLS, []string{"LOGIN"}, "u"},
		"STARTTLS and no user":    {mailbox.StartTLS, nil, ""},
		"implicit TLS and PLAIN":  {mailbox.Implicit, []string{"PLAIN"}, "u"},
		"implicit TLS and either": {mailbox.Implicit, nil, "u"},
		"no encryption, no user":  {mailbox.None, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, mailbox.Options{TLS: c.encryption, Mechanisms: c.mechanisms, Username: c.user, Password: "p"})
			connection := to(s)
			connection.TLS, connection.Username = TLS(c.encryption), c.user
			if c.user != "" {
				connection.Password = "p"
			}
			r := succeeded(t, send(t, newHandler(t, connection), mailing(5)))
			require.Equal(t, 5, r.Sent)
			require.Equal(t, 5, r.Recipients)
			require.Zero(t, r.AlreadySent+r.RejectedCount+r.InDoubtCount)
			require.Equal(t, []rejection{}, r.Rejected)
			requireEachOnce(t, s, 5)
			require.Equal(t, 1, s.Connections(), "one connection is used for all")
		})
	}
}

func TestAMessageCarriesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	d := data{
		Connection: "news", From: "Zoë <zoe@seriatim.example>", ReplyTo: "answers@seriatim.example",
		Subject: "Grüße, {{.name}}", Text: "Balance: {{.account.balance}} of {{.account.number}}",
		HTML:    `<p title="{{.title}}">{{.title}}</p>{{range .items}}<li>{{.}}</li>{{end}}`,
		Headers: map[string]string{"list-unsubscribe": "<https://x.example/u?id={{.id}}>", "X-Campaign": "Spring"},
		Recipients: []recipient{{To: "Anna@INBOX.example", Name: "Ännä, the \"first\"", Values: values{
			"id": "7", "title": `<b>"`, "items": []any{"a", "<i>"},
			"account": map[string]any{"number": json.Number("12345678901234567890"), "balance": json.Number("1.50")},
		}}},
	}
	succeeded(t, send(t, newHandler(t, to(s)), d))
	require.Len(t, s.Messages(), 1)
	m := s.Messages()[0]
	require.Equal(t, "zoe@seriatim.example", m.From)
	require.Equal(t, "Anna@inbox.example", m.To)
	require.Equal(t, "Grüße, Ännä, the \"first\"", subject(t, m))
	addressed, err := m.Header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, "Ännä, the \"first\"", addressed[0].Name)
	require.Equal(t, "<answers@seriatim.example>", m.Header.Get("Reply-To"))
	require.Equal(t, "<https://x.example/u?id=7>", m.Header.Get("List-Unsubscribe"))
	require.Equal(t, "Spring", m.Header.Get("X-Campaign"))
	require.Equal(t, "bulk", m.Header.Get("Precedence"))
	require.Regexp(t, `^<[0-9a-f]{32}@seriatim\.example>$`, m.ID())
	body := text(t, string(m.Body))
	require.Contains(t, body, "Balance: 1.50 of 12345678901234567890", "numbers are as they were written")
	require.Contains(t, body, `<p title="&lt;b&gt;&#34;">&lt;b&gt;&#34;</p><li>a</li><li>&lt;i&gt;</li>`)
}

func TestConnectionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Connection{Name: "news", Host: "mail.example.com"}
	for problem, change := range map[string]func(*Connection){
		`connection "": a name is not empty`:                      func(c *Connection) { c.Name = "" },
		`connection "news": host: "" is not a name`:               func(c *Connection) { c.Host = "" },
		`host: "mail:25" is not a name`:                           func(c *Connection) { c.Host = "mail:25" },
		`tls: "ssl" is not starttls, implicit or none`:            func(c *Connection) { c.TLS = "ssl" },
		`port: 70000 is not in 1..65535`:                          func(c *Connection) { c.Port = 70000 },
		`username, password: one of them is missing`:              func(c *Connection) { c.Username = "u" },
		`tls: none would send the password in the clear`:          func(c *Connection) { c.TLS, c.Username, c.Password = None, "u", "p" },
		`from: "x" is not an address`:                             func(c *Connection) { c.From = "x" },
		`ratePerSecond: -1 is not in 0..10000`:                    func(c *Connection) { c.RatePerSecond = -1 },
		`maxConnections: -1 is less than 1`:                       func(c *Connection) { c.MaxConnections = -1 },
		`timeout: 1ns is not in 1s..1h`:                           func(c *Connection) { c.Timeout = 1 },
		`helo: "a b" is not one word`:                             func(c *Connection) { c.Helo = "a b" },
		`caFile: holds no certificate`:                            func(c *Connection) { c.RootCAs = []byte("x") },
		`connection "other": a name is not empty and is given on`: func(c *Connection) { c.Name = "other" },
	} {
		c := good
		change(&c)
		_, err := New(Options{Connections: []Connection{{Name: "other", Host: "h"}, c}})
		require.ErrorContains(t, err, problem)
	}
	for encryption, port := range map[TLS]int{"": 587, StartTLS: 587, Implicit: 465, None: 25} {
		s, err := newServer(Connection{Name: "a", Host: "::1", TLS: encryption})
		require.NoError(t, err)
		require.Equal(t, port, s.Port)
	}
}
