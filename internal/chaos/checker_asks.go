package main

import (
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// asked is a request in the logs; acknowledged is zero where it was not.
type asked struct {
	verb, id, token, newID string
	until                  *time.Time
	called, acknowledged   time.Time
	status                 protocol.StatusCode
}

// call is one scheduling of a handler, as the operation's history has it.
type call struct {
	// decided is when the workflow task began that scheduled it; started when the
	// last of its attempts was handed out, zero where none was.
	decided, started time.Time
}

// checkAsked finds what began although it was to wait, from the answer on until
// something else was asked: after a pause or a cancel, while its token was held
// (I6), or before the end of a postponement (I5).
func (c *checker) checkAsked() {
	for _, a := range c.asked {
		if a.acknowledged.IsZero() {
			continue
		}
		switch a.verb {
		case protocol.PauseUpdateName:
			c.checkQuiet(6, a, c.next(a, protocol.ResumeUpdateName, protocol.PostponeUpdateName))
		case protocol.CancelUpdateName:
			c.checkQuiet(6, a, time.Time{})
		case protocol.PostponeUpdateName:
			c.checkQuiet(5, a, earlier(*a.until, c.next(a, protocol.ResumeUpdateName, protocol.PostponeUpdateName)))
		case protocol.HoldUpdateName:
			end := c.next(a, protocol.ReleaseUpdateName, protocol.HoldUpdateName)
			if a.until != nil {
				end = earlier(*a.until, end)
			}
			c.checkHeld(a, end)
		case protocol.RerunUpdateName:
			c.checkRerun(a)
		}
	}
}

// next is when one of the verbs was asked for next of the same, or beside it: which
// of two that were on their way at once came first is not known. Zero is never.
func (c *checker) next(a asked, verbs ...string) (at time.Time) {
	for _, other := range c.asked {
		beside := other.acknowledged.After(a.called) && other.called.Before(a.acknowledged)
		if other.id != a.id || other.token != a.token && a.id == "" || other == a || !other.called.After(a.called) && !beside {
			continue
		}
		for _, verb := range verbs {
			if other.verb == verb {
				at = earlier(other.called, at)
			}
		}
	}
	return at
}

// earlier is the earlier of two instants; zero is never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

func between(at, from, to time.Time) bool {
	return at.After(from) && (to.IsZero() || at.Before(to))
}

// checkQuiet: no call of the operation's handler was decided on, or handed out,
// after the answer and before the end.
func (c *checker) checkQuiet(invariant int, a asked, end time.Time) {
	for _, x := range c.executionsOf[a.id] {
		for _, call := range x.calls {
			if between(call.decided, a.acknowledged, end) || between(call.started, a.acknowledged, end) {
				c.add(invariant, "%s began %s after its %s was answered (%s)", a.id, latest(call).Sub(a.acknowledged), a.verb, a.status)
			}
		}
	}
}

func latest(c call) time.Time {
	if c.started.After(c.decided) {
		return c.started
	}
	return c.decided
}

// checkHeld: no call was decided on while the token was held. One on its way then
// had begun.
func (c *checker) checkHeld(a asked, end time.Time) {
	for _, x := range c.executions {
		for _, call := range x.calls {
			if x.token == a.token && between(call.decided, a.acknowledged, end) {
				c.add(6, "%s began %s after the hold of token %q was answered", x.id, call.decided.Sub(a.acknowledged), a.token)
			}
		}
	}
}

// checkRerun: what was accepted again ends as any other operation.
func (c *checker) checkRerun(a asked) {
	executions := c.executionsOf[a.newID]
	if len(executions) == 0 {
		c.add(1, "%s, the rerun of %s, was acknowledged and has no execution", a.newID, a.id)
		return
	}
	c.checkTerminal(a.newID, executions)
}
