package protocol

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Error types of the application errors that cross the wire.
const (
	// ErrTypeInvalidTransition refuses an action that the state does not allow.
	ErrTypeInvalidTransition = "InvalidTransition"
	// ErrTypeOperationStarted answers a serializer's update about an operation
	// that no longer queues: address the workflow that the details name.
	ErrTypeOperationStarted = "OperationStarted"
	// ErrTypeOperationNotFound says that no such operation is known there.
	ErrTypeOperationNotFound = "OperationNotFound"
	// ErrTypeContinuingAsNew asks to send the update again with the same id: the
	// run is ending and the next one takes it.
	ErrTypeContinuingAsNew = "ContinuingAsNew"
	// ErrTypeBusy says that nothing was done, since this run cannot take it now, and
	// asks to send the request again, as an update with a new id.
	ErrTypeBusy = "Busy"
	// ErrTypeDuplicateID refuses an id that another operation has.
	ErrTypeDuplicateID = "DuplicateId"
	// ErrTypeInvalidOperation refuses a submission that breaks a limit or form.
	ErrTypeInvalidOperation = "InvalidOperation"
	// ErrTypeQueueFull says that a token's history or queue is full for now.
	ErrTypeQueueFull = "QueueFull"
	// ErrTypeOperationFailed is how an operation that ended Failed closes.
	ErrTypeOperationFailed = "OperationFailed"
	// ErrTypeEventIncomplete is how an event closes of which some handler's operation
	// could not be submitted.
	ErrTypeEventIncomplete = "EventIncomplete"
	// ErrTypeOperationCanceled is what the activity "AwaitHandle" answers of an
	// operation that ended Canceled and had to succeed.
	ErrTypeOperationCanceled = "OperationCanceled"
)

// Error types that a handler in any language fails its activity with.
const (
	// ErrTypeFail ends the operation Failed, without a retry.
	ErrTypeFail = "Fail"
	// ErrTypeRetry asks for another attempt by the type's retry policy.
	ErrTypeRetry = "Retry"
	// ErrTypeSuspend asks for a person: the operation waits until it is resumed.
	ErrTypeSuspend = "Suspend"
)

// ErrTypeNoLocalHandler is how a local attempt ends in a worker that does not have
// its handler, or does not run it now: nothing was done.
const ErrTypeNoLocalHandler = "NoLocalHandler"

// Code is the number of a refusal or of a failure by the system, as the
// original service has it (SPEC 3.3).
type Code string

// The codes of SPEC 3.3.
const (
	CodeInvalidStateChange            Code = "80044162"
	CodeInvalidStateChangeUnexpected  Code = "80044163"
	CodeMissingID                     Code = "80044164"
	CodeInvalidStateChangeToComplete  Code = "80044165"
	CodeInvalidStateChangeToReady     Code = "80044166"
	CodeInvalidStateChangeToSuspended Code = "80044167"
	CodeCannotUpdateNonrecurring      Code = "80044168"
	CodeCannotUpdateRecurring         Code = "80044169"
	CodeCannotDeleteUnlessCompleted   Code = "8004416A"
	CodeDepthTooHigh                  Code = "80044182"
	CodeTypeNotRecognised             Code = "80044303"
	CodePayloadUnreadable             Code = "80044304"
	CodeCannotCancel                  Code = "80044F00"
	CodeCannotPause                   Code = "80044F01"
	CodeCannotDeleteOrCancel          Code = "80044F02"
	CodeInvalidRecurrence             Code = "80040246"
	CodeDailyOnly                     Code = "8004D2A0"
	CodeIntervalRange                 Code = "8004D2A1"
	CodeRollupIntervalTooShort        Code = "8004D2A2"
)

// codeNames are the codes' names in refusals.
var codeNames = map[Code]string{
	CodeInvalidStateChange:            "InvalidStateChange",
	CodeInvalidStateChangeUnexpected:  "InvalidStateChangeUnexpected",
	CodeMissingID:                     "MissingId",
	CodeInvalidStateChangeToComplete:  "InvalidStateChangeToComplete",
	CodeInvalidStateChangeToReady:     "InvalidStateChangeToReady",
	CodeInvalidStateChangeToSuspended: "InvalidStateChangeToSuspended",
	CodeCannotUpdateNonrecurring:      "CannotUpdateNonrecurring",
	CodeCannotUpdateRecurring:         "CannotUpdateRecurring",
	CodeCannotDeleteUnlessCompleted:   "CannotDeleteUnlessCompleted",
	CodeDepthTooHigh:                  "DepthTooHigh",
	CodeTypeNotRecognised:             "TypeNotRecognised",
	CodePayloadUnreadable:             "PayloadUnreadable",
	CodeCannotCancel:                  "CannotCancel",
	CodeCannotPause:                   "CannotPause",
	CodeCannotDeleteOrCancel:          "CannotDeleteOrCancel",
	CodeInvalidRecurrence:             "InvalidRecurrence",
	CodeDailyOnly:                     "DailyOnly",
	CodeIntervalRange:                 "IntervalRange",
	CodeRollupIntervalTooShort:        "RollupIntervalTooShort",
}

// Name is the code's name, empty for a code of a handler's own.
func (c Code) Name() string { return codeNames[c] }

// Refusal is a request that was understood and turned down; nothing changed. It
// travels as an application error of its Type with itself as the details.
type Refusal struct {
	// Type is one of the ErrType constants.
	Type string `json:"type"`
	// Code and Name are those of SPEC 3.3, empty where it has none.
	Code Code   `json:"code,omitempty"`
	Name string `json:"name,omitempty"`
	// Message is the whole sentence for people.
	Message string `json:"message"`
	// OperationID is the operation that it is about.
	OperationID string `json:"operationId,omitempty"`
	// Allowed are the actions that would be taken instead.
	Allowed []Action `json:"allowedActions,omitempty"`
	// WorkflowID is where to ask instead, with OperationStarted.
	WorkflowID string `json:"workflowId,omitempty"`
}

// Error is the message with the code and the actions that are allowed.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.Message)
	if r.Code != "" {
		fmt.Fprintf(&b, " (%s %s)", r.Code, r.Code.Name())
	}
	if r.Type == ErrTypeInvalidTransition {
		fmt.Fprintf(&b, "; allowed: %s", joinActions(r.Allowed))
	}
	return b.String()
}

// Is matches refusals of one type: errors.Is(err, &Refusal{Type: t}) asks
// whether err is a refusal of type t, whatever else it says.
func (r *Refusal) Is(target error) bool {
	kind, ok := target.(*Refusal)
	return ok && kind.Type == r.Type
}

func joinActions(actions []Action) string {
	if len(actions) == 0 {
		return "nothing"
	}
	words := make([]string, len(actions))
	for i, action := range actions {
		words[i] = string(action)
	}
	return strings.Join(words, ", ")
}

// FieldError refuses one field of a submission by its JSON name.
type FieldError struct {
	// Field is the JSON name, Value what was sent (cut for display), Problem
	// the limit or form that it breaks.
	Field, Value, Problem string
	// Code is that of SPEC 3.3, empty where it has none.
	Code Code
}

// Error names the field, the value, the limit and the code.
func (e *FieldError) Error() string {
	text := fmt.Sprintf("%s: %s", e.Field, e.Problem)
	if e.Value != "" {
		text += fmt.Sprintf(" (got %s)", e.Value)
	}
	if e.Code != "" {
		text += fmt.Sprintf(" (%s %s)", e.Code, e.Code.Name())
	}
	return text
}

// preview shows at most 64 bytes of JSON that was sent, with a space for what
// does not print.
func preview(raw []byte) string {
	const limit = 64
	printable := func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}
	shown := strings.Map(printable, cutAtRune(string(raw), limit))
	if len(raw) <= limit {
		return shown
	}
	return fmt.Sprintf("%s… (%d bytes)", shown, len(raw))
}

// quoted shows at most 64 bytes of a string, with its control characters
// escaped.
func quoted(s string) string {
	const limit = 64
	if len(s) <= limit {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", cutAtRune(s, limit), len(s))
}

// shownName is a name that a caller made up, quoted where it is not a plain
// word, so that it cannot be taken for a part of the sentence.
func shownName(name string) string {
	if name != "" && len(name) <= 64 && strings.IndexFunc(name, notOfAWord) < 0 {
		return name
	}
	return quoted(name)
}

func notOfAWord(r rune) bool {
	return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

// CodeOf is the code of the first refusal in an error that has one, empty for
// none.
func CodeOf(err error) Code {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, one := range joined.Unwrap() {
			if code := CodeOf(one); code != "" {
				return code
			}
		}
		return ""
	}
	if field := (*FieldError)(nil); errors.As(err, &field) {
		return field.Code
	}
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
