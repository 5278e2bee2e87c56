package workflows

import (
	"time"

	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// Scenes are events that belong together: each brings about what chance alone
// rarely does.

// submitOnly submits one operation whose first call is that.
func (w *simWriter) submitOnly(change func(*simCall)) (id string) {
	o := w.drawOperation()
	for o.ID == "" {
		o = w.drawOperation()
	}
	o.PostponeUntil, o.plan.UnknownType = 0, false
	change(&o.plan.Calls[0])
	w.ids[len(w.ids)-1] = o
	w.add(simEvent{action: simSubmit, items: []simItem{{simOperation: o}}})
	return o.ID
}

// dealWithFailure has an operation fail while its token is to be held then, and
// others wait behind it; then something is done about it.
func (w *simWriter) dealWithFailure() {
	w.add(simEvent{action: simSetPolicy, policy: simPolicy{onFailure: protocol.HoldOnFailure, maxQueued: -1}})
	failing := w.submitOnly(func(c *simCall) { c.Ends, c.Takes, c.Retries = simFails, 10_001*time.Millisecond, 0 })
	w.submit()
	w.pass(rapid.IntRange(0, 20).Draw(w.T, "until it failed"))
	if rapid.IntRange(0, 2).Draw(w.T, "and holds") == 0 {
		w.hold()
	}
	switch rapid.IntRange(0, 6).Draw(w.T, "and then") {
	case 0:
		w.add(simEvent{action: simSkip})
	case 1:
		w.add(simEvent{action: simRelease})
	case 2:
		w.setPolicy()
	case 3:
		w.add(simEvent{action: simCancelAll})
	case 4:
		w.cancelToken()
	default:
		w.rerunOf(failing)
	}
}

// whileItStops asks something of an operation whose handler takes its time to
// stop.
func (w *simWriter) whileItStops() {
	target := w.submitOnly(func(c *simCall) {
		c.Takes, c.Retries, c.StopTakes = 15*simGrid+10_001*time.Millisecond, 0, simGrid+40_031*time.Millisecond
	})
	w.pass(1)
	e := simEvent{target: target, until: w.drawFuture()}
	e.action = rapid.SampledFrom([]simAction{simPause, simPause, simPostpone, simCancel}).Draw(w.T, "stop")
	w.add(e)
	w.pass(1)
	w.anything(target)
}

// whileItRetries asks something of an operation whose handler is called again
// soon.
func (w *simWriter) whileItRetries() {
	target := w.submitOnly(func(c *simCall) { c.Takes, c.Retries, c.Ends = 10_001*time.Millisecond, 0, simWaits })
	w.pass(1)
	w.anything(target)
}

// anything asks one thing of an operation, or of its token.
func (w *simWriter) anything(target string) {
	again, _ := w.operation(target)
	switch rapid.IntRange(0, 11).Draw(w.T, "anything") {
	case 0:
		w.add(simEvent{action: simSubmit, items: []simItem{{simOperation: again}}})
	case 1:
		again.Name = "another"
		w.add(simEvent{action: simSubmit, items: []simItem{{simOperation: again}}})
	case 2:
		w.postpone(target, true)
	case 3:
		w.postpone(target, false)
	case 4:
		w.add(simEvent{action: simCancelAll})
	case 5:
		w.cancelToken()
	case 6:
		w.hold()
	case 7:
		w.rerunOf(target)
	case 8:
		w.add(simEvent{action: simResume, target: target})
	case 9, 10:
		w.add(simEvent{action: simPause, target: target})
	default:
		w.add(simEvent{action: simCancel, target: target})
	}
}
