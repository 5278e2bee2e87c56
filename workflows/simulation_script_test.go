package workflows

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/catalogue"
)

// simScript is what happens to one token. Events happen at multiples of
// simGrid. Nothing that happens by itself does, except in the very instant of an
// event: so the only races are those between events of one instant, and of them
// the model learns from the answers.
type simScript struct {
	maxRunSignals int
	linger        time.Duration
	events        []simEvent
}

// simGrid is long, so that the waits that are off it are longer than any pause of
// the machine: while a goroutine of the test environment is under way, its time
// passes like real time.
const simGrid = 10_000 * time.Second

// simEvent is one request.
type simEvent struct {
	at     time.Duration
	hops   int // how much of what came before is done before, in one instant
	action simAction
	items  []simItem // of a submission
	batch  bool
	target string // of a cancel or postpone: an operation's id
	until  time.Duration
}

// String is the event in a line, for the report of a script that failed.
func (e simEvent) String() string {
	if e.action == simSubmit {
		return fmt.Sprintf("%s submit %+v", e.at, e.items)
	}
	return fmt.Sprintf("%s %s %s %s", e.at, e.action, e.target, e.until)
}

type simAction string

const (
	simSubmit      simAction = "submit"
	simCancel      simAction = "cancel"
	simPostpone    simAction = "postpone"
	simCancelToken simAction = "cancel the token"
)

// simItem is one operation of a submission, as it is sent.
type simItem struct {
	simOperation
	bad          string // sent instead, and refused
	unknownField bool
}

// simOperation is what tells an operation from another.
type simOperation struct {
	ID, Name      string
	PostponeUntil time.Duration // 0 is none
	plan          simPlan
}

// simPlan is what its handler does: it fails Retries times so that it is called
// again, then takes its time and ends.
type simPlan struct {
	Retries     int
	Fails       bool
	Takes       time.Duration
	UnknownType bool
}

// simMaxAttempts is the type's, and simFirstRetry its first wait; it doubles. All
// waits are a little longer than a multiple of the grid, so that no sum of them
// is one.
const (
	simMaxAttempts = 4
	simFirstRetry  = simGrid + 10_001*time.Millisecond
)

var simType = catalogue.Type{Key: "test.record", Binding: catalogue.Binding{
	Activity: "record", Retry: catalogue.Retry{MaxAttempts: simMaxAttempts, InitialSeconds: simFirstRetry.Seconds(), MaxSeconds: 10 * simGrid.Seconds()},
}}

// simAttempts are when the handler's attempts begin, from the first one on.
func simAttempts(retries int) []time.Duration {
	attempts, wait := []time.Duration{0}, simFirstRetry
	for len(attempts) <= retries && len(attempts) < simMaxAttempts {
		attempts = append(attempts, attempts[len(attempts)-1]+wait)
		wait *= 2
	}
	return attempts
}

// drawScript makes a script.
func drawScript(t *rapid.T) simScript {
	s := simScript{
		maxRunSignals: rapid.IntRange(5, 50).Draw(t, "signals a run"),
		linger:        rapid.SampledFrom([]time.Duration{5*simGrid + time.Second/2, 50*simGrid + time.Second/2}).Draw(t, "linger"),
	}
	w := &simWriter{T: t, script: &s}
	for n := rapid.IntRange(1, 25).Draw(t, "events"); n > 0; n-- {
		w.draw()
	}
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

func (w *simWriter) draw() {
	gaps := []int{0, 0, 0, 0, 1, 1, 2, 3, 6, 12, 20, 1100}
	gap := rapid.SampledFrom(gaps).Draw(w.T, "gap")
	if w.at == 0 || w.alone {
		gap = max(gap, 1)
	}
	w.alone = false
	w.at += time.Duration(gap) * simGrid
	switch rapid.SampledFrom([]string{
		"submit", "submit", "submit", "submit", "submit", "flood", "cancel", "cancel", "postpone", "postpone", "postpone", "twice", "twice", "cancel the token",
	}).Draw(w.T, "event") {
	case "submit":
		w.submit()
	case "flood":
		w.flood()
	case "cancel":
		w.cancel(w.drawTarget())
	case "postpone":
		w.postpone(w.drawTarget(), rapid.Bool().Draw(w.T, "future"))
	case "twice":
		w.twice(w.drawTarget())
	case "cancel the token":
		w.cancelToken()
	}
}

func (w *simWriter) add(e simEvent) {
	if e.at = w.at; !w.together {
		e.hops = rapid.IntRange(0, 6).Draw(w.T, "hops")
	}
	w.script.events = append(w.script.events, e)
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
			w.cancel(w.drawTarget())
		}
	}
}

func (w *simWriter) cancel(target string) { w.add(simEvent{action: simCancel, target: target}) }

// twice asks more of an operation that is being cancelled.
func (w *simWriter) twice(target string) {
	w.together = true
	w.cancel(target)
	w.cancel(target)
	w.postpone(target, false)
	w.postpone(target, true)
	w.together = false
}

func (w *simWriter) postpone(target string, future bool) {
	until := w.at - simGrid/2
	if future {
		until = w.drawFuture()
	}
	w.add(simEvent{action: simPostpone, target: target, until: until})
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

func (w *simWriter) drawItem() (item simItem) {
	item.unknownField = rapid.IntRange(0, 9).Draw(w.T, "unknown field") == 0
	switch kind := rapid.IntRange(0, 9).Draw(w.T, "item"); {
	case kind == 0:
		item.bad = rapid.SampledFrom(simBad).Draw(w.T, "bad")
	case kind <= 2 && len(w.ids) > 0:
		item.simOperation = rapid.SampledFrom(w.ids).Draw(w.T, "repeat")
		if rapid.Bool().Draw(w.T, "other content") {
			item.Name = "another"
		}
	default:
		item.simOperation = w.drawOperation()
	}
	return item
}

func (w *simWriter) drawOperation() simOperation {
	o := simOperation{plan: w.drawPlan()}
	switch rapid.IntRange(0, 4).Draw(w.T, "postponed") {
	case 0:
		o.PostponeUntil = w.drawFuture()
	case 1:
		o.PostponeUntil = w.at - simGrid/2
	}
	if rapid.IntRange(0, 9).Draw(w.T, "without id") == 0 {
		return o
	}
	o.ID = fmt.Sprintf("op-%d", len(w.ids))
	w.ids = append(w.ids, o)
	return o
}

func (w *simWriter) drawPlan() simPlan {
	ticks := rapid.SampledFrom([]int{0, 0, 0, 1, 2, 6, 15}).Draw(w.T, "takes")
	return simPlan{
		Retries:     rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, 3, 4}).Draw(w.T, "retries"),
		Fails:       rapid.IntRange(0, 4).Draw(w.T, "fails") == 0,
		Takes:       time.Duration(ticks)*simGrid + rapid.SampledFrom([]time.Duration{10_001 * time.Millisecond, 70_007 * time.Millisecond}).Draw(w.T, "and"),
		UnknownType: rapid.IntRange(0, 9).Draw(w.T, "unknown type") == 0,
	}
}
