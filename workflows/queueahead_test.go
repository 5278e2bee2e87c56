package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// lookAhead has the next operations be started, as far as they are in memory.
func (x *machine) lookAhead(t *rapid.T) {
	window := rapid.IntRange(0, 4).Draw(t, "window")
	last := -1
	for _, entry := range x.q.TakeAhead(window) {
		at := x.m.waitingAt(entry.Operation.ID)
		require.Greater(t, at, last, "in order")
		require.Less(t, at, window, "none behind the window")
		require.Empty(t, x.m.ahead[entry.Operation.ID], "none twice")
		x.m.ahead[entry.Operation.ID], last = aheadStarting, at
	}
	for _, entry := range x.all()[:min(window, len(x.all()))] {
		_, err := x.q.placeOf(entry.Operation.ID)
		require.True(t, err != nil || len(x.q.Pages) > 0 || entry.Ahead != "", "all in the window")
	}
}

// drawAhead is one whose execution is that far.
func (x *machine) drawAhead(t *rapid.T, far ...Ahead) string {
	var ids []string
	for _, op := range x.m.waiting {
		if _, err := x.q.placeOf(op.ID); err == nil && slices.Contains(far, x.m.ahead[op.ID]) {
			ids = append(ids, op.ID)
		}
	}
	if len(ids) == 0 {
		t.Skip("there is none")
	}
	return rapid.SampledFrom(ids).Draw(t, "id")
}

// knowAhead has the server answer for an execution that was started ahead.
func (x *machine) knowAhead(t *rapid.T) {
	id := x.drawAhead(t, aheadStarting)
	at := x.m.waitingAt(id)
	seen := protocol.AwaitReply{Found: true, Token: testToken, Sequence: x.m.waiting[at].Sequence}
	x.m.ahead[id] = aheadStarted
	switch rapid.IntRange(0, 4).Draw(t, "what") {
	case 0:
		seen.Sequence--
		x.m.ahead[id] = aheadTaken
	case 1:
		seen = protocol.AwaitReply{}
		delete(x.m.ahead, id)
	case 2:
		seen.Closed, seen.Status = true, protocol.Canceled
		x.m.close(end{status: protocol.Canceled})
		x.m.over = append(x.m.over, x.m.waiting[at])
		x.m.waiting = slices.Delete(x.m.waiting, at, at+1)
	case 3:
		x.q.AheadStarted(id)
		return
	}
	x.q.AheadSeen(id, seen, x.tick(t))
}

// closeAhead has an execution end before its turn: only a cancellation takes it out.
func (x *machine) closeAhead(t *rapid.T) {
	id, e := x.drawAhead(t, aheadStarting, aheadStarted), drawEnd(t)
	at := x.m.waitingAt(id)
	out := x.q.AheadClosed(id, e, x.tick(t))
	require.Equal(t, e.status == protocol.Canceled, out)
	if out {
		x.m.close(e)
		x.m.over = append(x.m.over, x.m.waiting[at])
		x.m.waiting = slices.Delete(x.m.waiting, at, at+1)
	}
}

// SPEC 8.4: the token says how many more wait, and from where.
func TestWhatIsAheadIsTold(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	for _, id := range []string{"A", "B", "C", "D"} {
		q.Submit(encode(t, op(id)), day)
	}
	require.Empty(t, q.State(day).AheadText())
	require.Contains(t, q.Details(day), "**Queue** 4 waiting\n")
	q.TakeAhead(3)
	require.Contains(t, q.Details(day), "**Queue** 4 waiting: 3 ahead, each in its own workflow; 1 more from position 4 on\n")
	found := q.Find("B", day)
	require.Equal(t, "operation:B", found.WorkflowID)
	require.Equal(t, []any{2, true}, []any{found.Record.Position, found.Record.Gated})
	q.TakeAhead(4)
	require.Equal(t, "4 ahead, each in its own workflow", q.State(day).AheadText())
}

// A run that began on a worker of v0.1.0 goes on as that would have: it started each in
// its turn, whatever was there already.
func TestMarksAreLeftOutInARunWithoutThem(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	for _, id := range []string{"A", "B", "C", "D"} {
		q.Submit(encode(t, op(id)), day)
	}
	q.TakeAhead(3)
	for _, id := range []string{"A", "B", "C"} {
		q.AheadStarted(id)
	}
	q.Cancel("D", protocol.Taken{On: day})
	before := *q
	before.Front = slices.Clone(q.Front)
	q.leaveAhead(false)
	require.Equal(t, before.Front, q.Front)
	q.leaveAhead(true)
	for _, entry := range q.Front {
		require.Empty(t, entry.Ahead)
	}
	_, err := q.Cancel("B", protocol.Taken{On: day})
	require.NoError(t, err)
	next := NewQueue(testToken, day)
	next.leaveAhead(true)
	require.Empty(t, next.takeOver(&before, true).Front[0].Ahead)
}

func TestWhenAHeadStands(t *testing.T) {
	t.Parallel()
	after, now := 2*time.Second, day.Add(time.Hour)
	head := func(since time.Duration, postponed time.Duration) *Queue {
		q := NewQueue(testToken, day)
		q.Submit(encode(t, op("A")), now)
		q.TakeHead(now.Add(-since))
		if postponed != 0 {
			until := now.Add(postponed)
			q.Head.Operation.PostponeUntil = &until
		}
		return q
	}
	held := NewQueue(testToken, day)
	held.HoldToken(protocol.HoldRequest{}, now)
	for name, c := range map[string]struct {
		q      *Queue
		stands bool
	}{
		"a head that has just started runs":  {head(0, 0), false},
		"one that runs for long stands":      {head(after, 0), true},
		"one that is postponed stands":       {head(0, time.Hour), true},
		"one that is due runs":               {head(0, -time.Hour), false},
		"one that is due in a moment runs":   {head(0, time.Second), false},
		"a token without a head runs":        {NewQueue(testToken, day), false},
		"a token that is held stands":        {held, true},
		"a token that failed and holds, too": {&Queue{Failure: &protocol.FailureHold{}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.stands, c.q.Rests(after, now) || c.q.Lingers(after, now))
		})
	}
}

// Where everything is late, heads linger for that: nothing is started ahead, and
// timers become fewer.
func TestLateTimersComeSeldomAndFindNothing(t *testing.T) {
	t.Parallel()
	const after = 2 * time.Second
	q := NewQueue(testToken, day)
	q.Submit(encode(t, op("A")), day)
	q.TakeHead(day)
	var p aheadPace
	now := day
	come := func(late time.Duration) {
		now = p.due.Add(late)
		p.came(q, after, now)
	}
	require.Equal(t, after, p.set(after, now))
	for _, c := range []struct{ late, pause time.Duration }{
		{after/lateParts + 1, paceFactor * after},
		{time.Second, paceFactor * paceFactor * after},
		{time.Minute, paceFactor * time.Minute},
		{2 * time.Minute, paceFactor * paceFactor * time.Minute},
		{20 * time.Minute, longestPause},
	} {
		come(c.late)
		require.False(t, p.standsAt(q), "%v late", c.late)
		require.Equal(t, c.pause, p.set(after, now), "%v late", c.late)
	}
	for pause := longestPause / paceFactor; pause > after; pause /= paceFactor {
		come(after / lateParts)
		require.True(t, p.standsAt(q))
		require.Equal(t, pause, p.set(after, now), "not at once as often as before")
	}
	come(0)
	require.Equal(t, after, p.set(after, now))
	require.Equal(t, time.Minute, p.set(time.Minute, now), "no pause is shorter than that")
	q.HeadCompleted(end{status: protocol.Succeeded}, now)
	require.False(t, p.standsAt(q))
}

// One that says that it is about to close is looked at, unless somebody watches it, and
// what is seen of it decides.
func TestWhatLeavesIsLookedAt(t *testing.T) {
	t.Parallel()
	nobody := func(string) bool { return false }
	ours := protocol.AwaitReply{Found: true, Token: testToken}
	closed := func(status protocol.StatusCode) protocol.AwaitReply {
		return protocol.AwaitReply{Found: true, Token: testToken, Closed: true, Status: status}
	}
	for name, c := range map[string]struct {
		seen  protocol.AwaitReply
		waits bool
	}{
		"it was cancelled":                       {closed(protocol.Canceled), false},
		"it was terminated":                      {closed(protocol.Failed), true},
		"it goes on":                             {ours, true},
		"it is there no longer, nor is its data": {protocol.AwaitReply{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := NewQueue(testToken, day)
			q.Submit(encode(t, op("A")), day)
			q.Submit(encode(t, op("B")), day)
			q.TakeHead(day)
			require.False(t, q.AheadLeaves("A"), "the head is watched")
			require.False(t, q.AheadLeaves("B"), "it has no execution yet")
			q.TakeAhead(1)
			q.AheadStarted("B")
			require.Empty(t, q.AheadInDoubt(nobody))
			require.True(t, q.AheadLeaves("B"))
			require.Empty(t, q.AheadInDoubt(func(id string) bool { return id == "B" }))
			doubts := q.AheadInDoubt(nobody)
			require.Len(t, doubts, 1)
			if c.seen.Found {
				c.seen.Sequence = doubts[0].Sequence
			}
			q.AheadSeen("B", c.seen, day)
			require.Empty(t, q.AheadInDoubt(nobody), "once")
			require.Equal(t, c.waits, q.Len() == 1)
			if c.waits {
				require.Equal(t, aheadStarted, q.Front[0].Ahead, "it is not started once more")
			}
		})
	}
}

// What may still be started counts for a page to be read, so that the window does
// not end where a page begins.
func TestAPageIsReadThoughManyAreAhead(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	q.restored("a chain", testPageBytes)
	for range 40 {
		q.Submit(encode(t, protocol.Operation{OperationType: "test.record"}), day)
	}
	q.Spill()
	for _, page := range q.ToStart() {
		q.PageStarted(page, "a run")
	}
	require.NotEmpty(t, q.Pages)
	require.Nil(t, q.ToLoad(), "enough is in memory")
	require.NotEmpty(t, q.TakeAhead(100))
	require.NotNil(t, q.ToLoad())
}
