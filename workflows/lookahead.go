package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// LookAhead says how far ahead of a head that stands still executions are started.
type LookAhead struct {
	// Window is how many of the next operations; default 0, which is none, at most
	// MaxLookAhead.
	Window int `json:"window"`
	// After is how long one operation is the head before it stands still; default 2 s.
	// One that is postponed stands still at once, and so does a token that is held.
	After time.Duration `json:"afterNanoseconds"`
}

// MaxLookAhead bounds LookAhead.Window.
const MaxLookAhead = 100

const defaultLookAheadAfter = 2 * time.Second

func (l LookAhead) withDefaults() LookAhead {
	l.Window = max(0, min(l.Window, MaxLookAhead))
	if l.After <= 0 {
		l.After = defaultLookAheadAfter
	}
	return l
}

// lookingAhead is a serializer's work on executions that were started before their
// turn.
type lookingAhead struct {
	children []*child        // those that this run started
	looks    []aheadLook     // at those that may be there
	timer    workflow.Future // looks whether the head lingers
	pace     aheadPace
}

// aheadLook is the engine's look at an execution that may be there.
type aheadLook struct {
	id   string
	seen workflow.Future
}

func (a *lookingAhead) allStarted() bool {
	return !slices.ContainsFunc(a.children, func(c *child) bool { return !c.isStarted() })
}

func (a *lookingAhead) hasNews() bool {
	return a.fired() || slices.ContainsFunc(a.looks, aheadLook.hasNews) || slices.ContainsFunc(a.children, func(c *child) bool {
		return c.started.IsReady() && !c.noted || c.closed.IsReady() && !c.over
	})
}

func (l aheadLook) hasNews() bool { return l.seen.IsReady() }

// knows says that the execution was started by this run, or is being looked at.
func (a *lookingAhead) knows(id string) bool {
	return slices.ContainsFunc(a.children, func(c *child) bool { return c.entry.Operation.ID == id }) ||
		slices.ContainsFunc(a.looks, func(l aheadLook) bool { return l.id == id })
}

func (a *lookingAhead) fired() bool { return a.timer != nil && a.timer.IsReady() }

// take is the execution that this run started for the entry, if it did.
func (a *lookingAhead) take(id string) *child {
	at := slices.IndexFunc(a.children, func(c *child) bool { return c.entry.Operation.ID == id })
	if at < 0 {
		return nil
	}
	c := a.children[at]
	a.children = slices.Delete(a.children, at, at+1)
	return c
}

// lookAhead starts the next operations ahead while the head stands still. Where that
// is not known yet, a timer looks again (aheadPace): it is never cancelled, so that a
// busy token pays five events for each of them and no more.
func (s *serializer) lookAhead() {
	s.clearDoubts()
	look, now := s.settings.LookAhead, workflow.Now(s.ctx)
	if s.ahead.fired() {
		s.ahead.timer = nil
		s.ahead.pace.came(s.queue, look.After, now)
	}
	switch {
	case look == nil || s.queue.Len() == 0:
	case s.queue.Rests(look.After, now), s.ahead.pace.standsAt(s.queue):
		for _, entry := range s.queue.TakeAhead(look.Window) {
			s.ahead.children = append(s.ahead.children, s.startGated(entry))
		}
	case s.head != nil && s.ahead.timer == nil:
		s.ahead.timer = workflow.NewTimerWithOptions(s.ctx, s.ahead.pace.set(look.After, now), workflow.TimerOptions{Summary: "looks whether the head stands still"})
	}
}

// startGated begins an execution that waits for its turn.
func (s *serializer) startGated(entry Entry) *child {
	start := s.startOf(entry)
	start.Gated, start.FreedOn = true, nil
	if head := s.queue.Head; head != nil {
		start.BlockedBy = head.Operation.ID
	}
	return s.startAs(entry, start)
}

// noteAhead takes note of what the server told of executions that were started ahead.
func (s *serializer) noteAhead() {
	for _, c := range s.ended {
		s.noteStarted(c)
	}
	s.ahead.children = slices.DeleteFunc(s.ahead.children, func(c *child) bool {
		s.noteStarted(c)
		if c.over || !c.closed.IsReady() {
			return false
		}
		c.over = true
		err := c.closed.Get(s.ctx, nil)
		if isAlreadyStarted(err) {
			return true // the engine looks whose it is
		}
		return s.queue.AheadClosed(c.entry.Operation.ID, end{status: statusOf(err)}, workflow.Now(s.ctx))
	})
	s.ahead.looks = slices.DeleteFunc(s.ahead.looks, func(l aheadLook) bool {
		var seen protocol.AwaitReply
		if l.hasNews() && l.seen.Get(s.ctx, &seen) == nil {
			s.queue.AheadSeen(l.id, seen, workflow.Now(s.ctx))
		}
		return l.hasNews()
	})
}

// clearDoubts has the engine look at executions that may be there.
func (s *serializer) clearDoubts() {
	for _, entry := range s.queue.AheadInDoubt(s.ahead.knows) {
		wait := time.Duration(0)
		if entry.Leaving {
			wait = hintedWait
		}
		s.ahead.looks = append(s.ahead.looks, aheadLook{entry.Operation.ID, s.look(entry.Operation.ID, wait)})
	}
}

// noteStarted has the queue drop what an execution has that is there for sure.
func (s *serializer) noteStarted(c *child) {
	if c.noted || c.adopted != nil || !c.started.IsReady() {
		return
	}
	c.noted = true
	if c.started.Get(s.ctx, nil) == nil {
		s.queue.AheadStarted(c.entry.Operation.ID)
	}
}

// isStartingNext says that the next operation was started ahead, and the server has not
// said yet that it is there: its turn comes then.
func (s *serializer) isStartingNext() bool {
	first, ok := s.queue.next()
	if !ok || len(s.ahead.children) == 0 {
		return false
	}
	id := s.queue.entryAt(first).Operation.ID
	return slices.ContainsFunc(s.ahead.children, func(c *child) bool { return c.entry.Operation.ID == id && !c.isStarted() })
}

// begin is an entry's turn, or its end in the queue: its execution is started, or
// told where it was started ahead.
func (s *serializer) begin(entry Entry) *child {
	c := s.ahead.take(entry.Operation.ID)
	switch {
	case c != nil:
		c.entry, c.since = entry, workflow.Now(s.ctx)
	case entry.Ahead == aheadStarted:
		c = &child{entry: entry, since: workflow.Now(s.ctx), adopted: s.adopt(entry, false)}
	default:
		return s.start(entry)
	}
	c.wantTurn = true
	s.giveTurn(c)
	return c
}

// mayHaveTurn says that there is an execution to tell.
func (c *child) mayHaveTurn() bool {
	if c.adopted != nil {
		return !c.adopted.prove
	}
	return c.started.IsReady() && !c.closed.IsReady()
}

// mustTurn says that an execution that was started ahead is to be told now. Where the
// token was held before it was known to wait for its turn, that comes with the release.
func (s *serializer) mustTurn(c *child) bool {
	return c.wantTurn && c.mayHaveTurn() && (c.entry.Verdict != nil || s.queue.Hold == nil)
}

// giveTurn tells an execution that was started ahead. A run that ends leaves that to
// the next, as a cancellation.
func (s *serializer) giveTurn(c *child) {
	if !s.mustTurn(c) || s.ending {
		return
	}
	c.wantTurn = false
	var turn protocol.Turn
	if v := c.entry.Verdict; v != nil {
		turn = protocol.Turn{Canceled: true, Message: v.Message}
	}
	c.turning = workflow.SignalExternalWorkflow(s.ctx, protocol.OperationWorkflowID(c.entry.Operation.ID), "", protocol.TurnSignalName, turn)
}

// giveTurns tells those that could not be told before.
func (s *serializer) giveTurns() {
	if s.head != nil {
		s.giveTurn(s.head)
	}
	for _, c := range s.ended {
		s.giveTurn(c)
	}
}
