package opclient

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/internal/gone"
	"github.com/seriatim-go/seriatim/protocol"
)

// Kinds of refusals, for errors.Is. The error itself is another
// *protocol.Refusal, which says more: take it with errors.As.
var (
	// ErrNotFound: no such operation, or no such token, is known.
	ErrNotFound error = &protocol.Refusal{Type: protocol.ErrTypeOperationNotFound, Message: "the operation was not found"}
	// ErrQueueFull: a token's history holds all the signals that it can until a
	// worker reads them. Nothing was accepted; try again later.
	ErrQueueFull error = &protocol.Refusal{Type: protocol.ErrTypeQueueFull, Message: "the token's queue is full"}
	// ErrDuplicateID: another operation has the id.
	ErrDuplicateID error = &protocol.Refusal{Type: protocol.ErrTypeDuplicateID, Message: "another operation has this id"}
	// ErrInvalidOperation: a submission breaks a form or a limit.
	ErrInvalidOperation error = &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: "the operation is not valid"}
	// ErrInvalidTransition: the operation's state does not allow the action.
	ErrInvalidTransition error = &protocol.Refusal{Type: protocol.ErrTypeInvalidTransition, Message: "the state does not allow this action"}
	// ErrBusy: a workflow has too much to do to take a request now. Nothing
	// changed; try again later.
	ErrBusy error = &protocol.Refusal{Type: protocol.ErrTypeBusy, Message: "the workflow cannot take the request now"}
)

// UnansweredError says that the server gave no answer, so that the request may
// or may not have been carried out. Repeat it: with the same operation id it is
// done once.
type UnansweredError struct {
	// Err is the last answer, or why there was none.
	Err error
}

// Error says what is not known.
func (e *UnansweredError) Error() string {
	return fmt.Sprintf("no answer from the server, so it may or may not have arrived; repeat it with the same id: %v", e.Err)
}

// Unwrap is the last answer.
func (e *UnansweredError) Unwrap() error { return e.Err }

// NoWorkerError says that the workflow is there and no worker answered for it
// in time.
type NoWorkerError struct {
	// WorkflowID was asked; TaskQueue is where its worker would poll.
	WorkflowID, TaskQueue string
	// Pollers is how many workers poll the task queue, as far as the server
	// knows; -1 where it could not be asked.
	Pollers int
	// Pending says that the request may still be carried out when a worker
	// comes.
	Pending bool
	// Err is what the server said.
	Err error
}

// Error names the task queue and says what to look at.
func (e *NoWorkerError) Error() string {
	var b strings.Builder
	if e.Pollers == 0 {
		fmt.Fprintf(&b, "no worker polls task queue %q, so workflow %q cannot answer", e.TaskQueue, e.WorkflowID)
	} else {
		fmt.Fprintf(&b, "workflow %q did not answer; look at the workers of task queue %q", e.WorkflowID, e.TaskQueue)
	}
	if e.Pending {
		b.WriteString("; the request may still be carried out when a worker comes")
	}
	if e.Pollers != 0 && e.Err != nil {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	return b.String()
}

// Unwrap is what the server said.
func (e *NoWorkerError) Unwrap() error { return e.Err }

// refusalTypes are the application errors that are refusals.
var refusalTypes = map[string]bool{
	protocol.ErrTypeInvalidTransition: true,
	protocol.ErrTypeOperationStarted:  true,
	protocol.ErrTypeOperationNotFound: true,
	protocol.ErrTypeContinuingAsNew:   true,
	protocol.ErrTypeBusy:              true,
	protocol.ErrTypeDuplicateID:       true,
	protocol.ErrTypeInvalidOperation:  true,
	protocol.ErrTypeQueueFull:         true,
}

// refusalOf turns an application error that carries a refusal into that
// refusal; any other error stays as it is.
func refusalOf(err error) error {
	var application *temporal.ApplicationError
	if !errors.As(err, &application) || !refusalTypes[application.Type()] {
		return err
	}
	var refusal protocol.Refusal
	if application.HasDetails() && application.Details(&refusal) == nil && refusal.Message != "" {
		refusal.Type = application.Type()
		return &refusal
	}
	return &protocol.Refusal{Type: application.Type(), Message: application.Message()}
}

// isRefusal says whether the error is a refusal of that type.
func isRefusal(err error, errType string) bool {
	return errors.Is(err, &protocol.Refusal{Type: errType})
}

// notFound refuses an id that nothing is known of.
func notFound(id, message string) error {
	return &protocol.Refusal{Type: protocol.ErrTypeOperationNotFound, Message: message, OperationID: id}
}

// isGone says whether the server knows no running workflow by that id, or none
// at all. A page of a queue is another matter.
func isGone(err error) bool {
	var page *PageError
	return gone.Is(err) && !errors.As(err, &page)
}

// isLate says whether a bounded request ran out of time.
func isLate(err error) bool {
	var deadline *serviceerror.DeadlineExceeded
	var canceled *serviceerror.Canceled
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &deadline) || errors.As(err, &canceled)
}
