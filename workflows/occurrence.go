package workflows

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// An occurrence is watched until it has ended. The server tells of one that this
// run started as its child. One that was submitted to a token, or that the run
// before started, signals that it is about to close; a timer that grows slower
// looks all the same, since one that is terminated, or refused by its token,
// tells nobody.

// How an occurrence is watched.
const (
	firstLookAfter = 10 * time.Second
	lastLookAfter  = time.Hour
	// A submission goes on until it is taken: a token may be full for long.
	submitTimeout   = 2 * time.Minute
	submitHeartbeat = 20 * time.Second
)

// watch is how this run watches the open occurrence.
type watch struct {
	child  workflow.Future // its end, where this run started it
	look   workflow.Future
	timer  workflow.Future
	cancel workflow.CancelFunc // of the timer
	gap    time.Duration       // until the next look
	hinted bool                // it signalled while the engine looked
	// uncancelled says that the occurrence could not be asked to cancel itself.
	uncancelled bool
}

// beginOccurrence gives the open occurrence its execution, or its place in its
// token's queue (SPEC 7.6).
func (r *recurrence) beginOccurrence() {
	r.watching = watch{gap: firstLookAfter}
	if r.life.Record.DependencyToken == "" {
		r.startChild()
	} else {
		r.submit()
	}
}

// startChild starts the occurrence of a recurrence without a token. It outlives
// this run.
func (r *recurrence) startChild() {
	o := r.life.Occurrence()
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(r.ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            protocol.OperationWorkflowID(o.ID),
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         summary(o),
		StaticDetails:         staticDetails(o),
		Priority:              temporal.Priority{PriorityKey: o.Priority, FairnessKey: o.FairnessKey},
		Memo:                  freeMemo(o),
	}), protocol.OperationWorkflow, o)
	err := child.GetChildWorkflowExecution().Get(r.ctx, nil)
	switch {
	case err == nil:
		r.watching.child, r.life.Open.There = child, true
	case isAlreadyStarted(err):
		r.yieldNumber()
	default:
		r.life.Ended(protocol.Failed, err.Error(), workflow.Now(r.ctx))
	}
}

// freeMemo is what describe shows of an operation that no serializer started.
func freeMemo(o protocol.Operation) map[string]any {
	m := map[string]any{protocol.ContentHashMemo: o.ContentHash(), protocol.TypeMemo: o.OperationType}
	if o.Name != "" {
		m[protocol.NameMemo] = o.Name
	}
	return m
}

// yieldNumber leaves the number to the operation that has it: one that an earlier
// recurrence with the same id left behind. While that runs, nothing runs beside
// it.
func (r *recurrence) yieldNumber() {
	for wait := time.Minute; ; wait = min(2*wait, lastLookAfter) {
		var found protocol.FindOccurrenceReply
		err := workflow.ExecuteActivity(r.findContext(wait), protocol.FindOccurrenceActivity, protocol.OccurrenceRequest{
			Operation: r.life.Occurrence(), DecidedOn: r.life.Open.DecidedOn, WaitSeconds: wait.Seconds(),
		}).Get(r.ctx, &found)
		r.handleCancellation()
		switch {
		case err != nil:
			r.life.Ended(protocol.Failed, err.Error(), workflow.Now(r.ctx))
		case r.life.CancelOpen:
			r.life.Ended(protocol.Canceled, "canceled before it began", workflow.Now(r.ctx))
		case found.Closed || !found.Found:
			r.life.Renumber()
		default:
			continue
		}
		return
	}
}

// submit submits the occurrence to its token, and goes on trying until that took
// it or the recurrence is cancelled.
func (r *recurrence) submit() {
	ctx, cancel := workflow.WithCancel(workflow.WithActivityOptions(r.ctx, workflow.ActivityOptions{
		TaskQueue:           engineTaskQueue(r.ctx),
		StartToCloseTimeout: submitTimeout,
		HeartbeatTimeout:    submitHeartbeat,
		WaitForCancellation: true,
		Summary:             "submits the occurrence to its token",
		RetryPolicy:         &temporal.RetryPolicy{MaximumInterval: time.Minute},
	}))
	defer cancel()
	submitted := workflow.ExecuteActivity(ctx, protocol.SubmitOccurrenceActivity,
		protocol.OccurrenceRequest{Operation: r.life.Occurrence(), DecidedOn: r.life.Open.DecidedOn})
	for r.changed = false; !submitted.IsReady(); r.changed = false {
		if r.await(submitted.IsReady); r.life.CancelOpen {
			cancel()
			_ = workflow.Await(r.ctx, submitted.IsReady) // r.ctx is never cancelled
		}
	}
	r.submitted(submitted)
}

// submitted judges what became of a submission.
func (r *recurrence) submitted(answer workflow.Future) {
	var reply protocol.SubmitOccurrenceReply
	var cancelled *temporal.CanceledError
	err := answer.Get(r.ctx, &reply)
	switch {
	case err == nil && reply.Taken:
		r.yieldNumber()
	case err == nil, errors.As(err, &cancelled): // it may have been submitted before that
		r.life.Open.There = true
	default:
		r.life.Ended(protocol.Failed, "its token did not take it: "+err.Error(), workflow.Now(r.ctx))
	}
}

// watch waits for the next news of the open occurrence, and deals with it.
func (r *recurrence) watch() {
	if r.life.CancelOpen {
		r.cancelOpen()
		return
	}
	w := &r.watching
	if w.hinted && w.look == nil { // the answer may be older than the hint
		w.hinted = false
		r.startLook(hintedWait)
	}
	if (w.child == nil || w.uncancelled) && w.look == nil && w.timer == nil {
		r.lookLater()
	}
	r.changed = false
	isReady := func(f workflow.Future) bool { return f != nil && f.IsReady() }
	r.await(func() bool { return isReady(w.child) || isReady(w.look) || isReady(w.timer) || r.done.Len() > 0 })
	hinted := r.readDone()
	w.hinted = w.hinted || hinted && w.look != nil
	switch {
	case isReady(w.child):
		err := w.child.Get(r.ctx, nil)
		r.life.Ended(statusOf(err), "", workflow.Now(r.ctx))
		r.stopTimer()
	case isReady(w.look):
		r.judge()
	case hinted && w.child == nil && w.look == nil:
		r.stopTimer()
		r.startLook(hintedWait)
	case isReady(w.timer) && w.uncancelled:
		w.timer, r.life.CancelOpen = nil, true
	case isReady(w.timer):
		w.timer = nil
		r.startLook(0)
	}
}

// readDone takes in what occurrences signalled, and says whether there was any.
func (r *recurrence) readDone() (some bool) {
	for r.done.Len() > 0 {
		var raw converter.RawValue
		some = r.done.ReceiveAsync(&raw) || some
	}
	return some
}

// lookLater arms the timer for the next look; a run that took the occurrence over
// looks at once.
func (r *recurrence) lookLater() {
	w := &r.watching
	if w.gap == 0 {
		w.gap = firstLookAfter
		r.startLook(0)
		return
	}
	var ctx workflow.Context
	ctx, w.cancel = workflow.WithCancel(r.ctx)
	w.timer = workflow.NewTimerWithOptions(ctx, spread(w.gap, r.life.Open.DecidedOn.Unix()), workflow.TimerOptions{Summary: "looks what became of the occurrence"})
	w.gap = min(2*w.gap, lastLookAfter)
}

func (r *recurrence) stopTimer() {
	if r.watching.timer != nil {
		r.watching.cancel()
		r.watching.timer = nil
	}
}

// findContext is for the engine's look at an occurrence.
func (r *recurrence) findContext(wait time.Duration) workflow.Context {
	return workflow.WithActivityOptions(r.ctx, workflow.ActivityOptions{
		TaskQueue:           engineTaskQueue(r.ctx),
		StartToCloseTimeout: wait + lookSlack,
		HeartbeatTimeout:    lookHeartbeat,
		Summary:             "looks what became of the occurrence",
		RetryPolicy:         &temporal.RetryPolicy{MaximumInterval: time.Minute},
	})
}

func (r *recurrence) startLook(wait time.Duration) {
	r.watching.look = workflow.ExecuteActivity(r.findContext(wait), protocol.FindOccurrenceActivity, protocol.OccurrenceRequest{
		Operation: r.life.Occurrence(), DecidedOn: r.life.Open.DecidedOn, WaitSeconds: wait.Seconds(),
	})
}

// judge weighs what the engine saw of the occurrence.
func (r *recurrence) judge() {
	var found protocol.FindOccurrenceReply
	err := r.watching.look.Get(r.ctx, &found)
	r.watching.look = nil
	now := workflow.Now(r.ctx)
	switch {
	case err != nil:
		workflow.GetLogger(r.ctx).Warn("what became of an occurrence is not known yet", "error", err)
	case found.Closed:
		r.life.Ended(found.Status, found.Refused, now)
	case found.Refused != "":
		r.life.Ended(protocol.Failed, "its token refused it: "+found.Refused, now)
	case !found.Found:
		r.lost(now)
	}
}

// lost deals with an occurrence that is nowhere: with a token its queue was
// terminated, and it is submitted again; without one its record was deleted.
func (r *recurrence) lost(now time.Time) {
	if r.life.Record.DependencyToken == "" || r.life.Record.StatusCode == protocol.Canceling {
		r.life.Ended(protocol.Canceled, "its record is gone", now)
		return
	}
	r.life.Open.There = false
}

// cancelOpen passes the cancellation of the recurrence on. Whatever the answer,
// the occurrence is watched until it has ended.
func (r *recurrence) cancelOpen() {
	r.life.CancelOpen = false
	asked := request{taken: protocol.Taken{Action: protocol.ActionCancel}}
	if last := r.life.Record.LastAction; last != nil {
		asked.taken = *last
	}
	asked.taken.Action = protocol.ActionCancel
	_, err := r.ask(r.ctx, asked)
	if r.watching.uncancelled = err != nil; r.watching.uncancelled {
		workflow.GetLogger(r.ctx).Warn("the open occurrence was not cancelled", "error", err)
	}
	if r.watching.child == nil && r.watching.look == nil {
		r.stopTimer()
		r.startLook(0)
	}
}

// checkType refuses a rule that the type does not allow (SPEC 7.7).
func (r *recurrence) checkType(o protocol.Operation) error {
	rule, err := protocol.ParseRecurrence(o.RecurrencePattern)
	if err != nil {
		return err
	}
	return catalogue.CheckRecurrence(r.start.Type.Number, rule)
}
