package verify

import (
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// Checker judges one token. It is told what happened in the order of the
// serializer's histories, and keeps little of it. The zero value is not ready:
// use NewChecker.
type Checker struct {
	report *Report
	// skew is by how much the clocks of the server's hosts may differ.
	skew time.Duration
	seed maphash.Seed

	expected, claimed numbers
	// queued are the numbers of those that wait, as last told.
	queued numbers
	// next is what the chain's next accepted operation would get, as far as a
	// history says; 0 is not known.
	next int64
	// unknown is the first of the numbers of which nobody could say which still
	// wait; 0 is none.
	unknown int64
	// runs are the executions by their operations' ids, both as hashes.
	runs map[uint64]uint64
	// head is the last operation that was started to run.
	head *Start
	open []Start
	left []Ref
	// waiting are the ids of those that still queue, as hashes.
	waiting map[uint64]bool
}

// NewChecker begins a report. skew is by how much two of the server's clocks may
// differ; 0 on one machine.
func NewChecker(token string, skew time.Duration) *Checker {
	return &Checker{
		report: &Report{Token: token, WorkflowID: protocol.SerializerWorkflowID(token), Broken: []Finding{}, Apart: []Finding{}},
		skew:   skew, seed: maphash.MakeSeed(), runs: make(map[uint64]uint64), waiting: make(map[uint64]bool),
	}
}

// ChainBegins says that a chain of runs began, whose numbers start at first.
func (c *Checker) ChainBegins(first int64) {
	c.next = max(c.next, first)
}

// Carried says what a run began with: the next number, and, where nothing is
// known of the runs before it, those that wait.
func (c *Checker) Carried(next int64, waiting []Ref) {
	if c.next > 0 {
		c.expected.add(c.next, next)
	}
	for _, ref := range waiting {
		c.expected.add(ref.Sequence, ref.Sequence+1)
	}
	c.next = max(c.next, next)
}

// Accepted says that numbers below next were given away.
func (c *Checker) Accepted(next int64) { c.Carried(next, nil) }

// Start judges an execution. The same one may come again: a reset copies
// history.
func (c *Checker) Start(s Start) {
	if c.isCopy(s) {
		return
	}
	c.claim(s)
	c.count(s)
	if s.Verdict {
		c.judgeRecord(s)
	} else {
		c.judgeOrder(s)
		c.judgeLock(s)
		c.head = &s
	}
	if s.Execution.Closed.IsZero() {
		c.open = append(c.open, s)
	}
}

// isCopy notes the execution, and says whether it is known.
func (c *Checker) isCopy(s Start) bool {
	id, run := maphash.String(c.seed, s.ID), maphash.String(c.seed, s.Execution.RunID)
	before, known := c.runs[id]
	if known && before != run {
		c.broken(StartedTwice, fmt.Sprintf("%s was started before, as another execution", name(s.Ref)), s)
	}
	c.runs[id] = run
	return known && before == run
}

// claim takes the number that the operation has.
func (c *Checker) claim(s Start) {
	twice := c.claimed.has(s.Sequence)
	c.claimed.add(s.Sequence, s.Sequence+1)
	if s.Sequence >= c.next && c.next > 0 {
		c.Accepted(s.Sequence + 1)
	}
	switch {
	case !twice:
	case c.isInPlace(s):
		c.report.Counts.Reruns++
	case c.head != nil && c.head.Sequence == s.Sequence:
		c.broken(NumberTwice, fmt.Sprintf("%s and %s have one number", name(c.head.Ref), name(s.Ref)), *c.head, s)
	default:
		c.broken(NumberTwice, fmt.Sprintf("the number of %s was used before", name(s.Ref)), s)
	}
}

// isInPlace says that the operation runs the last one again, in its place.
func (c *Checker) isInPlace(s Start) bool {
	h := c.head
	return h != nil && h.Sequence == s.Sequence && s.RerunOf == h.ID && (s.N > h.N || len(h.Execution.Calls) == 0)
}

func (c *Checker) count(s Start) {
	n := &c.report.Counts
	n.Operations++
	if s.Verdict {
		n.EndedInQueue++
	}
	if s.Execution.Read {
		n.Histories++
	}
	if s.Execution.Gone {
		n.Gone++
	}
	switch s.Execution.Status {
	case Running:
		n.Running++
	case Succeeded:
		n.Succeeded++
	case Failed, TimedOut:
		n.Failed++
	default:
		n.Canceled++
	}
}

// Duplicate says that the id of the operation with this number turned out to be
// another operation's.
func (c *Checker) Duplicate(ref Ref) {
	if !c.claimed.has(ref.Sequence) {
		c.report.Counts.Duplicates++
		c.claimed.add(ref.Sequence, ref.Sequence+1)
	}
}

// IsClaimed says whether an execution or a duplicate has the number.
func (c *Checker) IsClaimed(sequence int64) bool { return c.claimed.has(sequence) }

// Waiting forgets what was said to wait: it is about to be told anew.
func (c *Checker) Waiting() {
	clear(c.waiting)
	c.queued = numbers{}
}

// Queued says that an operation still waits.
func (c *Checker) Queued(ref Ref) {
	c.waiting[maphash.String(c.seed, ref.ID)] = true
	if !c.claimed.has(ref.Sequence) {
		c.queued.add(ref.Sequence, ref.Sequence+1)
	}
}

// Submitted says how many submissions a run of the serializer received, and how
// many it has counted since the run before it ended.
func (c *Checker) Submitted(run string, received, counted int64) {
	if received > counted {
		c.report.Violations += int(received-counted) - 1 // found counts one
		c.found(Finding{
			Kind: Unread, Operations: []Participant{{Serializer: run}},
			Message: fmt.Sprintf("run %s received %d submissions and accepted, refused or recognised as repeats only %d", run, received, counted),
		})
	}
}

// Unknown says that of the numbers from this one on nobody can say which still
// wait: those that nothing accounts for are then not missing.
func (c *Checker) Unknown(from int64) { c.unknown = from }

// Left says that an operation was queued when its serializer was closed and did
// not go on. It may have been submitted again.
func (c *Checker) Left(ref Ref) {
	if !c.claimed.has(ref.Sequence) {
		c.claimed.add(ref.Sequence, ref.Sequence+1)
		c.left = append(c.left, ref)
	}
}

// missing are numbers that were given away and that nothing accounts for: neither
// what was told so far nor these.
func (c *Checker) missing(besides ...*Start) (spans []span) {
	known := numbers{spans: slices.Clone(c.claimed.spans)}
	for _, s := range c.queued.spans {
		known.add(s.from, s.to)
	}
	for _, s := range besides {
		known.add(s.Sequence, s.Sequence+1)
	}
	if c.unknown > 0 {
		known.add(c.unknown, c.next)
	}
	return slices.Collect(c.expected.without(&known))
}

// End concludes. idle says that the serializer has completed, so that nothing
// runs any more.
func (c *Checker) End(idle bool) *Report {
	c.judgeLeft()
	for _, gap := range c.missing() {
		c.gap(gap)
	}
	c.report.Counts.Queued = int(c.queued.count())
	if idle {
		for _, s := range c.open {
			c.broken(Unfinished, fmt.Sprintf("%s has not ended, although its token is idle", name(s.Ref)), s)
		}
	}
	if n := len(c.expected.spans); n > 0 {
		c.report.Coverage.First, c.report.Coverage.Last = c.expected.spans[0].from, c.expected.spans[n-1].to-1
	}
	c.report.Kept = c.report.Violations == 0
	return c.report
}

// judgeLeft names those that were left and came to nothing.
func (c *Checker) judgeLeft() {
	for _, ref := range c.left {
		id := maphash.String(c.seed, ref.ID)
		if _, started := c.runs[id]; started || c.waiting[id] {
			continue
		}
		c.found(Finding{
			Kind: Lost, Operations: []Participant{{Ref: ref, WorkflowID: protocol.OperationWorkflowID(ref.ID)}},
			Message: fmt.Sprintf("%s was queued when its serializer was closed, and was not submitted again", name(ref)),
		})
	}
}

// gap names numbers that are not accounted for. One whose default id somebody
// chose is skipped by the serializer.
func (c *Checker) gap(s span) {
	for s.from < s.to {
		if _, chosen := c.runs[maphash.String(c.seed, protocol.DefaultOperationID(c.report.Token, s.from))]; !chosen {
			break
		}
		s.from++
	}
	if s.from == s.to {
		return
	}
	message := fmt.Sprintf("number %d has no execution, no duplicate and no operation that waits", s.from)
	if n := s.to - s.from; n > 1 {
		message = fmt.Sprintf("the %d numbers from %d to %d have no execution, no duplicate and no operation that waits", n, s.from, s.to-1)
	}
	c.report.Violations += int(s.to-s.from) - 1 // found counts one
	c.found(Finding{Kind: Missing, Message: message, Operations: []Participant{{Ref: Ref{Sequence: s.from}}}})
}

func name(ref Ref) string { return fmt.Sprintf("operation %q (number %d)", ref.ID, ref.Sequence) }
