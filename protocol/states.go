package protocol

import (
	"fmt"
	"slices"
	"time"
)

// StateCode is the coarse state of an operation (SPEC 2.1).
type StateCode int

// The states of SPEC 2.1.
const (
	Ready     StateCode = 0
	Suspended StateCode = 1
	Locked    StateCode = 2
	Completed StateCode = 3
)

// String is the state's name.
func (s StateCode) String() string {
	names := [...]string{"Ready", "Suspended", "Locked", "Completed"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("StateCode(%d)", int(s))
	}
	return names[s]
}

// StatusCode is the fine state of an operation (SPEC 2.1). Exactly one holds at
// any time; the terminal ones never change again.
type StatusCode int

// The statuses of SPEC 2.1.
const (
	WaitingForResources StatusCode = 0
	Waiting             StatusCode = 10
	InProgress          StatusCode = 20
	Pausing             StatusCode = 21
	Canceling           StatusCode = 22
	Succeeded           StatusCode = 30
	Failed              StatusCode = 31
	Canceled            StatusCode = 32
)

// statusNames is in the order of the codes.
var statusNames = []struct {
	code StatusCode
	name string
}{
	{WaitingForResources, "WaitingForResources"},
	{Waiting, "Waiting"},
	{InProgress, "InProgress"},
	{Pausing, "Pausing"},
	{Canceling, "Canceling"},
	{Succeeded, "Succeeded"},
	{Failed, "Failed"},
	{Canceled, "Canceled"},
}

// String is the status's name, as the OperationStatus search attribute has it.
func (s StatusCode) String() string {
	for _, entry := range statusNames {
		if entry.code == s {
			return entry.name
		}
	}
	return fmt.Sprintf("StatusCode(%d)", int(s))
}

// ParseStatus finds a status by its name, in any case.
func ParseStatus(name string) (StatusCode, error) {
	names := make([]string, 0, len(statusNames))
	for _, entry := range statusNames {
		if equalFold(entry.name, name) {
			return entry.code, nil
		}
		names = append(names, entry.name)
	}
	return 0, fmt.Errorf("status %q is not one of %v", name, names)
}

// State is the state that the status belongs to.
func (s StatusCode) State() StateCode {
	return StateCode(int(s) / 10)
}

// Terminal says whether the status never changes again.
func (s StatusCode) Terminal() bool {
	return s.State() == Completed
}

// SuspendReason says which wait a Suspended operation is in (SPEC 2.3).
type SuspendReason string

// The waits of SPEC 2.3.
const (
	SuspendPostponed      SuspendReason = "postponed"
	SuspendPaused         SuspendReason = "paused"
	SuspendRetrying       SuspendReason = "retrying"
	SuspendNextOccurrence SuspendReason = "nextOccurrence"
	SuspendError          SuspendReason = "error"
)

// Action is something that a person or a program asks of an operation.
type Action string

// The actions of SPEC 3.1.
const (
	ActionPostpone Action = "postpone"
	ActionPause    Action = "pause"
	ActionResume   Action = "resume"
	ActionCancel   Action = "cancel"
	ActionDelete   Action = "delete"
	ActionRerun    Action = "rerun"
)

// ActionSetRecurrence changes the rule or the start of a recurring operation; no
// state refuses it but Completed and Canceling.
const ActionSetRecurrence Action = "setRecurrence"

// ActionPostponeToPast is a postponement until an instant that has passed: it
// lets a Suspended operation start (SPEC 5.3).
const ActionPostponeToPast Action = "postpone to the past"

// PostponeAction is the row of the table for a postponement until that instant.
func PostponeAction(until, now time.Time) Action {
	if until.After(now) {
		return ActionPostpone
	}
	return ActionPostponeToPast
}

// actions are those that people may choose from, in the order in which they are
// shown.
var actions = []Action{ActionPostpone, ActionPause, ActionResume, ActionCancel, ActionDelete, ActionRerun}

// transitions is SPEC 3.1 and 3.2 as a table: what each action makes of each
// status that takes it. What is not in it is refused. A pending request that is
// repeated is a success that changes nothing.
var transitions = map[Action]map[StatusCode]StatusCode{
	ActionPostpone:       {WaitingForResources: Waiting, Waiting: Waiting, InProgress: Pausing, Pausing: Pausing},
	ActionPostponeToPast: {WaitingForResources: WaitingForResources, Waiting: WaitingForResources},
	ActionPause:          {InProgress: Pausing, Pausing: Pausing},
	ActionResume:         {Waiting: WaitingForResources},
	ActionCancel: {
		WaitingForResources: Canceled, Waiting: Canceled,
		InProgress: Canceling, Pausing: Canceling, Canceling: Canceling,
	},
	// These two leave the record as it is: it is removed, or run again as another.
	ActionDelete: {Succeeded: Succeeded, Failed: Failed, Canceled: Canceled},
	ActionRerun:  {Failed: Failed, Canceled: Canceled},
}

// AllowedActions lists what may be asked of an operation with that status.
func AllowedActions(status StatusCode) []Action {
	return slices.DeleteFunc(slices.Clone(actions), func(a Action) bool {
		_, taken := transitions[a][status]
		return !taken
	})
}

// CheckAction refuses an action that the status does not take, with the code of
// SPEC 3.3 and the actions that it does take.
func CheckAction(id string, status StatusCode, action Action) error {
	_, err := Transition(id, status, action)
	return err
}

// Transition is the status that an action leads to (SPEC 3.1). The error is that
// of CheckAction.
func Transition(id string, status StatusCode, action Action) (StatusCode, error) {
	if next, taken := transitions[action][status]; taken {
		return next, nil
	}
	return status, &Refusal{
		Type:        ErrTypeInvalidTransition,
		Code:        refusalCode(action),
		Message:     fmt.Sprintf("operation %q is %s: it cannot be asked to %s", id, status, action),
		OperationID: id,
		Allowed:     AllowedActions(status),
	}
}

// refusalCode picks the most telling code of SPEC 3.3.
func refusalCode(action Action) Code {
	switch action {
	case ActionDelete:
		return CodeCannotDeleteUnlessCompleted
	case ActionCancel:
		return CodeCannotCancel
	case ActionPause:
		return CodeCannotPause
	case ActionResume, ActionPostponeToPast:
		return CodeInvalidStateChangeToReady
	case ActionPostpone:
		return CodeInvalidStateChangeToSuspended
	}
	return CodeInvalidStateChange
}
