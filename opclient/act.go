package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// Cancel ends an operation Canceled, wherever it is (SPEC 3.1), and answers its
// record as it then is: one that runs is asked to stop and is Canceling until
// its handler has. reason is kept and shown, at most 1,000 bytes.
//
// ErrInvalidTransition says that its state does not allow it, with the actions
// that are allowed; ErrNotFound that nothing is known of it; ErrBusy that its
// workflow took no request for some 20 s, so that nothing changed. A
// *NoWorkerError says that no worker answered, and that the operation may still
// be cancelled: at once where none polls, else after those 20 s. token says in which queue to look; without it all running tokens
// are asked.
func (c *Client) Cancel(ctx context.Context, id, token, reason string) (protocol.Record, error) {
	return c.act(ctx, c.plainAction(id, token, reason, protocol.ActionCancel, protocol.CancelUpdateName))
}

// Pause stops a running operation and keeps it Suspended until it is resumed
// (SPEC 3.1): the answer is Pausing until its handler has stopped, and its next
// attempt goes on from its last checkpoint. Only a Locked operation can be
// paused; any other is refused with ErrInvalidTransition. Other errors are those
// of Cancel.
func (c *Client) Pause(ctx context.Context, id, token, reason string) (protocol.Record, error) {
	return c.act(ctx, c.plainAction(id, token, reason, protocol.ActionPause, protocol.PauseUpdateName))
}

// Resume makes a Suspended operation Ready, whatever it waits for (SPEC 3.1):
// one that is paused, that asked for a person, or that is postponed, which
// clears postponeUntil. It never overtakes those before it in its token
// (SPEC 4.6). One that waits for its next attempt is scheduled at once; its
// attempts go on counting and its heartbeats are kept.
//
// ErrInvalidTransition says that it is not Suspended. Other errors are those of
// Cancel.
func (c *Client) Resume(ctx context.Context, id, token, reason string) (protocol.Record, error) {
	a := c.plainAction(id, token, reason, protocol.ActionResume, protocol.ResumeUpdateName)
	a.instead = c.attemptNow
	return c.act(ctx, a)
}

// Postpone keeps an operation from starting before until (SPEC 5.3), as often
// as wanted; one that runs is stopped first, through Pausing. An instant in the
// past makes a Suspended one Ready. Errors are those of Cancel.
func (c *Client) Postpone(ctx context.Context, id, token string, until time.Time, reason string) (protocol.Record, error) {
	a := c.plainAction(id, token, reason, protocol.PostponeAction(until, time.Now()), protocol.PostponeUpdateName)
	a.argument = func(queued string) any {
		return protocol.PostponeRequest{OperationID: queued, Until: until.UTC(), Reason: reason, Identity: c.options.Identity}
	}
	return c.act(ctx, a)
}

// action is one request about one operation.
type action struct {
	id, token, reason string
	action            protocol.Action
	update            string
	// argument builds the update's argument; queued is the id for a serializer
	// and empty for the operation itself.
	argument func(queued string) any
	// instead, where it is set, may deal with a running operation without an
	// update.
	instead func(context.Context, action, *workflowservice.DescribeWorkflowExecutionResponse) (record protocol.Record, done bool, err error)
	// updateID is the same for all repeats, so that it is carried out once.
	updateID string
}

// plainAction is one whose argument is an ActionRequest.
func (c *Client) plainAction(id, token, reason string, kind protocol.Action, update string) action {
	return action{
		id: id, token: token, reason: reason, action: kind, update: update,
		argument: func(queued string) any {
			return protocol.ActionRequest{OperationID: queued, Reason: reason, Identity: c.options.Identity}
		},
	}
}

func (c *Client) act(ctx context.Context, a action) (record protocol.Record, err error) {
	if err := errors.Join(protocol.ValidateID(a.id), protocol.ValidateAsked(a.reason, c.options.Identity)); err != nil {
		return protocol.Record{}, err
	}
	a.updateID = uuid.NewString()
	err = rounds(ctx, func() error {
		record, err = c.actOnce(ctx, a)
		return err
	})
	if err != nil {
		return protocol.Record{}, about(string(a.action), a.id, err)
	}
	return record, nil
}

// actOnce asks the operation's own workflow, else the serializer that has it.
func (c *Client) actOnce(ctx context.Context, a action) (protocol.Record, error) {
	there, err := c.describe(ctx, protocol.OperationWorkflowID(a.id))
	switch {
	case err == nil && there.GetWorkflowExecutionInfo().GetCloseTime() != nil:
		return protocol.Record{}, refuseClosed(a, indexedStatus(there.GetWorkflowExecutionInfo().GetStatus(), ""))
	case err == nil:
		return c.actOnStarted(ctx, a, there)
	case !isGone(err):
		return protocol.Record{}, err
	}
	if a.token != "" {
		return c.actOnQueued(ctx, a, protocol.SerializerWorkflowID(a.token))
	}
	where, err := c.locate(ctx, a.id, "")
	if err != nil {
		return protocol.Record{}, err
	}
	if !where.queued {
		return protocol.Record{}, errMoved
	}
	return c.actOnQueued(ctx, a, where.workflowID)
}

// refuseClosed refuses what a completed operation does not take.
func refuseClosed(a action, status protocol.StatusCode) error {
	if err := protocol.CheckAction(a.id, status, a.action); err != nil {
		return err
	}
	return errMoved
}

// actOnStarted asks the operation's own workflow.
func (c *Client) actOnStarted(ctx context.Context, a action, there *workflowservice.DescribeWorkflowExecutionResponse) (record protocol.Record, err error) {
	if a.instead != nil {
		if record, done, err := a.instead(ctx, a, there); done {
			return record, err
		}
	}
	err = c.ask(ctx, update{
		workflowID: protocol.OperationWorkflowID(a.id), name: a.update, id: a.updateID, argument: a.argument(""),
	}, &record)
	if isGone(err) {
		return record, errMoved // it closed since it was described
	}
	return record, err
}

// actOnQueued asks a serializer; an operation that it does not have may have
// started and completed meanwhile.
func (c *Client) actOnQueued(ctx context.Context, a action, workflowID string) (record protocol.Record, err error) {
	err = c.ask(ctx, update{workflowID: workflowID, name: a.update, id: a.updateID, argument: a.argument(a.id)}, &record)
	switch {
	case isRefusal(err, protocol.ErrTypeOperationStarted):
		return record, errMoved
	case isRefusal(err, protocol.ErrTypeOperationNotFound), isGone(err):
		if _, err := c.locate(ctx, a.id, a.token); err != nil {
			return protocol.Record{}, err
		}
		return protocol.Record{}, errMoved
	}
	return record, err
}

// errMoved says that the operation was about to move: ask again.
var errMoved error = &againError{errors.New("the operation kept moving between its queue and its own workflow")}

// againError asks for another round.
type againError struct{ err error }

func (e *againError) Error() string { return fmt.Sprintf("%v; try again", e.err) }
func (e *againError) Unwrap() error { return e.err }

// actPatience is how long a request follows an operation that moves from its
// queue to its own workflow, a serializer from one run to the next, or workers
// that do not answer: the server gives a lost workflow task up after 10 s.
const actPatience = 20 * time.Second

// rounds repeats a request while that may help, for actPatience.
func rounds(ctx context.Context, once func() error) error {
	begin := time.Now()
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		err := once()
		if !helpsToAsk(err) || time.Since(begin) >= actPatience {
			return err
		}
		if !pause(ctx, jitter(wait)) {
			return ctx.Err()
		}
	}
}

// helpsToAsk says whether another round may succeed: also where workers are
// there and none answered in time.
func helpsToAsk(err error) bool {
	var again *againError
	var silent *NoWorkerError
	return errors.As(err, &again) || errors.As(err, &silent) && silent.Pollers > 0
}
