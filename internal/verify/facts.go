package verify

import "time"

// Ref names an operation by its id and its number in the token's order.
type Ref struct {
	ID       string `json:"id"`
	Sequence int64  `json:"sequence"`
}

// Start is an operation's execution that a run of the token's serializer started.
type Start struct {
	Ref
	// N counts how often the handler had been scheduled before, where it runs
	// another operation again in that one's place; RerunOf is that operation.
	N       int64
	RerunOf string
	// Verdict says that it ended while it queued: this is only its record.
	Verdict bool
	// Recovered says that it is the first that was put before the token's queue from
	// a chain that somebody terminated: its number is lower than the one before.
	Recovered bool
	// Gated says that it was started ahead of its turn, and Turn is when that came;
	// zero where it ended before.
	Gated bool
	Turn  time.Time
	// Held is why the token was held at that moment, empty where it was not.
	Held string
	// Serializer and Event are the run and the event that asked for it.
	Serializer string
	Event      int64
	// On is when that was.
	On        time.Time
	Execution Execution
}

// begins is when the token's lock was its.
func (s Start) begins() time.Time {
	if s.Gated && !s.Turn.IsZero() {
		return s.Turn
	}
	return s.Execution.Began
}

// Execution is what is known of an operation's execution.
type Execution struct {
	RunID string
	// Gone says that it is no longer retained: its times are those that the
	// serializer's history tells.
	Gone bool
	// Read says that its own history was read; else Calls is not known.
	Read bool
	// Began and Closed bound it; Closed is zero while it runs.
	Began, Closed time.Time
	Status        Status
	// LockBroken says that it ended since its handler did not stop.
	LockBroken bool
	Calls      []Call
}

// Call is one call of an operation's handler, with the engine's own retries.
type Call struct {
	// Scheduled and Closed bound it; Closed is zero where its end is not in the
	// history.
	Scheduled, Closed time.Time
	// NotBefore is the instant until which the operation was postponed then.
	NotBefore time.Time
	// Held says that it knew its token to be held.
	Held bool
}

// Status is how an execution stands.
type Status string

// The statuses of an execution.
const (
	Running    Status = "running"
	Succeeded  Status = "succeeded"
	Failed     Status = "failed"
	Canceled   Status = "canceled"
	Terminated Status = "terminated"
	TimedOut   Status = "timedOut"
)
