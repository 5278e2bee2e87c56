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
	// Attempt is the activity's attempt, from 1. The worker fills it in.
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

// HandlerResult is what a handler's activity returns when it succeeded.
type HandlerResult struct {
	// Result is any JSON of at most 256 KiB.
	Result json.RawMessage `json:"result,omitempty"`
	Held   *Held           `json:"held,omitempty"`
}

// FailureDetails are the details of an application error of type Fail or Retry.
type FailureDetails struct {
	Code string `json:"code,omitempty"`
	// FriendlyMessage is for people, at most 100,000 bytes.
	FriendlyMessage string `json:"friendlyMessage,omitempty"`
	// AfterSeconds delays the next attempt of a Retry; 0 leaves it to the
	// type's retry policy.
	AfterSeconds float64 `json:"afterSeconds,omitempty"`
	Held         *Held   `json:"held,omitempty"`
}

// Held says who held the operation last, from when, and for how long. Workers
// in other languages may leave it out.
type Held struct {
	HostID string `json:"hostId,omitempty"`
	// StartedOn is when this attempt began; Seconds is how long it ran.
	StartedOn time.Time `json:"startedOn"`
	Seconds   float64   `json:"seconds"`
	// Retries is how many attempts of this schedule came before.
	Retries int `json:"retries,omitempty"`
}
