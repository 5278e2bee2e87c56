package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/protocol"
)

// resume runs the handler from a checkpoint, as after a pause or a retry.
func resume(t *testing.T, h activities.Handler, o protocol.Operation, from json.RawMessage, stopAfter ...int) []handlertest.Attempt {
	t.Helper()
	return handlertest.Run(t, activities.HandlerFunc(func(ctx context.Context, r activities.Request) protocol.Outcome {
		if r.Checkpoint == nil {
			r.Checkpoint = from
		}
		return h.Handle(ctx, r)
	}), o, stopAfter...)
}

// requireSame compares two copies byte by byte, but for the way they came.
func requireSame(t *testing.T, a, b mailbox.Message) {
	t.Helper()
	require.Equal(t, a.Header, b.Header)
	require.Equal(t, a.Body, b.Body)
}

// SPEC 6.4, 6.5: paused wherever it is, any number of times, nobody gets two.
func TestPausedAnywhereNobodyGetsTwo(t *testing.T) {
	t.Parallel()
	const n = 12
	for stop := range n + 2 {
		for _, every := range []int{1, 5} {
			t.Run(fmt.Sprintf("behind report %d, a checkpoint every %d", stop, every), func(t *testing.T) {
				t.Parallel()
				s := serve(t, mailbox.Options{})
				d := mailing(n)
				d.CheckpointEvery = &every
				r := succeeded(t, send(t, newHandler(t, to(s)), d, stop, 1, 2, 3))
				require.Equal(t, []int{n, 0, 0}, []int{r.Sent, r.RejectedCount, r.InDoubtCount})
				requireEachOnce(t, s, n)
			})
		}
	}
}

// SPEC 6.4, 6.5: killed wherever it is, what was committed is not sent again, and
// what may have been is counted and has the same bytes.
func TestKilledAnywhereDoublesNoMoreThanTheWindow(t *testing.T) {
	t.Parallel()
	const n = 7
	for _, every := range []int{1, 3} {
		for commits := 1; commits <= 1+n/every; commits++ {
			for _, sending := range []bool{false, true} {
				t.Run(fmt.Sprintf("behind commit %d of every %d, sending %v", commits, every, sending), func(t *testing.T) {
					t.Parallel()
					s := serve(t, mailbox.Options{})
					d := mailing(n)
					d.HTML, d.CheckpointEvery = "<b>{{.n}}</b>", &every
					h, o := newHandler(t, to(s)), operation(t, d)
					left := killed(t, h, o, commits, sending)
					r := succeeded(t, resume(t, h, o, left)[0].Outcome)
					require.Equal(t, n, r.Sent)
					require.Len(t, s.ByRecipient(), n, "nobody is left out")
					require.LessOrEqual(t, r.InDoubtCount, every)
					doubles := requireDoublesReported(t, s, r)
					require.LessOrEqual(t, doubles, every)
					require.Equal(t, sending && (commits-1)*every < n, doubles > 0)
				})
			}
		}
	}
}

// killed runs an attempt whose worker is gone behind so many commits: at once, or
// when it wants to commit what it has sent since. It answers the checkpoint that
// was kept.
func killed(t *testing.T, h activities.Handler, o protocol.Operation, commits int, sending bool) (kept json.RawMessage) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	h.Handle(ctx, activities.Request{Operation: o, CreatedOn: time.Now(), OnCommit: func(_ context.Context, beat protocol.Heartbeat) error {
		if seen++; seen > commits {
			return errors.New("killed")
		}
		kept = beat.Checkpoint
		if seen == commits && !sending {
			cancel()
		}
		return nil
	}})
	return kept
}

// requireDoublesReported checks that each message that went out again has the same
// bytes, and that the result says so.
func requireDoublesReported(t *testing.T, s *mailbox.Server, r result) (doubles int) {
	t.Helper()
	for _, got := range s.ByRecipient() {
		for _, again := range got[1:] {
			doubles++
			requireSame(t, got[0], again)
			require.True(t, slices.ContainsFunc(r.InDoubt, func(d doubt) bool { return "<"+d.MessageID+">" == again.ID() }), "%s is reported", again.To)
		}
	}
	require.LessOrEqual(t, doubles, r.InDoubtCount)
	return doubles
}

// clock is one that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// SPEC 2.2: a handler that was stopped and goes on asks before its next message
// whether it still holds the operation.
func TestAStoppedHandlerSendsNothingWithoutItsLock(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	h := &handler{servers: map[string]*server{}}
	var err error
	h.servers["news"], err = newServer(to(s))
	require.NoError(t, err)
	began := time.Now()
	commits := 0
	d := mailing(10)
	every := 1000
	d.CheckpointEvery = &every // the lock is looked at all the same
	r := activities.Request{Operation: operation(t, d)}
	r.OnReport = func(protocol.Heartbeat) {}
	r.OnCommit = func(context.Context, protocol.Heartbeat) error {
		if commits++; commits == 1 {
			return nil
		}
		return activities.ErrLockLost
	}
	h.now = func() time.Time {
		if s.Count() == 4 { // stopped here, and woken an hour later
			return began.Add(time.Hour)
		}
		return began
	}
	outcome := h.handle(t.Context(), r, d)
	require.Equal(t, "LockLost", outcome.Code)
	require.Len(t, s.Messages(), 4)
}

func TestALockIsGoodForASecondOfEitherClock(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for name, c := range map[string]struct {
		now  time.Time
		held bool
	}{
		"at once":                   {began, true},
		"a little later":            {began.Add(lease - 1), true},
		"stopped for a while":       {began.Add(lease), false},
		"a machine that slept":      {began.Round(0).Add(time.Hour), false},
		"a clock that was put back": {began.Round(0).Add(-time.Hour), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lock{now: func() time.Time { return c.now }}
			require.False(t, l.held(), "before anything was kept")
			l.since = began
			require.Equal(t, c.held, l.held())
		})
	}
}

// The time that the server takes to answer counts: what it said is as old as the
// question.
func TestALockThatAgesOnTheWayIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	h := &handler{servers: map[string]*server{}}
	var err error
	h.servers["news"], err = newServer(to(s))
	require.NoError(t, err)
	c := &clock{at: time.Now()}
	h.now = c.now
	slow, commits := 3, 0
	r := activities.Request{Operation: operation(t, mailing(1)), OnReport: func(protocol.Heartbeat) {}}
	r.OnCommit = func(context.Context, protocol.Heartbeat) error {
		if commits++; commits <= slow {
			c.at = c.at.Add(lease)
		}
		return nil
	}
	require.Equal(t, protocol.OutcomeSucceeded, h.handle(t.Context(), r, mailing(1)).Kind)
	require.Equal(t, slow+2, commits)
	commits, slow = 0, 100
	outcome := h.handle(t.Context(), r, mailing(1))
	require.Equal(t, "CheckpointNotKept", outcome.Code)
	require.Contains(t, outcome.Message, errNoLease.Error())
	require.Len(t, s.Messages(), 1)
}

// SPEC 6.5: a list that is not the one that was gone through so far is not gone on
// with.
func TestAChangedListIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	h := newHandler(t, to(s))
	left := handlertest.Run(t, h, operation(t, mailing(6)), 4)[0].Checkpoint
	sent := len(s.Messages()) - 6 // by the attempt that was stopped
	for name, list := range map[string][]recipient{
		"one was taken out":  recipients(6)[1:],
		"one was put before": append([]recipient{{To: "new@inbox.example"}}, recipients(6)...),
		"it is shorter":      recipients(1),
	} {
		d := mailing(6)
		d.Recipients = list
		for i := range list {
			list[i].Values = values{"n": i}
		}
		outcome := resume(t, h, operation(t, d), left)[0].Outcome
		require.Equal(t, protocol.OutcomeSuspended, outcome.Kind, name)
		require.Equal(t, "ListChanged", outcome.Code)
		require.Contains(t, outcome.Message, "3 sent", name)
	}
	require.Len(t, s.Messages(), 6+sent)
	longer := mailing(9)
	require.Equal(t, 9, succeeded(t, resume(t, h, operation(t, longer), left)[0].Outcome).Sent, "what is behind may change")
}
