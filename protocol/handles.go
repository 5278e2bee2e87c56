package protocol

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Activities for workflows, which cannot signal and start at once themselves.
// Package opclient has them; a worker registers them where its workflows run.
const (
	// SubmitOperationsActivity submits operations: its argument is that of
	// SubmitSignalName, with a token in each operation that has one, and its
	// answer a Handle for each, in their order.
	SubmitOperationsActivity = "SubmitOperations"
	// AwaitHandleActivity waits for one operation's end: an AwaitHandleRequest,
	// answered by its Record without data.
	AwaitHandleActivity = "AwaitHandle"
)

// Handle is an operation that was submitted: what it takes to find it again.
type Handle struct {
	ID string `json:"id"`
	// Token is its dependency token, empty for none.
	Token string `json:"token,omitempty"`
	// WorkflowID is where it was submitted to.
	WorkflowID string `json:"workflowId,omitempty"`
	// ContentHash tells it from another operation with the same id. Without it
	// the id alone counts.
	ContentHash string `json:"contentHash,omitempty"`
}

// AwaitHandleRequest is the argument of the activity "AwaitHandle". A Handle
// alone is one too.
type AwaitHandleRequest struct {
	Handle
	// MustSucceed makes an error of type OperationFailed or OperationCanceled,
	// with the record as its details, of an operation that ended otherwise.
	MustSucceed bool `json:"mustSucceed,omitempty"`
}

// SubmittedOperationID is the id of an operation that a workflow submitted
// without one: the same in every attempt of that activity, and in no other. The
// run belongs to it, not the first run of the chain: each run of a chain counts
// its activities anew. A workflow that is reset is another run, and submits anew
// what comes after the reset.
func SubmittedOperationID(workflowID, runID, activityID string, index int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", workflowID, runID, activityID))
	return fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:16]), index)
}

// CausedBy is the operation as one that cause submits, in its handler or in a
// workflow that works for it: at least one deeper, so that operations that cause
// each other in a loop end (SPEC 6.6), and of the same correlation, which begins
// with the id of the first. A correlation id that it has already stays.
func (o Operation) CausedBy(cause Operation) Operation {
	o.Depth = max(o.Depth, cause.Depth+1)
	o.CorrelationID = cmp.Or(o.CorrelationID, cause.CorrelationID, cause.ID)
	return o
}
