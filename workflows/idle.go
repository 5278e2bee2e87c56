package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// idleTimer ends a serializer that has had nothing to do for its linger. The
// timer is set once and never cancelled: when it fires too early, since there
// was work in between, it is set again for the rest. So a busy token pays two
// events an hour, not two an operation.
type idleTimer struct {
	timer workflow.Future
	since time.Time // zero while there is work
}

// arm notes whether there is work and sets the timer where it is needed.
func (t *idleTimer) arm(s *serializer) {
	if !s.isIdle() {
		t.since = time.Time{}
		return
	}
	now := workflow.Now(s.ctx)
	if t.since.IsZero() {
		t.since = now
	}
	if t.timer == nil || t.timer.IsReady() {
		rest := t.since.Add(s.settings.Linger).Sub(now)
		t.timer = workflow.NewTimerWithOptions(s.ctx, rest, workflow.TimerOptions{Summary: "completes if still idle"})
	}
}

func (s *serializer) isIdle() bool {
	return s.queue.Idle() && len(s.recurring) == 0 && s.head == nil && len(s.ended) == 0
}

// fired says that the timer wants to be looked at.
func (t *idleTimer) fired() bool {
	return t.timer != nil && t.timer.IsReady() && !t.since.IsZero()
}

// over says that the token was idle for its linger.
func (t *idleTimer) over(s *serializer) bool {
	return t.fired() && s.isIdle() && !workflow.Now(s.ctx).Before(t.since.Add(s.settings.Linger))
}
