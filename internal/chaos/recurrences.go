package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// recurring is how a planned operation recurs: every minute, which is as often as
// a rule can, so many times.
type recurring struct {
	First time.Duration `json:"first"` // counted from the begin of the load
	Count int           `json:"count"`
}

func (r recurring) rule() string { return fmt.Sprintf("FREQ=MINUTELY;COUNT=%d", r.Count) }

// recurrences plans operations that recur, every other one on a token. They begin
// early, so that they end by themselves.
func (p *planner) recurrences(n int) {
	early := max(p.window-time.Minute, p.window/4)
	for i := range n {
		at := time.Duration(p.rand.Int64N(int64(early)))
		token := p.rand.IntN(len(p.tokens))
		o := planned{ID: fmt.Sprintf("every-%03d", i), Type: chaosType, Work: work{Version: 1, Kind: workSucceeds, Milliseconds: 5 + p.rand.IntN(500)}}
		rest := (p.window - at) / time.Minute
		o.Recurs = &recurring{First: at + time.Duration(p.rand.Int64N(int64(10*time.Second))), Count: 1 + min(int(rest), 4)}
		if i%2 == 0 {
			o.Token = p.tokens[token]
		}
		submitter := p.rand.IntN(submitters)
		p.add(submitter, step{At: at, Lane: token % lanes, Operations: []planned{o}})
		if i%3 == 0 { // a repeat is the same recurrence
			p.add(submitter, step{At: at + time.Second, Lane: token % lanes, Operations: []planned{o}})
		}
	}
}

// checkRecurrences finds, of operations that recur, too few occurrences (I1), too
// many (I2), two at a time (I4), and one that began before the first instant (I5).
// Instants that were missed collapse into one, so that fewer than the rule's count
// are right.
func (c *checker) checkRecurrences() {
	occurrences := make(map[string][]execution)
	for _, x := range c.executions {
		if id, _, ok := protocol.ParseOccurrenceID(x.id); ok {
			occurrences[id] = append(occurrences[id], x)
		}
	}
	judged := make(map[string]bool)
	for _, s := range c.evidence.submitted {
		if s.Count == 0 || s.acknowledged.IsZero() || judged[s.ID] {
			continue
		}
		judged[s.ID] = true
		list := occurrences[s.ID]
		slices.SortFunc(list, func(a, b execution) int { return a.started.Compare(b.started) })
		c.checkOccurrences(s, list)
	}
}

// checkOccurrences judges those of one recurrence, by their start.
func (c *checker) checkOccurrences(s submitted, list []execution) {
	canceled := func(x execution) bool { return x.status == "Canceled" }
	if own := c.executionsOf[s.ID]; len(list) == 0 && len(own) > 0 && !slices.ContainsFunc(own, canceled) {
		c.add(1, "%s recurs and has no occurrence", s.ID)
	}
	if len(list) > s.Count {
		c.add(2, "%s has %d occurrences, and its rule means %d", s.ID, len(list), s.Count)
	}
	for i, x := range list {
		if x.started.Before(*s.First) {
			c.add(5, "%s began %s before the first instant of its rule", x.id, s.First.Sub(x.started))
		}
		if i > 0 && x.started.Before(list[i-1].closed) {
			c.add(4, "%s began before %s was closed", x.id, list[i-1].id)
		}
		if x.closed.IsZero() {
			c.add(10, "%s is still open (run %s)", x.id, x.runID)
		} else if x.odd() {
			c.add(7, "%s ended %s (run %s)", x.id, x.status, x.runID)
		}
	}
}

// occurrences counts those that ran.
func (c *checker) occurrences() (n int) {
	for _, x := range c.executions {
		if isOccurrence(x.id) {
			n++
		}
	}
	return n
}
