package protocol

// Task queues. Both can be changed in the worker's configuration; these are
// what a client uses when it is told nothing else.
const (
	// DefaultTaskQueue is the task queue of the workflows and of the handlers
	// that live in the same worker.
	DefaultTaskQueue = "operations"
	// EngineTaskQueueSuffix is appended to the task queue for the engine's own
	// activities, so that busy handlers never keep them from running.
	EngineTaskQueueSuffix = "-engine"
)

// Workflow types.
const (
	// SerializerWorkflow runs the operations of one dependency token in order.
	SerializerWorkflow = "Serializer"
	// OperationWorkflow owns the life of one operation.
	OperationWorkflow = "Operation"
	// BacklogPageWorkflow holds a part of a long queue until its operations are
	// taken back. Its start input is the page.
	BacklogPageWorkflow = "BacklogPage"
	// EventWorkflow submits an operation for each handler of an Event, which is its
	// start input, and answers an EventOutcome.
	EventWorkflow = "Event"
	// RecurrenceWorkflow makes the occurrences of one recurring operation. Its
	// start input is the operation, its workflow id that of an Operation.
	RecurrenceWorkflow = "Recurrence"
)

// SubmitSignalName is the signal that submits operations to a Serializer. Its
// argument is one operation object, an array of them, or {"operations":[…]}.
const SubmitSignalName = "submit"

// Signals between a serializer and an operation that it did not start in this
// run, so that the server does not tell it of the operation's end.
const (
	// ReportEndSignalName asks an Operation to signal its serializer when it
	// ends. It has no argument.
	ReportEndSignalName = "reportEnd"
	// OperationClosedSignalName tells a Serializer that an operation is about to
	// close. It is a hint: the serializer asks the server.
	OperationClosedSignalName = "operationClosed"
)

// The engine's own activities.
const (
	// AwaitOperationActivity looks at an operation's execution: an AwaitRequest,
	// answered by an AwaitReply.
	AwaitOperationActivity = "AwaitOperation"
	// FindPredecessorActivity looks how the serializer before ended: a
	// PredecessorRequest, answered by a Predecessor.
	FindPredecessorActivity = "FindPredecessor"
	// RebuildTokenActivity reads from the history of a closed serializer what it
	// still had to do: a PredecessorRequest that names the run.
	RebuildTokenActivity = "RebuildToken"
	// ReadOperationActivity reads a completed operation that is to be run again:
	// a ReadOperationRequest, answered by a ReadOperationReply.
	ReadOperationActivity = "ReadOperation"
	// RecoverRunActivity reads what another chain's last run still had to do: a
	// RecoverRunRequest, answered by a RecoverRunReply.
	RecoverRunActivity = "RecoverRun"
	// LoadPageActivity reads what a BacklogPage holds: a PageAddress, answered by the
	// page's start input.
	LoadPageActivity = "LoadPage"
	// FindInPagesActivity looks for an operation in pages: a FindInPagesRequest,
	// answered by a FindInPagesReply.
	FindInPagesActivity = "FindInPages"
	// ReadCheckpointActivity reads the last heartbeat of a running handler: a
	// ReadCheckpointRequest, answered by a Heartbeat.
	ReadCheckpointActivity = "ReadCheckpoint"
	// SubmitForEventActivity submits the operation of an event's handler: an array of
	// it, answered by its Handle in an array.
	SubmitForEventActivity = "SubmitForEvent"
)

// The engine's activities for recurring operations.
const (
	// StartRecurrenceActivity starts a recurring operation that was submitted to a
	// token: an Operation, answered by a StartRecurrenceReply.
	StartRecurrenceActivity = "StartRecurrence"
	// NextPointActivity computes the next point of a recurrence's grid: a
	// NextPointRequest, answered by a NextPointReply.
	NextPointActivity = "NextPoint"
	// SubmitOccurrenceActivity submits an occurrence to its token: an
	// OccurrenceRequest, answered by a SubmitOccurrenceReply.
	SubmitOccurrenceActivity = "SubmitOccurrence"
	// FindOccurrenceActivity looks at an occurrence, wherever it is: an
	// OccurrenceRequest, answered by a FindOccurrenceReply.
	FindOccurrenceActivity = "FindOccurrence"
	// ActOnOccurrenceActivity asks something of an occurrence, wherever it is: an
	// OccurrenceActionRequest, answered by its Record.
	ActOnOccurrenceActivity = "ActOnOccurrence"
)

// LocalMarker is the name of the event that the SDK leaves of a local activity. The
// only one of an operation is the local attempt of its handler.
const LocalMarker = "LocalActivity"

// IsEngineActivity says that an activity is one of the engine's own, and not the
// handler of an operation.
func IsEngineActivity(name string) bool {
	switch name {
	case AwaitOperationActivity, FindPredecessorActivity, RebuildTokenActivity, ReadOperationActivity,
		RecoverRunActivity, LoadPageActivity, FindInPagesActivity, ReadCheckpointActivity,
		ApplyStopsActivity, SubmitForEventActivity, StartRecurrenceActivity, NextPointActivity, SubmitOccurrenceActivity, FindOccurrenceActivity, ActOnOccurrenceActivity:
		return true
	}
	return false
}

// OccurrenceDoneSignalName tells a Recurrence that an occurrence of it is about to
// close: an OperationClosed. It is a hint: the recurrence asks the server.
const OccurrenceDoneSignalName = "occurrenceDone"

// ReleasePageSignalName tells a BacklogPage that its operations were taken back.
const ReleasePageSignalName = "release"

// TokenHoldSignalName tells an Operation that its token is held, or no longer:
// a TokenHold. One that waits does not start its handler while it is.
const TokenHoldSignalName = "tokenHold"

// TurnSignalName gives an Operation that was started ahead its turn: a Turn. Only
// its token's Serializer knows when that is.
const TurnSignalName = "turn"

// Updates about one operation. Each exists on Operation, for one that has
// started, and on Serializer, with "operationId", for one that still queues. The
// answer is its Record.
const (
	CancelUpdateName   = "cancel"
	PauseUpdateName    = "pause"
	ResumeUpdateName   = "resume"
	PostponeUpdateName = "postpone"
	// SetRecurrenceUpdateName changes a recurring operation; any other refuses it
	// with CodeCannotUpdateNonrecurring.
	SetRecurrenceUpdateName = "setRecurrence"
)

// Updates of a token, on Serializer. RerunUpdateName answers the new operation's
// Record, the others the SerializerState without its rejects.
const (
	HoldUpdateName      = "hold"
	ReleaseUpdateName   = "release"
	SetPolicyUpdateName = "setPolicy"
	SkipUpdateName      = "skip"
	CancelAllUpdateName = "cancelAll"
	RerunUpdateName     = "rerun"
	// PrependUpdateName takes a PrependRequest and answers a PrependReply.
	PrependUpdateName = "prepend"
)

// Queries.
const (
	// OperationQueryName on Operation answers its Record.
	OperationQueryName = "operation"
	// StateQueryName on Serializer answers a SerializerState.
	StateQueryName = "state"
	// ListQueryName on Serializer takes a ListRequest and answers a ListReply.
	ListQueryName = "list"
	// FindQueryName on Serializer takes a FindRequest and answers a FindReply.
	FindQueryName = "find"
)

// Memo keys of an Operation execution: what describe shows without a worker.
const (
	// ContentHashMemo is the hex ContentHash of the submission, by which a
	// repeated submission is told from another one with the same id.
	ContentHashMemo = "contentHash"
	// TokenMemo is the dependency token, absent without one.
	TokenMemo = "dependencyToken"
	// SequenceMemo is the place in the token's order, absent without a token.
	SequenceMemo = "sequence"
	// NameMemo is the operation's display name.
	NameMemo = "name"
	// TypeMemo is the operation's type, as submitted.
	TypeMemo = "operationType"
	// RestrictionsMemo are the Restrictions of its type, absent without any.
	RestrictionsMemo = "restrictions"
	// GatedMemo is true for one that was started ahead of its turn, and stays so.
	GatedMemo = "gated"
)

// How an encrypted payload looks, in the form of Temporal's own samples.
const (
	// EncryptedEncoding is its encoding.
	EncryptedEncoding = "binary/encrypted"
	// EncryptionKeyIDMetadata is the metadata that names its key.
	EncryptionKeyIDMetadata = "encryption-key-id"
)
