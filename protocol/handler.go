package protocol

import (
	"encoding/json"
	"fmt"
	"time"
)

// Fence tells the attempts of a token's operations apart, so that a target can
// refuse a write of one that lost its lock (SPEC 2.2). It only grows.
type Fence struct {
	// Sequence is the operation's place in its token's order, 0 without one.
	Sequence int64 `json:"sequence"`
	// N counts how often the operation was scheduled, from 1.
	N int64 `json:"n"`
	// Attempt is the activity's attempt, from 1; 0 is the local attempt, which comes
	// before it. The worker fills it in.
	Attempt int32 `json:"attempt"`
}

// Compare is negative where f is older than other, positive where it is newer:
// sequence decides, then n, then attempt.
func (f Fence) Compare(other Fence) int {
	for _, pair := range [][2]int64{
		{f.Sequence, other.Sequence}, {f.N, other.N}, {int64(f.Attempt), int64(other.Attempt)},
	} {
		if pair[0] < pair[1] {
			return -1
		}
		if pair[0] > pair[1] {
			return 1
		}
	}
	return 0
}

// String is "sequence.n.attempt", as HTTP handlers send it.
func (f Fence) String() string {
	return fmt.Sprintf("%d.%d.%d", f.Sequence, f.N, f.Attempt)
}

// HandlerInput is the argument of a handler's activity, in any language.
type HandlerInput struct {
	Operation Operation `json:"operation"`
	// CreatedOn is when the operation was accepted.
	CreatedOn time.Time `json:"createdOn"`
	Fence     Fence     `json:"fence"`
	// Checkpoint is what the last attempt left behind, at most 64 KiB.
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"`
}

// WorkflowData is the data of an operation that names the workflow that runs it,
// as those of the type "workflow" do. Only workflows on the type's list are run.
type WorkflowData struct {
	// WorkflowType is the registered name of the workflow.
	WorkflowType string `json:"workflowType"`
	// TaskQueue tells two of that name apart; absent, the first on the list is run.
	TaskQueue string `json:"taskQueue,omitempty"`
	// Input is the workflow's one argument, any JSON; absent, it is called without.
	Input json.RawMessage `json:"input,omitempty"`
}

// HandlerResult is what a handler's activity returns when it succeeded.
type HandlerResult struct {
	// Result is any JSON of at most 256 KiB.
	Result json.RawMessage `json:"result,omitempty"`
	Held   *Held           `json:"held,omitempty"`
}

// Heartbeat is what a running handler reports, as the details of its activity's
// heartbeats.
type Heartbeat struct {
	// Checkpoint is where to go on after a pause, a retry or the loss of the
	// worker: any JSON of at most 64 KiB. A heartbeat without it keeps none: the
	// last one counts.
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"`
	// Done of Total units of work are done, in the handler's own units; Total is
	// 0 where it is not known. Note is for people, at most 1000 bytes.
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Note  string `json:"note,omitempty"`
	// Seconds is how long the attempts of this schedule have run so far, without
	// the waits between them. Workers in other languages may leave it out.
	Seconds float64 `json:"seconds,omitempty"`
}

// FailureDetails are the details of an application error of type Fail, Retry or
// Suspend, and of a cancellation.
type FailureDetails struct {
	Code string `json:"code,omitempty"`
	// FriendlyMessage is for people, at most 100,000 bytes.
	FriendlyMessage string `json:"friendlyMessage,omitempty"`
	// AfterSeconds or At delay the next attempt of a Retry; without them the
	// type's retry policy does.
	AfterSeconds float64    `json:"afterSeconds,omitempty"`
	At           *time.Time `json:"at,omitempty"`
	// Counted false makes a Retry one that does not count against the policy's
	// attempts. The error must then be a non-retryable one: the operation waits,
	// Suspended and retrying, at least a second, and its handler is scheduled
	// again. Absent is true.
	Counted *bool `json:"counted,omitempty"`
	// Checkpoint is where to go on, as in a Heartbeat; absent keeps the one that
	// the handler was called with.
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"`
	Held       *Held           `json:"held,omitempty"`
}

// Held says who held the operation last, from when, and for how long. Workers
// in other languages may leave it out.
type Held struct {
	HostID string `json:"hostId,omitempty"`
	// StartedOn is when this attempt began; Seconds is how long it ran, and the
	// attempts of this schedule before it, as far as they are known.
	StartedOn time.Time `json:"startedOn"`
	Seconds   float64   `json:"seconds"`
	// Retries is how many attempts of this schedule came before.
	Retries int `json:"retries,omitempty"`
}
