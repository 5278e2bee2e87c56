package main

import (
	"slices"
	"time"
)

// turn is one operation's time at the head of its token.
type turn struct {
	id       string
	sequence int64
	first    attempt // by time
	current  attempt // the newest by fence: the last to hold the lock
}

// turns are a token's operations that ran, by sequence.
func turns(attempts []attempt) (list []turn) {
	for _, a := range attempts { // sorted by fence
		if n := len(list); n == 0 || list[n-1].id != a.id {
			list = append(list, turn{a.id, a.fence.Sequence, a, a})
			continue
		}
		last := &list[len(list)-1]
		last.current = a
		if a.start.Before(last.first.start) {
			last.first = a
		}
	}
	return list
}

// checkStartOrder finds operations of a token that began in another order than
// they were accepted (I3).
func (c *checker) checkStartOrder() {
	for token, attempts := range c.tokens() {
		list := turns(attempts)
		for i := 1; i < len(list); i++ {
			if list[i].first.start.Before(list[i-1].first.start) {
				c.add(3, "token %q: %s began before %s, which was accepted earlier", token, list[i].id, list[i-1].id)
			}
		}
	}
}

// checkSubmitOrder finds operations that were accepted in another order than
// one submitter sent them to their token (I3): it sends the next only when the
// one before was acknowledged.
func (c *checker) checkSubmitOrder() {
	type lane struct {
		submitter int
		token     string
	}
	last := make(map[lane]execution)
	seen := make(map[string]bool)
	for _, s := range c.evidence.submitted { // in the order of each submitter's log
		if s.acknowledged.IsZero() || s.Token == "" || seen[s.ID] || !c.isPlain(s) {
			continue
		}
		seen[s.ID] = true
		executions := c.executionsOf[s.ID]
		if len(executions) != 1 || executions[0].token != s.Token {
			continue // another invariant's
		}
		at := lane{s.submitter, s.Token}
		if before := last[at]; executions[0].sequence <= before.sequence {
			c.add(3, "token %q: %s was accepted after %s, though submitter %d sent it before", s.Token, before.id, s.ID, s.submitter)
		}
		last[at] = executions[0]
	}
}

// isPlain says that one submitter alone used the id, with one token.
func (c *checker) isPlain(s submitted) bool {
	return !slices.ContainsFunc(c.submittedOf[s.ID], func(other submitted) bool {
		return other.submitter != s.submitter || other.Token != s.Token
	})
}

// checkOverlaps finds two lock holders of one token at a time (I4): an operation
// that began before one ahead of it was closed, as the server tells, or while
// that one's current attempt still ran and had every right to.
func (c *checker) checkOverlaps() {
	for token, attempts := range c.tokens() {
		list := turns(attempts)
		for i := 1; i < len(list); i++ {
			for _, ahead := range list[max(0, i-overlapWindow):i] {
				c.checkPair(token, ahead, list[i])
			}
		}
	}
}

// overlapWindow is how many operations ahead of one are looked at: an overlap
// with one further ahead is one with these, too.
const overlapWindow = 5

func (c *checker) checkPair(token string, ahead, next turn) {
	began := next.first.start
	for _, x := range c.executionsOf[ahead.id] {
		if x.runID == ahead.current.runID && !x.closed.IsZero() && began.Before(x.closed) {
			c.add(4, "token %q: %s began %s before %s was closed", token, next.id, x.closed.Sub(began), ahead.id)
			return
		}
	}
	if over := c.over(ahead.current); began.Before(over) && !c.hasLostLock(ahead.current, began) {
		c.add(4, "token %q: %s began %s before attempt %s of %s was over", token, next.id, over.Sub(began), ahead.current.fence, ahead.id)
	}
}

// hasLostLock says that the attempt lost its lock before then, or may have
// without a fault of the service: it timed out, was told so, or its process
// stood still, or the wire did, so that its heartbeats were late.
func (c *checker) hasLostLock(a attempt, before time.Time) bool {
	if a.lost {
		return true
	}
	for _, x := range c.executionsOf[a.id] {
		if x.runID == a.runID && x.timedOut {
			return true
		}
	}
	meanwhile := func(s span) bool { return s.from.Before(before) && a.start.Before(s.to) }
	return slices.ContainsFunc(c.lives[a.process].stops, meanwhile) || slices.ContainsFunc(c.broken, meanwhile)
}

// checkWrites finds writes that the target should not have accepted, and lock
// holders whose write it did not accept, whose fence did not grow (I4).
func (c *checker) checkWrites() {
	highest := make(map[string]write)
	for _, w := range c.writes { // in the order in which they came
		if !w.Accepted {
			continue
		}
		if before, ok := highest[w.Register]; ok && w.Fence.Compare(before.Fence) < 0 {
			c.add(4, "%s: the write of %s with the stale fence %s was accepted", w.Register, w.ID, w.Fence)
			continue
		}
		highest[w.Register] = w
	}
	for _, x := range c.executions {
		if x.stale {
			c.add(4, "%s held the lock and the target refused its write", x.id)
		}
	}
}

// repeats counts acknowledged submissions of a content that was submitted
// before.
func (c *checker) repeats() (n int) {
	type content struct{ id, hash string }
	seen := make(map[content]bool)
	for _, s := range c.evidence.submitted {
		if key := (content{s.ID, s.Hash}); s.acknowledged.IsZero() {
			continue
		} else if seen[key] {
			n++
		} else {
			seen[key] = true
		}
	}
	return n
}
