package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// evidence is everything that the checker judges by: the logs of submitters,
// workers and target, what the harness did to processes, and the server's own
// records.
type evidence struct {
	submitted    []submitted
	asked        []asked
	attempts     []attempt
	processes    []processLife
	broken       []span // when the wire was cut or stood still
	serviceStops []typeStop
	writes       []write
	executions   []execution
	children     []childStart
	rejects      []reject
	// rows and messages are what arrived of imports and mailings; checkpoints the
	// fences that the database has of imports.
	rows, messages arrived
	checkpoints    map[string]protocol.Fence
	// open are the tokens whose serializer still runs.
	open map[string]bool
	// failingTasks and replayErrors name workflows.
	failingTasks, replayErrors []string
}

// submitted is one operation in one call of a submitter.
type submitted struct {
	submission
	submitter, step, place int // place counts within the submitter's log
	called                 time.Time
	acknowledged           time.Time // zero: it was not
}

// attempt is one run of a handler.
type attempt struct {
	id, token, runID, process string
	version                   int
	fence                     protocol.Fence
	start                     time.Time
	end                       time.Time // zero: its process did not get so far
	lost                      bool
	outcome                   string // with its code; empty where its end is not logged
}

// processLife is what happened to a worker process.
type processLife struct {
	name  string
	ended time.Time // zero: it still runs
	stops []span
}

// typeStop is a time in which operations of a type were stopped.
type typeStop struct {
	of protocol.TypeRef
	span
}

// span is a time in which a process or the wire stood still.
type span struct{ from, to time.Time }

// execution is one run of an Operation workflow, as its history tells.
type execution struct {
	id, runID, token, hash string
	sequence               int64
	status                 string
	started                time.Time
	closed                 time.Time // zero: it is open
	calls                  []call    // of its handler
	doubled                bool      // it was called while it ran, or had succeeded
	timedOut               bool      // the last attempt timed out
	stale                  bool      // its end is that the target refused its write
	locals                 int       // calls that were local attempts
	inDoubt                int       // messages of a mailing, as its result tells
}

// joinRuns makes one of the runs of an operation that continued as new: it is
// known by its first.
func (e *evidence) joinRuns(firsts map[string]string) {
	slices.SortStableFunc(e.executions, func(a, b execution) int { return a.started.Compare(b.started) })
	var joined []execution
	for _, x := range e.executions {
		first := firsts[x.runID]
		at := slices.IndexFunc(joined, func(before execution) bool { return before.runID == first })
		if at < 0 {
			joined = append(joined, x)
			continue
		}
		before := &joined[at]
		before.status, before.closed, before.stale = x.status, x.closed, x.stale
		before.calls = append(before.calls, x.calls...)
		before.locals, before.inDoubt = before.locals+x.locals, before.inDoubt+x.inDoubt
		before.doubled, before.timedOut = before.doubled || x.doubled, before.timedOut || x.timedOut
	}
	e.executions = joined
	for i := range e.attempts {
		if first := firsts[e.attempts[i].runID]; first != "" {
			e.attempts[i].runID = first
		}
	}
}

// odd says that it closed as no operation may.
func (x execution) odd() bool {
	return x.status != "Completed" && x.status != "Failed" && x.status != "Canceled"
}

// childStart is a start of an operation's execution by a serializer.
type childStart struct{ id, runID string }

// reject is a submission that a serializer turned down, visibly.
type reject struct{ token, id, errorType string }

// readSubmitters joins the calls and answers in the logs of the submitters and the
// caretaker.
func (e *evidence) readSubmitters(folder string) error {
	for number := range submitters {
		lines, err := readJournal[submitLine](filepath.Join(folder, fmt.Sprintf("submitter-%d.jsonl", number)))
		if err != nil {
			return err
		}
		e.joinSubmitter(lines)
	}
	lines, err := readJournal[submitLine](filepath.Join(folder, caretakerLog))
	e.joinSubmitter(lines)
	return err
}

func (e *evidence) joinSubmitter(lines []submitLine) {
	answers := make(map[int]submitLine)
	for _, line := range lines {
		if line.Event == "answer" && line.Acknowledged {
			answers[line.Step] = line
		}
	}
	place := 0
	for _, line := range lines {
		answer := answers[line.Step]
		if line.Event != "call" {
			continue
		}
		if line.Verb != "" {
			e.asked = append(e.asked, asked{line.Verb, line.ID, line.Token, line.NewID, line.Until, line.At, answer.At, answer.Status})
		}
		for _, s := range line.Submissions {
			place++
			e.submitted = append(e.submitted, submitted{s, line.Submitter, line.Step, place, line.At, answer.At})
		}
	}
}

// readWorkers joins the starts and ends in the workers' logs.
func (e *evidence) readWorkers(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "worker-*.jsonl"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		lines, err := readJournal[handlerLine](path)
		if err != nil {
			return err
		}
		e.joinWorker(lines)
	}
	return nil
}

func (e *evidence) joinWorker(lines []handlerLine) {
	type key struct {
		runID string
		fence protocol.Fence
	}
	running := make(map[key]int)
	for _, line := range lines {
		k := key{line.RunID, line.Fence}
		at, known := running[k]
		if line.Event == "end" && known {
			e.attempts[at].end, e.attempts[at].lost, e.attempts[at].outcome = line.At, line.Lost, line.Outcome
			delete(running, k)
			continue
		}
		running[k] = len(e.attempts)
		e.attempts = append(e.attempts, attempt{
			id: line.ID, token: line.Token, runID: line.RunID, process: line.Process,
			version: line.Version, fence: line.Fence, start: line.At,
		})
	}
}
