package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// holdTimer wakes the serializer when a hold releases itself.
type holdTimer struct {
	until  time.Time
	timer  workflow.Future
	cancel workflow.CancelFunc
}

// arm has the timer be that of the present hold.
func (t *holdTimer) arm(s *serializer) {
	hold := s.queue.Hold
	var until time.Time
	if hold != nil && hold.Until != nil {
		until = *hold.Until
	}
	now := workflow.Now(s.ctx)
	if t.until.Equal(until) && (until.IsZero() || !t.timer.IsReady()) {
		return
	}
	if t.cancel != nil {
		t.cancel()
	}
	*t = holdTimer{until: until}
	if until.IsZero() {
		return
	}
	ctx, cancel := workflow.WithCancel(s.ctx)
	t.cancel = cancel
	t.timer = workflow.NewTimerWithOptions(ctx, min(until.Sub(now), maxTimer), workflow.TimerOptions{
		Summary: "held until " + until.Format(time.RFC3339),
	})
}

// fired says that the hold may be over.
func (t *holdTimer) fired(s *serializer) bool {
	return t.timer != nil && t.timer.IsReady() && s.queue.Hold != nil
}

// mustTell says that the head does not know whether its token is held. One that
// waits must not start its handler while it is.
func (s *serializer) mustTell() bool {
	return s.head != nil && s.head.mayBeAsked() && !s.headTold() && !s.isTelling()
}

// headTold says that the head was sent what holds now.
func (s *serializer) headTold() bool {
	q := s.queue
	return q.HeadTold == q.Hold || q.HeadTold != nil && q.Hold != nil && q.HeadTold.On.Equal(q.Hold.On)
}

func (s *serializer) isTelling() bool { return s.telling != nil && !s.telling.IsReady() }

// headKnows says that no operation may start its handler for want of knowing
// better. A head in doubt is told as soon as it is known to be the token's.
func (s *serializer) headKnows() bool {
	return s.head == nil || s.head.inDoubt() || s.headTold() && !s.isTelling()
}

// tellHead signals the head that its token is held, or no longer.
func (s *serializer) tellHead() {
	if !s.mustTell() {
		return
	}
	s.queue.HeadTold = s.queue.Hold
	s.telling = workflow.SignalExternalWorkflow(s.ctx, protocol.OperationWorkflowID(s.head.entry.Operation.ID), "",
		protocol.TokenHoldSignalName, protocol.TokenHold{Hold: s.queue.Hold})
}
