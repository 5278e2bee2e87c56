package workflows

import (
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// simModel says what must become of a script: one token, as naive as it can be,
// with no line of Queue in it. Times count from the script's start.
type simModel struct {
	now     time.Duration
	linger  time.Duration
	all     []*simEntry // accepted, in order
	waiting []*simEntry
	head    *simEntry
	chain   *simChain // nil while no serializer runs
	chains  []*simChain
	// executions are the operations that have, or will have, one of their own,
	// over all chains: the protection against a repeat that outlives a chain.
	executions map[string]*simEntry
	// hit counts what was asked of operations in which state.
	hit map[simPair]int
}

// simPair is an action on an operation in a state.
type simPair struct{ state, action string }

// simChain is what a serializer knows from its start to its idle end.
type simChain struct {
	counts    protocol.Counts
	rejects   []simReject
	seen      map[string]simOperation
	idleSince time.Duration
}

// simReject is a submission that was not accepted.
type simReject struct {
	at        time.Duration
	errorType string
}

// simEntry is an accepted operation.
type simEntry struct {
	simOperation
	chain     *simChain
	until     time.Duration // not before
	started   bool          // it was the head, or ended in the queue
	readyAt   time.Duration // when its handler runs, once started
	canceling bool
	repeats   *simEntry // the execution that its id has already
	status    protocol.StatusCode
	endedAt   time.Duration
	attempts  []simAttempt
}

// simAttempt is one call of a handler.
type simAttempt struct {
	at       time.Duration
	optional bool
}

func newSimModel(linger time.Duration) *simModel {
	return &simModel{linger: linger, executions: map[string]*simEntry{}, hit: map[simPair]int{}}
}

// advance lets time pass: what ends on its own ends, what follows starts.
func (m *simModel) advance(to time.Duration) {
	if to == m.now {
		return // how much of it happens in this instant is told by answers
	}
	for m.step() {
	}
	for m.head != nil && m.head.endsAt() <= to {
		m.now = m.head.endsAt()
		for m.step() {
		}
	}
	if m.chain != nil && m.isIdle() && m.chain.idleSince+m.linger <= to {
		m.chain = nil
	}
	m.now = to
}

func (m *simModel) isIdle() bool { return m.head == nil && len(m.waiting) == 0 }

// step does one thing that happens at this instant by itself, and says whether
// there was one.
func (m *simModel) step() bool {
	switch {
	case m.head != nil && m.head.endsAt() <= m.now:
		m.finishHead(m.head.end())
		return true
	case m.head == nil && len(m.waiting) > 0:
		m.startNext()
		return true
	}
	return false
}

// startNext is SPEC 4.1: the first that waits, when nothing runs.
func (m *simModel) startNext() {
	e := m.waiting[0]
	m.waiting = m.waiting[1:]
	e.started, e.readyAt = true, max(m.now, e.until)
	m.head = e
	m.claim(e)
	if !e.runs() {
		e.readyAt = m.now // a postponement does not count any more
	}
}

// claim is the id's own execution: a second one is never started.
func (m *simModel) claim(e *simEntry) {
	if e.ID == "" {
		return
	}
	if first := m.executions[e.ID]; first != nil {
		e.repeats = first
		return
	}
	m.executions[e.ID] = e
}

func (m *simModel) finishHead(status protocol.StatusCode) {
	e := m.head
	m.head = nil
	for _, offset := range simAttempts(e.plan.Retries) {
		at := e.readyAt + offset
		if e.runs() && at <= m.now {
			// Cancelled in the instant of its start, it may have started.
			e.attempts = append(e.attempts, simAttempt{at, e.canceling && at == m.now})
		}
	}
	m.finish(e, status)
}

// finish gives an operation its one terminal state (SPEC 2.1).
func (m *simModel) finish(e *simEntry, status protocol.StatusCode) {
	e.status, e.endedAt = status, m.now
	switch {
	case e.repeats != nil && e.repeats.simOperation == e.simOperation:
		m.chain.counts.Duplicates++
	case e.repeats != nil:
		m.reject(protocol.ErrTypeDuplicateID)
	case status == protocol.Succeeded:
		m.chain.counts.Succeeded++
	case status == protocol.Failed:
		m.chain.counts.Failed++
	default:
		m.chain.counts.Canceled++
	}
	m.chain.idleSince = m.now
}

func (m *simModel) reject(errorType string) {
	m.chain.counts.Rejected++
	m.chain.rejects = append(m.chain.rejects, simReject{m.now, errorType})
}

// submit is one signal.
func (m *simModel) submit(items []simItem) {
	if m.chain == nil {
		m.chain = &simChain{seen: map[string]simOperation{}, idleSince: m.now}
		m.chain.counts.Runs = 1
		m.chains = append(m.chains, m.chain)
	}
	for _, item := range items {
		m.submitOne(item)
	}
}

func (m *simModel) submitOne(item simItem) {
	before, known := m.chain.seen[item.ID]
	switch {
	case item.bad != "":
		m.reject(protocol.ErrTypeInvalidOperation)
		return
	case known && item.ID != "" && before == item.simOperation:
		m.chain.counts.Duplicates++
	case known && item.ID != "":
		m.reject(protocol.ErrTypeDuplicateID)
	default:
		m.chain.counts.Accepted++
		m.chain.seen[item.ID] = item.simOperation
		e := &simEntry{simOperation: item.simOperation, chain: m.chain, until: item.PostponeUntil}
		m.all, m.waiting = append(m.all, e), append(m.waiting, e)
	}
	if item.unknownField {
		m.chain.counts.UnknownFields++
	}
}

// find is the entry that an id stands for in the present chain.
func (m *simModel) find(id string) *simEntry {
	for _, e := range m.all {
		if e.ID == id && e.chain == m.chain {
			return e
		}
	}
	return nil
}

// cancelQueued is SPEC 4.6: it ends, the others keep their order.
func (m *simModel) cancelQueued(e *simEntry) {
	at := slices.Index(m.waiting, e)
	m.waiting = slices.Delete(m.waiting, at, at+1)
	e.started = true
	m.claim(e)
	m.finish(e, protocol.Canceled)
}

// cancelToken is a cancellation of the serializer from outside.
func (m *simModel) cancelToken() {
	for len(m.waiting) > 0 {
		m.cancelQueued(m.waiting[0])
	}
	if m.head != nil {
		m.cancelHead()
	}
}

// cancelHead is SPEC 3.1: what waits ends at once, what runs is asked to.
func (m *simModel) cancelHead() {
	if m.head.state(m.now) == protocol.Waiting {
		m.finishHead(protocol.Canceled)
		return
	}
	m.head.canceling, m.head.endedAt = true, m.now
}

// postpone is SPEC 5.3, of one that queues or waits as the head.
func (m *simModel) postpone(e *simEntry, until time.Duration) {
	e.until = until
	if e == m.head {
		e.readyAt = max(m.now, until)
	}
}

// runs says whether the operation's handler is ever called.
func (e *simEntry) runs() bool {
	return e.repeats == nil && !e.plan.UnknownType
}

// state is the status of an entry that has not ended.
func (e *simEntry) state(now time.Duration) protocol.StatusCode {
	switch {
	case e.status != 0:
		return e.status
	case e.canceling:
		return protocol.Canceling
	case !e.started && e.until > now || e.started && e.readyAt > now:
		return protocol.Waiting
	case !e.started:
		return protocol.WaitingForResources
	}
	return protocol.InProgress
}

// endsAt is when a head ends if nobody interferes.
func (e *simEntry) endsAt() time.Duration {
	if e.canceling {
		return e.endedAt
	}
	if !e.runs() {
		return e.readyAt
	}
	attempts := simAttempts(e.plan.Retries)
	last := e.readyAt + attempts[len(attempts)-1]
	if e.plan.Retries >= simMaxAttempts {
		return last // exhausted
	}
	return last + e.plan.Takes
}

// end is how a head ends if nobody interferes.
func (e *simEntry) end() protocol.StatusCode {
	switch {
	case e.canceling:
		return protocol.Canceled
	case e.plan.UnknownType, e.plan.Fails, e.plan.Retries >= simMaxAttempts:
		return protocol.Failed
	}
	return protocol.Succeeded
}
