package workflows

import (
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// simEntry is an accepted operation as the model has it: its whole life, as
// naive as it can be.
type simEntry struct {
	simOperation
	id       string // ID, or what it was called by the serializer
	chain    *simChain
	sequence int64     // once it has been started
	inPlace  *simEntry // the failed operation whose place it has
	repeats  *simEntry // the execution that its id has already

	started bool // it was the head, or ended in the queue
	begun   bool // its own workflow has
	told    bool // that its token is held
	closed  bool
	ahead   bool // it was started, and waits for its turn
	counted bool

	status   protocol.StatusCode // once it is begun, or has ended
	reason   protocol.SuspendReason
	until    time.Duration // not before
	retryOn  time.Duration
	ended    time.Duration
	changed  time.Duration // when something last happened to it
	accepted time.Duration

	n                  int64
	report, checkpoint string

	mustCancel bool           // the token was cancelled, and it does not know yet
	mustAsk    bool           // its handler does not know yet that it is to stop
	returned   bool           // its handler has, and it does not know yet
	stopUntil  *time.Duration // of the postponement for which it is Pausing
	cancelled  time.Duration  // since when it is Canceling
}

// state is the status now: waits end by themselves.
func (e *simEntry) state(now time.Duration) protocol.StatusCode {
	waits := e.until > now || e.status == protocol.Waiting && e.reason == protocol.SuspendRetrying && e.retryOn > now
	switch {
	case e.status.State() == protocol.Locked, e.status.Terminal():
		return e.status
	case e.status == protocol.Waiting && (e.reason == protocol.SuspendPaused || e.reason == protocol.SuspendError), waits:
		return protocol.Waiting
	}
	return protocol.WaitingForResources
}

// readyOn is when its handler is called if nobody interferes; false where only a
// request, or its handler, brings that about.
func (e *simEntry) readyOn() (time.Duration, bool) {
	switch {
	case e.status.State() == protocol.Locked, e.status.Terminal(), e.told, !e.runs(), !e.begun:
		return 0, false
	case e.status != protocol.Waiting:
		return e.until, true
	case e.reason == protocol.SuspendRetrying:
		return max(e.until, e.retryOn), true
	}
	return e.until, e.reason == protocol.SuspendPostponed
}

// runs says whether its handler is ever called.
func (e *simEntry) runs() bool { return e.repeats == nil && !e.plan.UnknownType }

func (e *simEntry) suspend(reason protocol.SuspendReason) {
	e.status, e.reason = protocol.Waiting, reason
}

func (e *simEntry) ready() {
	e.status, e.reason, e.until, e.retryOn = protocol.WaitingForResources, "", 0, 0
}

func (e *simEntry) end(status protocol.StatusCode, now time.Duration) {
	e.status, e.ended = status, now
}

// cancel is SPEC 3.1: what waits ends at once, what runs is asked to.
func (e *simEntry) cancel(now time.Duration) {
	switch {
	case e.status == protocol.Canceling:
	case e.status.State() == protocol.Locked:
		e.mustAsk = e.mustAsk || e.status == protocol.InProgress
		e.status, e.cancelled, e.stopUntil = protocol.Canceling, now, nil
	default:
		e.end(protocol.Canceled, now)
	}
}

// stop is a pause, or a postponement, of one that runs.
func (e *simEntry) stop(until *time.Duration) {
	if e.status == protocol.InProgress {
		e.mustAsk = true
		e.keep(e.report) // a handler between two attempts leaves nothing else
	}
	e.status, e.stopUntil = protocol.Pausing, until
}

// postpone is SPEC 5.3.
func (e *simEntry) postpone(until, now time.Duration) {
	switch {
	case e.status.State() == protocol.Locked:
		e.stop(&until)
	case until <= now:
		e.ready()
	case e.begun:
		e.until = until
		e.suspend(protocol.SuspendPostponed)
	default:
		e.until = until
	}
}

// call locks it for one more call of its handler.
func (e *simEntry) call() {
	e.n++
	e.status, e.reason, e.retryOn, e.report = protocol.InProgress, "", 0, ""
}

func (e *simEntry) keep(checkpoint string) {
	if checkpoint != "" {
		e.checkpoint = checkpoint
	}
}

// conclude is SPEC 6.1 and, where it had been asked to stop, 3.2.
func (e *simEntry) conclude(o simOutcome, now time.Duration) {
	asked := e.status
	e.keep(o.checkpoint)
	e.returned, e.mustAsk = false, false // it may be too late to ask
	switch {
	case o.end == simSucceeds:
		e.end(protocol.Succeeded, now)
	case o.local && asked == protocol.InProgress && (o.end == simAgain || o.end == simIsLost):
		e.suspend(protocol.SuspendRetrying) // the others are regular
		e.retryOn = now + seconds(simFirstRetry.Seconds())
	case o.end == simFails, asked == protocol.InProgress && (o.end == simAgain || o.end == simIsLost):
		e.end(protocol.Failed, now)
	case o.end == simSuspends && asked != protocol.Canceling:
		e.suspend(protocol.SuspendError)
	case o.end == simWaits && asked == protocol.InProgress:
		e.suspend(protocol.SuspendRetrying)
		e.retryOn = now + seconds(simUncounted.Seconds())
	case asked != protocol.Pausing:
		e.end(protocol.Canceled, now)
	case e.stopUntil == nil:
		e.suspend(protocol.SuspendPaused)
	default:
		e.until = *e.stopUntil
		e.suspend(protocol.SuspendPostponed)
	}
	e.stopUntil = nil
}

// takes says whether SPEC 3.1 has the action in that state.
func (e simEvent) takes(state protocol.StatusCode) bool {
	switch e.action {
	case simPause:
		return state == protocol.InProgress || state == protocol.Pausing
	case simResume:
		return state == protocol.Waiting
	case simCancel:
		return !state.Terminal()
	case simPostpone:
		waits := state == protocol.WaitingForResources || state == protocol.Waiting
		runs := state == protocol.InProgress || state == protocol.Pausing
		return waits || runs && e.until > e.at
	case simRerun:
		return state == protocol.Failed || state == protocol.Canceled
	}
	return false
}
