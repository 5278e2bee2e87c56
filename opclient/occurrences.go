package opclient

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// Occurrences are the engine's activities with which a recurring operation
// submits its occurrences to their token, looks at them, and passes on what is
// asked of them. A worker gets them with activities.RegisterEngine; nobody else
// needs them.
type Occurrences struct {
	// Temporal is the worker's client.
	Temporal client.Client
	// AttributeNames are as in Options.
	AttributeNames protocol.AttributeNames
}

// Register adds the activities to a worker, by their names in protocol.
func (o Occurrences) Register(w ActivityRegistry) {
	w.RegisterActivityWithOptions(o.start, activity.RegisterOptions{Name: protocol.StartRecurrenceActivity})
	w.RegisterActivityWithOptions(o.submit, activity.RegisterOptions{Name: protocol.SubmitOccurrenceActivity})
	w.RegisterActivityWithOptions(o.find, activity.RegisterOptions{Name: protocol.FindOccurrenceActivity})
	w.RegisterActivityWithOptions(o.act, activity.RegisterOptions{Name: protocol.ActOnOccurrenceActivity})
}

// clockSlack is by how much an execution may seem older than the decision that
// led to it: hosts of the server have clocks of their own.
const clockSlack = 10 * time.Second

// client is one for the activity's namespace and task queue.
func (o Occurrences) client(ctx context.Context, identity string) *Client {
	info := activity.GetInfo(ctx)
	return New(o.Temporal, Options{
		TaskQueue: strings.TrimSuffix(info.TaskQueue, protocol.EngineTaskQueueSuffix), Namespace: info.Namespace,
		MaxOperationBytes: protocol.MaxOperationBytes, Identity: identity, AttributeNames: o.AttributeNames,
	})
}

// start starts a recurring operation that was submitted to a token, once, however
// often it is tried.
func (o Occurrences) start(ctx context.Context, recurring protocol.Operation) (protocol.StartRecurrenceReply, error) {
	handle, err := o.client(ctx, "").start(ctx, ctx, recurring)
	var refusal *protocol.Refusal
	switch {
	case errors.As(err, &refusal) && !passing[refusal.Type]:
		return protocol.StartRecurrenceReply{Refused: refusal.Message, Type: refusal.Type}, nil
	case err != nil:
		return protocol.StartRecurrenceReply{}, activityError(ctx, err)
	}
	return protocol.StartRecurrenceReply{Duplicate: handle.Duplicate && activity.GetInfo(ctx).Attempt == 1}, nil
}

// submit submits an occurrence to its token, once, however often it is tried. It
// answers Taken where an operation from before has the id: one that an earlier
// recurrence with the same id left behind.
func (o Occurrences) submit(parent context.Context, request protocol.OccurrenceRequest) (protocol.SubmitOccurrenceReply, error) {
	ctx, stop := attend(parent)
	defer stop()
	c := o.client(ctx, "")
	there, err := c.occurrence(ctx, request)
	var unattended *NoWorkerError
	switch {
	case errors.As(err, &unattended): // the token refuses a repeat by itself
	case err != nil:
		return protocol.SubmitOccurrenceReply{}, activityError(ctx, err)
	case there.older:
		return protocol.SubmitOccurrenceReply{Taken: true}, nil
	case there.known:
		return protocol.SubmitOccurrenceReply{}, nil
	}
	e, err := c.encode(request.Operation)
	if err == nil {
		_, err = c.send(ctx, ctx, []entry{e})
	}
	return protocol.SubmitOccurrenceReply{}, activityError(ctx, err)
}

// find looks at an occurrence: its execution, else its token's queue. With
// WaitSeconds it waits that long for the execution to close.
func (o Occurrences) find(parent context.Context, request protocol.OccurrenceRequest) (protocol.FindOccurrenceReply, error) {
	ctx, stop := attend(parent)
	defer stop()
	c := o.client(ctx, "")
	if request.WaitSeconds > 0 {
		bounded, cancel := context.WithTimeout(ctx, time.Duration(request.WaitSeconds*float64(time.Second)))
		_ = c.awaitEnd(bounded, request.Operation.ID) // the look that follows decides
		cancel()
	}
	there, err := c.occurrence(ctx, request)
	if err != nil {
		return protocol.FindOccurrenceReply{}, activityError(ctx, err)
	}
	return there.reply(), nil
}

// act passes on what was asked of the recurring operation, wherever its
// occurrence is.
func (o Occurrences) act(parent context.Context, r protocol.OccurrenceActionRequest) (record protocol.Record, err error) {
	ctx, stop := attend(parent)
	defer stop()
	c := o.client(ctx, r.Identity)
	switch r.Action {
	case protocol.ActionCancel:
		record, err = c.Cancel(ctx, r.OperationID, r.Token, r.Reason)
	case protocol.ActionPause:
		record, err = c.Pause(ctx, r.OperationID, r.Token, r.Reason)
	case protocol.ActionResume:
		record, err = c.Resume(ctx, r.OperationID, r.Token, r.Reason)
	case protocol.ActionPostpone:
		record, err = c.Postpone(ctx, r.OperationID, r.Token, r.Until, r.Reason)
	default:
		err = temporal.NewNonRetryableApplicationError("action "+string(r.Action)+" is not one of an occurrence", protocol.ErrTypeInvalidOperation, nil)
	}
	record.Data, record.Result = nil, nil
	return record, activityError(ctx, err)
}

// occurrencePlace is what is known of an occurrence.
type occurrencePlace struct {
	// known says that it runs, queues or has ended; older that its id is that of an
	// operation from before.
	known, older bool
	closed       bool
	status       protocol.StatusCode
	// refused is why its token did not take it, or knows no more of it.
	refused string
}

func (p occurrencePlace) reply() protocol.FindOccurrenceReply {
	return protocol.FindOccurrenceReply{Found: p.known || p.older, Closed: p.closed, Status: p.status, Refused: p.refused}
}

// occurrence finds an occurrence, also one that moves from its queue to its own
// workflow meanwhile.
func (c *Client) occurrence(ctx context.Context, r protocol.OccurrenceRequest) (occurrencePlace, error) {
	there, err := c.describe(ctx, protocol.OperationWorkflowID(r.Operation.ID))
	if err == nil {
		return startedOccurrence(there, r.DecidedOn), nil
	}
	if !isGone(err) || r.Operation.DependencyToken == "" {
		return occurrencePlace{}, unlessGone(err)
	}
	place, err := c.queuedOccurrence(ctx, r)
	if again, gone := c.describe(ctx, protocol.OperationWorkflowID(r.Operation.ID)); gone == nil {
		return startedOccurrence(again, r.DecidedOn), nil
	}
	return place, err
}

func unlessGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}

func startedOccurrence(there *workflowservice.DescribeWorkflowExecutionResponse, decided time.Time) occurrencePlace {
	info := there.GetWorkflowExecutionInfo()
	return occurrencePlace{
		known:  true,
		older:  info.GetStartTime().AsTime().Before(decided.Add(-clockSlack)),
		closed: info.GetCloseTime() != nil, status: indexedStatus(info.GetStatus(), ""),
	}
}

// queuedOccurrence asks the token's serializer.
func (c *Client) queuedOccurrence(ctx context.Context, r protocol.OccurrenceRequest) (occurrencePlace, error) {
	workflowID := protocol.SerializerWorkflowID(r.Operation.DependencyToken)
	reply, err := c.findIn(ctx, r.Operation.ID, workflowID)
	if isGone(err) {
		return occurrencePlace{}, nil
	}
	if err != nil {
		return occurrencePlace{}, err
	}
	inPage, err := c.locateInPages(ctx, r.Operation.ID, reply.Pages)
	var refusal *protocol.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return occurrencePlace{}, err
	}
	switch {
	case reply.Found, reply.Reading, inPage.record != nil:
		return occurrencePlace{known: true}, nil
	case reply.Reject != nil && !reply.Reject.At.Before(r.DecidedOn.Add(-clockSlack)):
		return occurrencePlace{refused: reply.Reject.Reason}, nil
	case reply.Seen:
		return occurrencePlace{older: true, closed: true, status: protocol.Canceled, refused: "its record is no longer retained"}, nil
	}
	return occurrencePlace{}, nil
}
