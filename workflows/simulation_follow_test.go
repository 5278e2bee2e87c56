package workflows

import (
	"fmt"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// simForever is after everything that a script can bring about.
const simForever = 100_000 * simGrid

// follow has the model go through what was seen of a script: each thing must be
// possible when it is seen, and each thing that must happen, seen in time.
func (m *simModel) follow(script simScript, seen *simSeen) error {
	open := make(map[int]bool, len(script.events))
	for i := range script.events {
		open[i] = true
	}
	for _, l := range seen.log {
		if err := m.advance(l.at); err != nil {
			return fmt.Errorf("before %s: %w", l, err)
		}
		if err := m.see(script, l); err != nil {
			return fmt.Errorf("%s: %w", l, err)
		}
		if l.kind == simDelivered || l.kind == simAnswered && (l.toOperation || l.answer != simStarted) {
			open[l.event] = false
		}
		if m.chain != nil {
			m.touch()
		}
	}
	for i, e := range script.events {
		if open[i] {
			return fmt.Errorf("event %d, %s: no answer", i, e)
		}
	}
	return m.advance(simForever)
}

// see takes one thing in.
func (m *simModel) see(script simScript, l simLogged) error {
	switch l.kind {
	case simDelivered, simTaken, simAnswered:
		e := script.events[l.event]
		if l.at != e.at {
			return fmt.Errorf("it is of %s", e.at)
		}
		return m.happen(e, l)
	case simChainBegins, simRunEnds, simChainEnds, simStarts, simNotes, simTurns:
		return m.seeSerializer(l)
	}
	e := m.executions[l.id]
	if e == nil {
		return fmt.Errorf("there is no such operation")
	}
	return m.seeOperation(e, l)
}

func (m *simModel) seeSerializer(l simLogged) error {
	switch l.kind {
	case simChainBegins:
		m.chain = &simChain{seen: map[string]simOperation{}}
		m.chains = append(m.chains, m.chain)
	case simRunEnds:
		if len(m.chain.idle) > 0 {
			m.chain.idle = []time.Duration{m.now} // it begins its linger anew
		}
	case simChainEnds:
		if !slices.Contains(m.chain.idle, m.now-m.linger) {
			return fmt.Errorf("it was idle since %v", m.chain.idle)
		}
		m.chain = nil
	case simStarts:
		return m.seeStart(l)
	case simTurns:
		return m.seeTurn(l)
	case simNotes:
		if h := m.head; h != nil && h.id == l.id && (h.closed || h.repeats != nil) {
			m.completed()
		} else if h != nil && h.id == l.id && l.ends {
			return fmt.Errorf("it is %s", h.state(m.now))
		} else if e := m.aheadOf(l.id); e != nil && e.repeats == nil && e.closed && l.ends {
			m.waiting = slices.DeleteFunc(m.waiting, func(other *simEntry) bool { return other == e })
			m.count(e)
		}
	}
	return nil
}

// seeStart: the head, in its turn, or what ended in the queue, in that order.
func (m *simModel) seeStart(l simLogged) error {
	if l.gated {
		return m.seeAhead(l)
	}
	if !l.ends {
		if !m.mayStart() || len(m.waiting) == 0 {
			return fmt.Errorf("nothing may start")
		}
		return m.named(m.start(), l)
	}
	for _, e := range m.all {
		switch {
		case e.chain != m.chain || e.status != protocol.Canceled || e == m.head:
		case e.sequence == 0:
			if err := m.named(e, l); err != nil {
				continue
			}
			m.count(e)
			return nil
		case e.repeats != nil && e.id == l.id:
			if !e.counted { // else once more, by the next run
				m.count(e)
			}
			return nil
		}
	}
	return fmt.Errorf("it has not ended")
}

// named: sequences are in the order of acceptance, and an operation without an
// id has one made of that.
func (m *simModel) named(e *simEntry, l simLogged) error {
	switch {
	case e.ID != "" && e.ID != l.id:
		return fmt.Errorf("it is the turn of %s", e.ID)
	case e.inPlace != nil && e.inPlace.sequence != l.sequence:
		return fmt.Errorf("the sequence of %s is %d", e.inPlace.id, e.inPlace.sequence)
	case e.ID == "" && l.id != protocol.DefaultOperationID(testToken, l.sequence):
		return fmt.Errorf("it has no id: that is made of its sequence")
	case e.ID == "" && e.inPlace == nil && !m.fits(e, l.sequence):
		return fmt.Errorf("it has no id, and sequences are in the order of acceptance")
	}
	m.claim(e, l.id, l.sequence)
	return nil
}

// fits says that those which were accepted before it have smaller sequences, and
// those after it greater ones, as far as they are known: of several without an id,
// one that comes later may be started first, since pages are read meanwhile.
func (m *simModel) fits(e *simEntry, sequence int64) bool {
	after := false
	for _, other := range m.all {
		switch {
		case other == e:
			after = true
		case other.sequence == 0 || other.inPlace != nil || other.repeats != nil:
		case after == (other.sequence < sequence):
			return false
		}
	}
	return true
}

// seeOperation takes in what an operation's own workflow does.
func (m *simModel) seeOperation(e *simEntry, l simLogged) error {
	e.changed = m.now
	switch l.kind {
	case simBegins:
		e.begun = true
	case simTold:
		if e != m.head {
			return fmt.Errorf("it is not the head")
		}
		e.told = l.held
	case simCalls:
		return m.seeCall(e, l)
	case simReports:
		e.report = l.checkpoint
	case simAsks:
		if e.mustCancel && e.status == protocol.InProgress {
			m.takeCancel(e)
		}
		if !e.mustAsk {
			return fmt.Errorf("it is %s", e.state(m.now))
		}
		e.mustAsk = false
	case simReturns:
		e.returned = true
	case simConcludes:
		e.conclude(l.outcome, m.now)
	case simCloses:
		return m.seeClose(e, l)
	}
	return nil
}

// takeCancel is the head's learning that its token was cancelled.
func (m *simModel) takeCancel(e *simEntry) {
	e.mustCancel = false
	e.cancel(m.now)
}

// seeCall: nothing starts before its time, while its token is held, or after it
// was paused or cancelled.
func (m *simModel) seeCall(e *simEntry, l simLogged) error {
	on, ready := e.readyOn()
	switch {
	case !ready || on > m.now:
		return fmt.Errorf("it is %s (%s) until %s, told of a hold: %v", e.state(m.now), e.reason, on, e.told)
	case e != m.head:
		return fmt.Errorf("it is not the head")
	case m.chain.holdKnown:
		return fmt.Errorf("its token is held, and that was answered")
	case l.checkpoint != e.checkpoint:
		return fmt.Errorf("it left the checkpoint %s", e.checkpoint)
	case l.n != e.n+1 || l.sequence != e.sequence:
		return fmt.Errorf("its fence was %d.%d", e.sequence, e.n)
	}
	e.call()
	m.calls = append(m.calls, e)
	return nil
}

func (m *simModel) seeClose(e *simEntry, l simLogged) error {
	switch waits := e.status.State() != protocol.Locked && !e.status.Terminal(); {
	case waits && e.ahead && e.mustCancel:
		m.takeCancel(e)
	case waits && e.plan.UnknownType:
		e.end(protocol.Failed, m.now)
	case waits && e.mustCancel:
		m.takeCancel(e)
	case e.status == protocol.Canceling && m.now == e.cancelled+seconds(simCancelTimeout.Seconds()):
		e.end(protocol.Canceled, m.now)
	}
	if l.status != e.status {
		return fmt.Errorf("it is %s", e.state(m.now))
	}
	e.closed, e.mustCancel, e.mustAsk, e.returned = true, false, false, false
	m.live = slices.DeleteFunc(m.live, func(other *simEntry) bool { return other == e })
	return nil
}
