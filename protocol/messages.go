package protocol

import (
	"encoding/json"
	"fmt"
	"time"
)

// SerializerInput is the start input of a Serializer, as any client writes it.
type SerializerInput struct {
	// Token is the dependency token that the workflow id was built from. Absent,
	// the id's key is the token.
	Token string `json:"token"`
}

// Reject is a submission, or a part of one, that a serializer did not accept.
type Reject struct {
	// At is when a worker read it.
	At time.Time `json:"at"`
	// Type is the error type: InvalidOperation, DuplicateId or QueueFull.
	Type string `json:"type"`
	// OperationID is its id where one could be read.
	OperationID string `json:"operationId,omitempty"`
	// Reason names the field, the value and the limit, at most 400 bytes.
	Reason string `json:"reason"`
}

// Counts is what a serializer has done since its chain of runs began.
type Counts struct {
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Rejected   int64 `json:"rejected"`
	Succeeded  int64 `json:"succeeded"`
	Failed     int64 `json:"failed"`
	Canceled   int64 `json:"canceled"`
	// Recurring counts recurring operations that were handed to workflows of their
	// own; they are not among Accepted.
	Recurring int64 `json:"recurring,omitempty"`
	// UnknownFields counts fields of raw submissions that were ignored.
	UnknownFields int64 `json:"unknownFields"`
	// Runs counts the runs of this chain, the current one included.
	Runs int64 `json:"runs"`
}

// SerializerState is the answer of the query "state".
type SerializerState struct {
	// Token is the dependency token; Refused is set where the run cannot tell
	// it and refuses everything, with the reason.
	Token   string `json:"token"`
	Refused string `json:"refused,omitempty"`
	// ChainStartedOn is when the first run of this chain began; sequences start
	// at its Unix microseconds.
	ChainStartedOn time.Time `json:"chainStartedOn"`
	// Head is the operation that was started and has not completed. Its own
	// state is told by the query "operation" of its workflow.
	Head *Record `json:"head,omitempty"`
	// Queued is how many operations wait behind the head, in Pages pages among
	// them.
	Queued int `json:"queued"`
	Pages  int `json:"pages,omitempty"`
	// Ahead is how many of those were started ahead of their turn, so that each has its
	// own workflow; the others wait from position NextPosition on, which is absent where
	// there are none, or nothing is ahead.
	Ahead        int `json:"ahead,omitempty"`
	NextPosition int `json:"nextPosition,omitempty"`
	// Ending is how many ended while they queued and have no record yet.
	Ending int `json:"ending"`
	// HeadSince is when Head was started.
	HeadSince *time.Time `json:"headSince,omitempty"`
	// Hold and Failure are what keeps the token from starting the next operation,
	// if anything: a person, or a failure under the policy "hold".
	Hold    *Hold        `json:"hold,omitempty"`
	Failure *FailureHold `json:"failure,omitempty"`
	// Policy is what becomes of the rest when an operation fails.
	Policy Policy `json:"policy"`
	// NextSequence is what the next accepted operation gets.
	NextSequence int64  `json:"nextSequence"`
	Counts       Counts `json:"counts"`
	// Predecessor is how the token's serializer before this chain ended.
	Predecessor Predecessor `json:"predecessor"`
	// Recovered are the runs of other chains whose rest goes on in this one, at
	// most the last 20.
	Recovered []string `json:"recovered,omitempty"`
	// Rejects are the last submissions that were not accepted, oldest first, at
	// most 50.
	Rejects []Reject `json:"rejects,omitempty"`
}

// AheadText says how far the token is looked ahead of, after "waiting: "; empty where
// nothing is ahead.
func (s SerializerState) AheadText() string {
	switch {
	case s.Ahead == 0:
		return ""
	case s.NextPosition == 0:
		return fmt.Sprintf("%d ahead, each in its own workflow", s.Ahead)
	}
	return fmt.Sprintf("%d ahead, each in its own workflow; %d more from position %d on", s.Ahead, s.Queued-s.Ahead, s.NextPosition)
}

// ListRequest is the argument of the query "list".
type ListRequest struct {
	// Offset skips queued operations, from 0; Limit is 1..500, default 100.
	Offset int `json:"offset,omitempty"`
	Limit  int `json:"limit,omitempty"`
}

// Bounds of ListRequest.Limit.
const (
	DefaultListLimit = 100
	MaxListLimit     = 500
)

// ListReply is the answer of the query "list": queued operations in order,
// without their data.
type ListReply struct {
	Operations []Record `json:"operations"`
	// Total is how many queue in all.
	Total int `json:"total"`
	// Pages are the parts of the queue, in the range that was asked for, that
	// Operations leaves out since the serializer does not hold them: read them
	// from the pages.
	Pages []QueuePage `json:"pages,omitempty"`
}

// FindRequest is the argument of the query "find".
type FindRequest struct {
	OperationID string `json:"operationId"`
}

// FindReply is the answer of the query "find".
type FindReply struct {
	// Found says that the operation is queued, ending, or the head.
	Found bool `json:"found"`
	// WorkflowID is the execution to ask, set once it has been started.
	WorkflowID string `json:"workflowId,omitempty"`
	// Record is the operation while it queues.
	Record *Record `json:"record,omitempty"`
	// Seen says that the serializer accepted an operation with that id before
	// and has forgotten the rest.
	Seen bool `json:"seen,omitempty"`
	// Reject is the last refusal of a submission with that id that is kept; one
	// with the same id may have been accepted before or after.
	Reject *Reject `json:"reject,omitempty"`
	// Reading says that submissions have arrived that are not read yet: the
	// operation may be among them.
	Reading bool `json:"reading,omitempty"`
	// Pages are the parts of the queue that the serializer does not hold: where
	// nothing else was found, the operation may be there.
	Pages []QueuePage `json:"pages,omitempty"`
}

// OperationClosed is what an Operation answers its parent.
type OperationClosed struct {
	ID     string     `json:"id"`
	Status StatusCode `json:"status"`
	// CompletedOn is when, where it Succeeded; absent in histories of v0.1.0.
	CompletedOn *time.Time `json:"completedOn,omitempty"`
}

// AwaitRequest is the argument of the engine's activity "AwaitOperation".
type AwaitRequest struct {
	OperationID string `json:"operationId"`
	// WaitSeconds is how long it may wait for the operation to close; 0 looks
	// once.
	WaitSeconds float64 `json:"waitSeconds"`
	// AsksGated asks for Gated in the answer: a serializer of v0.1.0 does not.
	AsksGated bool `json:"asksGated,omitempty"`
}

// AwaitReply is what the engine's activity "AwaitOperation" saw.
type AwaitReply struct {
	// Found says that the server has an execution with that operation's id.
	Found bool `json:"found"`
	// Closed says that it has ended, and Status how.
	Closed bool       `json:"closed"`
	Status StatusCode `json:"status"`
	// Token, Sequence and ContentHash are those in its memo: whose it is.
	Token       string `json:"token,omitempty"`
	Sequence    int64  `json:"sequence,omitempty"`
	ContentHash string `json:"contentHash,omitempty"`
	// Gated says that it was started ahead of its turn: it may still wait for it.
	Gated bool `json:"gated,omitempty"`
}

// Turn is the argument of the signal "turn".
type Turn struct {
	// Canceled says that it ended while it queued, and Message why; otherwise its
	// turn has come.
	Canceled bool   `json:"canceled,omitempty"`
	Message  string `json:"message,omitempty"`
}

// PredecessorLook says what is known of the serializer before a chain of runs.
type PredecessorLook string

// The looks.
const (
	// PredecessorNone: there was none, or it ended as it should.
	PredecessorNone PredecessorLook = "none"
	// PredecessorUnchecked: nobody looked, or the look failed.
	PredecessorUnchecked PredecessorLook = "unchecked"
	// PredecessorRecovered: what it still had to do goes on in this chain, since the
	// server had closed it, or since it was asked for with "prepend".
	PredecessorRecovered PredecessorLook = "recovered"
	// PredecessorTerminated: a person ended it. What it still had to do is in
	// its history and is not run.
	PredecessorTerminated PredecessorLook = "terminated"
	// PredecessorAbnormal is the engine's answer for one that did not end as it
	// should; a state never shows it.
	PredecessorAbnormal PredecessorLook = "abnormal"
)

// Predecessor is how a token's serializer ended before the current chain of
// runs. Without Look the fields after it are empty.
type Predecessor struct {
	Look PredecessorLook `json:"look"`
	// RunID is the closed run, Status how Temporal closed it.
	RunID  string `json:"runId,omitempty"`
	Status string `json:"status,omitempty"`
	// ByServer says that the server closed it, for a limit or a timeout.
	ByServer bool `json:"byServer,omitempty"`
	// Identity and Reason are those of a termination.
	Identity string `json:"identity,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Queued is how many operations it still had: recovered, or left.
	Queued int `json:"queued,omitempty"`
}

// PredecessorRequest asks for the run before RunID, or for RunID itself.
type PredecessorRequest struct {
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"`
}

// ReadOperationRequest is the argument of the engine's activity "ReadOperation":
// what was the operation that is to be run again?
type ReadOperationRequest struct {
	// Rerun is what was asked for, and UpdateID which request that was.
	Rerun    RerunRequest `json:"rerun"`
	UpdateID string       `json:"updateId"`
}

// ReadOperationReply is what the server knows of an operation.
type ReadOperationReply struct {
	// Found says that there is an execution; Closed that it has ended, and Status
	// how.
	Found  bool       `json:"found"`
	Closed bool       `json:"closed"`
	Status StatusCode `json:"status"`
	// Operation is what was submitted, Sequence its place, and N how often its
	// handler was scheduled.
	Operation Operation `json:"operation"`
	Sequence  int64     `json:"sequence,omitempty"`
	N         int64     `json:"n,omitempty"`
}

// ReadCheckpointRequest is the argument of the engine's activity
// "ReadCheckpoint", which answers the last Heartbeat of the handler of that
// operation, empty where there is none.
type ReadCheckpointRequest struct {
	OperationID string `json:"operationId"`
}

// PageAddress is a BacklogPage: by its workflow and by its run, so that another
// with the same id is never taken for it.
type PageAddress struct {
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"`
}

// FindInPagesRequest is the argument of the engine's activity "FindInPages".
type FindInPagesRequest struct {
	OperationID string        `json:"operationId"`
	Pages       []PageAddress `json:"pages"`
	// UpdateID is the request that asks for it.
	UpdateID string `json:"updateId,omitempty"`
}

// FindInPagesReply is the answer of the engine's activity "FindInPages".
type FindInPagesReply struct {
	// Found says that one of the pages holds it: the one at Page of the request,
	// at place At in it, as Entry.
	Found bool            `json:"found"`
	Page  int             `json:"page"`
	At    int             `json:"at"`
	Entry json.RawMessage `json:"entry,omitempty"`
}

// QueuePage is a part of a token's queue that a BacklogPage holds.
type QueuePage struct {
	PageAddress
	// Offset is how many operations queue before it, Count how many it holds.
	Offset int `json:"offset"`
	Count  int `json:"count"`
	// Changed are operations in it that were changed since: their records, or, for
	// one that has left the queue, its id with the status that it left with.
	Changed []Record `json:"changed,omitempty"`
	// Ended says that all of its operations ended Canceled while they queued; their
	// records are being written.
	Ended bool `json:"ended,omitempty"`
}

// RecoverRunRequest is the argument of the engine's activity "RecoverRun".
type RecoverRunRequest struct {
	WorkflowID string `json:"workflowId"`
	// RunID asks, and belongs to the present chain.
	RunID string `json:"runId"`
	// Asked is the request, and UpdateID which it is.
	Asked    PrependRequest `json:"asked"`
	UpdateID string         `json:"updateId"`
}

// RecoverRunReply is the answer of the engine's activity "RecoverRun".
type RecoverRunReply struct {
	// Refused says why that run cannot be recovered, and what to do instead.
	Refused string `json:"refused,omitempty"`
	// State is what the run would have handed to the next one.
	State json.RawMessage `json:"state,omitempty"`
}

// StartRecurrenceReply is the answer of the engine's activity "StartRecurrence".
type StartRecurrenceReply struct {
	// Duplicate says that the same operation was there before.
	Duplicate bool `json:"duplicate,omitempty"`
	// Refused is why it was not started, and Type the error type of that.
	Refused string `json:"refused,omitempty"`
	Type    string `json:"type,omitempty"`
}

// NextPointRequest is the argument of the engine's activity "NextPoint".
type NextPointRequest struct {
	RecurrencePattern string `json:"recurrencePattern"`
	// Anchor is the first instant of the grid.
	Anchor time.Time `json:"anchor"`
	// After is the instant after which the point is looked for.
	After time.Time `json:"after"`
}

// NextPointReply is the answer of the engine's activity "NextPoint".
type NextPointReply struct {
	// Point is absent where the rule has no more.
	Point *time.Time `json:"point,omitempty"`
}

// OccurrenceRequest is the argument of the engine's activities about an
// occurrence.
type OccurrenceRequest struct {
	Operation Operation `json:"operation"`
	// DecidedOn is when the recurrence decided to run it: an execution with its id
	// that is older is another's.
	DecidedOn time.Time `json:"decidedOn"`
	// WaitSeconds is how long it may wait for the occurrence to close.
	WaitSeconds float64 `json:"waitSeconds,omitempty"`
}

// SubmitOccurrenceReply is the answer of the engine's activity
// "SubmitOccurrence".
type SubmitOccurrenceReply struct {
	// Taken says that the id is that of an older operation: nothing was submitted.
	Taken bool `json:"taken,omitempty"`
}

// FindOccurrenceReply is the answer of the engine's activity "FindOccurrence".
type FindOccurrenceReply struct {
	// Found says that it queues, runs, or has ended.
	Found bool `json:"found"`
	// Closed says that it has ended, and Status how.
	Closed bool       `json:"closed,omitempty"`
	Status StatusCode `json:"status,omitempty"`
	// Refused is why its token did not take it.
	Refused string `json:"refused,omitempty"`
}

// OccurrenceActionRequest is the argument of the engine's activity
// "ActOnOccurrence".
type OccurrenceActionRequest struct {
	OperationID string `json:"operationId"`
	Token       string `json:"token,omitempty"`
	Action      Action `json:"action"`
	// Until is for a postponement.
	Until    time.Time `json:"until,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	Identity string    `json:"identity,omitempty"`
}
