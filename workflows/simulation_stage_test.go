package workflows

import (
	"runtime"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// simSettle is what passes after the last event until nothing can happen any
// more.
const simSettle = 300 * simGrid

// play runs the script.
func (b *simBench) play() {
	for i, e := range b.script.events {
		if i == 0 || b.script.events[i-1].at != e.at {
			b.RegisterDelayedCallback(func() { b.happen(i) }, e.at)
		}
	}
	b.tick()
	b.ExecuteWorkflow("stage")
}

// spin keeps the test environment from waiting while the goroutine of a workflow
// that is starting is under way: meanwhile its time would pass like real time.
func (b *simBench) spin() {
	if b.spinning || len(b.starting) == 0 && !b.beginning {
		return
	}
	b.spinning = true
	b.RegisterDelayedCallback(func() {
		b.spinning = false
		runtime.Gosched()
		b.spin()
	}, 0)
}

// tick sees to it that the next timer is never the one that ends the whole test
// in ten years: once that has been the next while an activity ran, the test
// environment is kept in memory until then.
func (b *simBench) tick() {
	if !b.over {
		b.RegisterDelayedCallback(b.tick, 200*simGrid)
	}
}

// happen sends one request, and then those of the same instant.
func (b *simBench) happen(i int) {
	b.passed++
	switch e := b.script.events[i]; {
	case e.action == simSubmit:
		b.inbox = append(b.inbox, i) // the stage sends it
		b.SignalWorkflow("wake", nil)
	case e.action != simCancelToken:
		b.held = append(b.held, &simUpdate{bench: b, event: i, simEvent: e})
		b.flush()
	case b.begun && !b.cancelled && !b.cancelling:
		b.log(simLogged{kind: simAnswered, event: i, answer: simAccepted})
		b.cancelling = true // the stage does that
		b.SignalWorkflow("wake", nil)
	default:
		b.log(simLogged{kind: simAnswered, event: i, answer: simNotFound}) // a run is cancelled once
	}
	if next := i + 1; next < len(b.script.events) && b.script.events[next].at == b.script.events[i].at {
		b.hop(b.script.events[next].hops, func() { b.happen(next) })
	}
}

// hop lets the test environment take some steps before it goes on.
func (b *simBench) hop(n int, then func()) {
	if n == 0 {
		then()
		return
	}
	b.RegisterDelayedCallback(func() { b.hop(n-1, then) }, 0)
}

// stage is the workflow under test: it sends the submissions to the token's
// serializer, which it starts where there is none.
func (b *simBench) stage(ctx workflow.Context) error {
	long := *workflow.GetInfo(ctx)
	b.SetCurrentHistoryLength(firstTask)
	first := *workflow.GetInfo(ctx)
	b.long, b.first = &long, &first
	for {
		_ = workflow.Await(ctx, func() bool { return len(b.inbox) > 0 || b.mustContinue() || b.mustCancel() || b.isOver() })
		b.continueAsNew(ctx)
		b.cancel(ctx)
		if b.isOver() {
			break
		}
		if len(b.inbox) == 0 {
			continue
		}
		b.signalWithStart(ctx, b.inbox[0])
		b.inbox = b.inbox[1:]
	}
	b.noteChain()
	b.over = true
	return workflow.Sleep(ctx, simSettle)
}

func (b *simBench) isOver() bool {
	return b.passed == len(b.script.events) && len(b.inbox) == 0 && !b.isServing()
}

// isServing says that there is a run, or will be at once.
func (b *simBench) isServing() bool { return b.child != nil && (!b.child.IsReady() || b.next != nil) }

func (b *simBench) mustContinue() bool { return b.next != nil && b.child.IsReady() }

func (b *simBench) mustCancel() bool { return b.cancelling && b.begun && !b.cancelled }

// cancel asks the present run to be cancelled. One that ends before it knows
// leaves that to the next.
func (b *simBench) cancel(ctx workflow.Context) {
	if b.mustCancel() {
		b.cancelled = true
		workflow.RequestCancelExternalWorkflow(ctx, protocol.SerializerWorkflowID(testToken), "")
	}
}

// noteCancelled notes when the run has learnt of it.
func (b *simBench) noteCancelled(ctx workflow.Context) {
	cancelled := ctx.Done()
	own, _ := workflow.NewDisconnectedContext(ctx)
	workflow.Go(own, func(own workflow.Context) {
		cancelled.Receive(own, nil)
		b.cancelling = false
	})
}

// continueAsNew begins the next run.
func (b *simBench) continueAsNew(ctx workflow.Context) {
	if b.mustContinue() {
		input := b.next.Input.GetPayloads()
		b.next = nil
		b.start(ctx, converter.NewRawValue(input[0]), converter.NewRawValue(input[1]))
	}
}

func (b *simBench) start(ctx workflow.Context, input ...any) {
	b.beginning = true
	b.spin()
	b.child = workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: protocol.SerializerWorkflowID(testToken), WaitForCancellation: true,
	}), protocol.SerializerWorkflow, input...)
}

// signalWithStart is what every client does to submit.
func (b *simBench) signalWithStart(ctx workflow.Context, event int) {
	e := b.script.events[event]
	id := protocol.SerializerWorkflowID(testToken)
	for {
		if !b.isServing() {
			b.noteChain()
			b.start(ctx, protocol.SerializerInput{Token: testToken})
		}
		_ = workflow.Await(ctx, func() bool { return b.begun || b.mustContinue() || !b.isServing() })
		b.continueAsNew(ctx)
		b.sending = event
		if b.begun && workflow.SignalExternalWorkflow(ctx, id, "", protocol.SubmitSignalName, e.argument(b.begin)).Get(ctx, nil) == nil {
			return
		}
	}
}

// noteChain keeps the last state of the chain that is over.
func (b *simBench) noteChain() {
	if b.child == nil {
		return
	}
	var state protocol.SerializerState
	answer, err := b.QueryWorkflowByID(protocol.SerializerWorkflowID(testToken), protocol.StateQueryName)
	if err == nil {
		err = answer.Get(&state)
	}
	if err != nil {
		panic(err)
	}
	b.seen.states = append(b.seen.states, state)
}
