package workflows

import (
	"fmt"
	"slices"
)

// Operations that are started ahead of their turn, as the model has them: they wait on
// where they are, and have their own workflow.

// aheadOf is one that waits for its turn; nil where there is none of that id.
func (m *simModel) aheadOf(id string) *simEntry {
	at := slices.IndexFunc(m.waiting, func(e *simEntry) bool { return e.ahead && e.id == id })
	if at < 0 {
		return nil
	}
	return m.waiting[at]
}

// stands says that the token may be looked ahead of.
func (m *simModel) stands() bool {
	if m.head == nil {
		return m.chain != nil && (m.chain.held || m.chain.failure != nil)
	}
	return m.headUntil > m.now+simStandsAfter || m.now >= m.headSince+simStandsAfter
}

// seeAhead: one of the next, once, while the token stands still.
func (m *simModel) seeAhead(l simLogged) error {
	if !m.stands() {
		return fmt.Errorf("the token does not stand still")
	}
	for _, e := range m.waiting[:min(m.window, len(m.waiting))] {
		if e.ahead {
			continue
		}
		if err := m.named(e, l); err != nil {
			return err // they are started in order
		}
		e.ahead = true
		m.aheadStarts++
		return nil
	}
	return fmt.Errorf("it is not in the window")
}

// seeTurn: that of the first, when it may start; or the end of one that ended while
// it queued.
func (m *simModel) seeTurn(l simLogged) error {
	if l.ends {
		e := m.executions[l.id]
		if e == nil || !e.status.Terminal() && !e.mustCancel || slices.Contains(m.waiting, e) || e == m.head {
			return fmt.Errorf("it has not ended in the queue")
		}
		return nil
	}
	if e := first(m.waiting); !m.mayStart() || e == nil || !e.ahead || e.id != l.id {
		return fmt.Errorf("it is not its turn")
	}
	m.start()
	m.headUntil = 0 // the serializer does not know what its workflow was asked
	return nil
}
