package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// setHandlers registers what a serializer answers.
func (s *serializer) setHandlers() error {
	return errors.Join(s.setActions(), s.setTokenUpdates(), s.setQueries())
}

func (s *serializer) setQueries() error {
	return errors.Join(
		setQuery(s.ctx, protocol.StateQueryName, "The token: head, counts, what was refused", s.state),
		setQuery(s.ctx, protocol.ListQueryName, "The queue from an offset, in order",
			func(r protocol.ListRequest) (protocol.ListReply, error) {
				return s.queue.List(r, workflow.Now(s.ctx))
			}),
		setQuery(s.ctx, protocol.FindQueryName, "One operation of the token by its id",
			func(r protocol.FindRequest) (protocol.FindReply, error) {
				reply := s.queue.Find(r.OperationID, workflow.Now(s.ctx))
				reply.Reading = s.lookingBack || s.submissions.Len() > 0
				return reply, nil
			}),
	)
}

func (s *serializer) state() (protocol.SerializerState, error) {
	state := s.queue.State(workflow.Now(s.ctx))
	state.Refused, state.Predecessor = s.refused, s.predecessor
	return state, nil
}

// setActions registers the actions on operations that queue. An update's
// validator refuses what is wrong without a trace in history; only with
// submissions not read yet does the handler have to decide, after reading them.
func (s *serializer) setActions() error {
	now := func() time.Time { return workflow.Now(s.ctx) }
	simple := func(action protocol.Action, description string) error {
		return setUpdate(s, string(action), description,
			func(r protocol.ActionRequest) error {
				return s.checkQueued(r.OperationID, action, protocol.ValidateAsked(r.Reason, r.Identity))
			},
			func(ctx workflow.Context, r protocol.ActionRequest) (protocol.Record, error) {
				return s.actOn(ctx, r.OperationID, protocol.PostponeRequest{}, taken(action, now(), r.Reason, r.Identity))
			})
	}
	return errors.Join(
		simple(protocol.ActionCancel, "End an operation that queues, as Canceled"),
		simple(protocol.ActionResume, "Make an operation that queues and is postponed Ready"),
		simple(protocol.ActionPause, "Refused while it queues: only an operation that runs can be paused"),
		setUpdate(s, protocol.PostponeUpdateName, "Change when an operation that queues may start",
			func(r protocol.PostponeRequest) error {
				return s.checkQueued(r.OperationID, protocol.PostponeAction(r.Until, now()),
					errors.Join(checkUntil(r.Until), protocol.ValidateAsked(r.Reason, r.Identity)))
			},
			func(ctx workflow.Context, r protocol.PostponeRequest) (protocol.Record, error) {
				return s.actOn(ctx, r.OperationID, r, taken(protocol.ActionPostpone, now(), r.Reason, r.Identity))
			}),
		refuseSetRecurrence(s.ctx, func(r protocol.SetRecurrenceRequest) string { return r.OperationID }),
	)
}

// checkQueued refuses an action on an operation that queues.
func (s *serializer) checkQueued(id string, action protocol.Action, problem error) error {
	if problem == nil {
		problem = protocol.ValidateID(id)
	}
	if problem == nil && s.submissions.Len() == 0 && !s.lookingBack {
		problem = s.queue.Check(id, action, workflow.Now(s.ctx))
	}
	return problem
}

// setUpdate registers an update. check refuses without a trace; do is carried out
// once, however often the update is sent, over the runs too.
func setUpdate[T, A any](s *serializer, name, description string, check func(T) error, do func(workflow.Context, T) (A, error)) error {
	validate := func(ctx workflow.Context, request T) error {
		if s.ending {
			return refuse(continuingAsNew)
		}
		if s.answers.find(updateID(ctx)) != nil {
			return nil
		}
		return refuse(check(request))
	}
	handle := func(ctx workflow.Context, request T) (A, error) {
		ctx, _ = workflow.NewDisconnectedContext(ctx) // a cancelled token answers too
		var nothing A
		if before := s.answers.find(updateID(ctx)); before != nil {
			return answered[A](before)
		}
		if err := workflow.Await(ctx, func() bool { return !s.lookingBack }); err != nil {
			return nothing, err
		}
		s.intakeAll(ctx)
		s.handleCompletions() // what the server told before the update came before it
		answer, err := do(ctx, request)
		s.changed = true
		s.answers.add(updateID(ctx), answer, err)
		return answer, refuse(err)
	}
	return workflow.SetUpdateHandlerWithOptions(s.ctx, name, handle,
		workflow.UpdateHandlerOptions{Validator: validate, Description: description})
}

func setQuery(ctx workflow.Context, name, description string, handler any) error {
	return workflow.SetQueryHandlerWithOptions(ctx, name, handler, workflow.QueryHandlerOptions{Description: description})
}

func updateID(ctx workflow.Context) string {
	return workflow.GetCurrentUpdateInfo(ctx).ID
}

var continuingAsNew = &protocol.Refusal{
	Type:    protocol.ErrTypeContinuingAsNew,
	Message: "this run is ending: send the update again with the same update id",
}

func checkUntil(until time.Time) error {
	if until.IsZero() || until.Year() > 9999 {
		return &protocol.FieldError{Field: "until", Value: until.String(), Problem: "is not an RFC 3339 instant"}
	}
	return nil
}
