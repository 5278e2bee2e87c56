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

// adoption watches an execution that this run did not start: the head of the
// run before, or one that has this operation's id already. The server does not
// tell its end to this run, so the engine asks: first by an activity that waits
// with it, which sees any end at once but holds a slot; then, for a head that
// stands for long, the operation is asked to signal at its end, and a timer that
// grows slower looks whether it was terminated.
type adoption struct {
	entry Entry
	prove bool // it is not sure yet that the execution is this entry's
	// another says that it is another operation's, of the same token, that still
	// runs: nothing of the token may run beside it.
	another bool
	gated   bool // it was found, and may wait for its turn, which is to be given

	look  workflow.Future // the activity, while it looks
	timer workflow.Future // the next look, while nothing looks
	pause time.Duration   // until that next look
	asked bool            // the operation was asked to report its end
	hint  bool            // it did, or it was too late to ask
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
func (s *serializer) adoptHead(prove bool, asked askedOfHead) {
	if head := s.queue.Head; head != nil {
		s.head = &child{
			entry: *head, since: s.startedOn, adopted: s.adopt(*head, prove), wantCancel: asked.Cancel, wantTurn: asked.Turn,
		}
	}
}

// adopt begins to watch an execution.
func (s *serializer) adopt(entry Entry, prove bool) *adoption {
	count(s.ctx, MetricAdoptions, 1, nil)
	a := &adoption{entry: entry, prove: prove, pause: adoptedFirstGap}
	switch {
	case prove:
		a.startLook(s, 0)
	case entry.Verdict != nil: // it is told, and closes at any moment
		a.startLook(s, hintedWait)
	default:
		a.watch(s)
	}
	return a
}

// watch waits with an operation that runs, and rests where it is postponed.
func (a *adoption) watch(s *serializer) {
	until := a.entry.Operation.PostponeUntil
	if until != nil && until.Sub(workflow.Now(s.ctx)) > adoptedWait {
		a.rest(s)
	} else {
		a.startLook(s, adoptedWait)
	}
}

// startLook has the engine's activity look at the execution, and wait with it.
func (a *adoption) startLook(s *serializer, wait time.Duration) {
	a.timer = nil
	a.look = s.look(a.entry.Operation.ID, wait)
}

// look has the engine look at an operation's execution, and wait for its end so long.
func (s *serializer) look(id string, wait time.Duration) workflow.Future {
	ctx := workflow.WithActivityOptions(s.ctx, workflow.ActivityOptions{
		TaskQueue:           engineTaskQueue(s.ctx),
		StartToCloseTimeout: wait + lookSlack,
		HeartbeatTimeout:    lookHeartbeat,
		Summary:             "watches " + cut(id, maxSummaryBytes-10),
		RetryPolicy:         &temporal.RetryPolicy{MaximumInterval: 10 * time.Second},
	})
	return workflow.ExecuteActivity(ctx, protocol.AwaitOperationActivity, protocol.AwaitRequest{OperationID: id, WaitSeconds: wait.Seconds(), AsksGated: true})
}

// rest waits without a slot: for the operation's own signal, or the next look.
func (a *adoption) rest(s *serializer) {
	if !a.asked {
		a.asked = true
		workflow.Go(s.ctx, a.ask)
	}
	a.timer = workflow.NewTimerWithOptions(s.ctx, spread(a.pause, a.entry.Sequence), workflow.TimerOptions{Summary: "looks whether the head still runs"})
	a.pause = min(2*a.pause, adoptedLastGap)
}

// spread keeps the looks of many tokens from being due at once: a pause is up to
// half as long again, by the entry's number.
func spread(pause time.Duration, sequence int64) time.Duration {
	const parts = 1024
	share := (sequence * 2654435761) >> 8 & (parts - 1) // as good as random, and the same in a replay
	return pause + pause/2*time.Duration(share)/parts
}

// ask has the operation report its end; one that cannot be asked has closed.
func (a *adoption) ask(ctx workflow.Context) {
	asked := workflow.SignalExternalWorkflow(ctx, protocol.OperationWorkflowID(a.entry.Operation.ID), "", protocol.ReportEndSignalName, nil)
	if asked.Get(ctx, nil) != nil {
		a.hint = true
	}
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
	if err != nil {
		a.rest(s)
		return nil
	}
	if ended := a.verdict(seen); ended != nil {
		return ended
	}
	if a.prove || !s.settings.knowsAhead() {
		a.gated = seen.Gated // who watched it before may not have known
	}
	if a.prove {
		a.prove = false
		a.watch(s)
	} else {
		a.rest(s)
	}
	return nil
}

// verdict is how the execution ended, nil while it goes on.
func (a *adoption) verdict(seen protocol.AwaitReply) *end {
	switch {
	case !seen.Found && (a.prove || a.another) && a.entry.Ahead != aheadStarted:
		return &end{again: true}
	case !seen.Found:
		// Deleted by hand: nothing runs any more, and nothing tells how it ended.
		return &end{status: protocol.Canceled}
	case a.another && seen.Closed, a.prove && !a.isOurs(seen) && (seen.Closed || seen.Token != a.entry.Operation.DependencyToken):
		return a.duplicate(seen)
	case a.prove && !a.isOurs(seen):
		a.another = true
	case seen.Closed:
		return &end{status: seen.Status}
	}
	return nil
}

func (a *adoption) isOurs(seen protocol.AwaitReply) bool {
	return seen.Token == a.entry.Operation.DependencyToken && seen.Sequence == a.entry.Sequence
}

// duplicate is the end of an entry whose id another operation has: a repeat of
// the same, or one that is refused.
func (a *adoption) duplicate(seen protocol.AwaitReply) *end {
	o := a.entry.Operation
	if seen.ContentHash == a.entry.Hash {
		return &end{duplicate: true}
	}
	place := "without a token"
	if seen.Token != "" {
		place = fmt.Sprintf("of token %q", cut(seen.Token, 64))
	}
	return &end{duplicate: true, refusal: fmt.Sprintf("id: %q is that of another operation %s, see workflow %q",
		o.ID, place, protocol.OperationWorkflowID(o.ID))}
}

// readHints passes on what operations signalled that this run may not have started:
// the head, and those that were started ahead.
func (s *serializer) readHints() {
	for s.hints.Len() > 0 {
		var raw converter.RawValue
		if !s.hints.ReceiveAsync(&raw) {
			return
		}
		if s.queue.AheadLeaves(hinted(raw)) {
			continue
		}
		if s.head != nil && s.head.adopted != nil {
			s.head.adopted.hint = true
		}
	}
}

// hinted is the operation that a hint is about; empty where that cannot be read.
func hinted(raw converter.RawValue) string {
	var closed protocol.OperationClosed
	if encoded, err := jsonOf(raw); err != nil || json.Unmarshal(encoded, &closed) != nil {
		return ""
	}
	return closed.ID
}
