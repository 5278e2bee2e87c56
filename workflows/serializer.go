package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// serializer is one run of a token's serializer. The rules of order are in
// queue; this is the machinery that obeys them.
type serializer struct {
	*definitions
	// ctx is never cancelled: a cancellation of the workflow is an event, seen
	// on root, and not the end of the loop.
	ctx, root workflow.Context

	queue    *Queue
	answers  answers
	settings settings
	refused  string // why nothing can be accepted in this run, if so

	predecessor protocol.Predecessor
	lookingBack bool            // nothing is taken in before that is done
	glance      workflow.Future // the first part of that, nil where it has none

	submissions workflow.ReceiveChannel
	hints       workflow.ReceiveChannel // an adopted operation is about to close
	signals     int                     // received in this run
	startedOn   time.Time

	head      *child
	ended     []*child          // executions that only record an end
	ahead     lookingAhead      // executions that wait for their turn
	recurring []*recurringStart // recurring operations that the engine is starting
	cancelled bool              // the cancellation of this run was handled
	changed   bool              // an update changed something
	reset     workflow.Future
	ending    bool // this run takes no more updates
	idle      idleTimer
	hold      holdTimer
	pages     paging
	telling   workflow.Future // the head is being told of the token's hold
	reported  protocol.Counts // what the metrics know of the queue's counts
	// freedOn is when the head before ended, while the next is about to start.
	freedOn *time.Time
}

// carried is what one run hands to the next.
type carried struct {
	Queue   *Queue  `json:"queue"`
	Answers answers `json:"answers"`
	Refused string  `json:"refused,omitempty"`
	// Predecessor is how the chain before this one ended.
	Predecessor protocol.Predecessor `json:"predecessor"`
	// HeadInDoubt says that the execution with the head's id may be another's.
	HeadInDoubt bool `json:"headInDoubt,omitempty"`
	// CancelHead says that the head is still to be asked to cancel itself, TurnHead
	// that it is still to be given its turn.
	CancelHead bool `json:"cancelHead,omitempty"`
	TurnHead   bool `json:"turnHead,omitempty"`
	// FreedOn is when the head before ended, where the next is about to start.
	FreedOn *time.Time `json:"freedOn,omitempty"`
}

// askedOfHead is what the head is still to be told.
type askedOfHead struct{ Cancel, Turn bool }

func (c carried) askedOfHead() askedOfHead { return askedOfHead{c.CancelHead, c.TurnHead} }

const (
	// minRunAge keeps a run from ending in the second in which it began.
	minRunAge = time.Second
	// standsAfter is how long a head may run before it stands in the way of the
	// run's end.
	standsAfter = 5 * time.Second
	// maxSignalsFactor is, in tenths of MaxRunSignals, how many signals end a
	// run whatever its head does: the server takes 10,000 and no more.
	maxSignalsFactor = 16
)

// Serializer runs the operations of one token strictly one after another, in
// the order of their signals (SPEC 4.1). input is a SerializerInput as any
// client wrote it; state is what the run before handed over. Both are read as
// raw values: one that cannot be decoded must not fail a run that has accepted
// operations.
func (d *definitions) Serializer(root workflow.Context, input, state converter.RawValue) error {
	s, err := d.newSerializer(root, input, state)
	if err != nil {
		return err
	}
	return s.run()
}

func (d *definitions) newSerializer(root workflow.Context, input, state converter.RawValue) (*serializer, error) {
	ctx, _ := workflow.NewDisconnectedContext(root)
	s := &serializer{definitions: d, ctx: ctx, root: root, startedOn: workflow.Now(ctx)}
	s.submissions = workflow.GetSignalChannelWithOptions(ctx, protocol.SubmitSignalName, workflow.SignalChannelOptions{
		Description: `Accept operations: one object, an array, or {"operations":[…]}`,
	})
	s.hints = workflow.GetSignalChannelWithOptions(ctx, protocol.OperationClosedSignalName, workflow.SignalChannelOptions{
		Description: "An operation of this token is about to close",
	})
	doubt, asked := s.restore(input, state)
	if err := s.recordSettings(); err != nil {
		return nil, err
	}
	s.queue.Counts.Runs++
	s.adoptHead(doubt, asked)
	s.lookingBack = s.mustLookBack() // an update that has waited runs as soon as its handler is set
	s.glance = s.beginGlance()
	s.reset = s.resetNoticed() // local activities are told apart by how many were begun before
	return s, s.setHandlers()
}

// restore takes over from the run before, or begins a chain of runs. It says
// whether the head that was carried over is in doubt, and what it is to be told.
func (s *serializer) restore(input, state converter.RawValue) (headInDoubt bool, asked askedOfHead) {
	info := workflow.GetInfo(s.ctx)
	if info.ContinuedExecutionRunID != "" && state.Payload() != nil {
		var before carried
		if err := json.Unmarshal(state.Payload().GetData(), &before); err != nil || before.Queue == nil {
			// Written by a serializer: only a worker that is too old cannot read
			// it. Failing the task keeps everything until a newer one is there.
			panic(fmt.Sprintf("the state of the run before cannot be read: %v", err))
		}
		s.queue, s.answers, s.refused = before.Queue, before.Answers, before.Refused
		s.predecessor, s.freedOn, s.reported = before.Predecessor, before.FreedOn, before.Queue.Counts
		return before.HeadInDoubt, before.askedOfHead()
	}
	s.predecessor.Look = protocol.PredecessorNone
	token, refused, warning := tokenOf(info.WorkflowExecution.ID, input)
	s.queue, s.refused = NewQueue(token, info.WorkflowStartTime), refused
	for _, problem := range []string{refused, warning} {
		if problem != "" {
			s.queue.Reject(protocol.ErrTypeInvalidOperation, "", problem, s.startedOn)
		}
	}
	return false, askedOfHead{}
}

// run is the loop: take in, see what completed, start what may start, wait.
func (s *serializer) run() error {
	s.lookBack()
	for {
		s.intake(s.ctx)
		s.handleCancellation()
		s.readHints()
		s.handleCompletions()
		s.queue.ReleaseIfDue(workflow.Now(s.ctx))
		if over, err := s.endIfOver(); over {
			return err
		}
		s.turnPages()
		s.startHead()
		s.startEnded()
		s.giveTurns()
		s.lookAhead()
		s.startRecurring()
		s.tellHead()
		s.hold.arm(s)
		s.idle.arm(s)
		s.changed = false
		s.showHeld()
		s.report()
		workflow.SetCurrentDetails(s.ctx, s.details())
		if err := workflow.Await(s.ctx, s.hasWork); err != nil {
			return err
		}
	}
}

// showHeld has filters see whether the token is held, by a person or by a failure.
func (s *serializer) showHeld() {
	if !s.settings.SearchAttributes || s.refused != "" {
		return
	}
	held := s.queue.Hold != nil || s.queue.Failure != nil
	operationStatus := s.keyword(protocol.OperationStatusAttribute)
	shown, ok := workflow.GetTypedSearchAttributes(s.ctx).GetKeyword(operationStatus)
	if held == (ok && shown == protocol.HeldStatus) || !s.tellsHeld() {
		return
	}
	update := operationStatus.ValueUnset()
	if held {
		update = operationStatus.ValueSet(protocol.HeldStatus)
	}
	if err := workflow.UpsertTypedSearchAttributes(s.ctx, update); err != nil {
		workflow.GetLogger(s.ctx).Error("search attributes not set", "error", err)
	}
}

// hasWork says whether the loop must turn again.
func (s *serializer) hasWork() bool {
	if s.mayTakeIn() || s.changed || s.mustCancel() || s.wasReset() {
		return true
	}
	if s.idle.fired() || s.hold.fired(s) || s.mustTell() || s.pages.hasNews() {
		return true
	}
	if s.head != nil && (s.head.hasNews() || s.mustTurn(s.head)) || slices.ContainsFunc(s.ended, s.mustTurn) || s.mustSpawn() || s.recurringNews() {
		return true
	}
	return s.hints.Len() > 0 || s.ahead.hasNews() || slices.ContainsFunc(s.ended, (*child).hasNews)
}

func (s *serializer) mustCancel() bool {
	return s.root.Err() != nil && !s.cancelled
}

// handleCancellation turns a cancellation from the Web UI or the temporal CLI
// into what it means for a token: everything accepted so far is cancelled, and
// what is submitted later runs.
func (s *serializer) handleCancellation() {
	if !s.mustCancel() {
		return
	}
	s.cancelled = true
	s.cancelAll(cancelledReason)
}

// cancelAll ends what queues, and asks the head to, as far as they may be
// cancelled.
func (s *serializer) cancelAll(reason string) {
	s.queue.CancelAll(reason)
	if s.head != nil && s.head.entry.Restrictions.MayCancel() {
		s.head.wantCancel = true
	}
}

// endIfOver ends the run where its time has come: at a hand-off, when no
// operation runs, so that no completion is missed; or when it was idle for
// long. Only a head that stands still is left to the next run, which adopts it.
func (s *serializer) endIfOver() (over bool, err error) {
	switch {
	case s.wasReset():
		return s.end(false)
	case s.idle.over(s):
		return s.end(true)
	case s.runIsOver() && (s.head == nil || s.headStands()):
		return s.end(false)
	}
	return false, nil
}

func (s *serializer) runIsOver() bool {
	info := workflow.GetInfo(s.ctx)
	over := info.GetContinueAsNewSuggested() ||
		info.GetTargetWorkerDeploymentVersionChanged() ||
		info.GetCurrentHistoryLength() >= s.settings.MaxRunEvents ||
		s.signals >= s.settings.MaxRunSignals
	return over && s.runAge() >= minRunAge || s.isFlooded()
}

// isFlooded says that the server will soon take no more signals in this run.
func (s *serializer) isFlooded() bool {
	return s.signals >= s.settings.MaxRunSignals*maxSignalsFactor/10
}

// headStands says that the run cannot wait for the head any longer.
func (s *serializer) headStands() bool {
	return s.isFlooded() || workflow.Now(s.ctx).Sub(s.head.since) >= standsAfter
}

// end is the one place that ends a run. Signals that are in history but not
// received would be lost with it, so it drains last, and starts over if that
// could have let anything in. What arrives later is safe: the server then
// refuses the close and runs this task again.
func (s *serializer) end(complete bool) (over bool, err error) {
	s.ending = true
	for drained := false; !drained; {
		if err := s.settle(); err != nil {
			return true, err
		}
		drained = !s.intake(s.ctx) // may yield: until nothing came
		if s.queue.MustSpill() || s.queue.Saturated() {
			drained = false
		}
	}
	s.handleCompletions()
	s.startRecurring() // and notes what was started
	s.handleCancellation()
	s.report()
	if !complete {
		return true, s.continueAsNew()
	}
	if s.queue.Idle() {
		return true, nil
	}
	s.ending = false // a submission came after all: go on
	return false, nil
}

// settle waits until nothing that this run began is between its command and its
// start, and its pages hold what does not fit its state.
func (s *serializer) settle() error {
	settled := func() bool {
		return workflow.AllHandlersFinished(s.ctx) && s.allStarted() && s.pages.settled() && s.hasAsked()
	}
	crowded := func() bool { return bytesIn(s.queue.Recurring) >= maxRecurringBytes }
	for s.turnPages(); !settled() || len(s.queue.ToStart()) > 0 || crowded(); s.turnPages() {
		s.startRecurring()
		if err := workflow.Await(s.ctx, func() bool {
			return settled() && !crowded() || s.pages.hasNews() || s.queue.MustSpill() || s.recurringNews()
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *serializer) continueAsNew() error {
	s.forgetStarted()
	return workflow.NewContinueAsNewError(s.ctx, protocol.SerializerWorkflow,
		protocol.SerializerInput{Token: s.queue.Token},
		carried{
			Queue: s.queue, Answers: s.answers, Refused: s.refused, Predecessor: s.predecessor,
			HeadInDoubt: s.head != nil && s.head.adopted != nil && s.head.inDoubt(),
			CancelHead:  s.head != nil && s.head.wantCancel,
			TurnHead:    s.head != nil && s.head.wantTurn,
			FreedOn:     s.freedOn,
		})
}

// details is what the Web UI shows of the token.
func (s *serializer) details() string {
	if s.refused != "" {
		return "**Refused** " + escape(s.refused)
	}
	text := s.queue.Details(workflow.Now(s.ctx))
	if p := s.predecessor; p.RunID != "" {
		text += fmt.Sprintf("\n**Before** run %s ended %s (%s): %s, with %d operations queued\n",
			p.RunID, p.Status, escape(cut(p.Reason, maxRejectBytes)), p.Look, p.Queued)
	}
	return cut(text, maxDetailsBytes)
}
