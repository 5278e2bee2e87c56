package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// adoption watches an execution that this run did not start: the head of the
// run before, or one that has this operation's id already. The server does not
// tell its end to this run, so the engine asks: first by an activity that waits
// with it, which sees any end at once but holds a slot; then, for a head that
// stands for long, the operation is asked to signal at its end, and a timer that
// grows slower looks whether it was terminated.
type adoption struct {
	entry Entry
	prove bool // it is not sure yet that the execution is this entry's

	look  workflow.Future // the activity, while it looks
	timer workflow.Future // the next look, while nothing looks
	pause time.Duration   // until that next look
	asked bool            // the operation was asked to report its end
	hint  bool            // it did
}

// mustProve is an adoption's doubt: the execution may be another operation's.
const mustProve = true

// How an adopted execution is watched.
const (
	adoptedWait     = 60 * time.Second // the activity waits with it for so long
	adoptedFirstGap = time.Minute      // then looks after so long, and twice,
	adoptedLastGap  = time.Hour        // up to so long
	hintedWait      = 10 * time.Second // after a hint it closes at any moment
	lookSlack       = 30 * time.Second
	lookHeartbeat   = 20 * time.Second
)

// adoptHead begins to watch the head that another run started, if there is one.
func (s *serializer) adoptHead(prove bool) {
	if head := s.queue.Head; head != nil {
		s.head = &child{entry: *head, since: s.startedOn, adopted: s.adopt(*head, prove)}
	}
}

// adopt begins to watch an execution.
func (s *serializer) adopt(entry Entry, prove bool) *adoption {
	a := &adoption{entry: entry, prove: prove, pause: adoptedFirstGap}
	until := entry.Operation.PostponeUntil
	switch {
	case prove:
		a.startLook(s, 0)
	case until != nil && until.Sub(workflow.Now(s.ctx)) > adoptedWait:
		a.rest(s)
	default:
		a.startLook(s, adoptedWait)
	}
	return a
}

// startLook has the engine's activity look at the execution, and wait with it.
func (a *adoption) startLook(s *serializer, wait time.Duration) {
	a.timer = nil
	ctx := workflow.WithActivityOptions(s.ctx, workflow.ActivityOptions{
		TaskQueue:           engineTaskQueue(s.ctx),
		StartToCloseTimeout: wait + lookSlack,
		HeartbeatTimeout:    lookHeartbeat,
		Summary:             "watches " + cut(a.entry.Operation.ID, maxSummaryBytes-10),
		RetryPolicy:         &temporal.RetryPolicy{MaximumInterval: 10 * time.Second},
	})
	a.look = workflow.ExecuteActivity(ctx, protocol.AwaitOperationActivity,
		protocol.AwaitRequest{OperationID: a.entry.Operation.ID, WaitSeconds: wait.Seconds()})
}

// rest waits without a slot: for the operation's own signal, or the next look.
func (a *adoption) rest(s *serializer) {
	if !a.asked {
		a.asked = true
		workflow.SignalExternalWorkflow(s.ctx, protocol.OperationWorkflowID(a.entry.Operation.ID), "", protocol.ReportEndSignalName, nil)
	}
	a.timer = workflow.NewTimerWithOptions(s.ctx, a.pause, workflow.TimerOptions{Summary: "looks whether the head still runs"})
	a.pause = min(2*a.pause, adoptedLastGap)
}

func (a *adoption) hasNews() bool {
	if a.look != nil {
		return a.look.IsReady()
	}
	return a.hint || a.timer.IsReady()
}

// step takes the next look where it is due, and tells the end once it is known.
func (a *adoption) step(s *serializer) *end {
	switch {
	case !a.hasNews():
		return nil
	case a.look != nil:
		return a.judge(s)
	case a.hint:
		a.hint = false
		a.startLook(s, hintedWait)
	default:
		a.startLook(s, 0)
	}
	return nil
}

// judge weighs what the activity saw.
func (a *adoption) judge(s *serializer) *end {
	var seen protocol.AwaitReply
	err := a.look.Get(s.ctx, &seen)
	a.look = nil
	if err == nil && a.prove && seen.Found {
		if ended := a.disprove(seen); ended != nil {
			return ended
		}
		a.prove = false
	}
	switch {
	case err == nil && seen.Closed:
		return &end{status: seen.Status}
	case err == nil && !seen.Found && a.prove:
		return &end{again: true}
	case err == nil && !seen.Found:
		// Deleted by hand: nothing runs any more, and nothing tells how it ended.
		return &end{status: protocol.Canceled}
	}
	a.rest(s)
	return nil
}

// disprove says what the id's execution is if it is not this entry's: a repeat
// of the same operation, or another one.
func (a *adoption) disprove(seen protocol.AwaitReply) *end {
	o := a.entry.Operation
	switch {
	case seen.Token == o.DependencyToken && seen.Sequence == a.entry.Sequence:
		return nil
	case seen.ContentHash == a.entry.Hash:
		return &end{duplicate: true}
	}
	place := "without a token"
	if seen.Token != "" {
		place = fmt.Sprintf("of token %q", cut(seen.Token, 64))
	}
	return &end{duplicate: true, refusal: fmt.Sprintf("id: %q is that of another operation %s, see workflow %q",
		o.ID, place, protocol.OperationWorkflowID(o.ID))}
}
