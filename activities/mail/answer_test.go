package mail

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/protocol"
)

// script answers each stage and address as often as it says, and then well.
type script struct {
	mu      sync.Mutex
	answers map[string][]error // by stage and address
}

func (s *script) answer(stage mailbox.Stage, address string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := string(stage) + " " + address
	if len(s.answers[at]) == 0 {
		return nil
	}
	first := s.answers[at][0]
	s.answers[at] = s.answers[at][1:]
	return first
}

// SPEC 6.1: what the server refuses for good is reported of the recipient, and
// the others get theirs.
func TestRefusedRecipientsAreReported(t *testing.T) {
	t.Parallel()
	play := &script{answers: map[string][]error{
		"RCPT r001@inbox.example": {mailbox.Refusal(550, "no such user")},
		"DATA r003@inbox.example": {mailbox.Refusal(554, "looks like spam")},
		"RCPT r004@inbox.example": {mailbox.Refusal(552, strings.Repeat("x", 500))},
	}}
	s := serve(t, mailbox.Options{Answer: play.answer})
	r := succeeded(t, send(t, newHandler(t, to(s)), mailing(6)))
	require.Equal(t, []int{3, 3, 6}, []int{r.Sent, r.RejectedCount, r.Recipients})
	require.Equal(t, "r001@inbox.example", r.Rejected[0].To)
	require.Equal(t, 550, r.Rejected[0].Code)
	require.Contains(t, r.Rejected[0].Reason, "no such user")
	require.Equal(t, 554, r.Rejected[1].Code)
	require.Contains(t, r.Rejected[1].Reason, "looks like spam")
	require.LessOrEqual(t, len(r.Rejected[2].Reason), maxReasonBytes+len("…"))
	require.Equal(t, 1, s.Connections(), "a refusal does not end the connection")
}

// SPEC 6.1, 6.4: "later" keeps nobody else waiting, does not count as a failure,
// and is not for ever.
func TestDeferredRecipientsAreTriedAgain(t *testing.T) {
	t.Parallel()
	later := mailbox.Refusal(451, "greylisted")
	never := make([]error, 100)
	for i := range never {
		never[i] = later
	}
	play := &script{answers: map[string][]error{
		"RCPT r001@inbox.example": {later},
		"DATA r002@inbox.example": {later, later},
		"RCPT r003@inbox.example": never,
	}}
	s := serve(t, mailbox.Options{Answer: play.answer})
	h, o := newHandler(t, to(s)), operation(t, mailing(5))
	attempts := handlertest.Run(t, h, o)
	checkpoint := attempts[0].Checkpoint
	var rounds []time.Duration
	for attempts[0].Outcome.Kind == protocol.OutcomeRetry {
		require.True(t, attempts[0].Outcome.Uncounted)
		require.Equal(t, "RecipientsDeferred", attempts[0].Outcome.Code)
		rounds = append(rounds, attempts[0].Outcome.After)
		attempts = resume(t, h, o, checkpoint)
		checkpoint = attempts[0].Checkpoint
	}
	require.Equal(t, []time.Duration{1 * time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute}, rounds)
	r := succeeded(t, attempts[0].Outcome)
	require.Equal(t, []int{4, 4, 1, 0}, []int{r.Sent, r.AlreadySent, r.RejectedCount, r.InDoubtCount})
	require.Equal(t, "r003@inbox.example", r.Rejected[0].To)
	require.Equal(t, 451, r.Rejected[0].Code)
	require.Contains(t, r.Rejected[0].Reason, "greylisted")
	require.Contains(t, r.Rejected[0].Reason, "given up after 5 rounds")
	require.Len(t, s.Messages(), 4)
}

// A server that puts everybody off is not gone through to its last recipient.
func TestManyDeferralsInARowEndTheRound(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{Answer: func(stage mailbox.Stage, _ string) error {
		if stage == mailbox.Rcpt {
			return mailbox.Refusal(450, "busy")
		}
		return nil
	}})
	outcome := send(t, newHandler(t, to(s)), mailing(100))
	require.Equal(t, "RecipientsDeferred", outcome.Code)
	require.Contains(t, outcome.Message, "20 recipients' server said to try later (round 1 of 5); 0 sent, 0 rejected so far")
}

// SPEC 6.1: what no retry helps with waits for a person, and says what to do.
func TestWhatNeedsAPersonSuspends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server                  mailbox.Options
		change                  func(*Connection)
		code, message, friendly string
	}{
		"a wrong password": {
			mailbox.Options{TLS: mailbox.StartTLS, Username: "u", Password: "p"},
			func(c *Connection) { c.TLS, c.Username, c.Password = StartTLS, "u", "wrong" },
			"ConnectionRefused", `connection "news": 535 5.7.8 Authentication failed; 0 sent`, "smtp.connections, news",
		},
		"a password for a server that asks for none": {
			mailbox.Options{TLS: mailbox.StartTLS},
			func(c *Connection) { c.TLS, c.Username, c.Password = StartTLS, "u", "p" },
			"ConnectionRefused", "server does not support SMTP AUTH", "credentials",
		},
		"no password for a server that asks for one": {
			mailbox.Options{TLS: mailbox.StartTLS, Username: "u", Password: "p"},
			func(c *Connection) { c.TLS = StartTLS },
			"SenderRefused", "Please authenticate first", "",
		},
		"a server without STARTTLS": {
			mailbox.Options{},
			func(c *Connection) { c.TLS = StartTLS },
			"ConnectionRefused", "does not support STARTTLS", "encryption",
		},
		"a certificate of an unknown authority": {
			mailbox.Options{TLS: mailbox.StartTLS},
			func(c *Connection) { c.TLS, c.RootCAs = StartTLS, nil },
			"ConnectionRefused", "certificate", "certificate",
		},
		"a certificate of an unknown authority, from the first byte": {
			mailbox.Options{TLS: mailbox.Implicit},
			func(c *Connection) { c.TLS, c.RootCAs = Implicit, nil },
			"ConnectionRefused", "certificate", "certificate",
		},
		"a server that does not speak TLS": {
			mailbox.Options{},
			func(c *Connection) { c.TLS = Implicit },
			"ConnectionRefused", "TLS", "encryption",
		},
		"a sender that it refuses": {
			mailbox.Options{Answer: func(stage mailbox.Stage, _ string) error {
				if stage == mailbox.Mail {
					return mailbox.Refusal(553, "not your address")
				}
				return nil
			}},
			nil,
			"SenderRefused", `connection "news": sender news@seriatim.example: `, "allow news@seriatim.example",
		},
		"a server that refuses everybody": {
			mailbox.Options{Answer: func(stage mailbox.Stage, _ string) error {
				if stage == mailbox.Rcpt {
					return mailbox.Refusal(554, "relay access denied")
				}
				return nil
			}},
			nil,
			"EverybodyRefused", "the first 20 recipients were refused", "relays",
		},
		"a server that refuses the connection": {
			mailbox.Options{Answer: func(stage mailbox.Stage, _ string) error {
				if stage == mailbox.Greeting {
					return mailbox.Refusal(554, "go away")
				}
				return nil
			}},
			nil,
			"ConnectionRefused", "go away", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, c.server)
			connection := to(s)
			if c.change != nil {
				c.change(&connection)
			}
			attempts := handlertest.Run(t, newHandler(t, connection), operation(t, mailing(50)))
			outcome := attempts[0].Outcome
			require.Equal(t, protocol.OutcomeSuspended, outcome.Kind, outcome.Message)
			require.Equal(t, c.code, outcome.Code)
			require.Contains(t, outcome.Message, c.message)
			require.Contains(t, outcome.FriendlyMessage, c.friendly)
			require.NotContains(t, outcome.Message, "wrong")
			require.Empty(t, s.Messages())
			if c.code == "EverybodyRefused" {
				require.Contains(t, string(attempts[0].Checkpoint), `"next":0`, "nobody is given up")
			}
		})
	}
}

// SPEC 6.1, 6.4: a server that is gone or busy is tried again from where it was.
// Only an attempt that sent nothing counts.
func TestWhatPassesIsRetriedFromTheCheckpoint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at     string
		answer error
		reason string
	}{
		"busy at MAIL":            {"MAIL news@seriatim.example", mailbox.Refusal(451, "try later"), "try later"},
		"closed with 421":         {"MAIL news@seriatim.example", mailbox.Refusal(421, "closing"), "closing"},
		"busy at the greeting":    {"greeting ", mailbox.Refusal(421, "too many connections"), "too many connections"},
		"hung up at the greeting": {"greeting ", mailbox.ErrHangup, ""},
		"hung up at MAIL":         {"MAIL news@seriatim.example", mailbox.ErrHangup, ""},
		"hung up at RCPT":         {"RCPT r000@inbox.example", mailbox.ErrHangup, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play := &script{answers: map[string][]error{c.at: {c.answer, c.answer}}} // EHLO, and HELO behind it
			s := serve(t, mailbox.Options{Answer: play.answer})
			h, o := newHandler(t, to(s)), operation(t, mailing(3))
			attempt := handlertest.Run(t, h, o)[0]
			require.Equal(t, protocol.OutcomeRetry, attempt.Outcome.Kind, attempt.Outcome.Message)
			require.Equal(t, "ServerNotAvailable", attempt.Outcome.Code)
			require.Contains(t, attempt.Outcome.Message, c.reason)
			require.False(t, attempt.Outcome.Uncounted, "it sent nothing")
			for attempt.Outcome.Kind == protocol.OutcomeRetry {
				attempt = resume(t, h, o, attempt.Checkpoint)[0]
			}
			require.Equal(t, 3, succeeded(t, attempt.Outcome).Sent)
			requireEachOnce(t, s, 3)
		})
	}
}

func TestAnAttemptThatSentSomethingDoesNotCount(t *testing.T) {
	t.Parallel()
	play := &script{answers: map[string][]error{"RCPT r003@inbox.example": {mailbox.ErrHangup, mailbox.ErrHangup}}}
	s := serve(t, mailbox.Options{Answer: play.answer})
	h, o := newHandler(t, to(s)), operation(t, mailing(5))
	attempt := handlertest.Run(t, h, o)[0]
	require.Equal(t, "ServerNotAvailable", attempt.Outcome.Code)
	require.True(t, attempt.Outcome.Uncounted)
	require.Equal(t, waitAfterProgress, attempt.Outcome.After)
	r := succeeded(t, resume(t, h, o, attempt.Checkpoint)[0].Outcome)
	require.Equal(t, []int{5, 3, 0}, []int{r.Sent, r.AlreadySent, r.InDoubtCount})
	requireEachOnce(t, s, 5)
}

// A server may end a connection after a few messages: the next one opens another.
func TestConnectionsAreOpenedAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{CloseAfter: 3, TLS: mailbox.StartTLS, Username: "u", Password: "p"})
	connection := to(s)
	connection.TLS, connection.Username, connection.Password = StartTLS, "u", "p"
	r := succeeded(t, send(t, newHandler(t, connection), mailing(10)))
	require.Equal(t, []int{10, 0}, []int{r.Sent, r.InDoubtCount})
	requireEachOnce(t, s, 10)
	require.Equal(t, 4, s.Connections())
}

// What the server has taken without saying so goes out again with the same id, and
// is reported.
func TestAnAnswerThatIsLostLeavesAMessageInDoubt(t *testing.T) {
	t.Parallel()
	play := &script{answers: map[string][]error{"DATA r002@inbox.example": {mailbox.ErrHangup}}}
	s := serve(t, mailbox.Options{Answer: play.answer})
	r := succeeded(t, send(t, newHandler(t, to(s)), mailing(5)))
	require.Equal(t, []int{5, 1}, []int{r.Sent, r.InDoubtCount})
	twice := s.ByRecipient()["r002@inbox.example"]
	require.Len(t, twice, 2)
	require.Equal(t, []doubt{{"r002@inbox.example", strings.Trim(twice[0].ID(), "<>")}}, r.InDoubt)
	requireSame(t, twice[0], twice[1])
}

// SPEC 6.5: and if it stays lost, the next attempt knows.
func TestADoubtSurvivesTheAttempt(t *testing.T) {
	t.Parallel()
	play := &script{answers: map[string][]error{"DATA r002@inbox.example": {mailbox.ErrHangup, mailbox.ErrHangup}}}
	s := serve(t, mailbox.Options{Answer: play.answer})
	h, o := newHandler(t, to(s)), operation(t, mailing(5))
	attempt := handlertest.Run(t, h, o)[0]
	require.Equal(t, "ServerNotAvailable", attempt.Outcome.Code)
	attempts := resume(t, h, o, attempt.Checkpoint, 0) // paused before it did anything
	require.Equal(t, protocol.OutcomeCanceled, attempts[0].Outcome.Kind)
	r := succeeded(t, attempts[1].Outcome)
	require.Equal(t, []int{5, 1}, []int{r.Sent, r.InDoubtCount})
	require.Len(t, s.ByRecipient()["r002@inbox.example"], 3)
}

func TestTheRateIsKept(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	connection := to(s)
	connection.RatePerSecond = 20
	began := time.Now()
	succeeded(t, send(t, newHandler(t, connection), mailing(21)))
	require.GreaterOrEqual(t, time.Since(began), 990*time.Millisecond, "twenty waits of 50 ms")
}

// Operations share a server's connections, and none is lost on the way.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	open, most := 0, 0
	s := serve(t, mailbox.Options{Answer: func(stage mailbox.Stage, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		switch stage {
		case mailbox.Mail:
			open++
			most = max(most, open)
		case mailbox.Data:
			open--
		}
		return nil
	}, Work: 5 * time.Millisecond})
	connection := to(s)
	connection.MaxConnections = 2
	h := newHandler(t, connection)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { succeeded(t, send(t, h, mailing(4))) })
	}
	all.Wait()
	require.Len(t, s.Messages(), 24)
	require.LessOrEqual(t, most, 2)
	require.Equal(t, 6, s.Connections())
}
