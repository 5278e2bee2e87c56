package protocol

import (
	"fmt"
	"slices"
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

// allowed is SPEC 3.1 and 3.2 as a table: the actions that each status takes.
// A repeat of a pending request is allowed, as a success that does nothing.
var allowed = map[StatusCode][]Action{
	WaitingForResources: {ActionPostpone, ActionCancel},
	Waiting:             {ActionPostpone, ActionResume, ActionCancel},
	InProgress:          {ActionPostpone, ActionPause, ActionCancel},
	Pausing:             {ActionPostpone, ActionPause, ActionCancel},
	Canceling:           {ActionCancel},
	Succeeded:           {ActionDelete},
	Failed:              {ActionDelete, ActionRerun},
	Canceled:            {ActionDelete, ActionRerun},
}

// AllowedActions lists what may be asked of an operation with that status.
func AllowedActions(status StatusCode) []Action {
	return slices.Clone(allowed[status])
}

// CheckAction refuses an action that the status does not take, with the code of
// SPEC 3.3 and the actions that it does take.
func CheckAction(id string, status StatusCode, action Action) error {
	if slices.Contains(allowed[status], action) {
		return nil
	}
	return &Refusal{
		Type:        ErrTypeInvalidTransition,
		Code:        refusalCode(status, action),
		Message:     fmt.Sprintf("operation %q is %s: it cannot be asked to %s", id, status, action),
		OperationID: id,
		Allowed:     AllowedActions(status),
	}
}

// refusalCode picks the most telling code of SPEC 3.3.
func refusalCode(status StatusCode, action Action) Code {
	switch {
	case action == ActionDelete:
		return CodeCannotDeleteUnlessCompleted
	case action == ActionCancel:
		return CodeCannotCancel
	case action == ActionPause:
		return CodeCannotPause
	case action == ActionResume:
		return CodeInvalidStateChangeToReady
	case action == ActionPostpone:
		return CodeInvalidStateChangeToSuspended
	default:
		return CodeInvalidStateChange
	}
}
