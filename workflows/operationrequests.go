package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// setHandlers registers what an operation answers.
func (o *operation) setHandlers() error {
	return errors.Join(
		setQuery(o.ctx, protocol.OperationQueryName, "The operation's record",
			func() (protocol.Record, error) { return o.life.Record, nil }),
		setAction(o, protocol.CancelUpdateName, "End the operation as Canceled", o.cancelRequest, o.doCancel),
		setAction(o, protocol.PauseUpdateName, "Suspend an operation that runs until it is resumed",
			func(r protocol.ActionRequest) request {
				return requestNow(o.ctx, protocol.ActionPause, r.Reason, r.Identity)
			}, o.doPause),
		setAction(o, protocol.ResumeUpdateName, "Make a Suspended operation Ready, whatever it waits for",
			func(r protocol.ActionRequest) request {
				return requestNow(o.ctx, protocol.ActionResume, r.Reason, r.Identity)
			}, o.doResume),
		setAction(o, protocol.PostponeUpdateName, "Change when the operation may start",
			func(r protocol.PostponeRequest) request { return postponement(o.ctx, r) }, o.doPostpone),
		refuseSetRecurrence(o.ctx, func(protocol.SetRecurrenceRequest) string { return o.life.Record.ID }),
	)
}

// refuseSetRecurrence registers the update that an operation which does not recur
// refuses (SPEC 7.7).
func refuseSetRecurrence(ctx workflow.Context, id func(protocol.SetRecurrenceRequest) string) error {
	return workflow.SetUpdateHandlerWithOptions(ctx, protocol.SetRecurrenceUpdateName,
		func(_ workflow.Context, r protocol.SetRecurrenceRequest) (protocol.Record, error) {
			return protocol.Record{}, refuse(protocol.RefuseNonrecurring(id(r)))
		},
		workflow.UpdateHandlerOptions{
			Validator:   func(r protocol.SetRecurrenceRequest) error { return refuse(protocol.RefuseNonrecurring(id(r))) },
			Description: "Refused: only a recurring operation has a rule to change",
		})
}

// request is what an update asks for.
type request struct {
	action  protocol.Action // a row of the state table
	taken   protocol.Taken
	until   time.Time // of a postponement
	problem error     // what is wrong with the update's fields
}

// requestNow is a request for an action.
func requestNow(ctx workflow.Context, action protocol.Action, reason, identity string) request {
	return request{
		action:  action,
		taken:   taken(action, workflow.Now(ctx), reason, identity),
		problem: protocol.ValidateAsked(reason, identity),
	}
}

// postponement is a request to postpone.
func postponement(ctx workflow.Context, r protocol.PostponeRequest) request {
	asked := requestNow(ctx, protocol.PostponeAction(r.Until, workflow.Now(ctx)), r.Reason, r.Identity)
	asked.problem = errors.Join(asked.problem, checkUntil(r.Until))
	asked.until = r.Until
	return asked
}

// setAction registers an update that asks for an action. What the state does not
// take is refused by its validator, without a trace in history.
func setAction[T any](o *operation, name, description string, read func(T) request, do func(workflow.Context, request) error) error {
	validate := func(message T) error {
		if o.ending {
			return refuse(continuingAsNew)
		}
		asked := read(message)
		return refuse(errors.Join(o.life.Check(asked.action), asked.problem))
	}
	handle := func(ctx workflow.Context, message T) (protocol.Record, error) {
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		if err := do(ctx, read(message)); err != nil {
			return protocol.Record{}, refuse(err)
		}
		o.changed = true
		return shown(o.life.Record), nil
	}
	return workflow.SetUpdateHandlerWithOptions(o.ctx, name, handle,
		workflow.UpdateHandlerOptions{Validator: validate, Description: description})
}

func (o *operation) cancelRequest(r protocol.ActionRequest) request {
	return requestNow(o.ctx, protocol.ActionCancel, r.Reason, r.Identity)
}

func (o *operation) doCancel(_ workflow.Context, r request) error {
	o.cancel(r.taken)
	return nil
}

func (o *operation) cancel(asked protocol.Taken) {
	o.life.Cancel(asked)
	if o.life.Record.StatusCode == protocol.Canceling {
		o.cancelRun()
	}
	o.changed = true
}

func (o *operation) doResume(_ workflow.Context, r request) error {
	o.life.Resume(r.taken)
	return nil
}

func (o *operation) doPause(ctx workflow.Context, r request) error {
	if err := o.prepareStop(ctx, r); err != nil {
		return err
	}
	o.life.Pause(r.taken)
	o.cancelRun()
	return nil
}

func (o *operation) doPostpone(ctx workflow.Context, r request) error {
	if o.life.Record.StatusCode.State() != protocol.Locked {
		o.life.Postpone(r.until, r.taken)
		return nil
	}
	if err := o.prepareStop(ctx, r); err != nil {
		return err
	}
	o.life.Postpone(r.until, r.taken)
	o.cancelRun()
	return nil
}

// checkpointTimeout bounds the look at a running handler's checkpoint.
const checkpointTimeout = 10 * time.Second

// prepareStop reads the last checkpoint of the handler before it is asked to
// stop: one that is between two attempts then, or that is lost, returns none. It
// takes a moment, in which the operation may have changed.
func (o *operation) prepareStop(ctx workflow.Context, r request) error {
	if o.life.Record.StatusCode != protocol.InProgress {
		return nil
	}
	n := o.life.Record.N
	checkpoint := o.readCheckpoint(ctx)
	if o.life.Record.N != n || o.life.Check(r.action) != nil {
		return o.overtaken(r.action)
	}
	if o.life.Record.StatusCode.State() == protocol.Locked { // else its handler left a later one
		o.life.KeepCheckpoint(checkpoint)
	}
	return nil
}

// What is read of a handler that runs is soon out of date: it is read again where it
// took longer than that until it was known here, since the handler may have gone on
// and been lost meanwhile; so many times at most.
const (
	checkpointAge   = time.Second
	checkpointReads = 5
)

// readCheckpoint is the running handler's last one, absent where there is none.
func (o *operation) readCheckpoint(ctx workflow.Context) (checkpoint json.RawMessage) {
	for range checkpointReads {
		asked := workflow.Now(ctx)
		var last protocol.Heartbeat
		err := engineActivity(ctx, protocol.ReadCheckpointActivity, "reads how far the handler is", checkpointTimeout,
			protocol.ReadCheckpointRequest{OperationID: o.life.Record.ID}, &last)
		if err != nil {
			workflow.GetLogger(ctx).Warn("the handler's checkpoint was not read", "error", err)
		}
		if len(last.Checkpoint) > 0 {
			checkpoint = last.Checkpoint
		}
		isFresh := workflow.Now(ctx).Sub(asked) <= checkpointAge
		if isFresh || err != nil || o.life.Record.StatusCode != protocol.InProgress || !o.readsAgain() {
			break
		}
	}
	return checkpoint
}

// overtaken refuses an action that another request, or the handler, was faster
// than.
func (o *operation) overtaken(action protocol.Action) error {
	record := o.life.Record
	return &protocol.Refusal{
		Type: protocol.ErrTypeInvalidTransition, Code: protocol.CodeInvalidStateChangeUnexpected, OperationID: record.ID,
		Message: fmt.Sprintf("operation %q became ", record.ID) + record.StatusCode.String() + " before it could " + string(action),
		Allowed: protocol.AllowedTo(record.StatusCode, record.Restrictions),
	}
}

// refuse turns an error into the application error that crosses the wire.
func refuse(err error) error {
	if err == nil {
		return nil
	}
	refusal := *asRefusal(err)
	return temporal.NewNonRetryableApplicationError(refusal.Error(), refusal.Type, nil, refusal)
}
