package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// raiseTimeout bounds one attempt to submit an event's operation; there is no end
// of attempts.
const raiseTimeout = 3 * time.Minute

// Event submits one operation for each handler that the worker's catalogue has
// registered for the event, in no order (SPEC 8.7), and completes. It never waits
// for them: what becomes of them is told by themselves. Where one cannot be
// submitted the others are, and it fails with ErrTypeEventIncomplete.
func (d *definitions) Event(ctx workflow.Context, submitted converter.RawValue) (outcome protocol.EventOutcome, err error) {
	event, err := readEvent(submitted, workflow.GetInfo(ctx).WorkflowExecution.ID)
	if err != nil {
		return outcome, refuse(&protocol.Refusal{
			Type: protocol.ErrTypeInvalidOperation, Code: protocol.CodePayloadUnreadable, Message: cut(err.Error(), maxShownBytes),
		})
	}
	var handlers []catalogue.EventHandler
	recorded := workflow.SideEffect(ctx, func(workflow.Context) any { return d.catalogue.HandlersOf(event) })
	if err := recorded.Get(&handlers); err != nil {
		return outcome, err
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: engineTaskQueue(ctx), StartToCloseTimeout: raiseTimeout, HeartbeatTimeout: time.Minute,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, MaximumInterval: time.Minute},
	})
	submissions := make([]raised, len(handlers))
	for i, h := range handlers {
		submissions[i] = submitFor(ctx, h, event)
	}
	problems := 0
	outcome.Handlers = make([]protocol.EventHandled, len(handlers))
	for i, s := range submissions {
		if outcome.Handlers[i] = s.handled(ctx); outcome.Handlers[i].Error != "" {
			problems++
		}
	}
	workflow.SetCurrentDetails(ctx, eventDetails(event, outcome))
	if problems > 0 {
		return outcome, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("%d of %d handlers got no operation", problems, len(handlers)), protocol.ErrTypeEventIncomplete, nil, outcome)
	}
	return outcome, nil
}

// raised is the operation of one handler on its way.
type raised struct {
	handler string
	problem error
	handles workflow.Future
}

func submitFor(ctx workflow.Context, h catalogue.EventHandler, event protocol.Event) raised {
	operation, err := h.Operation(event)
	if err != nil {
		return raised{handler: h.Name, problem: err}
	}
	return raised{handler: h.Name, handles: workflow.ExecuteActivity(ctx, protocol.SubmitForEventActivity, []protocol.Operation{operation})}
}

// handled waits until it is known what became of it.
func (s raised) handled(ctx workflow.Context) protocol.EventHandled {
	handled := protocol.EventHandled{Handler: s.handler}
	var handles []protocol.Handle
	err := s.problem
	if err == nil {
		err = s.handles.Get(ctx, &handles)
	}
	var refused *temporal.ApplicationError
	switch {
	case errors.As(err, &refused):
		handled.Error = cut(refused.Message(), maxRejectBytes)
	case err != nil:
		handled.Error = cut(err.Error(), maxRejectBytes)
	case len(handles) == 1:
		handled.Operation = &handles[0]
	}
	return handled
}

// readEvent decodes the start input. The id is that of the workflow.
func readEvent(submitted converter.RawValue, workflowID string) (event protocol.Event, err error) {
	encoded, err := jsonOf(submitted)
	if err != nil {
		return event, fmt.Errorf("event: %w", err)
	}
	if event, _, err = protocol.DecodeEvent(encoded); err != nil {
		return event, err
	}
	id, ok := protocol.EventID(workflowID)
	if !ok {
		return event, fmt.Errorf("workflow id: %q is not %q and the event's id", cut(workflowID, 64), "event:")
	}
	if event.ID == "" {
		event.ID = id
	}
	if event.ID != id {
		return event, &protocol.FieldError{Field: "id", Value: fmt.Sprintf("%q", event.ID), Problem: fmt.Sprintf("is not that of workflow id %q", workflowID)}
	}
	return event, event.Validate()
}

// eventDetails is what the Web UI shows of an event.
func eventDetails(e protocol.Event, outcome protocol.EventOutcome) string {
	text := fmt.Sprintf("**%s** %s %s\n\n", escape(e.MessageName), escape(e.PrimaryEntityType), escape(e.RegardingObjectID))
	if len(outcome.Handlers) == 0 {
		text += "No handler is registered for it.\n"
	}
	for _, h := range outcome.Handlers {
		what := h.Error
		if h.Operation != nil {
			what = h.Operation.WorkflowID
		}
		text += fmt.Sprintf("- %s: %s\n", escape(h.Handler), escape(what))
	}
	return cut(text, maxDetailsBytes)
}
