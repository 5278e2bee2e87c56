package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

var origin = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// at is an instant in milliseconds from the begin.
func at(ms int) time.Time { return origin.Add(time.Duration(ms) * time.Millisecond) }

// sent is a submission of submitter 0 that was acknowledged 10 ms later.
func sent(id, token string, ms int) submitted {
	return submitted{
		submission: submission{ID: id, Token: token, Hash: "hash of " + id, Version: 1},
		place:      ms, step: ms, called: at(ms), acknowledged: at(ms + 10),
	}
}

// ran is an attempt in process w1.
func ran(id, token string, sequence int64, number int32, start, end int) attempt {
	return attempt{
		id: id, token: token, runID: "run of " + id, process: "w1", version: 1,
		fence: protocol.Fence{Sequence: sequence, N: 1, Attempt: number}, start: at(start), end: at(end),
	}
}

func closed(id, token string, sequence int64, ms int) execution {
	return execution{
		id: id, runID: "run of " + id, token: token, hash: "hash of " + id, sequence: sequence,
		status: "Completed", started: at(0), closed: at(ms), calls: []call{{at(ms - 120), at(ms - 110)}},
	}
}

// sound is evidence of two operations of one token, where nothing is wrong.
func sound() evidence {
	return evidence{
		submitted:  []submitted{sent("a", "t", 0), sent("b", "t", 20)},
		attempts:   []attempt{ran("a", "t", 1, 1, 100, 200), ran("b", "t", 2, 1, 300, 400)},
		executions: []execution{closed("a", "t", 1, 210), closed("b", "t", 2, 410)},
		children:   []childStart{{"a", "run of a"}, {"b", "run of b"}},
		processes:  []processLife{{name: "w1"}},
		writes: []write{
			{Register: "t", ID: "a", Fence: protocol.Fence{Sequence: 1, N: 1, Attempt: 1}, Accepted: true},
			{Register: "t", ID: "b", Fence: protocol.Fence{Sequence: 2, N: 1, Attempt: 1}, Accepted: true},
		},
		open: map[string]bool{},
	}
}

// ask has something asked of an operation, and answered at once.
func (e *evidence) ask(verb, id string, ms int) {
	e.asked = append(e.asked, asked{verb: verb, id: id, token: "t", called: at(ms - 1), acknowledged: at(ms)})
}

func (e *evidence) hold(token string, ms int, until *time.Time) {
	e.asked = append(e.asked, asked{verb: protocol.HoldUpdateName, token: token, until: until, called: at(ms - 1), acknowledged: at(ms)})
}

// occurrence adds number n of a recurrence, "r", of which two were meant.
func (e *evidence) occurrence(n int64, from, to int) {
	x := closed(protocol.OccurrenceID("r", n), "", 0, to)
	x.started = at(from)
	e.executions = append(e.executions, x)
}

// recur has a recurrence with its occurrences.
func (e *evidence) recur() {
	first := at(100)
	s := sent("r", "", 50)
	s.First, s.Count = &first, 2
	e.submitted, e.executions = append(e.submitted, s), append(e.executions, closed("r", "", 0, 900))
	e.occurrence(1, 150, 300)
	e.occurrence(2, 350, 500)
}

// stop makes b an operation of the type, and has that stopped.
func (e *evidence) stop(of protocol.TypeRef, from, to int) {
	e.submitted[1].Type = of
	e.serviceStops = []typeStop{{of, span{at(from), at(to)}}}
}

func (e *evidence) stopHTTP(from, to int) { e.stop(httpType, from, to) }

// local makes the attempt of b a local one.
func (e *evidence) local() {
	e.submitted[1].Type = localType
	e.attempts[1].fence.Attempt = 0
	e.executions[1].locals = 1
}

// loseLocal adds a local attempt of b before the one that it had.
func (e *evidence) loseLocal() {
	e.submitted[1].Type = localType
	lost := ran("b", "t", 2, 0, 250, 0)
	lost.process, lost.end = "w2", time.Time{}
	e.attempts = append(e.attempts, lost)
	e.processes = append(e.processes, processLife{name: "w2", ended: at(260)})
}

// bulk makes b an import, or a mailing, of three parts, which have all arrived.
func (e *evidence) bulk(of protocol.TypeRef) arrived {
	e.submitted[1].Type, e.submitted[1].Parts = of, 3
	e.attempts[1].outcome = "succeeded"
	parts := arrived{"b-1": {1: 1, 2: 1, 3: 1}}
	e.rows, e.messages = arrived{}, parts
	if of == importType {
		e.rows, e.messages = parts, arrived{}
		e.checkpoints = map[string]protocol.Fence{"b": e.attempts[1].fence}
	}
	return parts
}

// again adds an attempt of b before the one that succeeded.
func (e *evidence) again(outcome string) {
	n := e.attempts[1].fence.Attempt
	first := ran("b", "t", 2, n, 230+20*int(n), 240+20*int(n))
	first.outcome = outcome
	e.attempts[1].fence.Attempt = n + 1
	e.attempts = append(e.attempts, first)
	e.checkpoints = map[string]protocol.Fence{"b": e.attempts[1].fence}
}

// rerunBulk has b be run again as c, which succeeds.
func (e *evidence) rerunBulk() {
	e.executions[1].status = "Failed"
	x, a := closed("c", "t", 3, 610), ran("c", "t", 3, 1, 500, 600)
	x.hash, a.outcome = "hash of b", "succeeded"
	e.executions, e.attempts = append(e.executions, x), append(e.attempts, a)
	e.asked = append(e.asked, asked{verb: protocol.RerunUpdateName, id: "b", token: "t", newID: "c", called: at(420), acknowledged: at(430)})
	e.checkpoints = map[string]protocol.Fence{"b": e.attempts[1].fence, "c": a.fence}
}

// other is the id of a with another content, acknowledged.
func other(token string, ms int) submitted {
	s := sent("a", token, ms)
	s.Hash, s.Version = "hash of another a", 2
	return s
}

// The harness is worth something only if each invariant can go red.
func TestCheckFindsEachViolation(t *testing.T) {
	t.Parallel()
	due, before, late := at(150), at(280), at(320)
	for _, tc := range []struct {
		name  string
		spoil func(*evidence)
		red   []int // the invariants that are violated
	}{
		{"all is well", func(*evidence) {}, nil},
		{"acknowledged, and nothing of it is there", func(e *evidence) {
			e.executions, e.attempts, e.children = e.executions[:1], e.attempts[:1], e.children[:1]
		}, []int{1}},
		{"not acknowledged, and nothing of it is there", func(e *evidence) {
			e.submitted[1].acknowledged = time.Time{}
			e.executions, e.attempts, e.children = e.executions[:1], e.attempts[:1], e.children[:1]
		}, nil},
		{"another content won over the first", func(e *evidence) {
			e.submitted = append(e.submitted, other("t", 50))
			e.executions[0].hash = "hash of another a"
			e.rejects = []reject{{"t", "a", protocol.ErrTypeDuplicateID}}
		}, []int{1}},
		{"another content was refused without a trace", func(e *evidence) {
			e.submitted = append(e.submitted, other("t", 50))
		}, []int{1}},
		{"another content was refused visibly", func(e *evidence) {
			e.submitted = append(e.submitted, other("t", 50))
			e.rejects = []reject{{"t", "a", protocol.ErrTypeDuplicateID}}
		}, nil},
		{"the content on another token won, visibly", func(e *evidence) {
			e.submitted = append(e.submitted, sent("a", "u", 50))
			e.submitted[0].Hash = "hash of another a"
			e.executions[0].token, e.attempts[0].token = "u", "u"
			e.rejects = []reject{{"t", "a", protocol.ErrTypeDuplicateID}}
		}, nil},
		{"refused for another reason", func(e *evidence) {
			e.executions, e.attempts = e.executions[:1], e.attempts[:1]
			e.rejects = []reject{{"t", "b", protocol.ErrTypeInvalidOperation}}
		}, []int{1}},
		{"two executions", func(e *evidence) {
			again := closed("a", "t", 3, 500)
			again.runID = "another run"
			e.executions = append(e.executions, again)
		}, []int{2, 7}},
		{"two starts by serializers", func(e *evidence) {
			e.children = append(e.children, childStart{"a", "another run"})
		}, []int{2}},
		{"called while it ran", func(e *evidence) { e.executions[0].doubled = true }, []int{2}},
		{"a fence of a call that there was not", func(e *evidence) { e.attempts[0].fence.N = 2 }, []int{2}},
		{"called again", func(e *evidence) {
			e.attempts[0].fence.N = 2
			e.executions[0].calls = append(e.executions[0].calls, call{at(95), at(100)})
		}, nil},
		{"run again in its place", func(e *evidence) {
			e.asked = []asked{{verb: protocol.RerunUpdateName, id: "a", token: "t", newID: "b", called: at(220), acknowledged: at(230)}}
			e.attempts[1].fence = protocol.Fence{Sequence: 1, N: 2, Attempt: 1}
			e.executions[1].sequence = 2
		}, nil},
		{"a rerun that is not there", func(e *evidence) {
			e.asked = []asked{{verb: protocol.RerunUpdateName, id: "a", token: "t", newID: "c", called: at(220), acknowledged: at(230)}}
		}, []int{1}},
		{"one attempt, run twice", func(e *evidence) {
			e.attempts = append(e.attempts, ran("a", "t", 1, 1, 201, 205))
		}, []int{2}},
		{"two attempts", func(e *evidence) {
			e.attempts = append(e.attempts, ran("a", "t", 1, 2, 201, 205))
		}, nil},
		{"the other content ran too", func(e *evidence) {
			again := ran("a", "t", 1, 2, 201, 205)
			again.version = 2
			e.attempts = append(e.attempts, again)
		}, []int{2}},
		{"overtaken", func(e *evidence) {
			e.attempts[0].fence.Sequence, e.executions[0].sequence = 5, 5
		}, []int{3, 3, 4}}, // what is behind it by its sequence ran during its turn
		{"accepted in another order than sent", func(e *evidence) {
			e.submitted[0], e.submitted[1] = sent("b", "t", 0), sent("a", "t", 20)
		}, []int{3}},
		{"began before the one ahead was closed", func(e *evidence) { e.executions[0].closed = at(301) }, []int{4}},
		{"began while the one ahead ran", func(e *evidence) { e.attempts[0].end = at(301) }, []int{4}},
		{"ran on after it was told that the lock is gone", func(e *evidence) {
			e.attempts[0].end, e.attempts[0].lost = at(301), true
		}, nil},
		{"ran on after its last attempt timed out", func(e *evidence) {
			e.attempts[0].end, e.executions[0].timedOut = at(301), true
		}, nil},
		{"ran on after its process had stood still", func(e *evidence) {
			e.attempts[0].end = at(301)
			e.processes[0].stops = []span{{at(150), at(299)}}
		}, nil},
		{"ran on after its process had stood still at another time", func(e *evidence) {
			e.attempts[0].end = at(301)
			e.processes[0].stops = []span{{at(50), at(99)}, {at(302), at(310)}}
		}, []int{4}},
		{"ran on after the wire had stood still", func(e *evidence) {
			e.attempts[0].end = at(301)
			e.broken = []span{{at(150), at(299)}}
		}, nil},
		{"ran on after the wire had stood still at another time", func(e *evidence) {
			e.attempts[0].end = at(301)
			e.broken = []span{{at(50), at(99)}, {at(302), at(310)}}
		}, []int{4}},
		{"an older attempt ran on", func(e *evidence) {
			e.attempts = append(e.attempts, ran("a", "t", 1, 2, 201, 205))
			e.attempts[0].end = at(500)
		}, nil},
		{"its process was killed before the next began", func(e *evidence) {
			e.attempts[0].end, e.processes[0].ended = time.Time{}, at(299)
			e.attempts[1].process = "w2"
		}, nil},
		{"its process lived on without its end", func(e *evidence) {
			e.attempts[0].end, e.processes[0].ended = time.Time{}, at(301)
			e.attempts[1].process = "w2"
		}, []int{4}},
		{"a stale write was accepted", func(e *evidence) {
			e.writes = append(e.writes, e.writes[0])
		}, []int{4}},
		{"a stale write was refused", func(e *evidence) {
			e.writes = append(e.writes, e.writes[0])
			e.writes[2].Accepted = false
		}, nil},
		{"a lock holder was refused", func(e *evidence) { e.executions[1].stale = true }, []int{4}},
		{"began before it was due", func(e *evidence) { e.submitted[0].PostponeUntil = &due }, []int{5}},
		{"began although it was cancelled", func(e *evidence) { e.ask(protocol.CancelUpdateName, "b", 250) }, []int{6}},
		{"was cancelled while it ran", func(e *evidence) { e.ask(protocol.CancelUpdateName, "b", 350) }, nil},
		{"began although it was paused", func(e *evidence) { e.ask(protocol.PauseUpdateName, "b", 250) }, []int{6}},
		{"was handed out although it was paused", func(e *evidence) { e.ask(protocol.PauseUpdateName, "b", 295) }, []int{6}},
		{"was paused while it ran", func(e *evidence) { e.ask(protocol.PauseUpdateName, "b", 305) }, nil},
		{"was paused, and resumed", func(e *evidence) {
			e.ask(protocol.PauseUpdateName, "b", 250)
			e.ask(protocol.ResumeUpdateName, "b", 280)
		}, nil},
		{"was paused, and postponed at the same time", func(e *evidence) {
			e.ask(protocol.PauseUpdateName, "b", 250)
			e.ask(protocol.PostponeUpdateName, "b", 251)
			e.asked[1].called, e.asked[1].until = at(240), &due
		}, nil},
		{"was postponed, and then paused", func(e *evidence) {
			e.ask(protocol.PostponeUpdateName, "b", 240)
			e.asked[0].until = &due
			e.ask(protocol.PauseUpdateName, "b", 250)
		}, []int{6}},
		{"was paused without an answer", func(e *evidence) {
			e.ask(protocol.PauseUpdateName, "b", 250)
			e.asked[0].acknowledged = time.Time{}
		}, nil},
		{"began although it was postponed", func(e *evidence) {
			e.ask(protocol.PostponeUpdateName, "b", 250)
			e.asked[0].until = &late
		}, []int{5}},
		{"began after its postponement", func(e *evidence) {
			e.ask(protocol.PostponeUpdateName, "b", 250)
			e.asked[0].until = &due
		}, nil},
		{"began while its token was held", func(e *evidence) { e.hold("t", 250, nil) }, []int{6}},
		{"began while another token was held", func(e *evidence) { e.hold("u", 250, nil) }, nil},
		{"was on its way when its token was held", func(e *evidence) { e.hold("t", 295, nil) }, nil},
		{"began after the hold ended", func(e *evidence) { e.hold("t", 220, &before) }, nil},
		{"began after the token was released", func(e *evidence) {
			e.hold("t", 250, nil)
			e.asked = append(e.asked, asked{verb: protocol.ReleaseUpdateName, token: "t", called: at(280)})
		}, nil},
		{"began while its type was stopped", func(e *evidence) { e.stopHTTP(-2000, 350) }, []int{6}},
		{"began before a worker could know that its type was stopped", func(e *evidence) { e.stopHTTP(250, 350) }, nil},
		{"began after its type was started", func(e *evidence) { e.stopHTTP(-2000, 290) }, nil},
		{"another type was stopped", func(e *evidence) {
			e.stopHTTP(-2000, 350)
			e.submitted[1].Type = chaosType
		}, nil},
		{"its type was stopped, and its worker was cut off", func(e *evidence) {
			e.stopHTTP(-2000, 350)
			e.broken = []span{{at(-100), at(200)}}
		}, nil},
		{"its type was stopped, and its worker had stood still", func(e *evidence) {
			e.stopHTTP(-2000, 350)
			e.processes[0].stops = []span{{at(-100), at(200)}}
		}, nil},
		{"began locally while its type was stopped", func(e *evidence) {
			e.local()
			e.stop(localType, -2000, 350)
		}, []int{6}},
		{"ran locally", func(e *evidence) { e.local() }, nil},
		{"ran locally, and its type was stopped for a while before", func(e *evidence) {
			e.local()
			e.stop(localType, -2000, 290)
		}, nil},
		{"a local attempt was lost, and made again", func(e *evidence) { e.loseLocal() }, nil},
		{"a local attempt was lost, and then it was cancelled", func(e *evidence) {
			e.local()
			e.executions[1].calls, e.executions[1].status, e.executions[1].locals = nil, "Canceled", 0
		}, nil},
		{"two local attempts ran", func(e *evidence) {
			e.loseLocal()
			e.attempts[1].fence.Attempt = 0
		}, []int{2}},
		{"a local attempt ran though nothing called it again", func(e *evidence) {
			e.local()
			e.attempts[1].fence.N = 2
		}, []int{2}},
		{"a local attempt began before the one ahead was closed", func(e *evidence) {
			e.local()
			e.attempts[1].start = at(205)
		}, []int{4}},
		{"every row is there", func(e *evidence) { e.bulk(importType) }, nil},
		{"a row is missing", func(e *evidence) { delete(e.bulk(importType)["b-1"], 3) }, []int{1}},
		{"a row is there twice", func(e *evidence) { e.bulk(importType)["b-1"][2] = 2 }, []int{1, 4}},
		{"the last rows are there twice", func(e *evidence) {
			parts := e.bulk(importType)
			parts["b-1"] = map[int]int{1: 2, 2: 2, 3: 2}
			e.again("") // the worker was killed
		}, []int{4}},
		{"a row is there that the file does not have", func(e *evidence) { e.bulk(importType)["b-1"][4] = 1 }, []int{4}},
		{"rows are there that nobody submitted", func(e *evidence) { e.bulk(importType)["x-1"] = map[int]int{1: 1} }, []int{4}},
		{"an import that failed is there up to a row", func(e *evidence) {
			delete(e.bulk(importType)["b-1"], 3)
			e.executions[1].status = "Failed"
		}, nil},
		{"an import that failed has a hole", func(e *evidence) {
			delete(e.bulk(importType)["b-1"], 2)
			e.executions[1].status = "Failed"
		}, []int{1}},
		{"an import was run again", func(e *evidence) {
			parts := e.bulk(importType)
			parts["b-1"] = map[int]int{1: 2, 2: 2, 3: 1}
			e.rerunBulk()
		}, nil},
		{"an import was run again, and has rows three times", func(e *evidence) {
			parts := e.bulk(importType)
			parts["b-1"] = map[int]int{1: 3, 2: 2, 3: 1}
			e.rerunBulk()
		}, []int{4}},
		{"the content was refused, and its rows are there", func(e *evidence) {
			e.bulk(importType)
			e.executions[1].hash = "hash of another b"
			e.rejects = []reject{{"t", "b", protocol.ErrTypeDuplicateID}}
			e.submitted = append(e.submitted, sent("b", "t", 25))
			e.submitted[2].Hash, e.submitted[2].Version = "hash of another b", 2
			e.submitted[1].called = e.submitted[2].called
		}, []int{4}},
		{"the database took a late attempt", func(e *evidence) {
			e.bulk(importType)
			e.again("failed LockLost")
			e.checkpoints["b"] = e.attempts[2].fence
		}, []int{4}},
		{"a late attempt was refused", func(e *evidence) {
			e.bulk(importType)
			e.again("failed LockLost")
		}, nil},
		{"everybody got the message", func(e *evidence) { e.bulk(mailType) }, nil},
		{"somebody got no message", func(e *evidence) { delete(e.bulk(mailType)["b-1"], 2) }, []int{1}},
		{"somebody got two messages without a reason", func(e *evidence) {
			e.bulk(mailType)["b-1"][2] = 2
			e.executions[1].inDoubt = 1
		}, []int{4}},
		{"somebody got two messages, since a worker was killed", func(e *evidence) {
			e.bulk(mailType)["b-1"][2] = 2
			e.executions[1].inDoubt = 1
			e.again("")
		}, nil},
		{"somebody got two messages, and the result does not say so", func(e *evidence) {
			e.bulk(mailType)["b-1"][2] = 2
			e.again("")
		}, []int{4}},
		{"two got two messages, since one worker was killed", func(e *evidence) {
			e.bulk(mailType)["b-1"][2] = 2
			e.messages["b-1"][3] = 2
			e.executions[1].inDoubt = 2
			e.again("")
		}, []int{4}},
		{"two got two messages, since two workers were killed, and the result has one of them", func(e *evidence) {
			e.bulk(mailType)["b-1"][2] = 2
			e.messages["b-1"][3] = 2
			e.executions[1].inDoubt = 1
			e.again("")
			e.again("")
		}, []int{4}},
		{"somebody got three messages, since two workers were killed over it", func(e *evidence) {
			e.bulk(mailType)["b-1"][2] = 3
			e.executions[1].inDoubt = 1
			e.again("")
			e.again("")
		}, nil},
		{"a mailing that failed reached only some", func(e *evidence) {
			delete(e.bulk(mailType)["b-1"], 3)
			e.executions[1].status = "Failed"
		}, nil},
		{"recurs", func(e *evidence) { e.recur() }, nil},
		{"recurs, and was late for one", func(e *evidence) {
			e.recur()
			e.executions = e.executions[:4]
		}, nil},
		{"recurs, and nothing occurred", func(e *evidence) {
			e.recur()
			e.executions = e.executions[:3]
		}, []int{1}},
		{"recurs, and was cancelled before it occurred", func(e *evidence) {
			e.recur()
			e.executions = e.executions[:3]
			e.executions[2].status = "Canceled"
		}, nil},
		{"occurred too often", func(e *evidence) {
			e.recur()
			e.occurrence(3, 600, 700)
		}, []int{2}},
		{"occurred twice at a time", func(e *evidence) {
			e.recur()
			e.executions[4].started = at(250)
		}, []int{4}},
		{"occurred too early", func(e *evidence) {
			e.recur()
			e.executions[3].started = at(90)
		}, []int{5}},
		{"an occurrence is still open", func(e *evidence) {
			e.recur()
			e.executions[4].closed = time.Time{}
		}, []int{10}},
		{"an occurrence ended as no operation does", func(e *evidence) {
			e.recur()
			e.executions[4].status = "Terminated"
		}, []int{7}},
		{"ended as no operation does", func(e *evidence) { e.executions[1].status = "Terminated" }, []int{7}},
		{"still open", func(e *evidence) { e.executions[1].closed = time.Time{} }, []int{7, 10}},
		{"still queues", func(e *evidence) {
			e.executions, e.attempts = e.executions[:1], e.attempts[:1]
			e.open["t"] = true
		}, []int{10}},
		{"a workflow's task fails", func(e *evidence) { e.failingTasks = []string{"a"} }, []int{8}},
		{"a history does not replay", func(e *evidence) { e.replayErrors = []string{"a"} }, []int{9}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := sound()
			tc.spoil(&e)
			c := check(e)
			require.Equal(t, count(tc.red), c.findings.numbers(), fmt.Sprint(c.findings))
			require.Equal(t, len(tc.red) == 0, c.none())
		})
	}
}

// numbers counts the violations of each invariant.
func (f findings) numbers() (n [10]int) {
	for i, list := range f {
		n[i] = len(list)
	}
	return n
}

func count(invariants []int) (n [10]int) {
	for _, i := range invariants {
		n[i-1]++
	}
	return n
}

func TestStaleAttemptsAreCounted(t *testing.T) {
	t.Parallel()
	e := sound()
	require.Zero(t, check(e).staleAttempts())
	e.attempts = append(e.attempts, ran("a", "t", 1, 2, 150, 205))
	require.Equal(t, 1, check(e).staleAttempts())
	e.attempts[2].end, e.attempts[2].lost = at(301), true
	require.Equal(t, 2, check(e).staleAttempts())
}

func TestRepeatsAreCounted(t *testing.T) {
	t.Parallel()
	e := sound()
	e.submitted = append(e.submitted, sent("a", "t", 50), other("t", 60), sent("b", "t", 70))
	e.submitted[4].acknowledged = time.Time{}
	require.Equal(t, 1, check(e).repeats())
}
