package workflows

import (
	"encoding/json"
	"errors"
	"time"

	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// What a run that is rebuilt did about updates.

// carryOut does what updates asked for; while the run looked back they waited.
func (r *rebuild) carryOut() {
	if r.looking {
		return
	}
	for _, update := range r.updates {
		r.apply(update, r.task)
	}
	r.updates = nil
}

// apply carries out an update that the run accepted; what its handler refused
// then is refused now, and what it had answered before is not done again.
func (r *rebuild) apply(update *historypb.WorkflowExecutionUpdateAcceptedEventAttributes, now time.Time) {
	input, id := update.GetAcceptedRequest().GetInput(), update.GetAcceptedRequest().GetMeta().GetUpdateId()
	raw := rawPayload(input.GetArgs(), 0)
	if raw.Payload() == nil || r.answers.find(id) != nil {
		return
	}
	if name := input.GetName(); name == protocol.RerunUpdateName || name == protocol.PrependUpdateName {
		return // it is done when what it asked the engine is answered
	}
	answer, err := r.carryOutUpdate(input.GetName(), raw.Payload().GetData(), now)
	if isPaged(err) || errors.Is(err, &protocol.Refusal{Type: protocol.ErrTypeBusy}) {
		r.pages.searches[id] = update // it is done when the engine has looked in the pages
		return
	}
	r.answers.add(id, answer, err)
}

// carryOutUpdate does what the update's handler did.
func (r *rebuild) carryOutUpdate(name string, encoded []byte, now time.Time) (answer any, err error) {
	switch name {
	case protocol.PostponeUpdateName:
		return withRequest(encoded, func(p protocol.PostponeRequest) (any, error) {
			return r.queue.act(p.OperationID, p, taken(protocol.ActionPostpone, now, p.Reason, p.Identity))
		})
	case protocol.CancelUpdateName, protocol.ResumeUpdateName, protocol.PauseUpdateName:
		return withRequest(encoded, func(a protocol.ActionRequest) (any, error) {
			return r.queue.act(a.OperationID, protocol.PostponeRequest{}, taken(protocol.Action(name), now, a.Reason, a.Identity))
		})
	case protocol.HoldUpdateName:
		return withRequest(encoded, func(h protocol.HoldRequest) (any, error) {
			r.queue.HoldToken(h, now)
			return r.queue.State(now), nil
		})
	case protocol.SetPolicyUpdateName:
		return withRequest(encoded, func(p protocol.PolicyRequest) (any, error) {
			r.queue.SetPolicy(p)
			return r.queue.State(now), nil
		})
	}
	return withRequest(encoded, func(t protocol.TokenRequest) (any, error) {
		switch name {
		case protocol.ReleaseUpdateName:
			r.queue.Release(now)
		case protocol.SkipUpdateName:
			r.queue.Skip()
		case protocol.CancelAllUpdateName:
			r.cancelAll(withReason(cancelledReason, t.Reason))
		}
		return r.queue.State(now), nil
	})
}

func withRequest[T any](encoded []byte, do func(T) (any, error)) (any, error) {
	var request T
	if err := json.Unmarshal(encoded, &request); err != nil {
		return nil, err
	}
	return do(request)
}

func (r *rebuild) cancelAll(reason string) {
	r.queue.CancelAll(reason)
	if r.queue.Head != nil && r.queue.Head.Restrictions.MayCancel() {
		r.toCancel = r.queue.Head.Operation.ID
	}
}
