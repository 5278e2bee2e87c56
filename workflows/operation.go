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

// operation is one run of an Operation. Its rules are in life.
type operation struct {
	// ctx is never cancelled; a cancellation of the workflow is an event on root.
	ctx, root workflow.Context

	life    *Life
	start   OperationStart // what was decided when it was started
	defined *definitions   // has what a local attempt runs

	holds      workflow.ReceiveChannel // its token is held, or no longer
	turns      workflow.ReceiveChannel // its turn has come, where it was started ahead
	cancelling bool                    // the workflow's own cancellation was handled
	cancelRun  workflow.CancelFunc
	changed    bool // a request changed something
	ending     bool // this run takes no more requests
	waited     bool // it waited for something else than its turn
}

// maxTimer bounds one timer; a longer wait is several in a row.
const maxTimer = 365 * 24 * time.Hour

// Operation owns the life of one operation until it is Completed, and closes as
// it ended: completed, failed or canceled. submitted is the operation as a
// client or the serializer wrote it; system is an OperationStart, which counts
// only when it comes from the token's serializer or from the run before.
func (d *definitions) Operation(root workflow.Context, submitted, system converter.RawValue) (protocol.OperationClosed, error) {
	ctx, _ := workflow.NewDisconnectedContext(root)
	o := &operation{ctx: ctx, root: root, defined: d}
	if err := o.begin(d, submitted, system); err != nil {
		return protocol.OperationClosed{}, err
	}
	o.readSignals()
	o.life.Next(workflow.Now(ctx)) // a request that has come already runs as soon as its handler is set
	if err := o.setHandlers(); err != nil {
		return protocol.OperationClosed{}, err
	}
	for {
		o.readSignals()
		step := o.life.Next(workflow.Now(ctx))
		workflow.SetCurrentDetails(ctx, o.details())
		switch {
		case step == StepEnd:
			return o.close()
		case o.runIsOver():
			return protocol.OperationClosed{}, o.continueAsNew(submitted)
		case step == StepWait:
			o.wait()
		default:
			o.run()
		}
	}
}

// wait lets time pass until the operation may start or a request changed it.
func (o *operation) wait() {
	o.showStatus(o.life.Record.StatusCode)
	ctx, cancel := workflow.WithCancel(o.ctx)
	defer cancel()
	o.changed, o.waited = false, true
	until, ends := o.life.WaitUntil()
	if !ends {
		o.await(func() bool { return false })
		return
	}
	rest := min(until.Sub(workflow.Now(o.ctx)), maxTimer)
	timer := workflow.NewTimerWithOptions(ctx, rest, workflow.TimerOptions{Summary: timerSummary(o.life.Record, until)})
	postponed := o.life.Record.SuspendReason == protocol.SuspendPostponed
	o.await(timer.IsReady)
	if postponed && timer.IsReady() {
		o.reportDue(until)
	}
}

// await waits until the condition holds, a request came, its token's hold
// changed, or the workflow was cancelled from outside, which counts as the
// action cancel.
func (o *operation) await(condition func() bool) {
	cancelled := func() bool { return o.root.Err() != nil && !o.cancelling }
	_ = workflow.Await(o.ctx, func() bool { // o.ctx is never cancelled
		return condition() || o.changed || cancelled() || o.holds.Len() > 0 || o.turns.Len() > 0
	})
	o.readSignals()
	if cancelled() && !condition() {
		o.cancelling = true
		if !o.life.Record.Restrictions.MayCancel() {
			workflow.GetLogger(o.ctx).Warn("the workflow was asked to cancel, which its operation's type forbids")
			return
		}
		o.cancel(protocol.Taken{Action: protocol.ActionCancel, On: workflow.Now(o.ctx), Reason: "the workflow was cancelled"})
	}
}

// readSignals takes note of what the serializer said: of its token, and of its turn.
func (o *operation) readSignals() {
	o.readHolds()
	for o.turns.Len() > 0 {
		var raw converter.RawValue
		if !o.turns.ReceiveAsync(&raw) {
			return
		}
		var turn protocol.Turn
		if encoded, err := jsonOf(raw); err == nil && json.Unmarshal(encoded, &turn) == nil {
			o.life.TurnCame(turn)
		}
	}
}

func (o *operation) readHolds() {
	for o.holds.Len() > 0 {
		var raw converter.RawValue
		if !o.holds.ReceiveAsync(&raw) {
			return
		}
		var held protocol.TokenHold
		if encoded, err := jsonOf(raw); err == nil && json.Unmarshal(encoded, &held) == nil {
			o.life.TokenHeld(held.Hold)
		}
	}
}

// runIsOver says that history has grown so long that a fresh run should go on:
// an operation that is paused, resumed or retried without an end.
func (o *operation) runIsOver() bool {
	info := workflow.GetInfo(o.ctx)
	return o.start.MaxRunEvents > 0 && info.GetCurrentHistoryLength() >= o.start.MaxRunEvents || info.GetContinueAsNewSuggested()
}

// continueAsNew goes on in a fresh run, between two calls of the handler.
func (o *operation) continueAsNew(submitted converter.RawValue) error {
	o.ending = true
	if err := workflow.Await(o.ctx, func() bool { return workflow.AllHandlersFinished(o.ctx) }); err != nil {
		return err
	}
	o.readSignals()
	next := o.start
	life := *o.life
	life.Record.Data = nil // it stands in submitted
	next.Life, next.ReportEnd = &life, o.mustReport()
	return workflow.NewContinueAsNewError(o.ctx, protocol.OperationWorkflow, submitted, next)
}

// close ends the workflow as the operation ended.
func (o *operation) close() (protocol.OperationClosed, error) {
	if err := workflow.Await(o.ctx, func() bool { return workflow.AllHandlersFinished(o.ctx) }); err != nil {
		return protocol.OperationClosed{}, err
	}
	workflow.SetCurrentDetails(o.ctx, o.details())
	o.reportEnd()
	o.reportOccurrence()
	o.reportOutcome(o.life.Record.StatusCode)
	return closedAs(o.life.Record)
}

// closedAs is how the workflow of an operation closes, so that Temporal's own
// status, filters and colours are right. A parent learns no more than it needs.
func closedAs(r protocol.Record) (protocol.OperationClosed, error) {
	closed := protocol.OperationClosed{ID: r.ID, Status: r.StatusCode}
	switch r.StatusCode {
	case protocol.Succeeded:
		closed.CompletedOn = r.CompletedOn
		return closed, nil
	case protocol.Canceled:
		return closed, temporal.NewCanceledError(shown(r))
	}
	message := cut(fmt.Sprintf("%s: %s", r.ErrorCode, r.Message), maxShownBytes)
	return closed, temporal.NewNonRetryableApplicationError(message, protocol.ErrTypeOperationFailed, nil, shown(r))
}

// mustReport says that the serializer asked to be told of the end.
func (o *operation) mustReport() bool {
	asked := workflow.GetSignalChannel(o.ctx, protocol.ReportEndSignalName)
	var raw converter.RawValue
	return asked.ReceiveAsync(&raw) || o.start.ReportEnd
}

// reportEnd tells the serializer that this execution is about to close: if it asked,
// or if its turn had not come, since a run that did not start it watches it from its
// turn on. The server rejects the close if the question arrives meanwhile.
func (o *operation) reportEnd() {
	if !o.mustReport() && !o.life.EndedAhead || o.life.Record.DependencyToken == "" {
		return
	}
	report := workflow.SignalExternalWorkflow(o.ctx, protocol.SerializerWorkflowID(o.life.Record.DependencyToken), "",
		protocol.OperationClosedSignalName, protocol.OperationClosed{ID: o.life.Record.ID, Status: o.life.Record.StatusCode})
	if err := report.Get(o.ctx, nil); err != nil {
		workflow.GetLogger(o.ctx).Warn("the serializer was not told of the end; it looks by itself", "error", err)
	}
}

// reportOccurrence tells the recurrence of the end of an occurrence. One that has
// ended itself is not told.
func (o *operation) reportOccurrence() {
	r := o.life.Record
	if r.RecurrenceOf == "" {
		return
	}
	report := workflow.SignalExternalWorkflow(o.ctx, protocol.OperationWorkflowID(r.RecurrenceOf), "",
		protocol.OccurrenceDoneSignalName, protocol.OperationClosed{ID: r.ID, Status: r.StatusCode})
	if err := report.Get(o.ctx, nil); err != nil {
		workflow.GetLogger(o.ctx).Info("the recurrence was not told of the end", "error", err)
	}
}

// shown is the record as it stands in the parent's history too: without the
// payloads, and with messages of a bounded length.
func shown(r protocol.Record) protocol.Record {
	r.Data, r.Result = nil, nil
	r.Message, r.FriendlyMessage = cut(r.Message, maxShownBytes), cut(r.FriendlyMessage, maxShownBytes)
	return r
}
