package verify

import (
	"fmt"
	"time"

	updatepb "go.temporal.io/api/update/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// holds follows what kept a token from starting anything, in the order of one
// run's events: a person, or a failure under the policy "hold".
type holds struct {
	hold    *protocol.Hold
	failure bool
	policy  protocol.FailurePolicy
}

// restore begins with what the run was given.
func (h *holds) restore(q *carriedQueue) {
	*h = holds{hold: q.Hold, failure: q.Failure != nil, policy: q.Policy.OnFailure}
}

// updated notes an update that was carried out.
func (h *holds) updated(request *updatepb.Request, at time.Time) {
	arguments := request.GetInput().GetArgs()
	switch request.GetInput().GetName() {
	case protocol.HoldUpdateName:
		var r protocol.HoldRequest
		argument(arguments, 0, &r)
		h.hold = &protocol.Hold{On: at, Until: r.Until, Reason: r.Reason}
	case protocol.ReleaseUpdateName:
		h.hold, h.failure = nil, false
	case protocol.SkipUpdateName, protocol.RerunUpdateName:
		h.failure = false
	case protocol.SetPolicyUpdateName:
		var r protocol.PolicyRequest
		argument(arguments, 0, &r)
		if r.OnFailure != "" {
			h.policy, h.failure = r.OnFailure, h.failure && r.OnFailure == protocol.HoldOnFailure
		}
	}
}

// failed notes that the head failed. The policy of this moment counts; where it
// is changed in the same breath nobody can tell, so that nothing is claimed.
func (h *holds) failed() { h.failure = h.policy == protocol.HoldOnFailure }

// why says what holds the token, empty where nothing does.
func (h *holds) why(at time.Time) string {
	switch {
	case h.hold != nil && (h.hold.Until == nil || at.Before(*h.hold.Until)):
		text := "held since " + h.hold.On.UTC().Format(time.RFC3339)
		if h.hold.Reason != "" {
			text += fmt.Sprintf(" (%q)", h.hold.Reason)
		}
		return text
	case h.failure:
		return "by the failure of the operation before"
	}
	return ""
}
