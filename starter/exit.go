package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// Exit codes. Scripts depend on them.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitOutcome     = 3
	exitNotFound    = 4
	exitRefused     = 5
	exitSomeRefused = 6
	exitQueueFull   = 7
	exitViolated    = 8
	exitUnfit       = 9
	exitInterrupted = 130
)

const exitHelp = `Exit codes:
  0    done
  1    an error, such as a server that cannot be reached or is at a limit, no worker
       to answer, a workflow that is busy (try again), or a question that was answered
       no
  2    the command line is wrong
  3    the operation ended Failed or Canceled (wait, submit --wait and show --watch)
  4    no such operation or token
  5    refused: a limit, a form, an id that is taken, a state that does not allow it,
       a run that cannot be recovered
  6    some of several were refused; the others went on
  7    the token's queue is full for now; nothing of it was accepted, try again
  8    a token broke its promise (verify)
  9    the server lacks what is needed (doctor, setup)
  130  interrupted; what was done before is reported`

// usageError is a command line that is wrong.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// outcomeError says that an operation ended other than Succeeded. Its record
// has been printed already.
type outcomeError struct{ message string }

func (e *outcomeError) Error() string { return e.message }

// someRefusedError says that some of several were refused. Each was reported
// already.
type someRefusedError struct{ message string }

func (e *someRefusedError) Error() string { return e.message }

// errContinuing is a run that was ending for too long; a later try may succeed.
var errContinuing = &protocol.Refusal{Type: protocol.ErrTypeContinuingAsNew}

// exitCode is the exit code for an error.
func exitCode(err error) int {
	var usage *usageError
	var outcome *outcomeError
	var some *someRefusedError
	var violated *violatedError
	var lacking *unfitError
	var refusal *protocol.Refusal
	var field *protocol.FieldError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, opclient.ErrQueueFull):
		return exitQueueFull
	case errors.As(err, &some):
		return exitSomeRefused
	case errors.As(err, &outcome):
		return exitOutcome
	case errors.As(err, &violated):
		return exitViolated
	case errors.As(err, &lacking):
		return exitUnfit
	case errors.Is(err, opclient.ErrNotFound):
		return exitNotFound
	case errors.Is(err, opclient.ErrBusy), errors.Is(err, errContinuing):
		return exitError
	case errors.As(err, &refusal), errors.As(err, &field):
		return exitRefused
	}
	return exitError
}

// errorOutput is an error as machines read it.
type errorOutput struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Message        string            `json:"message"`
	ExitCode       int               `json:"exitCode"`
	Type           string            `json:"type,omitempty"`
	Code           protocol.Code     `json:"code,omitempty"`
	Name           string            `json:"name,omitempty"`
	OperationID    string            `json:"operationId,omitempty"`
	Field          string            `json:"field,omitempty"`
	Line           int               `json:"line,omitempty"`
	AllowedActions []protocol.Action `json:"allowedActions,omitempty"`
}

func bodyOf(err error) errorBody {
	body := errorBody{Message: err.Error(), ExitCode: exitCode(err)}
	var refusal *protocol.Refusal
	var field *protocol.FieldError
	if errors.As(err, &refusal) {
		body.Type, body.Code, body.Name = refusal.Type, refusal.Code, refusal.Code.Name()
		body.OperationID, body.AllowedActions = refusal.OperationID, refusal.Allowed
	} else if errors.As(err, &field) {
		body.Type, body.Field = protocol.ErrTypeInvalidOperation, field.Field
	}
	return body
}
