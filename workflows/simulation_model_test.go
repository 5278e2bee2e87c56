package workflows

import (
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// simModel says what must become of a script: one token, as naive as it can be,
// with no line of Queue or Life in it. Times count from the script's start.
type simModel struct {
	now     time.Duration
	linger  time.Duration
	all     []*simEntry // accepted, in order
	waiting []*simEntry
	head    *simEntry
	// headSince is since when it has been, and headUntil until when it was postponed
	// then.
	headSince, headUntil time.Duration
	chain                *simChain // nil while no serializer runs
	chains               []*simChain
	// executions are the operations that have, or will have, one of their own,
	// over all chains: the protection against a repeat that outlives a chain.
	executions map[string]*simEntry
	live       []*simEntry // those that have not closed
	// calls are what was called, in order.
	calls               []*simEntry
	window, aheadStarts int
	// hit counts what was asked of operations and the token in which state.
	hit map[simPair]int
}

// simChain is what a serializer knows from its start to its idle end.
type simChain struct {
	counts  protocol.Counts
	rejects []simReject
	seen    map[string]simOperation
	inPlace int64 // reruns that have an old sequence

	held      bool
	holdKnown bool          // the hold was answered
	holdEnd   time.Duration // 0 is none
	failure   *simEntry     // holds the token
	policy    simPolicy

	// idle is since when nothing was left to do. wasIdle is that before it was
	// left, which was noticed or not if that took no time.
	idle, wasIdle []time.Duration
	leftIdle      time.Duration
}

// simReject is a submission that was not accepted.
type simReject struct {
	at        time.Duration
	errorType string
}

func newSimModel(linger time.Duration) *simModel {
	return &simModel{linger: linger, executions: map[string]*simEntry{}, hit: map[simPair]int{}}
}

// advance lets time pass. What had to happen before must have been seen.
func (m *simModel) advance(to time.Duration) error {
	if c := m.chain; c != nil && c.held && c.holdEnd != 0 && c.holdEnd <= to {
		end := c.holdEnd
		if err := m.advanceBefore(end); err != nil {
			return err
		}
		m.now, c.held, c.holdKnown, c.holdEnd = end, false, false, 0
		m.touch()
	}
	return m.advanceBefore(to)
}

func (m *simModel) advanceBefore(to time.Duration) error {
	if to == m.now {
		return nil
	}
	if h := m.head; h != nil && h.mustCancel && (h.status == protocol.Pausing || h.status == protocol.Canceling) {
		m.takeCancel(h) // its handler was asked before: nothing shows it
	}
	for _, d := range m.due() {
		if d.at < to {
			return fmt.Errorf("%s was not seen at %s", d.what, d.at)
		}
	}
	m.now = to
	return nil
}

// simDue is something that must be seen at that time.
type simDue struct {
	what string
	at   time.Duration
}

// due is what happens by itself if nobody interferes.
func (m *simModel) due() (due []simDue) {
	add := func(is bool, at time.Duration, what string, e *simEntry) {
		if is {
			due = append(due, simDue{what + " of " + e.id, max(at, m.now)})
		}
	}
	for _, e := range m.live {
		add(e.status.Terminal() || e.begun && !e.ahead && e.plan.UnknownType, m.now, "the close", e)
		add(e != m.head && e.mustCancel, m.now, "the end in the queue", e)
		add(e.mustAsk, m.now, "the request to stop", e)
		add(e.returned, m.now, "the conclusion", e)
		add(e.status == protocol.Canceling, e.cancelled+seconds(simCancelTimeout.Seconds()), "the end by force", e)
	}
	if h := m.head; h != nil {
		readyOn, ready := h.readyOn()
		add(ready, readyOn, "the call", h)
		add(!h.begun && h.repeats == nil, m.now, "the begin", h)
		add(h.closed || h.repeats != nil, m.now, "the note of the end", h)
		add(h.mustCancel && !h.closed && h.runs(), m.now, "the cancellation", h)
		add(h.begun && !h.status.Terminal() && !h.plan.UnknownType && h.told != m.chain.held, m.now, "the message about the token's hold", h)
	}
	add(m.mayStart() && len(m.waiting) > 0, m.now, "the start", first(m.waiting))
	if m.chain != nil && len(m.chain.idle) > 0 {
		due = append(due, simDue{"the end of the chain", m.chain.idle[len(m.chain.idle)-1] + m.linger})
	}
	return due
}

func first(entries []*simEntry) *simEntry {
	if len(entries) == 0 {
		return nil
	}
	return entries[0]
}

// mayStart is SPEC 4.1, 4.5 and 4.10: nothing runs and nothing holds the token.
func (m *simModel) mayStart() bool {
	return m.head == nil && m.chain != nil && !m.chain.held && m.chain.failure == nil
}

// touch notes since when nothing has been left to do.
func (m *simModel) touch() {
	c := m.chain
	switch idle := m.mayStart() && len(m.waiting) == 0 && c.policy == (simPolicy{}); {
	case !idle:
		if len(c.idle) > 0 && c.idle[0] < m.now {
			c.wasIdle = c.idle
			c.leftIdle = m.now
		}
		c.idle = nil
	case len(c.idle) == 0:
		if c.idle = []time.Duration{m.now}; c.leftIdle == m.now && c.wasIdle != nil {
			c.idle = slices.Concat(c.wasIdle, c.idle)
		}
	}
}

// start is SPEC 4.1: the first that waits, when nothing runs.
func (m *simModel) start() *simEntry {
	e := m.waiting[0]
	m.waiting = m.waiting[1:]
	m.head, m.headSince, m.headUntil = e, m.now, e.until
	e.ahead = false
	return e
}

// claim is the id's own execution: a second one is never started.
func (m *simModel) claim(e *simEntry, id string, sequence int64) {
	e.started, e.id, e.sequence = true, id, sequence
	if before := m.executions[id]; before != nil && before != e {
		e.repeats = before
		return
	}
	m.executions[id] = e
	m.live = append(m.live, e)
}

// completed frees the head's place; the policy says what a failure does.
func (m *simModel) completed() {
	e := m.head
	m.head = nil
	m.count(e)
	if e.repeats == nil && e.status == protocol.Failed {
		switch m.chain.policy.onFailure {
		case protocol.HoldOnFailure:
			m.chain.failure = e
		case protocol.CancelRestOnFailure:
			m.cancelWaiting()
		}
	}
}

// count gives an operation its one terminal state (SPEC 2.1).
func (m *simModel) count(e *simEntry) {
	e.counted = true
	switch counts := &m.chain.counts; {
	case e.repeats != nil && e.repeats.simOperation == e.simOperation:
		counts.Duplicates++
	case e.repeats != nil:
		m.reject(protocol.ErrTypeDuplicateID)
	case e.status == protocol.Succeeded:
		counts.Succeeded++
	case e.status == protocol.Failed:
		counts.Failed++
	default:
		counts.Canceled++
	}
}

func (m *simModel) reject(errorType string) {
	m.chain.counts.Rejected++
	m.chain.rejects = append(m.chain.rejects, simReject{m.now, errorType})
}

// submit is one signal.
func (m *simModel) submit(items []simItem) {
	for _, item := range items {
		m.submitOne(item)
	}
}

func (m *simModel) submitOne(item simItem) {
	c := m.chain
	before, known := c.seen[item.ID]
	known = known && item.ID != ""
	switch {
	case item.bad != "":
		m.reject(protocol.ErrTypeInvalidOperation)
		return
	case known && before == item.simOperation:
		c.counts.Duplicates++
	case known:
		m.reject(protocol.ErrTypeDuplicateID)
	case c.policy.maxQueued > 0 && len(m.waiting) >= c.policy.maxQueued:
		m.reject(protocol.ErrTypeQueueFull)
	default:
		m.waiting = append(m.waiting, m.accept(item.simOperation))
	}
	if item.unknownField {
		c.counts.UnknownFields++
	}
}

func (m *simModel) accept(o simOperation) *simEntry {
	m.chain.counts.Accepted++
	m.chain.seen[o.ID] = o
	e := &simEntry{simOperation: o, id: o.ID, chain: m.chain, until: o.PostponeUntil, accepted: m.now}
	m.all = append(m.all, e)
	return e
}

// rerun accepts an operation again, in its old place where its failure holds the
// token (SPEC 3.1).
func (m *simModel) rerun(was *simEntry, newID string) {
	o := was.simOperation
	o.ID, o.PostponeUntil = newID, 0
	e := m.accept(o)
	if was != m.chain.failure {
		m.waiting = append(m.waiting, e)
		return
	}
	e.inPlace, e.n = was, was.n
	m.chain.inPlace++
	m.chain.failure = nil
	m.waiting = slices.Insert(m.waiting, 0, e)
}

// cancelQueued is SPEC 4.6: it ends, the others keep their order.
func (m *simModel) cancelQueued(e *simEntry) {
	at := slices.Index(m.waiting, e)
	m.waiting = slices.Delete(m.waiting, at, at+1)
	e.started = true
	if !e.ahead || e.repeats != nil {
		e.end(protocol.Canceled, m.now)
		return
	}
	m.count(e) // its own execution is told, and records it
	e.mustCancel = !e.status.Terminal()
}

func (m *simModel) cancelWaiting() {
	for len(m.waiting) > 0 {
		m.cancelQueued(m.waiting[0])
	}
}

// cancelAll is a cancellation of the token, by update or from outside.
func (m *simModel) cancelAll() {
	m.cancelWaiting()
	if m.head != nil {
		m.head.mustCancel = true
	}
}
