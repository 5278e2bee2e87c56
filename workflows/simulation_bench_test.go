package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
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
// chain after it was idle.
type simBench struct {
	*testsuite.TestWorkflowEnvironment
	script simScript
	begin  time.Time

	// Only touched by the environment's main loop.
	child     workflow.ChildWorkflowFuture // the present chain
	next      *workflow.ContinueAsNewError // what its next run is to be given
	inbox     []int                        // signals that are on their way
	passed    int                          // events that have happened
	over      bool                         // nothing more happens
	begun     bool                         // the serializer's present run has
	cancelled bool                         // and was cancelled from outside
	held      []*simUpdate                 // updates to send to the next run
	sent      []*simUpdate                 // and those without an answer yet
	reporting []string                     // operations that wait to signal their end
	starting  map[string]bool              // operations whose start is under way
	seen      *simSeen

	mu         sync.Mutex // handlers and engine activities have goroutines of their own
	runs       []simRun
	operations map[string]*simExecution
	memos      map[string]map[string]any // of executions, as the serializer gave them
	waiters    []*simWaiter
	stray      map[string]bool // activities that the workflow cancelled
}

// simSeen is what was seen of a script from outside.
type simSeen struct {
	log     []simLogged
	states  []protocol.SerializerState // each chain's last
	adopted int                        // heads that were left to a next run
	lost    []string                   // operations whose start was under way when the run ended
}

// simLogged is an event that was taken: a signal that was delivered, or an
// update that was answered, by the serializer or, where that referred to it, by
// the operation's own workflow. The order is that in which they were: it tells
// the order of what was sent in one instant.
type simLogged struct {
	event       int
	at          time.Duration
	toOperation bool
	answer      string
}

// simRunEnded is logged where a run continued as new.
const simRunEnded = -1

func (b *simBench) log(event int, toOperation bool, answer string) {
	b.seen.log = append(b.seen.log, simLogged{event, b.elapsed(), toOperation, answer})
}

// simRun is one call of a handler.
type simRun struct {
	id    string
	at    time.Duration
	fence protocol.Fence
}

// simExecution is an operation's own workflow.
type simExecution struct {
	sequence      int64
	begun, closed bool
	called        bool // its handler was
	status        protocol.StatusCode
	endedAt       time.Duration
	pending       []*simUpdate
}

// simWaiter is an engine activity that waits for an operation's end.
type simWaiter struct {
	id    string
	token []byte
}

func newSimBench(script simScript) *simBench {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	b := &simBench{
		TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), script: script, begin: day,
		seen:     &simSeen{},
		starting: map[string]bool{}, operations: map[string]*simExecution{}, memos: map[string]map[string]any{}, stray: map[string]bool{},
	}
	b.SetStartTime(day)
	b.SetTestTimeout(30 * time.Second)
	b.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&simInterceptor{bench: b}}})
	b.RegisterWorkflowWithOptions(b.stage, workflow.RegisterOptions{Name: "stage"})
	cat, err := catalogue.New(simType)
	if err != nil {
		panic(err)
	}
	Register(b, cat, Options{MaxRunSignals: script.maxRunSignals, Linger: script.linger})
	for name, do := range map[string]any{
		"record": b.record, protocol.AwaitOperationActivity: b.awaitOperation, protocol.FindPredecessorActivity: b.findPredecessor,
	} {
		b.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	b.SetOnActivityCanceledListener(func(info *activity.Info) { b.cancelledActivity(string(info.TaskToken)) })
	return b
}

// RegisterWorkflowWithOptions wraps the workflows that are tested, so that the
// bench sees them begin and end.
func (b *simBench) RegisterWorkflowWithOptions(definition any, options workflow.RegisterOptions) {
	switch real := definition.(type) {
	case func(workflow.Context, converter.RawValue, converter.RawValue) error:
		definition = b.serializer(real)
	case func(workflow.Context, converter.RawValue, converter.RawValue) (protocol.OperationClosed, error):
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
		}
		b.begun, b.cancelled = true, false
		b.flush()
		err := real(ctx, input, state)
		b.begun = false
		b.seen.lost = slices.AppendSeq(b.seen.lost, maps.Keys(b.starting))
		b.held, b.sent = append(b.held, b.sent...), nil
		if !errors.As(err, &b.next) {
			return err
		}
		b.countAdopted(b.next)
		b.log(simRunEnded, false, "")
		return nil
	}
}

func (b *simBench) countAdopted(next *workflow.ContinueAsNewError) {
	var state carried
	if json.Unmarshal(next.Input.GetPayloads()[1].GetData(), &state) == nil && state.Queue.Head != nil {
		b.seen.adopted++
	}
}

func (b *simBench) operation(real func(workflow.Context, converter.RawValue, converter.RawValue) (protocol.OperationClosed, error)) any {
	return func(ctx workflow.Context, submitted, system converter.RawValue) (protocol.OperationClosed, error) {
		id, _ := protocol.OperationID(workflow.GetInfo(ctx).WorkflowExecution.ID)
		var start OperationStart
		_ = json.Unmarshal(system.Payload().GetData(), &start)
		b.operationBegan(id, start.Sequence)
		closed, err := real(ctx, submitted, system)
		b.operationEnded(id, err)
		return closed, err
	}
}

func (b *simBench) operationBegan(id string, sequence int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.starting, id)
	o := b.execution(id)
	o.begun, o.sequence = true, sequence
	b.RegisterDelayedCallback(b.flush, 0)
}

// operationEnded tells everybody who waits for it.
func (b *simBench) operationEnded(id string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := b.execution(id)
	o.closed, o.status, o.endedAt = true, statusByError(err), b.elapsed()
	for _, u := range o.pending {
		b.log(u.event, true, simClosed)
	}
	o.pending = nil
	for _, w := range b.waiters {
		if w.id == id {
			b.answerWaiter(w)
		}
	}
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

// record is the handler: it follows the operation's plan.
func (b *simBench) record(ctx context.Context, in protocol.HandlerInput) (result protocol.HandlerResult, err error) {
	info := activity.GetInfo(ctx)
	var plan simPlan
	if err := json.Unmarshal(in.Operation.Data, &plan); err != nil {
		return result, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stray[string(info.TaskToken)] {
		// The test environment goes on retrying a cancelled activity; a server
		// does not.
		return result, temporal.NewNonRetryableApplicationError("cancelled", protocol.ErrTypeFail, nil)
	}
	b.execution(in.Operation.ID).called = true
	b.runs = append(b.runs, simRun{in.Operation.ID, b.elapsed(), in.Fence})
	if int(info.Attempt) <= plan.Retries {
		return result, temporal.NewApplicationError("again", protocol.ErrTypeRetry)
	}
	b.RegisterDelayedCallback(func() {
		var failure error
		if plan.Fails {
			failure = temporal.NewNonRetryableApplicationError("no", protocol.ErrTypeFail, nil)
		}
		_ = b.CompleteActivity(info.TaskToken, result, failure) // no longer there if it was cancelled
		b.wake(info.WorkflowExecution.ID)
	}, plan.Takes)
	return result, activity.ErrResultPending
}

func (b *simBench) cancelledActivity(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stray[token] = true
}

// wake has a workflow look around: the test environment only wakes the stage
// when an activity is completed from outside.
func (b *simBench) wake(workflowID string) {
	if _, ofToken := protocol.SerializerKey(workflowID); ofToken && !b.begun {
		return // its next run looks anyway
	}
	_ = b.SignalWorkflowByID(workflowID, "wake", nil) // it may have closed
}
