package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

var day = time.Date(2030, 1, 1, 8, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return day.Add(time.Duration(seconds * float64(time.Second))) }

// healthy is the evidence of two operations of one token that ran as promised,
// one after the other, the second postponed.
func healthy() evidence {
	due := at(2)
	submission := func(id string, postponed *time.Time) submission {
		return submission{ID: id, Token: "t", Hash: "hash-" + id, Version: 1, PostponeUntil: postponed}
	}
	fence := func(sequence int64) protocol.Fence { return protocol.Fence{Sequence: sequence, N: 1, Attempt: 1} }
	return evidence{
		submitted: []submitted{
			{submission: submission("a", nil), step: 0, place: 1, called: at(0), acknowledged: at(0.1)},
			{submission: submission("b", &due), step: 1, place: 2, called: at(0.2), acknowledged: at(0.3)},
		},
		attempts: []attempt{
			{id: "a", token: "t", runID: "run-a", process: "w", version: 1, fence: fence(1), start: at(1), end: at(1.5)},
			{id: "b", token: "t", runID: "run-b", process: "w", version: 1, fence: fence(2), start: at(3), end: at(3.5)},
		},
		processes: []processLife{{name: "w"}},
		writes: []write{
			{At: at(1), Register: "token t", ID: "a", Fence: fence(1), Accepted: true},
			{At: at(3), Register: "token t", ID: "b", Fence: fence(2), Accepted: true},
		},
		executions: []execution{
			{id: "a", runID: "run-a", token: "t", hash: "hash-a", sequence: 1, status: "Completed", started: at(0.9), closed: at(1.6), schedules: 1},
			{id: "b", runID: "run-b", token: "t", hash: "hash-b", sequence: 2, status: "Completed", started: at(1.7), closed: at(3.6), schedules: 1},
		},
		children: []childStart{{"a", "run-a"}, {"b", "run-b"}},
		open:     map[string]bool{},
	}
}

func TestHealthyEvidenceBreaksNothing(t *testing.T) {
	t.Parallel()
	require.Empty(t, check(healthy()).broken())
}

// Each invariant is worth something only if its check can fail.
func TestEachInvariantCanTurnRed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		invariant int
		spoil     func(*evidence)
	}{
		{"acknowledged and gone", 1, func(e *evidence) { e.executions = e.executions[:1]; e.attempts = e.attempts[:1] }},
		{"acknowledged, and its id ran with other content", 1, func(e *evidence) { e.executions[1].hash = "other" }},
		{"two executions of one id", 2, func(e *evidence) {
			again := e.executions[0]
			again.runID, again.closed = "run-a2", at(1.7)
			e.executions = append(e.executions, again)
		}},
		{"started twice by serializers", 2, func(e *evidence) { e.children = append(e.children, childStart{"a", "run-a2"}) }},
		{"one attempt ran twice", 2, func(e *evidence) { e.attempts = append(e.attempts, e.attempts[1]) }},
		{"scheduled twice", 2, func(e *evidence) { e.executions[0].schedules = 2 }},
		{"the later one began first", 3, func(e *evidence) { e.attempts[0].start, e.attempts[0].end = at(4), at(4.5) }},
		{"accepted in another order than sent", 3, func(e *evidence) {
			e.executions[0].sequence, e.executions[1].sequence = 2, 1
		}},
		{"began while the one ahead still ran", 4, func(e *evidence) { e.attempts[0].end, e.executions[0].closed = at(3.2), at(2.9) }},
		{"began before the one ahead was closed", 4, func(e *evidence) { e.executions[0].closed = at(3.1) }},
		{"a stale write was accepted", 4, func(e *evidence) {
			stale := e.writes[0]
			stale.At = at(4)
			e.writes = append(e.writes, stale)
		}},
		{"a lock holder's write was refused", 4, func(e *evidence) { e.executions[1].stale = true }},
		{"began before it was due", 5, func(e *evidence) { e.attempts[1].start = at(1.9) }},
		{"began after its cancel was acknowledged", 6, func(e *evidence) {
			e.cancelled = append(e.cancelled, cancelled{"b", at(0.5), protocol.Canceled})
		}},
		{"ended as no operation may", 7, func(e *evidence) { e.executions[0].status = "Terminated" }},
		{"a task that fails", 8, func(e *evidence) { e.failingTasks = []string{"token:t"} }},
		{"a history that does not replay", 9, func(e *evidence) { e.replayErrors = []string{"token:t"} }},
		{"still open", 10, func(e *evidence) { e.executions[1].closed = time.Time{} }},
		{"still queued", 10, func(e *evidence) {
			e.executions, e.attempts, e.open = e.executions[:1], e.attempts[:1], map[string]bool{"t": true}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := healthy()
			tc.spoil(&e)
			require.Contains(t, check(e).broken(), tc.invariant)
		})
	}
}

// broken are the numbers of the invariants that did not hold.
func (c *checker) broken() (list []int) {
	for i, found := range c.findings {
		if len(found) > 0 {
			list = append(list, i+1)
		}
	}
	return list
}

// An attempt that lost its lock may still run: it is counted, and is no overlap.
func TestStaleAttemptIsCounted(t *testing.T) {
	t.Parallel()
	e := healthy()
	e.attempts[0].end, e.attempts[0].lost = at(3.2), true
	c := check(e)
	require.Empty(t, c.broken())
	require.Equal(t, 1, c.staleAttempts())
}
