package protocol

import (
	"encoding/json"
	"fmt"
	"time"
)

// OutcomeKind is how a handler ended (SPEC 6.1).
type OutcomeKind string

// The ends of SPEC 6.1 that a handler may choose.
const (
	OutcomeSucceeded OutcomeKind = "succeeded"
	OutcomeFailed    OutcomeKind = "failed"
	OutcomeCanceled  OutcomeKind = "canceled"
	OutcomeRetry     OutcomeKind = "retry"
	OutcomeSuspended OutcomeKind = "suspended"
)

// Outcome is what a handler returns: how it ended, as a value. Build one with
// Success, Failure, Retry, Suspension or Cancellation.
type Outcome struct {
	Kind OutcomeKind
	// Result is set on success: any JSON of at most 256 KiB.
	Result json.RawMessage
	// Code, Message (technical) and FriendlyMessage (for people) describe a
	// failure or the reason for a retry.
	Code, Message, FriendlyMessage string
	// After delays the next attempt of a Retry, at most ten years; 0 leaves it to
	// the type's retry policy.
	After time.Duration
	// At is the instant before which the next attempt of a Retry does not begin,
	// in place of After; the zero time is none.
	At time.Time
	// Uncounted makes a Retry one that does not count against the type's
	// attempts.
	Uncounted bool
}

// Success ends the operation Succeeded with any JSON-encodable result, nil for
// none. A result that cannot be encoded is a Failure.
func Success(result any) Outcome {
	if result == nil {
		return Outcome{Kind: OutcomeSucceeded}
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return Failure("ResultUnreadable", fmt.Sprintf("the result cannot be encoded as JSON: %v", err))
	}
	if len(encoded) > MaxResultBytes {
		return Failure("ResultTooLarge", fmt.Sprintf("result: has %d bytes, the limit is %d", len(encoded), MaxResultBytes))
	}
	return Outcome{Kind: OutcomeSucceeded, Result: encoded}
}

// Failure ends the operation Failed, without a retry.
func Failure(code, message string) Outcome {
	return Outcome{Kind: OutcomeFailed, Code: code, Message: message}
}

// Retry asks for another attempt by the type's retry policy; when that is
// exhausted the operation ends Failed with this code and message.
func Retry(code, message string) Outcome {
	return Outcome{Kind: OutcomeRetry, Code: code, Message: message}
}

// Suspension asks for a person: the operation stays Suspended, with this code and
// message, until it is resumed, postponed or cancelled (SPEC 6.1).
func Suspension(code, message string) Outcome {
	return Outcome{Kind: OutcomeSuspended, Code: code, Message: message}
}

// Cancellation ends the operation Canceled: the handler saw that it was
// cancelled and stopped.
func Cancellation() Outcome {
	return Outcome{Kind: OutcomeCanceled}
}

// WithFriendly adds a message for people.
func (o Outcome) WithFriendly(message string) Outcome {
	o.FriendlyMessage = message
	return o
}

// WithoutCounting makes a Retry one that does not count against the type's
// attempts, for a wait that is nobody's failure. The next attempt begins after
// the delay, at least a second later.
func (o Outcome) WithoutCounting() Outcome {
	o.Uncounted = true
	return o
}

// WithDelay sets when the next attempt may begin, counted from now.
func (o Outcome) WithDelay(after time.Duration) Outcome {
	o.After, o.At = after, time.Time{}
	return o
}

// WithInstant sets the instant at which the next attempt may begin; one that has
// passed leaves it to the type's retry policy.
func (o Outcome) WithInstant(at time.Time) Outcome {
	o.After, o.At = 0, at
	return o
}
