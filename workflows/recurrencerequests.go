package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// passTimeout bounds how long a request is passed on to an occurrence.
const passTimeout = 2 * time.Minute

// setHandlers registers what a recurring operation answers.
func (r *recurrence) setHandlers() error {
	plain := func(action protocol.Action) func(protocol.ActionRequest) request {
		return func(m protocol.ActionRequest) request { return requestNow(r.ctx, action, m.Reason, m.Identity) }
	}
	return errors.Join(
		setQuery(r.ctx, protocol.OperationQueryName, "The recurring operation's record",
			func() (protocol.Record, error) { return r.life.Record, nil }),
		setRecurringAction(r, protocol.CancelUpdateName, "End the recurrence, and the occurrence that is open", plain(protocol.ActionCancel),
			func(asked request) { r.life.Cancel(asked.taken) }),
		setRecurringAction(r, protocol.PauseUpdateName, "Suspend the occurrence that runs until it is resumed", plain(protocol.ActionPause),
			func(request) {}),
		setRecurringAction(r, protocol.ResumeUpdateName, "Run the next occurrence now, or resume the open one", plain(protocol.ActionResume),
			func(asked request) { r.life.Resume(asked.taken) }),
		setRecurringAction(r, protocol.PostponeUpdateName, "Move the next occurrence, or postpone the open one",
			func(m protocol.PostponeRequest) request { return postponement(r.ctx, m) },
			func(asked request) { r.life.Postpone(asked.until, asked.taken) }),
		r.setSetRecurrence(),
	)
}

// setRecurringAction registers an update: on the pending occurrence it is carried
// out here, on the open one it is passed on.
func setRecurringAction[T any](r *recurrence, name, description string, read func(T) request, do func(request)) error {
	validate := func(message T) error {
		if r.ending {
			return refuse(continuingAsNew)
		}
		asked := read(message)
		return refuse(errors.Join(r.life.Check(asked.action), asked.problem))
	}
	handle := func(ctx workflow.Context, message T) (protocol.Record, error) {
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		asked := read(message)
		if r.life.Passes(asked.action) {
			record, passed, err := r.pass(ctx, asked)
			if passed {
				return record, refuse(err)
			}
			asked = read(message) // the occurrence has ended meanwhile
		}
		if err := r.life.Check(asked.action); err != nil {
			return protocol.Record{}, refuse(err)
		}
		do(asked)
		r.changed = true
		return shown(r.life.Record), nil
	}
	return workflow.SetUpdateHandlerWithOptions(r.ctx, name, handle,
		workflow.UpdateHandlerOptions{Validator: validate, Description: description})
}

// pass asks the open occurrence; passed is false where none is open any more.
func (r *recurrence) pass(ctx workflow.Context, asked request) (record protocol.Record, passed bool, err error) {
	open := r.life.Open
	if err := workflow.Await(ctx, func() bool { return r.life.Open != open || open.There }); err != nil {
		return record, true, err
	}
	if r.life.Open != open {
		return record, false, nil
	}
	record, err = r.ask(ctx, asked)
	return record, true, err
}

// ask has the engine ask something of the open occurrence, wherever it is.
func (r *recurrence) ask(ctx workflow.Context, asked request) (record protocol.Record, err error) {
	id := protocol.OccurrenceID(r.life.Record.ID, r.life.Open.N)
	err = engineActivity(ctx, protocol.ActOnOccurrenceActivity, fmt.Sprintf("asks occurrence %d to %s", r.life.Open.N, asked.taken.Action), passTimeout,
		protocol.OccurrenceActionRequest{
			OperationID: id, Token: r.life.Record.DependencyToken, Action: asked.taken.Action, Until: asked.until,
			Reason: asked.taken.Reason, Identity: asked.taken.Identity,
		}, &record)
	var application *temporal.ApplicationError
	var refusal protocol.Refusal
	switch {
	case err == nil:
		return record, nil
	case errors.As(err, &application) && application.HasDetails() && application.Details(&refusal) == nil && refusal.Message != "":
		refusal.Type = application.Type()
		return record, &refusal
	}
	workflow.GetLogger(ctx).Warn("an occurrence was not asked", "occurrence", id, "error", err)
	return record, busy(fmt.Sprintf("occurrence %q did not answer: ask it by its own id, or send the request again", id))
}

// setSetRecurrence registers the update that changes the rule or the start.
func (r *recurrence) setSetRecurrence() error {
	read := func(m protocol.SetRecurrenceRequest) (protocol.Operation, request) {
		asked := requestNow(r.ctx, protocol.ActionSetRecurrence, m.Reason, m.Identity)
		o, err := m.Apply(r.life.Record.Operation, r.life.Anchor)
		if err == nil && r.start.Type != nil {
			err = r.checkType(o)
		}
		asked.problem = errors.Join(asked.problem, err)
		return o, asked
	}
	validate := func(m protocol.SetRecurrenceRequest) error {
		if r.ending {
			return refuse(continuingAsNew)
		}
		_, asked := read(m)
		return refuse(errors.Join(r.life.Check(asked.action), asked.problem))
	}
	handle := func(_ workflow.Context, m protocol.SetRecurrenceRequest) (protocol.Record, error) {
		o, asked := read(m)
		r.life.SetRule(o, asked.taken)
		r.changed = true
		return shown(r.life.Record), nil
	}
	return workflow.SetUpdateHandlerWithOptions(r.ctx, protocol.SetRecurrenceUpdateName, handle,
		workflow.UpdateHandlerOptions{Validator: validate, Description: "Change the rule or the start of the recurrence"})
}
