package workflows

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// drawScript makes a script.
func drawScript(t *rapid.T) simScript {
	s := simScript{
		maxRunSignals: rapid.IntRange(5, 50).Draw(t, "signals a run"),
		pageBytes:     rapid.SampledFrom([]int{700, 1500, 4000, defaultPageBytes}).Draw(t, "bytes a page"),
		maxRunCalls:   rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "calls a run"),
		window:        rapid.SampledFrom([]int{0, 1, 3, 20}).Draw(t, "ahead"),
		linger:        rapid.SampledFrom([]time.Duration{5*simGrid + time.Second/2, 50*simGrid + time.Second/2}).Draw(t, "linger"),
	}
	w := &simWriter{T: t, script: &s}
	for n := rapid.IntRange(1, 25).Draw(t, "events"); n > 0; n-- {
		w.draw()
	}
	w.settle()
	return s
}

// simWriter writes a script; it knows what it has used.
type simWriter struct {
	*rapid.T
	script   *simScript
	at       time.Duration
	alone    bool // nothing more in this instant
	together bool // with the event before, nothing in between
	ids      []simOperation
}

// simDraws are the events by their frequency.
var simDraws = []struct {
	times int
	draw  func(*simWriter)
}{
	{6, (*simWriter).submit},
	{1, (*simWriter).flood},
	{2, func(w *simWriter) { w.ask(simCancel) }},
	{3, func(w *simWriter) { w.postpone(w.drawTarget(), rapid.Bool().Draw(w.T, "future")) }},
	{3, func(w *simWriter) { w.ask(simPause) }},
	{4, func(w *simWriter) { w.ask(simResume) }},
	{2, (*simWriter).twice},
	{2, (*simWriter).rerun},
	{2, (*simWriter).hold},
	{3, func(w *simWriter) { w.add(simEvent{action: simRelease}) }},
	{1, func(w *simWriter) { w.add(simEvent{action: simSkip}) }},
	{3, (*simWriter).setPolicy},
	{14, (*simWriter).scene},
	{1, func(w *simWriter) { w.add(simEvent{action: simCancelAll}) }},
	{1, (*simWriter).cancelToken},
}

func (w *simWriter) draw() {
	gaps := []int{0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 6, 12, 20, 120}
	w.pass(rapid.SampledFrom(gaps).Draw(w.T, "gap"))
	all := 0
	for _, d := range simDraws {
		all += d.times
	}
	n := rapid.IntRange(0, all-1).Draw(w.T, "event")
	for _, d := range simDraws {
		if n -= d.times; n < 0 {
			d.draw(w)
			return
		}
	}
}

// pass lets so much of the grid pass.
func (w *simWriter) pass(gap int) {
	if w.at == 0 || w.alone {
		gap = max(gap, 1)
	}
	w.alone = false
	w.at += time.Duration(gap) * simGrid
}

// settle has everything come to its end: first by itself, then by force.
func (w *simWriter) settle() {
	w.pass(30)
	w.add(simEvent{action: simSetPolicy, policy: simPolicy{onFailure: protocol.ContinueOnFailure}})
	w.add(simEvent{action: simRelease}) // no failure holds it from now on
	w.pass(100)
	w.add(simEvent{action: simCancelAll})
}

func (w *simWriter) add(e simEvent) {
	if e.at = w.at; !w.together {
		e.hops = rapid.IntRange(0, 6).Draw(w.T, "hops")
	}
	w.script.events = append(w.script.events, e)
}

func (w *simWriter) ask(action simAction) {
	w.add(simEvent{action: action, target: w.drawTarget()})
}

func (w *simWriter) submit() {
	e := simEvent{action: simSubmit, batch: rapid.Bool().Draw(w.T, "batch")}
	for n := rapid.IntRange(1, 4).Draw(w.T, "operations"); n > 0; n-- {
		e.items = append(e.items, w.drawItem())
		if !e.batch {
			break
		}
	}
	w.add(e)
}

// flood sends many signals at once, more than a run may have left to take, and
// cancels some of what it sent: a run then ends while executions are about to
// start and signals still arrive.
func (w *simWriter) flood() {
	cancels := rapid.Bool().Draw(w.T, "and cancels")
	for n := rapid.IntRange(5, 40).Draw(w.T, "signals"); n > 0; n-- {
		item := simItem{simOperation: w.drawOperation()}
		if len(w.ids) > 1 && n%3 != 0 {
			item.simOperation = w.ids[n%len(w.ids)]
		}
		w.add(simEvent{action: simSubmit, items: []simItem{item}})
		if cancels && n%4 == 0 {
			w.ask(simCancel)
		}
	}
}

// twice asks more of an operation that is being asked to stop.
func (w *simWriter) twice() {
	target := w.drawTarget()
	first := rapid.SampledFrom([]simAction{simCancel, simCancel, simPause, simPostpone}).Draw(w.T, "first")
	w.together = true
	for _, action := range []simAction{first, simPause, simResume, simPostpone, simCancel, simRerun, simPause} {
		e := simEvent{action: action, target: target}
		if action == simPostpone {
			e.until = w.drawFuture()
		}
		w.add(e)
	}
	w.postpone(target, false)
	w.together = false
}

func (w *simWriter) postpone(target string, future bool) {
	until := w.at - simGrid/2
	if future {
		until = w.drawFuture()
	}
	w.add(simEvent{action: simPostpone, target: target, until: until})
}

// rerun runs an operation again, under no id, a new one, or one that is taken.
func (w *simWriter) rerun() { w.rerunOf(w.drawTarget()) }

func (w *simWriter) rerunOf(target string) {
	e := simEvent{action: simRerun, target: target}
	switch rapid.IntRange(0, 4).Draw(w.T, "new id") {
	case 0:
		e.newID = w.drawTarget()
	case 1, 2, 3:
		e.newID = fmt.Sprintf("op-%d", len(w.ids))
		again, known := w.operation(target)
		if !known {
			again.plan = w.drawPlan()
		}
		again.ID, again.PostponeUntil = e.newID, 0
		w.ids = append(w.ids, again)
	}
	w.add(e)
}

func (w *simWriter) operation(id string) (o simOperation, known bool) {
	for _, o := range w.ids {
		if o.ID == id {
			return o, true
		}
	}
	return o, false
}

func (w *simWriter) hold() {
	e := simEvent{action: simHold}
	if rapid.Bool().Draw(w.T, "ends") {
		e.until = w.at + time.Duration(rapid.IntRange(0, 20).Draw(w.T, "held for"))*simGrid + simGrid/3 + 500*time.Microsecond
	}
	w.add(e)
}

func (w *simWriter) setPolicy() {
	p := simPolicy{maxQueued: -1}
	p.onFailure = rapid.SampledFrom([]protocol.FailurePolicy{
		"", protocol.ContinueOnFailure, protocol.HoldOnFailure, protocol.HoldOnFailure, protocol.CancelRestOnFailure, protocol.CancelRestOnFailure,
	}).Draw(w.T, "on failure")
	if p.onFailure == "" || rapid.IntRange(0, 3).Draw(w.T, "and a bound") == 0 {
		p.maxQueued = rapid.IntRange(0, 4).Draw(w.T, "bound")
	}
	w.add(simEvent{action: simSetPolicy, policy: p})
}

// cancelToken has an instant of its own: the order of a cancellation and a
// signal in one task is not told.
func (w *simWriter) cancelToken() {
	if events := w.script.events; len(events) > 0 && events[len(events)-1].at == w.at {
		w.at += simGrid
	}
	w.alone = true
	w.add(simEvent{action: simCancelToken})
}

func (w *simWriter) drawTarget() string {
	among := len(w.ids)
	if rapid.Bool().Draw(w.T, "recent") {
		among = min(among, 4)
	}
	at := rapid.IntRange(0, max(among, 1)).Draw(w.T, "target")
	if at >= len(w.ids) {
		return "unknown"
	}
	return w.ids[len(w.ids)-1-at].ID
}

func (w *simWriter) drawFuture() time.Duration {
	return w.at + time.Duration(rapid.IntRange(0, 30).Draw(w.T, "until"))*simGrid + simGrid/2
}
