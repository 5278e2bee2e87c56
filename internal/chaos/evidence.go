package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// evidence is everything that the checker judges by: the logs of submitters,
// workers and target, what the harness did to processes, and the server's own
// records.
type evidence struct {
	submitted  []submitted
	cancelled  []cancelled
	attempts   []attempt
	processes  []processLife
	writes     []write
	executions []execution
	children   []childStart
	rejects    []reject
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

// cancelled is a cancel that was acknowledged.
type cancelled struct {
	id     string
	at     time.Time
	status protocol.StatusCode
}

// attempt is one run of a handler.
type attempt struct {
	id, token, runID, process string
	version                   int
	fence                     protocol.Fence
	start                     time.Time
	end                       time.Time // zero: its process did not get so far
	lost                      bool
}

// processLife is what happened to a worker process.
type processLife struct {
	name  string
	ended time.Time // zero: it still runs
	stops []span
}

// span is a time in which a process stood still.
type span struct{ from, to time.Time }

// execution is one run of an Operation workflow, as its history tells.
type execution struct {
	id, runID, token, hash string
	sequence               int64
	status                 string
	started                time.Time
	closed                 time.Time // zero: it is open
	schedules              int       // how often its handler was scheduled
	timedOut               bool      // the last attempt timed out
	stale                  bool      // its end is that the target refused its write
}

// odd says that it closed as no operation may.
func (x execution) odd() bool {
	return x.status != "Completed" && x.status != "Failed" && x.status != "Canceled"
}

// childStart is a start of an operation's execution by a serializer.
type childStart struct{ id, runID string }

// reject is a submission that a serializer turned down, visibly.
type reject struct{ token, id, errorType string }

// readSubmitters joins the calls and answers in the submitters' logs.
func (e *evidence) readSubmitters(folder string) error {
	for number := range submitters {
		lines, err := readJournal[submitLine](filepath.Join(folder, fmt.Sprintf("submitter-%d.jsonl", number)))
		if err != nil {
			return err
		}
		e.joinSubmitter(lines)
	}
	return nil
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
		if line.Cancel != "" && answer.Acknowledged {
			e.cancelled = append(e.cancelled, cancelled{line.Cancel, answer.At, answer.Status})
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
			e.attempts[at].end, e.attempts[at].lost = line.At, line.Lost
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
