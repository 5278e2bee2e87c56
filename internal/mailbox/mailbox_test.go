package mailbox_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/smtp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/mailbox"
)

// Another client than the handler's own finds the same server.
func TestMessagesAreKeptAsTheyCame(t *testing.T) {
	t.Parallel()
	s, err := mailbox.Start(mailbox.Options{
		TLS: mailbox.StartTLS, Username: "u", Password: "p",
		Answer: func(stage mailbox.Stage, address string) error {
			if stage == mailbox.Rcpt && address == "nobody@b.example" {
				return mailbox.Refusal(550, "no such user")
			}
			return nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(s.Authority()))
	c, err := smtp.Dial(fmt.Sprintf("%s:%d", s.Host(), s.Port()))
	require.NoError(t, err)
	require.ErrorContains(t, c.Mail("a@b.example"), "authenticate first")
	require.NoError(t, c.StartTLS(&tls.Config{RootCAs: roots, ServerName: s.Host()}))
	require.NoError(t, c.Auth(smtp.PlainAuth("", "u", "p", s.Host())))
	require.NoError(t, c.Mail("a@b.example"))
	require.ErrorContains(t, c.Rcpt("nobody@b.example"), "no such user")
	for _, to := range []string{"c@d.example", "e@f.example"} {
		require.NoError(t, c.Rcpt(to))
	}
	w, err := c.Data()
	require.NoError(t, err)
	_, err = w.Write([]byte("Message-ID: <1@b.example>\r\nSubject: s\r\n\r\nbody\r\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, c.Quit())

	require.Equal(t, []int{2, 1}, []int{s.Count(), s.Connections()})
	got := s.ByRecipient()["e@f.example"]
	require.Len(t, got, 1)
	require.Equal(t, []string{"a@b.example", "<1@b.example>", "body\r\n"}, []string{got[0].From, got[0].ID(), string(got[0].Body)})
}
