package workflows

import (
	"errors"
	"fmt"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// maxEndedInFlight bounds the executions that only record an end.
const maxEndedInFlight = 100

// child is an operation's execution, started by this run.
type child struct {
	entry   Entry
	started workflow.Future
	closed  workflow.Future
	cancel  workflow.CancelFunc
	// wantCancel asks for a cancellation as soon as the execution is started;
	// before that it would undo the start, and the operation would be lost.
	wantCancel bool
}

// hasNews says whether the loop has something to do about the child.
func (c *child) hasNews() bool {
	return c.closed.IsReady() || c.wantCancel && c.started.IsReady()
}

// startHead starts the first that waits, where nothing runs.
func (s *serializer) startHead() {
	if entry := s.queue.TakeHead(); entry != nil {
		s.head = s.start(*entry)
	}
}

// startEnded starts the executions of operations that ended while they queued:
// every accepted operation gets its own, as its record.
func (s *serializer) startEnded() {
	for _, entry := range s.queue.Ended {
		if len(s.ended) >= maxEndedInFlight {
			return
		}
		inFlight := func(c *child) bool { return c.entry.Operation.ID == entry.Operation.ID }
		if !slices.ContainsFunc(s.ended, inFlight) {
			s.ended = append(s.ended, s.start(entry))
		}
	}
}

// start begins an operation's execution. It outlives this run, and there is
// never a second one with the same id.
func (s *serializer) start(entry Entry) *child {
	binding, found := s.catalogue.Lookup(entry.Operation.OperationType)
	start := OperationStart{
		Token: s.queue.Token, Sequence: entry.Sequence, CreatedOn: entry.CreatedOn,
		SearchAttributes: s.settings.SearchAttributes, Verdict: entry.Verdict,
	}
	if found {
		start.Type = &binding
	}
	ctx, cancel := workflow.WithCancel(s.ctx)
	future := workflow.ExecuteChildWorkflow(
		workflow.WithChildOptions(ctx, s.childOptions(entry, start)),
		protocol.OperationWorkflow, entry.Operation, start)
	return &child{entry: entry, started: future.GetChildWorkflowExecution(), closed: future, cancel: cancel}
}

func (s *serializer) childOptions(entry Entry, start OperationStart) workflow.ChildWorkflowOptions {
	o := entry.Operation
	options := workflow.ChildWorkflowOptions{
		WorkflowID:            protocol.OperationWorkflowID(o.ID),
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WaitForCancellation:   true,
		StaticSummary:         summary(o),
		StaticDetails:         staticDetails(o),
		Priority:              temporal.Priority{PriorityKey: o.Priority, FairnessKey: o.FairnessKey},
		Memo:                  memo(entry),
	}
	if s.settings.SearchAttributes {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(startAttributes(o, start, workflow.Now(s.ctx))...)
	}
	return options
}

// memo is what describe shows of an operation without a worker.
func memo(entry Entry) map[string]any {
	m := map[string]any{
		protocol.ContentHashMemo: entry.Hash,
		protocol.TokenMemo:       entry.Operation.DependencyToken,
		protocol.SequenceMemo:    entry.Sequence,
		protocol.TypeMemo:        entry.Operation.OperationType,
	}
	if entry.Operation.Name != "" {
		m[protocol.NameMemo] = entry.Operation.Name
	}
	return m
}

// handleCompletions takes note of every execution that closed.
func (s *serializer) handleCompletions() {
	if s.head != nil && s.head.wantCancel && s.head.started.IsReady() {
		s.head.wantCancel = false
		s.head.cancel()
	}
	if s.head != nil && s.head.closed.IsReady() {
		s.headClosed(s.head.closed.Get(s.ctx, nil))
		s.head = nil
	}
	s.ended = slices.DeleteFunc(s.ended, func(c *child) bool {
		if !c.closed.IsReady() {
			return false
		}
		s.queue.EndedClosed(c.entry.Operation.ID, refusalOf(c.closed.Get(s.ctx, nil), c.entry), workflow.Now(s.ctx))
		return true
	})
}

func (s *serializer) headClosed(err error) {
	if refusal := refusalOf(err, s.head.entry); refusal != "" {
		s.queue.HeadRefused(refusal, workflow.Now(s.ctx))
		return
	}
	s.queue.HeadCompleted(statusOf(err))
}

// refusalOf says why an execution could not be started, empty if it was.
func refusalOf(err error, entry Entry) string {
	var exists *temporal.ChildWorkflowExecutionAlreadyStartedError
	if !errors.As(err, &exists) {
		return ""
	}
	return fmt.Sprintf("id: %q is that of another operation, see workflow %q",
		entry.Operation.ID, protocol.OperationWorkflowID(entry.Operation.ID))
}

// statusOf is how an operation ended, by how its execution closed.
func statusOf(err error) protocol.StatusCode {
	var cancelled *temporal.CanceledError
	var terminated *temporal.TerminatedError
	switch {
	case err == nil:
		return protocol.Succeeded
	case errors.As(err, &cancelled), errors.As(err, &terminated):
		return protocol.Canceled
	}
	return protocol.Failed
}

// allStarted says that no execution is between its command and its start: one
// that is not started when its parent closes never starts.
func (s *serializer) allStarted() bool {
	return !slices.ContainsFunc(s.ended, func(c *child) bool { return !c.started.IsReady() })
}

// forgetStarted leaves to the next run only the ends that have no execution:
// those that have one close by themselves.
func (s *serializer) forgetStarted() {
	for _, c := range s.ended {
		s.queue.EndedClosed(c.entry.Operation.ID, "", workflow.Now(s.ctx))
	}
	s.ended = nil
}
