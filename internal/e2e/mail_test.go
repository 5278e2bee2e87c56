package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// mailSite is a mail server, and workers that send to it.
type mailSite struct {
	*mailbox.Server
	*opclient.Client
	t      *testing.T
	config string
}

const mailConfig = `
taskQueue: %q
smtp:
  connections:
    - name: news
      host: %s
      port: %d
      caFile: %s
      username: u
      password: p
      from: News <news@seriatim.example>
types:
  - key: bulk.email
    activity: bulk.email
    startToClose: 30m
    heartbeat: 3s
    retry: {initial: 100ms, max: 1s, maxAttempts: 100}
`

// newMailSite serves mail over STARTTLS to those who know the password, and takes
// some time over each message, so that a kill finds one on its way.
func newMailSite(t *testing.T) *mailSite {
	t.Helper()
	server, err := mailbox.Start(mailbox.Options{TLS: mailbox.StartTLS, Username: "u", Password: "p", Work: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, server.Authority(), 0o600))
	temporal := dial(t, shared.Namespace())
	queue := unique(t)
	return &mailSite{
		Server: server, Client: opclient.New(temporal, opclient.Options{TaskQueue: queue}), t: t,
		config: fmt.Sprintf(mailConfig, queue, server.Host(), server.Port(), authority),
	}
}

func (s *mailSite) worker() *process { return startProcess(s.t, shared, s.config) }

// submit asks for a mailing to n recipients.
func (s *mailSite) submit(n int) (id string) {
	type recipient struct {
		To     string         `json:"to"`
		Values map[string]any `json:"values"`
	}
	list := make([]recipient, n)
	for i := range list {
		list[i] = recipient{fmt.Sprintf("r%04d@inbox.example", i), map[string]any{"n": i}}
	}
	data, err := json.Marshal(map[string]any{"connection": "news", "subject": "Number {{.n}}", "text": "{{.n}}", "recipients": list})
	require.NoError(s.t, err)
	id = unique(s.t)
	_, err = s.Submit(s.t.Context(), protocol.Operation{ID: id, OperationType: "bulk.email", Data: data})
	require.NoError(s.t, err)
	return id
}

// reaches waits until the mail server took so many messages.
func (s *mailSite) reaches(n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.Count() >= n }, 3*patience, time.Millisecond, "%d messages arrive, %d did", n, s.Count())
}

// mailed is what bulk.email answers.
type mailed struct {
	Sent, AlreadySent, Recipients, RejectedCount, InDoubtCount int
	InDoubt                                                    []struct {
		To        string `json:"to"`
		MessageID string `json:"messageId"`
	}
}

// requireMailed waits for the end and checks the mail server's own record: nobody
// is left out, what came twice has the same Message-ID and date, the result names
// it, and each attempt that was lost doubled one message at most. A busy machine
// may lose more than lost of them.
func (s *mailSite) requireMailed(id string, n, lost int) {
	s.t.Helper()
	found, err := s.Wait(s.t.Context(), id, "")
	require.NoError(s.t, err)
	require.Equal(s.t, protocol.Succeeded, found.StatusCode, found.Message)
	require.GreaterOrEqual(s.t, found.RetryCount, lost)
	var r mailed
	require.NoError(s.t, json.Unmarshal(found.Result, &r))
	require.Equal(s.t, []int{n, n, 0}, []int{r.Recipients, r.Sent, r.RejectedCount})
	reported := make(map[string]bool)
	for _, d := range r.InDoubt {
		reported["<"+d.MessageID+">"] = true
	}
	doubles := 0
	got := s.ByRecipient()
	require.Len(s.t, got, n, "nobody is left out")
	for to, messages := range got {
		for _, again := range messages[1:] {
			doubles++
			require.Equal(s.t, messages[0].Header, again.Header, "%s", to)
			require.True(s.t, reported[again.ID()], "%s is reported as in doubt", to)
		}
	}
	require.LessOrEqual(s.t, doubles, r.InDoubtCount)
	require.LessOrEqual(s.t, r.InDoubtCount, found.RetryCount)
	s.t.Logf("%d recipients, %d attempts lost, %d in doubt, %d got two messages", n, found.RetryCount, r.InDoubtCount, doubles)
}

// SPEC 2.2, 6.4, 6.5: a worker that is killed with -9 while it sends leaves nobody
// out, and doubles at most the one message that was on its way.
func TestKilledMailerDoublesAtMostOneMessage(t *testing.T) {
	t.Parallel()
	const n, kills = 300, 4
	s := newMailSite(t)
	p := s.worker()
	id := s.submit(n)
	for k := 1; k <= kills; k++ {
		s.reaches(k * n / (kills + 1))
		p.kill()
		p = s.worker()
	}
	s.requireMailed(id, n, kills)
}

// SPEC 3.1, 6.5: paused and resumed in the middle, nobody gets two.
func TestPausedMailingGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	const n = 400
	s := newMailSite(t)
	s.worker()
	id := s.submit(n)
	s.reaches(20)
	_, err := s.Pause(t.Context(), id, "", "wrong footer")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		found, err := s.Get(t.Context(), id, "")
		return err == nil && found.StatusCode == protocol.Waiting
	}, patience, 50*time.Millisecond)
	require.Less(t, s.Count(), n, "it was stopped in the middle")
	_, err = s.Resume(t.Context(), id, "", "")
	require.NoError(t, err)
	s.requireMailed(id, n, 0)
}
