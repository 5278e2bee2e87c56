package workflows

import (
	"time"

	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// Scenes are events that belong together: each brings about what chance alone
// rarely does.

func (w *simWriter) scene() {
	if rapid.IntRange(0, 2).Draw(w.T, "clears") > 0 {
		w.clear()
	}
	if rapid.IntRange(0, 4).Draw(w.T, "scene") < 2 {
		w.tokenScene()
		return
	}
	w.operationScene()
}

// clear has the token be free and empty.
func (w *simWriter) clear() {
	w.add(simEvent{action: simSetPolicy, policy: simPolicy{onFailure: protocol.ContinueOnFailure}})
	w.add(simEvent{action: simRelease}) // no failure holds it from now on
	w.add(simEvent{action: simCancelAll})
	w.pass(3) // by force, if need be
}

// submitOnly submits one operation whose first call is that.
func (w *simWriter) submitOnly(change func(*simCall)) (id string) {
	o := w.drawOperation()
	for o.ID == "" {
		o = w.drawOperation()
	}
	o.PostponeUntil, o.plan.UnknownType, o.plan.Calls[0].Retries = 0, false, 0
	change(&o.plan.Calls[0])
	if o.plan.Local == simHere && o.plan.Calls[0].Takes >= simGrid {
		o.plan.Local = simRegular // a local attempt takes no time
	}
	w.ids[len(w.ids)-1] = o
	w.add(simEvent{action: simSubmit, items: []simItem{{simOperation: o}}})
	return o.ID
}

// tokenScene has the token be held, by a person, a failure or both, while others
// wait; then something is asked of it.
func (w *simWriter) tokenScene() {
	failing := ""
	if rapid.IntRange(0, 2).Draw(w.T, "fails") > 0 {
		w.add(simEvent{action: simSetPolicy, policy: simPolicy{onFailure: protocol.HoldOnFailure, maxQueued: -1}})
		failing = w.submitOnly(func(c *simCall) { c.Ends, c.Takes = simFails, 10_001*time.Millisecond })
		w.pass(1)
	}
	w.submit()
	if failing == "" || rapid.IntRange(0, 2).Draw(w.T, "and holds") > 0 {
		w.hold()
		w.pass(rapid.IntRange(0, 1).Draw(w.T, "for some time"))
	}
	w.anythingOfToken(failing)
}

// anythingOfToken asks one thing of the token.
func (w *simWriter) anythingOfToken(failing string) {
	if failing == "" {
		failing = w.drawTarget()
	}
	switch rapid.IntRange(0, 10).Draw(w.T, "of the token") {
	case 0:
		w.submit()
	case 1:
		w.add(simEvent{action: simSkip})
	case 2:
		w.add(simEvent{action: simRelease})
	case 3, 4, 5:
		w.setPolicy()
	case 6:
		w.add(simEvent{action: simCancelAll})
	case 7:
		w.cancelToken()
	case 8:
		w.hold()
	case 9:
		w.rerun()
	default:
		w.rerunOf(failing)
	}
}

// operationScene has an operation be in one state; then something is asked of it.
func (w *simWriter) operationScene() {
	rest := 10_001 * time.Millisecond
	change := func(c *simCall) { c.Takes, c.StopTakes = 15*simGrid+rest, simGrid+40_031*time.Millisecond }
	state := rapid.SampledFrom([]string{
		"retrying", "retrying", "error", "stopping", "stopping", "stopping", "paused", "paused", "paused", "postponed", "postponed", "held",
	}).Draw(w.T, "state")
	switch state {
	case "retrying":
		change = func(c *simCall) { c.Takes, c.Ends = rest, simWaits }
	case "error":
		change = func(c *simCall) { c.Takes, c.Ends = rest, simSuspends }
	case "paused", "postponed", "held":
		change = func(c *simCall) { c.Takes, c.Stop, c.StopTakes = 15*simGrid+rest, simStops, 0 }
	}
	target := w.submitOnly(change)
	w.pass(1)
	e := simEvent{target: target, until: w.drawFuture()}
	switch state {
	case "stopping":
		e.action = rapid.SampledFrom([]simAction{simPause, simPostpone, simCancel, simCancel}).Draw(w.T, "stop")
	case "paused", "held":
		e.action = simPause
	case "postponed":
		e.action = simPostpone
	}
	if e.action != "" {
		w.add(e)
		w.pass(1)
	}
	if state == "held" {
		w.add(simEvent{action: simHold})
		w.add(simEvent{action: simResume, target: target})
		w.pass(1)
	}
	w.anything(target)
}

// anything asks one thing of an operation, or of its token.
func (w *simWriter) anything(target string) {
	again, _ := w.operation(target)
	switch rapid.IntRange(0, 12).Draw(w.T, "anything") {
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
	case 5, 6:
		w.cancelToken()
	case 7:
		w.hold()
	case 8, 9:
		w.rerunOf(target)
	case 10:
		w.add(simEvent{action: simResume, target: target})
	case 11:
		w.add(simEvent{action: simPause, target: target})
	default:
		w.add(simEvent{action: simCancel, target: target})
	}
}
