package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// recurrence is one run of a Recurrence. Its rules are in life.
type recurrence struct {
	// ctx is never cancelled; a cancellation of the workflow is an event on root.
	ctx, root workflow.Context

	life  *Recurring
	start RecurrenceStart

	done       workflow.ReceiveChannel // an occurrence is about to close
	watching   watch
	cancelling bool // the workflow's own cancellation was handled
	changed    bool // a request changed something
	ending     bool // this run takes no more requests
}

// Recurrence makes the occurrences of one recurring operation, one after another,
// until it is cancelled or its rule ends (SPEC 7.3). submitted is the operation
// as a client or a serializer wrote it; system is a RecurrenceStart, which counts
// only when it comes from the run before.
func (d *definitions) Recurrence(root workflow.Context, submitted, system converter.RawValue) (protocol.OperationClosed, error) {
	ctx, _ := workflow.NewDisconnectedContext(root)
	r := &recurrence{ctx: ctx, root: root}
	if err := r.begin(d, submitted, system); err != nil {
		return protocol.OperationClosed{}, err
	}
	if err := r.setHandlers(); err != nil {
		return protocol.OperationClosed{}, err
	}
	for {
		r.handleCancellation()
		step := r.life.Next(workflow.Now(ctx))
		r.showStatus()
		switch {
		case step == RecurringEnd:
			return r.close()
		case r.runIsOver():
			return protocol.OperationClosed{}, r.continueAsNew(submitted)
		case step == RecurringCompute:
			r.compute()
		case step == RecurringWait:
			r.wait()
		case step == RecurringBegin:
			r.life.Begin(workflow.Now(ctx))
		case !r.life.Open.There:
			r.beginOccurrence()
		default:
			r.watch()
		}
	}
}

// computeTimeout bounds one attempt to compute a point: an evaluation takes
// milliseconds, a second at most.
const computeTimeout = 30 * time.Second

// compute asks the engine for the next point of the grid.
func (r *recurrence) compute() {
	ctx := workflow.WithActivityOptions(r.ctx, workflow.ActivityOptions{
		TaskQueue:           engineTaskQueue(r.ctx),
		StartToCloseTimeout: computeTimeout,
		Summary:             "computes the next point of the grid",
		RetryPolicy:         &temporal.RetryPolicy{MaximumInterval: time.Minute},
	})
	asked := r.life.Computing()
	answer := workflow.ExecuteActivity(ctx, protocol.NextPointActivity, asked)
	for r.changed = false; !answer.IsReady(); r.changed = false {
		r.await(answer.IsReady)
		if !answer.IsReady() && r.life.Record.StatusCode.Terminal() {
			return
		}
	}
	var reply protocol.NextPointReply
	if err := answer.Get(ctx, &reply); err != nil { // the engine refuses a rule, as the front would have
		r.life.end(protocol.Failed, protocol.CodeInvalidRecurrence, err.Error(), workflow.Now(r.ctx))
		return
	}
	r.life.Computed(asked, reply.Point)
}

// wait lets time pass until the next occurrence is due or a request changed that.
func (r *recurrence) wait() {
	ctx, cancel := workflow.WithCancel(r.ctx)
	defer cancel()
	r.changed = false
	until := r.life.WaitUntil()
	rest := min(until.Sub(workflow.Now(r.ctx)), maxTimer)
	timer := workflow.NewTimerWithOptions(ctx, rest, workflow.TimerOptions{Summary: "next occurrence at " + until.UTC().Format(time.RFC3339)})
	r.await(timer.IsReady)
}

// await waits until the condition holds, a request came, or the workflow was
// cancelled from outside.
func (r *recurrence) await(condition func() bool) {
	_ = workflow.Await(r.ctx, func() bool { return condition() || r.changed || r.mustCancel() }) // r.ctx is never cancelled
	r.handleCancellation()
}

func (r *recurrence) mustCancel() bool { return r.root.Err() != nil && !r.cancelling }

// handleCancellation turns a cancellation of the workflow into the action.
func (r *recurrence) handleCancellation() {
	if r.mustCancel() {
		r.cancelling = true
		r.life.Cancel(protocol.Taken{Action: protocol.ActionCancel, On: workflow.Now(r.ctx), Reason: "the workflow was cancelled"})
	}
}

// runIsOver says that a fresh run should go on: between two occurrences, or with
// one open, which the next run watches.
func (r *recurrence) runIsOver() bool {
	info := workflow.GetInfo(r.ctx)
	long := r.start.MaxRunEvents > 0 && info.GetCurrentHistoryLength() >= r.start.MaxRunEvents
	return long || info.GetContinueAsNewSuggested() || info.GetTargetWorkerDeploymentVersionChanged()
}

// continueAsNew goes on in a fresh run. What it was told of an occurrence's end
// and has not read is no loss: the next run looks by itself.
func (r *recurrence) continueAsNew(submitted converter.RawValue) error {
	r.ending = true
	if err := workflow.Await(r.ctx, func() bool { return workflow.AllHandlersFinished(r.ctx) }); err != nil {
		return err
	}
	r.handleCancellation()
	next, life := r.start, *r.life
	life.Record.Data = nil // it stands in submitted
	next.Life = &life
	return workflow.NewContinueAsNewError(r.ctx, protocol.RecurrenceWorkflow, submitted, next)
}

// close ends the workflow as the recurring operation ended.
func (r *recurrence) close() (protocol.OperationClosed, error) {
	r.ending = true
	if err := workflow.Await(r.ctx, func() bool { return workflow.AllHandlersFinished(r.ctx) }); err != nil {
		return protocol.OperationClosed{}, err
	}
	workflow.SetCurrentDetails(r.ctx, r.details())
	return closedAs(r.life.Record)
}

// showStatus changes what filters and people see.
func (r *recurrence) showStatus() {
	if status := r.life.Record.StatusCode; status == protocol.Waiting || status == protocol.InProgress {
		showStatus(r.ctx, r.start.SearchAttributes, r.start.AttributeNames, r.life.Record, status)
	}
	workflow.SetCurrentDetails(r.ctx, r.details())
}

// details is what the Web UI shows of a recurring operation now.
func (r *recurrence) details() string {
	var b strings.Builder
	b.WriteString(explained(protocol.Situation{Record: r.life.Record}))
	if open := r.life.Open; open != nil {
		fmt.Fprintf(&b, "\n\n**Occurrence** %s", escape(protocol.OccurrenceID(r.life.Record.ID, open.N)))
	}
	return cut(b.String(), maxDetailsBytes)
}
