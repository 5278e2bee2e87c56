package workflows

import (
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// simForever is after everything that a script can bring about.
const simForever = 100_000 * simGrid

// follow has the model go through what was seen of a script. Within one instant
// the answers tell how far the token was; all else the model knows by itself.
func (m *simModel) follow(script simScript, seen *simSeen) error {
	pending := make(map[int]bool, len(script.events))
	for i := range script.events {
		pending[i] = true
	}
	for _, l := range seen.log {
		if l.event == simRunEnded {
			m.runEnded(l.at)
			continue
		}
		e := script.events[l.event]
		if l.at != e.at {
			return fmt.Errorf("event %d of %s was taken at %s", l.event, e.at, l.at)
		}
		m.advance(l.at)
		if err := m.happen(e, l); err != nil {
			return fmt.Errorf("event %d, %s: %w", l.event, e, err)
		}
		pending[l.event] = !l.toOperation && l.answer == simStarted
	}
	for i, e := range script.events {
		if pending[i] {
			return fmt.Errorf("event %d, %s: no answer", i, e)
		}
	}
	m.advance(simForever)
	return nil
}

// runEnded: a run that ends while nothing is left to do begins its linger anew.
func (m *simModel) runEnded(at time.Duration) {
	m.advance(at)
	if m.isIdle() && m.chain != nil {
		m.chain.idleSince = at
	}
}

func (m *simModel) happen(e simEvent, l simLogged) error {
	switch {
	case e.action == simSubmit:
		m.noteItems(e.items)
		m.submit(e.items)
	case e.action == simCancelToken && l.answer == simAccepted:
		m.noteAll(string(e.action))
		m.cancelToken()
	case e.action == simCancelToken: // nobody was there, or it was cancelled already
	case l.toOperation:
		return m.updateOperation(e, l.answer)
	default:
		return m.updateSerializer(e, l.answer)
	}
	return nil
}

// updateSerializer checks the serializer's answer and carries the update out.
func (m *simModel) updateSerializer(e simEvent, answer string) error {
	for !m.serializerAnswers(e.target, answer) {
		if !m.step() {
			return fmt.Errorf("the serializer answered %q", answer)
		}
	}
	entry := m.find(e.target)
	if answer != simStarted {
		m.note(entry, e.label())
	}
	switch {
	case answer != simAccepted:
	case e.action == simPostpone:
		m.postpone(entry, e.until)
	default:
		m.cancelQueued(entry)
	}
	return nil
}

// updateOperation is the same of the operation's own workflow.
func (m *simModel) updateOperation(e simEvent, answer string) error {
	entry := m.find(e.target)
	for !m.operationAnswers(entry, e.action, answer) {
		if !m.step() {
			return fmt.Errorf("the operation, %s, answered %q", entry.state(m.now), answer)
		}
	}
	m.note(entry, e.label())
	switch {
	case answer != simAccepted:
	case e.action == simPostpone:
		m.postpone(entry, e.until)
	case !entry.canceling: // else it is a repeat
		m.cancelHead()
	}
	return nil
}

// serializerAnswers says whether the serializer may answer so now.
func (m *simModel) serializerAnswers(target, answer string) bool {
	e := m.find(target)
	switch {
	case m.chain == nil || e == nil:
		return answer == simNotFound
	case !e.started:
		return answer == simAccepted
	case e == m.head:
		return answer == simStarted
	case e.endedAt == m.now: // it may not know yet
		return answer == simStarted || answer == simNotFound
	}
	return answer == simNotFound
}

// operationAnswers says whether the operation's workflow may answer so now: SPEC
// 3.1, as far as this version goes.
func (m *simModel) operationAnswers(e *simEntry, action simAction, answer string) bool {
	switch state := e.state(m.now); {
	case state.Terminal() || !e.runs():
		return answer == simClosed
	case state == protocol.Waiting || action == simCancel:
		return answer == simAccepted
	}
	return answer == simRefused
}

// label is the action as the coverage names it.
func (e simEvent) label() string {
	switch {
	case e.action != simPostpone:
		return string(e.action)
	case e.until < e.at:
		return "postpone, past"
	}
	return "postpone, future"
}

// The rows and columns of the coverage: what can be asked, of what.
var (
	simStates = []string{
		"unknown", "queued WaitingForResources", "queued Waiting", "started Waiting", "started InProgress", "started Canceling",
		"Succeeded", "Failed", "Canceled",
	}
	simActions = []string{"repeat", "id again", "cancel", "postpone, past", "postpone, future", string(simCancelToken)}
	// simImpossible cannot be asked, or not here: Canceling is over within an
	// instant, and in that one submissions and cancellations of the token come
	// first.
	simImpossible = map[simPair]bool{
		{"unknown", "repeat"}: true, {"unknown", "id again"}: true, {"unknown", string(simCancelToken)}: true,
		{"started Canceling", "repeat"}: true, {"started Canceling", "id again"}: true, {"started Canceling", string(simCancelToken)}: true,
	}
)

func (m *simModel) note(e *simEntry, action string) {
	state := "unknown"
	if e != nil {
		state = e.state(m.now).String()
		if !e.state(m.now).Terminal() {
			state = map[bool]string{false: "queued ", true: "started "}[e.started] + state
		}
	}
	m.hit[simPair{state, action}]++
}

func (m *simModel) noteItems(items []simItem) {
	for _, item := range items {
		e := m.find(item.ID)
		switch {
		case e == nil || item.ID == "" || item.bad != "":
		case e.simOperation == item.simOperation:
			m.note(e, "repeat")
		default:
			m.note(e, "id again")
		}
	}
}

// noteAll notes an action on the token for everything that it knows.
func (m *simModel) noteAll(action string) {
	for _, e := range m.all {
		if m.chain != nil && e.chain == m.chain {
			m.note(e, action)
		}
	}
}
