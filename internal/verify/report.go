package verify

import "time"

// Kind says which promise was broken, or what stands apart.
type Kind string

// What breaks a promise.
const (
	// Missing: a number is not accounted for.
	Missing Kind = "missing"
	// NumberTwice: two operations have one number, and neither runs the other
	// again.
	NumberTwice Kind = "numberTwice"
	// StartedTwice: one operation has two executions.
	StartedTwice Kind = "startedTwice"
	// Reordered: an operation was started after one with a higher number.
	Reordered Kind = "reordered"
	// Overlapped: an operation began before the one before it had closed, or its
	// handler was called while another call of it had not ended.
	Overlapped Kind = "overlapped"
	// Early: a handler was scheduled before postponeUntil.
	Early Kind = "early"
	// WhileHeld: an operation was started, or its handler scheduled, while the token
	// was held.
	WhileHeld Kind = "whileHeld"
	// RanAfterEnd: the handler of an operation that had ended while it queued was
	// scheduled.
	RanAfterEnd Kind = "ranAfterEnd"
	// LockLeft: an execution closed while its handler was running, and neither was
	// its lock broken nor was it terminated.
	LockLeft Kind = "lockLeft"
	// Unfinished: an execution has not closed although its token is idle.
	Unfinished Kind = "unfinished"
	// Unread: a run of the serializer ended with fewer submissions accepted, refused
	// or recognised as repeats than it had received.
	Unread Kind = "unread"
	// Lost: an operation was queued when its serializer was closed, and has no
	// execution and no other place in the queue.
	Lost Kind = "lost"
)

// What stands apart: allowed, and worth knowing.
const (
	// LockBroken: a handler did not stop when it was asked to, and may have run on
	// beside the next operation.
	LockBroken Kind = "lockBroken"
	// WasTerminated: somebody terminated the operation, or it timed out; its handler
	// may have run on.
	WasTerminated Kind = "terminated"
	// StartedAgain: an operation ran again, since its record had been deleted and
	// with it the protection against a repeat.
	StartedAgain Kind = "startedAgain"
)

// Finding is one thing that was found, with the operations that it is about: the
// earlier one first.
type Finding struct {
	Kind       Kind          `json:"kind"`
	Message    string        `json:"message"`
	Operations []Participant `json:"operations"`
}

// Participant is an operation in a finding, and where to look at it.
type Participant struct {
	Ref
	WorkflowID string `json:"workflowId,omitempty"`
	RunID      string `json:"runId,omitempty"`
	// Serializer and Event are the run and the event of the serializer that
	// started it.
	Serializer string    `json:"serializerRunId,omitempty"`
	Event      int64     `json:"eventId,omitempty"`
	Began      time.Time `json:"began,omitzero"`
	Closed     time.Time `json:"closed,omitzero"`
}

// Counts is what was looked at.
type Counts struct {
	// Chains and Runs are those of the serializer.
	Chains int `json:"chains"`
	Runs   int `json:"runs"`
	// Operations have an execution: Succeeded + Failed + Canceled + Running.
	// EndedInQueue are among the Canceled.
	Operations   int `json:"operations"`
	Succeeded    int `json:"succeeded"`
	Failed       int `json:"failed"`
	Canceled     int `json:"canceled"`
	Running      int `json:"running"`
	EndedInQueue int `json:"endedInQueue"`
	// Queued wait and have no execution yet.
	Queued int `json:"queued"`
	// Duplicates are numbers whose id turned out to be another operation's.
	Duplicates int `json:"duplicates"`
	// Reruns took the place of a failure.
	Reruns int `json:"reruns"`
	// LockBroken and Terminated stand apart.
	LockBroken int `json:"lockBroken"`
	Terminated int `json:"terminated"`
	// Histories are those of operations that were read; Gone are no longer
	// retained.
	Histories int `json:"histories"`
	Gone      int `json:"gone"`
	// Adoptions are runs that began with an operation that another had started,
	// and MaxCarriedBytes is the largest state that one run handed to the next.
	Adoptions       int `json:"adoptions"`
	MaxCarriedBytes int `json:"maxCarriedBytes"`
}

// Coverage is how far the proof reaches.
type Coverage struct {
	// Since is when the first run began that is retained, Until when the last event
	// was that was read.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// FromChainStart says that the first retained run is the first of its chain:
	// nothing of that chain is gone.
	FromChainStart bool `json:"fromChainStart"`
	// First and Last are the numbers between which each is accounted for.
	First int64 `json:"firstSequence,omitempty"`
	Last  int64 `json:"lastSequence,omitempty"`
	// Limits say what was not looked at, and why.
	Limits []string `json:"limits,omitempty"`
}

// Report is what was found out about one token.
type Report struct {
	Token      string `json:"token"`
	WorkflowID string `json:"workflowId"`
	// Kept says that no promise was broken, as far as Coverage reaches.
	Kept     bool     `json:"kept"`
	Coverage Coverage `json:"coverage"`
	Counts   Counts   `json:"counts"`
	// Violations counts all that break a promise; Broken are the first of them.
	Violations int       `json:"violations"`
	Broken     []Finding `json:"broken"`
	// Apart are the first of what is allowed and worth knowing; Counts has all.
	Apart []Finding `json:"apart"`
}

// CountOf is how many of the violations that are listed are of that kind.
func (r *Report) CountOf(kinds ...Kind) (n int) {
	for _, f := range r.Broken {
		for _, kind := range kinds {
			if f.Kind == kind {
				n++
			}
		}
	}
	return n
}

// maxFindings bounds each list of a report.
const maxFindings = 100

// limit notes once what was not looked at.
func (r *Report) limit(text string) {
	for _, known := range r.Coverage.Limits {
		if known == text {
			return
		}
	}
	r.Coverage.Limits = append(r.Coverage.Limits, text)
}
