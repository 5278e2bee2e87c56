package workflows

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// simBench runs the real workflows for a script. The serializer is the child of
// a stage, not the workflow under test: so the stage can begin its next run when
// it continues as new, with the operations that it left running, and a next
// chain after it was idle. Everything happens in the environment's main loop.
type simBench struct {
	*testsuite.TestWorkflowEnvironment
	script simScript
	begin  time.Time

	child               workflow.ChildWorkflowFuture // the present chain
	next                *workflow.ContinueAsNewError // what its next run is to be given
	inbox               []int                        // signals that are on their way
	cancelling          bool                         // the token is to be cancelled
	sending             int                          // the one that is being delivered
	passed              int                          // events that have happened
	moments             int                          // how many were waited for
	over                bool                         // nothing more happens
	beginning, spinning bool                         // a run is about to begin
	begun               bool                         // the serializer's present run has
	cancelled           bool                         // and was cancelled from outside
	lookingBack         bool                         // it asks how the chain before ended
	held                []*simUpdate                 // updates to send to the next run
	sent                []*simUpdate                 // and those without an answer yet
	reporting           []string                     // operations that wait to signal their end
	starting            map[string]bool              // operations whose start is under way
	operations          map[string]*simExecution
	pages               map[string]json.RawMessage // what each page holds
	long, first         *workflow.Info             // of a run with a long history, and in its first task
	seen                *simSeen
}

// simExecution is an operation's own workflow.
type simExecution struct {
	memo          map[string]any // as the serializer gave it
	submitted     protocol.Operation
	plan          simPlan
	waited        bool // its first task is over
	sequence, n   int64
	begun, closed bool
	status        protocol.StatusCode
	endedAt       time.Duration
	calls         int         // of its handler, in this run
	handler       *simHandler // while it is called
	heartbeat     string      // its last, as JSON
	outcome       simOutcome
	pending       []*simUpdate
}

func newSimBench(script simScript) *simBench {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	b := &simBench{
		TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), script: script, begin: day,
		seen: &simSeen{}, starting: map[string]bool{}, operations: map[string]*simExecution{}, pages: map[string]json.RawMessage{},
	}
	b.SetStartTime(day)
	b.SetTestTimeout(30 * time.Second)
	b.SetCurrentHistoryLength(longHistory)
	b.SetWorkerOptions(worker.Options{
		DeadlockDetectionTimeout: time.Minute, // of a machine that is busy
		Interceptors:             []interceptor.WorkerInterceptor{&simInterceptor{bench: b}},
	})
	b.RegisterWorkflowWithOptions(b.stage, workflow.RegisterOptions{Name: "stage"})
	cat, err := catalogue.New(simType, localTo(simType))
	if err != nil {
		panic(err)
	}
	Register(b, cat, Options{
		MaxRunSignals: script.maxRunSignals, Linger: script.linger, MaxRunEvents: longHistory, PageBytes: script.pageBytes,
		LookAhead: LookAhead{Window: script.window, After: simStandsAfter},
	})
	return b
}

// longHistory is how many events a run may have.
const longHistory = 1000

// RegisterWorkflowWithOptions wraps the workflows that are tested, so that the
// bench sees them begin and end.
func (b *simBench) RegisterWorkflowWithOptions(definition any, options workflow.RegisterOptions) {
	switch real := definition.(type) {
	case func(workflow.Context, converter.RawValue, converter.RawValue) error:
		definition = b.serializer(real)
	case simOperationWorkflow:
		definition = b.operation(real)
	}
	b.TestWorkflowEnvironment.RegisterWorkflowWithOptions(definition, options)
}

// serializer tells a run that it continues another, and leaves it to the stage to
// begin the next: the test environment does not tell the one, and after the other
// keeps all that it has for ever.
func (b *simBench) serializer(real func(workflow.Context, converter.RawValue, converter.RawValue) error) any {
	return func(ctx workflow.Context, input, state converter.RawValue) error {
		if state.Payload() != nil {
			workflow.GetInfo(ctx).ContinuedExecutionRunID = "the run before"
		} else {
			b.lookingBack = true
			b.log(simLogged{kind: simChainBegins})
		}
		b.begun, b.beginning, b.cancelled = true, false, false
		b.flush()
		b.noteCancelled(ctx)
		err := real(ctx, input, state)
		b.begun = false
		b.seen.lost = slices.AppendSeq(b.seen.lost, maps.Keys(b.starting))
		b.held, b.sent = append(b.held, b.sent...), nil
		if !errors.As(err, &b.next) {
			b.log(simLogged{kind: simChainEnds})
			return err
		}
		b.countAdopted(b.next)
		b.log(simLogged{kind: simRunEnds})
		return nil
	}
}

func (b *simBench) countAdopted(next *workflow.ContinueAsNewError) {
	var state carried
	if json.Unmarshal(next.Input.GetPayloads()[1].GetData(), &state) == nil && state.Queue.Head != nil {
		b.seen.adopted++
	}
}

type simOperationWorkflow = func(workflow.Context, converter.RawValue, converter.RawValue) (protocol.OperationClosed, error)

// operation goes on where a run continues as new, in the same execution: the test
// environment loses what is on its way between two.
func (b *simBench) operation(real simOperationWorkflow) any {
	return func(ctx workflow.Context, submitted, system converter.RawValue) (protocol.OperationClosed, error) {
		id, _ := protocol.OperationID(workflow.GetInfo(ctx).WorkflowExecution.ID)
		var start OperationStart
		_ = json.Unmarshal(system.Payload().GetData(), &start)
		b.operationBegan(id, start.Sequence)
		closed, err := real(ctx, submitted, system)
		for next := (*workflow.ContinueAsNewError)(nil); errors.As(err, &next); {
			b.seen.renewed++
			b.execution(id).calls = 0
			b.flush()
			workflow.GetInfo(ctx).ContinuedExecutionRunID = "the run before"
			input := next.Input.GetPayloads()
			closed, err = real(ctx, converter.NewRawValue(input[0]), converter.NewRawValue(input[1]))
		}
		b.operationEnded(id, err)
		return closed, err
	}
}

func (b *simBench) operationBegan(id string, sequence int64) {
	delete(b.starting, id)
	o := b.execution(id)
	o.begun, o.sequence = true, sequence
	b.log(simLogged{kind: simBegins, id: id, sequence: sequence})
	b.RegisterDelayedCallback(b.flush, 0)
}

// operationEnded tells everybody who waits for it.
func (b *simBench) operationEnded(id string, err error) {
	o := b.execution(id)
	o.closed, o.status, o.endedAt = true, statusByError(err), b.elapsed()
	b.log(simLogged{kind: simCloses, id: id, status: o.status})
	for _, u := range o.pending {
		b.log(simLogged{kind: simAnswered, event: u.event, toOperation: true, answer: simClosed})
	}
	o.pending = nil
	b.RegisterDelayedCallback(b.flush, 0)
	b.RegisterDelayedCallback(func() { b.wake(protocol.SerializerWorkflowID(testToken)) }, 0)
}

// statusByError is how a workflow that ends so is shown.
func statusByError(err error) protocol.StatusCode {
	switch cancelled := (*temporal.CanceledError)(nil); {
	case err == nil:
		return protocol.Succeeded
	case errors.As(err, &cancelled):
		return protocol.Canceled
	}
	return protocol.Failed
}

func (b *simBench) execution(id string) *simExecution {
	if b.operations[id] == nil {
		b.operations[id] = &simExecution{}
	}
	return b.operations[id]
}

func (b *simBench) elapsed() time.Duration { return b.Now().Sub(b.begin) }

// wake has a workflow look around.
func (b *simBench) wake(workflowID string) {
	if _, ofToken := protocol.SerializerKey(workflowID); ofToken && !b.begun {
		return // its next run looks anyway
	}
	_ = b.SignalWorkflowByID(workflowID, "wake", nil) // it may have closed
}
