package opclient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"

	"github.com/seriatim-go/seriatim/protocol"
)

// Item is one element of what SubmitMany reads.
type Item struct {
	// Line tells the element apart in what is reported, such as its line in a
	// file.
	Line int
	// Operation is what to submit.
	Operation protocol.Operation
	// Err is set where the element could not be read; it is refused with that
	// reason.
	Err error
}

// Items makes SubmitMany's input of operations in memory; their lines count
// from 1.
func Items(operations ...protocol.Operation) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for i, o := range operations {
			if !yield(Item{Line: i + 1, Operation: o}) {
				return
			}
		}
	}
}

// Delivery is what became of one operation of many.
type Delivery string

// The deliveries.
const (
	// Accepted: it is durable. With a token the serializer still has its word,
	// on an id that another operation has, for one.
	Accepted Delivery = "accepted"
	// Duplicate: the same operation was there already. Only for one without a
	// token; for others the serializer knows.
	Duplicate Delivery = "duplicate"
	// Refused: it breaks a rule and was not sent, or the server refused it.
	Refused Delivery = "refused"
	// NotSubmitted: it was in order and was not sent, since an earlier one of
	// its token could not be, or since all was stopped.
	NotSubmitted Delivery = "notSubmitted"
	// Unanswered: it was sent and there was no answer. Repeat it, with the same
	// id.
	Unanswered Delivery = "unanswered"
)

// Result says what became of one operation.
type Result struct {
	// Line is the item's.
	Line int
	// ID, Token and WorkflowID are those of Handle; the id may be empty for one
	// that could not be read.
	ID, Token, WorkflowID string
	Delivery              Delivery
	// Err is the reason where it was neither Accepted nor Duplicate.
	Err error
}

// Summary counts what became of the operations; Read is the sum of the others
// except Signals.
type Summary struct {
	Read         int `json:"read"`
	Accepted     int `json:"accepted"`
	Duplicates   int `json:"duplicates"`
	Refused      int `json:"refused"`
	NotSubmitted int `json:"notSubmitted"`
	Unanswered   int `json:"unanswered"`
	// Signals is how many signals it took, not counting operations without a
	// token.
	Signals int `json:"signals"`
}

// SubmitMany submits a stream of operations of any length in bounded memory
// (20,000 operations or 32 MiB at once). Those of one token are sent in the
// order of the stream, never two signals at once; different tokens, and
// operations without one, go side by side. A signal carries up to 500
// operations and 256 KiB; it is sent when it is full, when the stream pauses
// for 50 ms, after 1 s, or when memory is full.
//
// each, if not nil, is told what became of each operation as soon as it is
// known, in the caller's goroutine. An operation that breaks a rule is refused,
// and the rest goes on. Where a signal fails for good, the token's later
// operations are not sent, so that none overtakes; where the server is away, denies
// everything or is at a limit of its own, nothing more is.
//
// When ctx is done nothing new is sent, what is in flight is awaited (at most
// 10 s), and the summary is exact. Iterating items then ends at the next
// element; an iterator that blocks keeps its goroutine until it yields.
//
// The error is nil where every operation was accepted, a duplicate, or refused;
// else it joins the first failure of each kind: ctx's error, ErrQueueFull, an
// *UnansweredError, or what the server said.
func (c *Client) SubmitMany(ctx context.Context, items iter.Seq[Item], each func(Result)) (Summary, error) {
	if each == nil {
		each = func(Result) {}
	}
	s := &submission{client: c, each: each, sent: make(chan sent), failed: make(map[string]error)}
	return s.run(ctx, items)
}

// everybodysLimits are those of the server or the namespace, not of one workflow.
var everybodysLimits = []enumspb.ResourceExhaustedCause{
	enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, enumspb.RESOURCE_EXHAUSTED_CAUSE_PERSISTENCE_LIMIT,
	enumspb.RESOURCE_EXHAUSTED_CAUSE_SYSTEM_OVERLOADED,
}

// affectsAll says whether the failure would meet every other request too.
func affectsAll(err error) bool {
	var unanswered *UnansweredError
	if errors.As(err, &unanswered) {
		return true
	}
	var answer serviceerror.ServiceError
	if !errors.As(err, &answer) {
		return false
	}
	var exhausted *serviceerror.ResourceExhausted
	if errors.As(err, &exhausted) {
		return slices.Contains(everybodysLimits, exhausted.Cause)
	}
	switch answer.Status().Code() {
	case codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented, codes.NotFound, codes.FailedPrecondition:
		return true
	default:
		return false
	}
}

// notSent is why an operation was held back.
func notSent(token string, cause error) error {
	if token == "" {
		return cause
	}
	return fmt.Errorf("an earlier operation of token %q was not submitted: %w", token, cause)
}
