package workflows

import (
	"fmt"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// happen takes in a request that was delivered or answered.
func (m *simModel) happen(e simEvent, l simLogged) error {
	switch {
	case l.kind == simDelivered:
		m.noteItems(e.items)
		m.submit(e.items)
		return nil
	case l.kind == simTaken:
		m.hold(e)
		return nil
	case e.action == simCancelToken && l.answer != simAccepted:
		return nil // nobody was there, or it was cancelled already
	case e.action == simCancelToken:
		m.noteAll(e.action)
		m.cancelAll()
		return nil
	case l.toOperation:
		return m.updateOperation(e, l.answer)
	case m.chain == nil:
		m.note(nil, e)
		return requireAnswer(l.answer, simNotFound)
	case e.action.ofToken():
		return m.updateToken(e, l.answer)
	case e.action == simRerun:
		return m.updateRerun(e, l)
	}
	return m.updateQueued(e, l.answer)
}

// requireAnswer says what may be answered.
func requireAnswer(answer string, allowed ...string) error {
	for _, a := range allowed {
		if a == answer {
			return nil
		}
	}
	return fmt.Errorf("allowed is %v", allowed)
}

// hold is SPEC 4.10.
func (m *simModel) hold(e simEvent) {
	m.noteToken(e)
	m.chain.held, m.chain.holdKnown, m.chain.holdEnd = true, false, e.until
}

// updateToken is what is asked of the token as a whole (SPEC 4.5, 4.10).
func (m *simModel) updateToken(e simEvent, answer string) error {
	c := m.chain
	if e.action == simHold {
		c.holdKnown = c.held
		return requireAnswer(answer, simAccepted)
	}
	m.noteToken(e)
	switch e.action {
	case simRelease:
		c.held, c.holdKnown, c.holdEnd, c.failure = false, false, 0, nil
	case simSkip:
		if c.failure == nil {
			return requireAnswer(answer, simRefused)
		}
		c.failure = nil
	case simSetPolicy:
		c.policy.change(e.policy)
	case simCancelAll:
		m.noteAll(e.action)
		m.cancelAll()
	}
	return requireAnswer(answer, simAccepted)
}

func (p *simPolicy) change(to simPolicy) {
	if to.onFailure != "" {
		p.onFailure = to.onFailure
	}
	if p.onFailure == protocol.ContinueOnFailure {
		p.onFailure = ""
	}
	if to.maxQueued >= 0 {
		p.maxQueued = to.maxQueued
	}
}

// updateQueued is the serializer's answer about an operation of its own.
func (m *simModel) updateQueued(e simEvent, answer string) error {
	entry := m.find(e.target)
	ahead := entry != nil && m.aheadOf(entry.id) == entry
	switch {
	case entry == nil:
		m.note(nil, e)
		return requireAnswer(answer, simNotFound)
	case entry == m.head, ahead && entry.repeats == nil:
		return requireAnswer(answer, simStarted)
	case ahead && answer == simStarted:
		return nil // it is not known yet that its id is another's
	case ahead: // its id is another's: it queues as others do
	case entry.started && (entry.ended == m.now || entry.mustCancel) && answer == simStarted:
		return nil // it may not know yet
	case entry.started && entry.status == protocol.Canceled && answer == simRefused:
		return nil // a page still knows that it was cancelled
	case entry.started:
		m.note(entry, e)
		return requireAnswer(answer, simNotFound)
	case answer == simBusy:
		return nil // it is being put into a page
	case entry.accepted == m.now && answer == simNotFound:
		return nil // it came while the pages were searched
	}
	m.note(entry, e)
	if !e.takes(entry.state(m.now)) {
		return requireAnswer(answer, simRefused)
	}
	switch e.action {
	case simPostpone:
		entry.postpone(e.until, m.now)
	case simResume:
		entry.ready()
	case simCancel:
		m.cancelQueued(entry)
	}
	return requireAnswer(answer, simAccepted)
}

// updateOperation is the answer of the operation's own workflow (SPEC 3.1, 3.2).
func (m *simModel) updateOperation(e simEvent, answer string) error {
	entry := m.executions[e.target]
	if entry.mustCancel && !entry.answers(e, answer, m) {
		m.takeCancel(entry)
	}
	m.note(entry, e)
	if !entry.answers(e, answer, m) {
		return fmt.Errorf("it is %s", entry.state(m.now))
	}
	if answer != simAccepted {
		return nil
	}
	switch e.action {
	case simPause:
		entry.stop(nil)
	case simResume:
		entry.ready()
	case simPostpone:
		entry.postpone(e.until, m.now)
	case simCancel:
		entry.cancel(m.now)
	}
	entry.changed = m.now
	return nil
}

// answers says whether the operation's workflow may answer so now.
func (e *simEntry) answers(asked simEvent, answer string, m *simModel) bool {
	switch answer {
	case simClosed:
		return e.closed
	case simAccepted:
		return asked.takes(e.state(m.now))
	case simRefused:
		return !asked.takes(e.state(m.now))
	case simOvertaken: // while the handler's checkpoint was read
		return (asked.action == simPause || asked.action == simPostpone) && e.changed == m.now
	}
	return false
}

// updateRerun is SPEC 3.1: only what Failed or was Canceled, as the server knows
// it, is accepted again.
func (m *simModel) updateRerun(e simEvent, l simLogged) error {
	entry, was := m.find(e.target), m.executions[e.target]
	if was == nil || !was.closed {
		if entry != nil {
			was = entry
		}
	}
	m.note(was, e)
	if was == nil {
		return requireAnswer(l.answer, simNotFound)
	}
	state := was.state(m.now)
	justEnded := state.Terminal() && was.ended == m.now
	switch {
	case (justEnded || was.mustCancel) && was.ahead && l.answer == simBusy:
		return nil // its execution is told
	case justEnded && l.answer == simRefused, justEnded && l.answer == simNotFound:
		return nil // it had not when it was read
	case entry != nil && entry == m.head && was.closed:
		return requireAnswer(l.answer, simBusy)
	case !e.takes(state) && !was.started && l.answer == simNotFound:
		return nil // it is in a page, where a rerun does not look
	case !e.takes(state):
		return requireAnswer(l.answer, simRefused)
	case e.newID != "" && m.find(e.newID) != nil:
		return requireAnswer(l.answer, simDuplicate)
	}
	if l.id != e.newID && (e.newID != "" || !strings.HasPrefix(l.id, e.target+"~")) {
		return fmt.Errorf("its new id is %s", e.newID)
	}
	m.rerun(was, l.id)
	return requireAnswer(l.answer, simAccepted)
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
