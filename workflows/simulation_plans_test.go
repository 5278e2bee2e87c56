package workflows

import (
	"fmt"
	"time"

	"pgregory.net/rapid"
)

// What is submitted, and what its handlers will do.

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
	p := simPlan{
		N:           rapid.IntRange(1, len(simPlan{}.Calls)).Draw(w.T, "calls"),
		Keeps:       rapid.Bool().Draw(w.T, "keeps a checkpoint"),
		UnknownType: rapid.IntRange(0, 9).Draw(w.T, "unknown type") == 0,
		Local: rapid.SampledFrom([]simLocal{
			simRegular, simRegular, simRegular, simRegular, simHere, simHere, simWithTask, simElsewhere,
		}).Draw(w.T, "local"),
	}
	for n := range p.N {
		p.Calls[n] = w.drawCall(n == p.N-1)
	}
	return p
}

// drawCall draws one call; the last must not go on without an end.
func (w *simWriter) drawCall(last bool) simCall {
	ends := []simEnd{simSucceeds, simSucceeds, simFails, simSuspends, simWaits, simWaits, simIsLost}
	if last {
		ends = []simEnd{simSucceeds, simSucceeds, simSucceeds, simSucceeds, simFails, simFails, simSuspends, simStops, simIsLost}
	}
	stops := []simEnd{
		simStops, simStops, simStops, simStops, simIgnores, simIgnores, simSucceeds, simFails, simSuspends, simAgain, simWaits, simIsLost,
	}
	ticks := rapid.SampledFrom([]int{0, 0, 1, 1, 2, 6, 15}).Draw(w.T, "takes")
	rests := []time.Duration{10_001 * time.Millisecond, 70_007 * time.Millisecond}
	return simCall{
		Retries:   rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, 2, 3, 4}).Draw(w.T, "retries"),
		Takes:     time.Duration(ticks)*simGrid + rapid.SampledFrom(rests).Draw(w.T, "and"),
		Ends:      rapid.SampledFrom(ends).Draw(w.T, "ends"),
		Stop:      rapid.SampledFrom(stops).Draw(w.T, "asked to stop"),
		StopTakes: rapid.SampledFrom([]time.Duration{0, 0, 5_021 * time.Millisecond, simGrid + 40_031*time.Millisecond}).Draw(w.T, "stop takes"),
		Leaves:    rapid.Bool().Draw(w.T, "leaves a checkpoint"),
	}
}
