package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// findings are the violations of I1 to I10, in words; the first element is I1.
type findings [10][]string

func (f *findings) add(invariant int, format string, args ...any) {
	f[invariant-1] = append(f[invariant-1], fmt.Sprintf(format, args...))
}

// none says that every invariant held.
func (f findings) none() bool {
	return !slices.ContainsFunc(f[:], func(list []string) bool { return len(list) > 0 })
}

// checker judges evidence. It is pure: it knows no server and no clock.
type checker struct {
	evidence
	findings

	executionsOf map[string][]execution
	attemptsOf   map[string][]attempt // by fence
	submittedOf  map[string][]submitted
	lives        map[string]processLife
	typeOf       map[string]protocol.TypeRef
}

// check counts what the evidence shows to be broken.
func check(e evidence) *checker {
	c := &checker{
		evidence:     e,
		executionsOf: groupBy(e.executions, func(x execution) string { return x.id }),
		attemptsOf:   groupBy(e.attempts, func(a attempt) string { return a.id }),
		submittedOf:  groupBy(e.submitted, func(s submitted) string { return s.ID }),
		lives:        make(map[string]processLife),
		typeOf:       make(map[string]protocol.TypeRef),
	}
	for _, life := range e.processes {
		c.lives[life.name] = life
	}
	for _, s := range e.submitted {
		c.typeOf[s.ID] = s.Type
	}
	for _, attempts := range c.attemptsOf {
		slices.SortFunc(attempts, func(a, b attempt) int { return a.fence.Compare(b.fence) })
	}
	c.checkOutcomes()
	c.checkTwice()
	c.checkStartOrder()
	c.checkSubmitOrder()
	c.checkOverlaps()
	c.checkWrites()
	c.checkPostponed()
	c.checkAsked()
	c.checkRecurrences()
	c.checkStopped()
	c.checkBulk()
	for _, name := range e.failingTasks {
		c.add(8, "%s: its workflow task fails", name)
	}
	for _, name := range e.replayErrors {
		c.add(9, "%s", name)
	}
	return c
}

func groupBy[T any](list []T, key func(T) string) map[string][]T {
	groups := make(map[string][]T)
	for _, element := range list {
		groups[key(element)] = append(groups[key(element)], element)
	}
	return groups
}

// checkOutcomes finds, of what was acknowledged, what is lost (I1), what has not
// exactly one terminal state (I7), and what is unfinished (I10).
func (c *checker) checkOutcomes() {
	type content struct{ id, token, hash string }
	judged := make(map[content]bool)
	for _, s := range c.evidence.submitted {
		key := content{s.ID, s.Token, s.Hash}
		if s.acknowledged.IsZero() || judged[key] {
			continue
		}
		judged[key] = true
		executions := c.executionsOf[s.ID]
		ran := slices.ContainsFunc(executions, func(x execution) bool { return x.hash == s.Hash })
		switch {
		case ran:
			c.checkTerminal(s.ID, executions)
		case c.isRefusedVisibly(s) && !c.mustWin(s) && len(executions) > 0:
		case len(executions) == 0 && c.open[s.Token]:
			c.add(10, "%s of token %q still queues", s.ID, s.Token)
		default:
			c.add(1, "%s, version %d, of token %q was acknowledged and has no execution (%d of its id) and no visible reject", s.ID, s.Version, s.Token, len(executions))
		}
	}
}

func (c *checker) checkTerminal(id string, executions []execution) {
	terminal := 0
	for _, x := range executions {
		switch {
		case x.closed.IsZero():
			c.add(10, "%s is still open (run %s)", id, x.runID)
		case x.odd():
			c.add(7, "%s ended %s (run %s)", id, x.status, x.runID)
		}
		if !x.closed.IsZero() {
			terminal++
		}
	}
	if terminal != 1 {
		c.add(7, "%s has %d terminal states", id, terminal)
	}
}

func (c *checker) isRefusedVisibly(s submitted) bool {
	return slices.Contains(c.rejects, reject{s.Token, s.ID, protocol.ErrTypeDuplicateID})
}

// mustWin says that the id is this submission's for sure: every other content
// came with its token after it was acknowledged.
func (c *checker) mustWin(s submitted) bool {
	return !slices.ContainsFunc(c.submittedOf[s.ID], func(other submitted) bool {
		return other.Hash != s.Hash && (other.Token != s.Token || !other.called.After(s.acknowledged))
	})
}

// checkTwice finds what was started more than once (I2): further attempts of one
// scheduling are allowed, all else is not.
func (c *checker) checkTwice() {
	for id, executions := range c.executionsOf {
		if len(executions) > 1 {
			c.add(2, "%s has %d executions", id, len(executions))
		}
		for _, x := range executions {
			if x.doubled {
				c.add(2, "%s: its handler was called again while it ran, or had succeeded (run %s)", id, x.runID)
			}
		}
	}
	for id, starts := range groupBy(c.children, func(s childStart) string { return s.id }) {
		if len(starts) > 1 {
			c.add(2, "%s was started %d times by serializers", id, len(starts))
		}
	}
	for id, attempts := range c.attemptsOf {
		for i, a := range attempts {
			unseen := a.fence.N == 1 && a.fence.Attempt == 0                         // a local attempt that was lost leaves no trace
			if n := c.callsOf(id); int(a.fence.N) > n && !unseen && !c.isRerun(id) { // that one goes on counting
				c.add(2, "%s: the fence of an attempt is %s, and its handler was called %d times", id, a.fence, n)
			}
			if i > 0 && a.fence == attempts[i-1].fence {
				c.add(2, "%s: attempt %s ran twice", id, a.fence)
			}
			if a.version != attempts[0].version || a.runID != attempts[0].runID {
				c.add(2, "%s: attempts of two contents or executions ran", id)
			}
		}
	}
}

func (c *checker) callsOf(id string) (n int) {
	for _, x := range c.executionsOf[id] {
		n += len(x.calls)
	}
	return n
}

func (c *checker) isRerun(id string) bool {
	return slices.ContainsFunc(c.asked, func(a asked) bool { return a.newID == id })
}

// checkPostponed finds what began too early (I5).
func (c *checker) checkPostponed() {
	for id, attempts := range c.attemptsOf {
		for _, s := range c.submittedOf[id] {
			if s.PostponeUntil == nil || s.Version != attempts[0].version {
				continue
			}
			first := slices.MinFunc(attempts, byStart)
			if first.start.Before(*s.PostponeUntil) {
				c.add(5, "%s began %s before it was due", id, s.PostponeUntil.Sub(first.start))
			}
			break
		}
	}
}

func byStart(a, b attempt) int { return a.start.Compare(b.start) }

// staleAttempts counts attempts that still ran when a newer attempt of their
// operation, or a later operation of their token, had begun.
func (c *checker) staleAttempts() int {
	stale := make(map[string]bool)
	for _, attempts := range c.attemptsOf {
		for i, a := range attempts {
			for _, newer := range attempts[i+1:] {
				if newer.start.Before(c.over(a)) {
					stale[a.id+a.fence.String()] = true
				}
			}
		}
	}
	for _, attempts := range c.tokens() {
		for _, a := range attempts {
			behind := func(b attempt) bool { return b.fence.Sequence > a.fence.Sequence && b.start.Before(c.over(a)) }
			if slices.ContainsFunc(attempts, behind) {
				stale[a.id+a.fence.String()] = true
			}
		}
	}
	return len(stale)
}

// over is when an attempt certainly ran no more: at its end, or with its
// process, or else after its last sign of life.
func (c *checker) over(a attempt) time.Time {
	if !a.end.IsZero() {
		return a.end
	}
	if ended := c.lives[a.process].ended; !ended.IsZero() {
		return ended
	}
	return a.start
}

// tokens are the attempts of each token.
func (c *checker) tokens() map[string][]attempt {
	tokens := groupBy(c.attempts, func(a attempt) string { return a.token })
	delete(tokens, "")
	for _, attempts := range tokens {
		slices.SortFunc(attempts, func(a, b attempt) int {
			return cmp.Or(a.fence.Compare(b.fence), byStart(a, b))
		})
	}
	return tokens
}
