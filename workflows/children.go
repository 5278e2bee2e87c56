package workflows

import (
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// maxEndedInFlight bounds the executions that only record an end.
const maxEndedInFlight = 100

// child is an operation's execution as this run sees it: one that it started,
// whose close the server tells, or one that it adopted, which it asks about.
type child struct {
	entry Entry
	since time.Time
	// started and closed are set for one that this run started.
	started, closed workflow.Future
	adopted         *adoption
	// wantCancel asks for a cancellation as soon as the execution is started, and
	// known to be the entry's; cancelling is that request on its way.
	wantCancel bool
	cancelling workflow.Future
	// wantTurn asks for one that was started ahead to be told of its turn, or of its
	// end, as soon as it is there; turning is that signal on its way.
	wantTurn bool
	turning  workflow.Future
	// noted and over say that the queue knows that it was started ahead, and that it
	// has closed.
	noted, over bool
}

// end is how an execution ended, as far as the queue cares.
type end struct {
	status protocol.StatusCode
	// duplicate says that the execution with this id is another operation's;
	// refusal is the reason to show, empty for a repeat of the same.
	duplicate bool
	refusal   string
	// again says that nothing has that id after all: start it again.
	again bool
	// on is when, where the execution told.
	on *time.Time
}

// isStarted says that the execution exists, so that this run may end.
func (c *child) isStarted() bool {
	return c.adopted != nil || c.started.IsReady()
}

// inDoubt says that the execution may be another operation's: it must not be
// told anything.
func (c *child) inDoubt() bool {
	if c.adopted != nil {
		return c.adopted.prove || c.adopted.another
	}
	return c.closed.IsReady() // what it was is about to be seen
}

// mayBeAsked says that the execution exists, and is the entry's own.
func (c *child) mayBeAsked() bool { return c.isStarted() && !c.inDoubt() }

// hasNews says whether the loop has something to do about the child.
func (c *child) hasNews() bool {
	if c.wantCancel && c.mayBeAsked() {
		return true
	}
	if c.adopted != nil {
		return c.adopted.hasNews()
	}
	return c.closed.IsReady()
}

// startHead starts the first that waits, where nothing runs.
func (s *serializer) startHead() {
	if s.head != nil || s.isStartingNext() {
		return
	}
	if entry := s.queue.TakeHead(workflow.Now(s.ctx)); entry != nil {
		s.head = s.begin(*entry)
	}
	if s.head != nil || !s.queue.MayStart() || s.queue.Len() == 0 {
		s.freedOn = nil
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
			s.ended = append(s.ended, s.begin(entry))
		}
	}
}

// start begins an operation's execution. It outlives this run, and there is
// never a second one with the same id.
func (s *serializer) start(entry Entry) *child { return s.startAs(entry, s.startOf(entry)) }

func (s *serializer) startOf(entry Entry) OperationStart {
	start := OperationStart{
		Token: s.queue.Token, Sequence: entry.Sequence, CreatedOn: entry.CreatedOn,
		SearchAttributes: s.settings.SearchAttributes, AttributeNames: s.settings.AttributeNames, Verdict: entry.Verdict,
		LastAction: entry.LastAction, RerunOf: entry.RerunOf, N: entry.N, MaxRunEvents: s.settings.MaxRunEvents,
		FreedOn: s.freedOn,
	}
	if known, found := s.catalogue.Lookup(entry.Operation.OperationType); found {
		start.Type = &known
	}
	return start
}

func (s *serializer) startAs(entry Entry, start OperationStart) *child {
	future := workflow.ExecuteChildWorkflow(
		workflow.WithChildOptions(s.ctx, s.childOptions(entry, start)),
		protocol.OperationWorkflow, entry.Operation, start)
	return &child{
		entry: entry, since: workflow.Now(s.ctx),
		started: future.GetChildWorkflowExecution(), closed: future,
	}
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
	if start.Gated {
		options.Memo[protocol.GatedMemo] = true
	}
	if start.Type != nil && len(start.Type.Restrictions) > 0 {
		options.Memo[protocol.RestrictionsMemo] = start.Type.Restrictions
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
	s.noteAhead()
	if s.head != nil {
		s.cancelIfWanted(s.head)
		if ended := s.endOf(s.head); ended != nil {
			now := workflow.Now(s.ctx)
			s.queue.HeadCompleted(*ended, now)
			s.head, s.freedOn = nil, ended.on
			if s.freedOn == nil {
				s.freedOn = &now
			}
		}
	}
	s.ended = slices.DeleteFunc(s.ended, func(c *child) bool {
		ended := s.endOf(c)
		if ended != nil {
			s.queue.EndedClosed(c.entry.Operation.ID, *ended, workflow.Now(s.ctx))
		}
		return ended != nil
	})
}

// cancelIfWanted passes a cancellation on to an execution that exists. A run that
// ends leaves that to the next: the server drops what a closed run asked for.
func (s *serializer) cancelIfWanted(c *child) {
	if !c.wantCancel || !c.mayBeAsked() || s.ending {
		return
	}
	c.wantCancel = false
	c.cancelling = workflow.RequestCancelExternalWorkflow(s.ctx, protocol.OperationWorkflowID(c.entry.Operation.ID), "")
}

// hasAsked says that nothing that was asked of the head is still on its way.
func (s *serializer) hasAsked() bool {
	isThere := func(f workflow.Future) bool { return f == nil || f.IsReady() }
	return isThere(s.telling) && (s.head == nil || isThere(s.head.cancelling) && isThere(s.head.turning)) &&
		!slices.ContainsFunc(s.ended, func(c *child) bool { return !isThere(c.turning) })
}

// endOf is how the execution ended, nil while it has not.
func (s *serializer) endOf(c *child) *end {
	if c.adopted != nil {
		ended := c.adopted.step(s)
		if c.adopted.gated && c.turning == nil {
			c.wantTurn = true
			s.giveTurn(c)
		}
		if ended != nil && ended.again {
			*c = *s.start(c.entry)
			return nil
		}
		return ended
	}
	if !c.closed.IsReady() {
		return nil
	}
	err := c.closed.Get(s.ctx, nil)
	if isAlreadyStarted(err) {
		c.adopted, c.wantTurn = s.adopt(c.entry, mustProve), false // its turn is given where it is known to wait for it
		return nil
	}
	return &end{status: statusOf(err), on: s.completedOn(c, err)}
}

// completedOn is when an operation succeeded, as it says itself: the serializer
// hears of it a moment later.
func (s *serializer) completedOn(c *child, err error) *time.Time {
	var closed protocol.OperationClosed
	if err != nil || c.closed.Get(s.ctx, &closed) != nil {
		return nil
	}
	return closed.CompletedOn
}

func isAlreadyStarted(err error) bool {
	var exists *temporal.ChildWorkflowExecutionAlreadyStartedError
	return errors.As(err, &exists)
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
	return (s.head == nil || s.head.isStarted()) && s.ahead.allStarted() &&
		!slices.ContainsFunc(s.ended, func(c *child) bool { return !c.isStarted() })
}

// forgetStarted leaves to the next run only the ends that have no execution of
// their own for sure: the others close by themselves.
func (s *serializer) forgetStarted() {
	for _, c := range s.ended {
		if c.adopted == nil && !c.wantTurn {
			s.queue.EndedClosed(c.entry.Operation.ID, end{status: c.entry.Verdict.Status}, workflow.Now(s.ctx))
		}
	}
	s.ended = nil
}
