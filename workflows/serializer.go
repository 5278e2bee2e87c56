package workflows

import (
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
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

	submissions workflow.ReceiveChannel
	signals     int // received in this run
	startedOn   time.Time

	head      *child
	ended     []*child // executions that only record an end
	cancelled bool     // the cancellation of this run was handled
	changed   bool     // an update changed something
	ending    bool     // this run takes no more updates
	idle      idleTimer
}

// carried is what one run hands to the next.
type carried struct {
	Queue   *Queue  `json:"queue"`
	Answers answers `json:"answers"`
	Refused string  `json:"refused,omitempty"`
}

// settings are the worker's options as this run recorded them.
type settings struct {
	SearchAttributes bool          `json:"searchAttributes"`
	Linger           time.Duration `json:"lingerNanoseconds"`
	MaxRunEvents     int           `json:"maxRunEvents"`
	MaxRunSignals    int           `json:"maxRunSignals"`
}

// minRunAge keeps a run from ending in the second in which it began.
const minRunAge = time.Second

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
	s.restore(input, state)
	if err := s.recordSettings(); err != nil {
		return nil, err
	}
	s.queue.Counts.Runs++
	return s, s.setHandlers()
}

// restore takes over from the run before, or begins a chain of runs.
func (s *serializer) restore(input, state converter.RawValue) {
	info := workflow.GetInfo(s.ctx)
	if info.ContinuedExecutionRunID != "" && state.Payload() != nil {
		var before carried
		if err := json.Unmarshal(state.Payload().GetData(), &before); err != nil || before.Queue == nil {
			// Written by a serializer: only a worker that is too old cannot read
			// it. Failing the task keeps everything until a newer one is there.
			panic(fmt.Sprintf("the state of the run before cannot be read: %v", err))
		}
		s.queue, s.answers, s.refused = before.Queue, before.Answers, before.Refused
		return
	}
	token, refused, warning := tokenOf(info.WorkflowExecution.ID, input)
	s.queue, s.refused = NewQueue(token, s.startedOn), refused
	for _, problem := range []string{refused, warning} {
		if problem != "" {
			s.queue.Reject(protocol.ErrTypeInvalidOperation, "", problem, s.startedOn)
		}
	}
}

// recordSettings fixes for this run what the worker was configured with, and
// labels a new chain for the Web UI's filters.
func (s *serializer) recordSettings() error {
	recorded := workflow.SideEffect(s.ctx, func(workflow.Context) any {
		o := s.options
		return settings{o.SearchAttributes, o.Linger, o.MaxRunEvents, o.MaxRunSignals}
	})
	if err := recorded.Get(&s.settings); err != nil {
		return err
	}
	if !s.settings.SearchAttributes || s.refused != "" || s.queue.Counts.Runs > 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(s.ctx, dependencyToken.ValueSet(protocol.TokenKey(s.queue.Token)))
}

// run is the loop: take in, see what completed, start what may start, wait.
func (s *serializer) run() error {
	for {
		s.intake(s.ctx)
		s.handleCancellation()
		s.handleCompletions()
		if over, err := s.endIfOver(); over {
			return err
		}
		s.startHead()
		s.startEnded()
		s.idle.arm(s)
		s.changed = false
		workflow.SetCurrentDetails(s.ctx, s.details())
		if err := workflow.Await(s.ctx, s.hasWork); err != nil {
			return err
		}
	}
}

// hasWork says whether the loop must turn again.
func (s *serializer) hasWork() bool {
	if s.submissions.Len() > 0 || s.changed || s.idle.fired() || s.mustCancel() {
		return true
	}
	if s.head != nil && s.head.hasNews() {
		return true
	}
	for _, c := range s.ended {
		if c.closed.IsReady() {
			return true
		}
	}
	return false
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
	s.queue.CancelAll("the token's workflow was cancelled", workflow.Now(s.ctx))
	if s.head != nil {
		s.head.wantCancel = true
	}
}

// endIfOver ends the run where its time has come: at a hand-off, when no
// operation runs, so that no completion is missed; or when it was idle for
// long.
func (s *serializer) endIfOver() (over bool, err error) {
	if s.head != nil {
		return false, nil
	}
	switch {
	case s.runIsOver():
		return s.end(false)
	case s.idle.over(s):
		return s.end(true)
	}
	return false, nil
}

func (s *serializer) runIsOver() bool {
	info := workflow.GetInfo(s.ctx)
	over := info.GetContinueAsNewSuggested() ||
		info.GetTargetWorkerDeploymentVersionChanged() ||
		info.GetCurrentHistoryLength() >= s.settings.MaxRunEvents ||
		s.signals >= s.settings.MaxRunSignals
	return over && s.runAge() >= minRunAge
}

// end is the one place that ends a run. Signals that are in history but not
// received would be lost with it, so it drains last, and starts over if that
// could have let anything in. What arrives later is safe: the server then
// refuses the close and runs this task again.
func (s *serializer) end(complete bool) (over bool, err error) {
	s.ending = true
	if err := workflow.Await(s.ctx, func() bool {
		return workflow.AllHandlersFinished(s.ctx) && s.allStarted()
	}); err != nil {
		return true, err
	}
	for s.intake(s.ctx) { // may yield: until nothing came
	}
	s.handleCompletions()
	s.handleCancellation()
	if !complete {
		return true, s.continueAsNew()
	}
	if s.queue.Idle() {
		return true, nil
	}
	s.ending = false // a submission came after all: go on
	return false, nil
}

func (s *serializer) continueAsNew() error {
	s.forgetStarted()
	return workflow.NewContinueAsNewError(s.ctx, protocol.SerializerWorkflow,
		protocol.SerializerInput{Token: s.queue.Token},
		carried{Queue: s.queue, Answers: s.answers, Refused: s.refused})
}

// details is what the Web UI shows of the token.
func (s *serializer) details() string {
	if s.refused != "" {
		return "**Refused** " + escape(s.refused)
	}
	return cut(s.queue.Details(workflow.Now(s.ctx)), maxDetailsBytes)
}

// dependencyToken is the token's search attribute.
var dependencyToken = temporal.NewSearchAttributeKeyKeyword(protocol.DependencyTokenAttribute)
