package opclient

import (
	"context"
	"encoding/json"
	"errors"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// Activities are what a workflow submits operations with, and waits for them: it
// cannot do either by itself, since Temporal lets no workflow signal and start
// another at once. A worker registers them on the task queue of its workflows:
//
//	opclient.Activities{Client: operations}.Register(w)
//
// and its workflows call them by name:
//
//	var handles []protocol.Handle
//	err := workflow.ExecuteActivity(ctx, protocol.SubmitOperationsActivity, operations).Get(ctx, &handles)
//	…
//	var record protocol.Record
//	err = workflow.ExecuteActivity(ctx, protocol.AwaitHandleActivity, handles[0]).Get(ctx, &record)
//
// Give AwaitHandle a start-to-close timeout longer than any operation may take,
// a heartbeat timeout of some 10 s, and no limit of attempts: each worker that
// stops uses one up. It occupies one of its worker's activity slots.
type Activities struct {
	// Client submits, and looks.
	Client *Client
}

// ActivityRegistry is what Register needs of a worker; worker.Worker is one.
type ActivityRegistry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// Register adds the activities to a worker, by their names in protocol.
func (a Activities) Register(w ActivityRegistry) {
	w.RegisterActivityWithOptions(a.submitEncoded, activity.RegisterOptions{Name: protocol.SubmitOperationsActivity})
	w.RegisterActivityWithOptions(a.Await, activity.RegisterOptions{Name: protocol.AwaitHandleActivity})
}

// submitEncoded reads strictly what a workflow in any language sends.
func (a Activities) submitEncoded(ctx context.Context, submission json.RawMessage) ([]protocol.Handle, error) {
	elements, err := protocol.SplitSubmission(submission)
	if err != nil {
		return nil, activityError(ctx, &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Message: err.Error()})
	}
	operations := make([]protocol.Operation, len(elements))
	var problems []error
	for i, element := range elements {
		o, unknown, err := protocol.DecodeOperation(element)
		operations[i] = o
		problems = append(problems, numbered(i, errors.Join(err, protocol.RefuseUnknown(unknown))))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, activityError(ctx, err)
	}
	return a.Submit(ctx, operations)
}

// Submit makes operations durable, those of one token in their order, and
// answers a handle for each, in their order. Every attempt of the activity
// submits the same: an operation without an id gets one of the activity,
// protocol.SubmittedOperationID, so that one that came to its end after it had
// submitted submits nothing twice.
//
// All are checked before any is sent. Errors that no repeat mends are
// non-retryable, of the type of the *protocol.Refusal in their details:
// InvalidOperation, or DuplicateId for one without a token, beside which the
// others are submitted all the same. Where the server is away or a queue is full
// for longer than Options.RetryFor the attempt fails, and Temporal tries again.
func (a Activities) Submit(ctx context.Context, operations []protocol.Operation) ([]protocol.Handle, error) {
	ctx, stop := attend(ctx)
	defer stop()
	operations, handles, err := a.identify(ctx, operations)
	if err != nil {
		return nil, activityError(ctx, err)
	}
	var refused []error
	_, err = a.Client.SubmitMany(ctx, Items(operations...), func(r Result) {
		if r.Delivery == Refused {
			refused = append(refused, numbered(r.Line-1, r.Err))
		}
	})
	if err == nil {
		err = errors.Join(refused...)
	}
	if err != nil {
		return nil, activityError(ctx, err)
	}
	return handles, nil
}

// identify gives ids to the operations that have none, and checks all.
func (a Activities) identify(ctx context.Context, operations []protocol.Operation) (named []protocol.Operation, handles []protocol.Handle, err error) {
	info := activity.GetInfo(ctx)
	run := info.WorkflowExecution.RunID
	if run == "" {
		run = info.ActivityRunID // no workflow started it
	}
	handles = make([]protocol.Handle, len(operations))
	var problems []error
	for i, o := range operations {
		if o.ID == "" {
			o.ID = protocol.SubmittedOperationID(info.WorkflowExecution.ID, run, info.ActivityID, i)
		}
		_, problem := a.Client.prepare(ctx, o)
		problems = append(problems, numbered(i, problem))
		named = append(named, o)
		h := a.Client.Handle(o.ID, o.DependencyToken)
		if isFree(o) {
			h.WorkflowID = protocol.OperationWorkflowID(o.ID)
		}
		handles[i] = protocol.Handle{ID: h.ID, Token: h.Token, WorkflowID: h.WorkflowID, ContentHash: o.ContentHash()}
	}
	return named, handles, errors.Join(problems...)
}

// Await waits until an operation is Completed and answers its record, without
// its data, whatever the outcome: with MustSucceed, one that did not succeed is
// an error. An attempt that is lost costs nothing: the next one looks again.
// Cancelling the activity ends the wait, soon where it has a heartbeat timeout,
// and not the operation.
//
// Non-retryable errors: OperationNotFound where nothing is known of it, and the
// *protocol.Refusal of a submission that its serializer refused, DuplicateId
// among them, which only a handle with a content hash can tell. A succeeded
// operation's result is known to workers only: it waits for one.
func (a Activities) Await(ctx context.Context, request protocol.AwaitHandleRequest) (protocol.Record, error) {
	ctx, stop := attend(ctx)
	defer stop()
	if err := protocol.ValidateID(request.ID); err != nil {
		return protocol.Record{}, activityError(ctx, err)
	}
	found, err := a.await(ctx, request.Handle)
	if err != nil {
		return protocol.Record{}, activityError(ctx, err)
	}
	found.Data = nil
	if request.MustSucceed {
		return found.Record, unlessSucceeded(found.Record)
	}
	return found.Record, nil
}

// await waits until all that counts of the record is known.
func (a Activities) await(ctx context.Context, h protocol.Handle) (Found, error) {
	handle := a.Client.Handle(h.ID, h.Token)
	handle.contentHash = h.ContentHash
	for {
		found, err := handle.Wait(ctx)
		known := found.StatusCode.Terminal() && (found.Source == FromQuery || found.StatusCode != protocol.Succeeded)
		if err != nil || known {
			return found, err
		}
		if !pause(ctx, lastBackoff) {
			return found, ctx.Err()
		}
	}
}

// unlessSucceeded is the error of an operation that did not succeed.
func unlessSucceeded(r protocol.Record) error {
	kind := protocol.ErrTypeOperationFailed
	switch r.StatusCode {
	case protocol.Succeeded:
		return nil
	case protocol.Canceled:
		kind = protocol.ErrTypeOperationCanceled
	}
	message := "operation " + r.ID + " ended " + r.StatusCode.String() + ": " + r.Message
	return temporal.NewNonRetryableApplicationError(message, kind, nil, r)
}
