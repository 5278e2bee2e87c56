package protocol

import (
	"fmt"
	"slices"
)

// Restriction is something that may not be asked of the operations of a type
// (SPEC 9.1), whatever their state. It belongs to the type, and travels with what
// runs it.
type Restriction string

// The restrictions.
const (
	// NoControl is the original's L: nobody cancels, pauses or resumes it.
	NoControl Restriction = "noControl"
	// NoCancelOrDelete is the original's R: nobody cancels it or deletes its
	// record.
	NoCancelOrDelete Restriction = "noCancelOrDelete"
	// NoToken is the original's D: it takes no dependency token.
	NoToken Restriction = "noToken"
	// NoPause is for what cannot be stopped half-way: once it runs, nobody pauses
	// or postpones it. What a workflow runs has it by itself.
	NoPause Restriction = "noPause"
)

// AllRestrictions are those that there are.
var AllRestrictions = []Restriction{NoControl, NoCancelOrDelete, NoToken, NoPause}

// Restrictions are those of a type.
type Restrictions []Restriction

// Has says whether the restriction is among them.
func (r Restrictions) Has(one Restriction) bool { return slices.Contains(r, one) }

// forbidden are the actions that a restriction refuses, and its words.
var forbidden = map[Restriction]struct {
	actions []Action
	because string
}{
	NoControl:        {[]Action{ActionCancel, ActionPause, ActionResume}, "its type may not be cancelled, paused or resumed"},
	NoCancelOrDelete: {[]Action{ActionCancel, ActionDelete}, "its type may not be cancelled or deleted"},
	NoPause:          {[]Action{ActionPause}, "its type cannot be stopped half-way"},
}

// forbids is the restriction that refuses an action on an operation with that
// status, if one does.
func (r Restrictions) forbids(status StatusCode, action Action) (by Restriction, yes bool) {
	for _, one := range r {
		if slices.Contains(forbidden[one].actions, action) {
			return one, true
		}
		if one == NoPause && status.State() == Locked && (action == ActionPostpone || action == ActionPostponeToPast) {
			return one, true
		}
	}
	return "", false
}

// MayCancel says that nothing keeps anybody from cancelling it.
func (r Restrictions) MayCancel() bool {
	_, yes := r.forbids(WaitingForResources, ActionCancel)
	return !yes
}

// AllowedTo lists what may be asked of an operation with that status and these
// restrictions.
func AllowedTo(status StatusCode, r Restrictions) []Action {
	return slices.DeleteFunc(AllowedActions(status), func(a Action) bool {
		_, yes := r.forbids(status, a)
		return yes
	})
}

// CheckRestricted is CheckAction for an operation of a type with restrictions:
// what these forbid is refused with the code of SPEC 3.3.
func CheckRestricted(id string, status StatusCode, r Restrictions, action Action) error {
	by, yes := r.forbids(status, action)
	if !yes || status.Terminal() && action != ActionDelete {
		return withAllowed(CheckAction(id, status, action), AllowedTo(status, r))
	}
	code := refusalCode(action)
	if by == NoCancelOrDelete {
		code = CodeCannotDeleteOrCancel
	}
	return &Refusal{
		Type: ErrTypeInvalidTransition, Code: code, OperationID: id,
		Message: fmt.Sprintf("operation %q cannot be asked to %s: %s", id, action, forbidden[by].because),
		Allowed: AllowedTo(status, r),
	}
}

// withAllowed is a refusal of CheckAction that offers only these actions.
func withAllowed(err error, allowed []Action) error {
	if refusal, ok := err.(*Refusal); ok {
		refusal.Allowed = allowed
	}
	return err
}
