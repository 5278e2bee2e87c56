package workflows

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// simPair is an action on an operation, or on the token, in a state.
type simPair struct{ state, action string }

// The rows and columns of the coverage: what can be asked, of what.
var (
	simStates = []string{
		"unknown", "queued WaitingForResources", "queued Waiting",
		"started WaitingForResources", "started Waiting, postponed", "started Waiting, paused", "started Waiting, retrying", "started Waiting, error",
		"started InProgress", "started Pausing", "started Canceling", "Succeeded", "Failed", "Canceled",
	}
	simActions = []string{
		"repeat", "id again", "cancel", "postpone, past", "postpone, future", "pause", "resume", "rerun", string(simCancelAll), string(simCancelToken),
	}
	simTokenStates  = []string{"free", "held", "held for a time", "held by a failure", "held by both"}
	simTokenActions = []string{
		"submit", "hold", "hold for a time", "release", "skip", "setPolicy continue", "setPolicy hold", "setPolicy cancelRest", "maxQueued",
		string(simCancelAll), string(simCancelToken), "rerun of the failed", "rerun of another",
	}
)

// simImpossible cannot be asked, or not here.
func (p simPair) impossible() bool {
	switch p.state {
	case "unknown": // an id that is unknown is accepted, not repeated
		return p.action == "repeat" || p.action == "id again" || p.action == string(simCancelAll) || p.action == string(simCancelToken)
	case "free", "held", "held for a time": // no failure holds it
		return p.action == "rerun of the failed"
	}
	return false
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

func (m *simModel) note(e *simEntry, asked simEvent) { m.noteLabel(e, asked.label()) }

func (m *simModel) noteLabel(e *simEntry, action string) {
	state := "unknown"
	if e != nil {
		state = e.row(m)
	}
	m.hit[simPair{state, action}]++
	if action == string(simRerun) && m.chain != nil {
		action = "rerun of another"
		if e != nil && e == m.chain.failure {
			action = "rerun of the failed"
		}
		m.hit[simPair{m.tokenRow(), action}]++
	}
}

func (e *simEntry) row(m *simModel) string {
	state := e.state(m.now)
	switch {
	case state.Terminal():
		return state.String()
	case !e.started:
		return "queued " + state.String()
	case state == protocol.Waiting && (e.status != protocol.Waiting || e.reason == protocol.SuspendPostponed):
		return "started Waiting, postponed"
	case state == protocol.Waiting:
		return "started Waiting, " + string(e.reason)
	}
	return "started " + state.String()
}

func (m *simModel) tokenRow() string {
	switch c := m.chain; {
	case c.failure != nil && c.held:
		return "held by both"
	case c.failure != nil:
		return "held by a failure"
	case c.held && c.holdEnd != 0:
		return "held for a time"
	case c.held:
		return "held"
	}
	return "free"
}

// noteToken notes what is asked of the token as a whole.
func (m *simModel) noteToken(e simEvent) {
	label := string(e.action)
	switch {
	case e.action == simHold && e.until != 0:
		label = "hold for a time"
	case e.action == simSetPolicy && e.policy.maxQueued >= 0:
		m.hit[simPair{m.tokenRow(), "maxQueued"}]++
	}
	if e.action == simSetPolicy {
		label += " " + string(e.policy.onFailure)
	}
	m.hit[simPair{m.tokenRow(), label}]++
}

func (m *simModel) noteItems(items []simItem) {
	m.hit[simPair{m.tokenRow(), string(simSubmit)}]++
	for _, item := range items {
		e := m.find(item.ID)
		switch {
		case e == nil || item.ID == "" || item.bad != "":
		case e.simOperation == item.simOperation:
			m.noteLabel(e, "repeat")
		default:
			m.noteLabel(e, "id again")
		}
	}
}

// noteAll notes an action on the token for everything that it knows.
func (m *simModel) noteAll(action simAction) {
	if action == simCancelToken {
		m.hit[simPair{m.tokenRow(), string(action)}]++
	}
	for _, e := range m.all {
		if e.chain == m.chain {
			m.noteLabel(e, string(action))
		}
	}
}

// simCoverage counts what the scripts brought about.
type simCoverage struct {
	mu                                                           sync.Mutex
	hit                                                          map[simPair]int
	seeds, runs, chains, adopted, pages, renewed, started, ahead int
	locals                                                       int
}

func (c *simCoverage) add(m *simModel, b *simBench) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seeds++
	c.adopted += b.seen.adopted
	c.pages += b.seen.pages
	c.renewed += b.seen.renewed
	c.started += b.seen.calls
	c.locals += b.seen.locals
	c.ahead += m.aheadStarts
	c.chains += len(b.seen.states)
	for _, state := range b.seen.states {
		c.runs += int(state.Counts.Runs)
	}
	for pair, n := range m.hit {
		c.hit[pair] += n
	}
}

// sureHits is how many seeds hit every pair for sure: the rarest comes some 6 times in 1,000.
const sureHits = 2000

// report prints the coverage, and fails for a pair that was never hit.
func (c *simCoverage) report(t *testing.T) {
	t.Logf("%d seeds: %d chains, %d runs, %d heads adopted, %d pages, %d handlers called, %d of them locally, %d operations continued as new, %d started ahead",
		c.seeds, c.chains, c.runs, c.adopted, c.pages, c.started, c.locals, c.renewed, c.ahead)
	require.True(t, c.locals > 0 || c.seeds < 100, "no attempt was local")
	missed := append(c.table(t, simStates, simActions), c.table(t, simTokenStates, simTokenActions)...)
	if c.seeds >= sureHits {
		require.Empty(t, missed, "never hit")
	}
}

func (c *simCoverage) table(t *testing.T, states, actions []string) (missed []simPair) {
	var table strings.Builder
	fmt.Fprintf(&table, "%-28s", "")
	for _, action := range actions {
		fmt.Fprintf(&table, " %*s", max(7, len(action)), action)
	}
	for _, state := range states {
		fmt.Fprintf(&table, "\n%-28s", state)
		for _, action := range actions {
			pair := simPair{state, action}
			shown := map[bool]string{false: strconv.Itoa(c.hit[pair]), true: "-"}[pair.impossible()]
			fmt.Fprintf(&table, " %*s", max(7, len(action)), shown)
			if c.hit[pair] == 0 && !pair.impossible() {
				missed = append(missed, pair)
			}
		}
	}
	t.Logf("\n%s", &table)
	return missed
}
