package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// RecurrenceStart is what one run of a Recurrence hands to the next.
type RecurrenceStart struct {
	// Type is the catalogue's entry; absent where it has none.
	Type *catalogue.Type `json:"type,omitempty"`
	// SearchAttributes says that they may be set.
	SearchAttributes bool `json:"searchAttributes,omitempty"`
	// AttributeNames are their names; absent for the default ones.
	AttributeNames protocol.AttributeNames `json:"attributeNames,omitempty"`
	// MaxRunEvents is how long one run's history may get.
	MaxRunEvents int        `json:"maxRunEvents,omitempty"`
	Life         *Recurring `json:"life,omitempty"`
}

// admission is what the worker that began a recurrence said of it, once: whatever
// a later one would refuse, this recurrence goes on.
type admission struct {
	Start   RecurrenceStart   `json:"start"`
	Refused *protocol.Refusal `json:"refused,omitempty"`
}

// begin reads what recurs.
func (r *recurrence) begin(d *definitions, submitted, system converter.RawValue) error {
	r.done = workflow.GetSignalChannelWithOptions(r.ctx, protocol.OccurrenceDoneSignalName, workflow.SignalChannelOptions{
		Description: "An occurrence is about to close",
	})
	info := workflow.GetInfo(r.ctx)
	if info.ContinuedExecutionRunID != "" && system.Payload() != nil {
		return r.goOn(submitted, system)
	}
	admitted, err := r.admit(d, submitted)
	if err != nil {
		return err
	}
	var o protocol.Operation
	if err := json.Unmarshal(submitted.Payload().GetData(), &o); err != nil {
		return err
	}
	if o.ID == "" {
		o.ID, _ = protocol.OperationID(info.WorkflowExecution.ID)
	}
	r.start, r.life = admitted.Start, newRecurring(o, info.WorkflowStartTime)
	if v, refused := typeVerdict(r.start.Type, o); refused {
		r.life.end(v.Status, v.Code, v.Message, workflow.Now(r.ctx))
		r.life.Record.FriendlyMessage = v.FriendlyMessage
	}
	return r.label()
}

// goOn takes over from the run before.
func (r *recurrence) goOn(submitted, system converter.RawValue) error {
	var o protocol.Operation
	if err := json.Unmarshal(system.Payload().GetData(), &r.start); err != nil || r.start.Life == nil {
		// Written by a run before: only a worker that is too old cannot read it.
		panic(fmt.Sprintf("the state of the run before cannot be read: %v", err))
	}
	if err := json.Unmarshal(submitted.Payload().GetData(), &o); err != nil {
		return err
	}
	r.life, r.start.Life = r.start.Life, nil
	r.life.Record.Data = o.Data
	return nil
}

// admit has this worker judge what was submitted, and records its word.
func (r *recurrence) admit(d *definitions, submitted converter.RawValue) (admitted admission, err error) {
	info := workflow.GetInfo(r.ctx)
	recorded := workflow.SideEffect(r.ctx, func(workflow.Context) any {
		a := admission{Start: RecurrenceStart{
			SearchAttributes: d.options.SearchAttributes, AttributeNames: d.options.AttributeNames, MaxRunEvents: d.options.MaxRunEvents,
		}}
		o, err := recurringOperation(info, submitted)
		if err == nil {
			err = d.catalogue.CheckRecurring(o)
		}
		if err != nil {
			a.Refused = asRefusal(err)
		}
		if t, found := d.catalogue.Lookup(o.OperationType); found {
			a.Start.Type = &t
		}
		return a
	})
	if err := recorded.Get(&admitted); err != nil {
		return admitted, err
	}
	if refused := admitted.Refused; refused != nil {
		return admitted, temporal.NewNonRetryableApplicationError(refused.Error(), refused.Type, nil, refused)
	}
	return admitted, nil
}

// recurringOperation reads and checks the operation that was submitted.
func recurringOperation(info *workflow.Info, submitted converter.RawValue) (o protocol.Operation, err error) {
	encoded, err := jsonOf(submitted)
	if err != nil {
		return o, fmt.Errorf("operation: %w", err)
	}
	if o, _, err = protocol.DecodeOperation(encoded); err != nil {
		return o, err
	}
	if err := checkID(&o, info.WorkflowExecution.ID); err != nil {
		return o, err
	}
	if !o.Recurs() {
		return o, &protocol.FieldError{Field: "recurrencePattern", Problem: "is missing: an operation that does not recur is started as workflow \"Operation\""}
	}
	rule, err := protocol.ParseRecurrence(o.RecurrencePattern)
	if err != nil {
		return o, err
	}
	if _, err := rule.Anchored(protocol.RecurrenceAnchor(o.RecurrenceStartTime, info.WorkflowStartTime)); err != nil {
		return o, err
	}
	return o, checkOccurrences(o)
}

// checkOccurrences refuses what fits by itself and not with what an occurrence
// has besides.
func checkOccurrences(o protocol.Operation) error {
	o.Traceparent = "" // left out of one that would be too large with it
	encoded, err := json.Marshal(occurrenceOf(o, math.MaxInt64))
	if err != nil {
		return err
	}
	if _, _, err := protocol.DecodeOperation(encoded); err != nil {
		return fmt.Errorf("an occurrence of it: %w", err)
	}
	return nil
}

// asRefusal is an error as a refusal.
func asRefusal(err error) *protocol.Refusal {
	refusal := &protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Code: protocol.CodeOf(err), Message: err.Error()}
	if known := (*protocol.Refusal)(nil); errors.As(err, &known) {
		*refusal = *known
	}
	refusal.Name = refusal.Code.Name()
	return refusal
}

// label sets the search attributes of a recurrence whose starter did not.
func (r *recurrence) label() error {
	attributes := workflow.GetTypedSearchAttributes(r.ctx)
	if !r.start.SearchAttributes || attributes.ContainsKey(keyword(r.start.AttributeNames, protocol.OperationTypeAttribute)) {
		return nil
	}
	start := OperationStart{Type: r.start.Type, AttributeNames: r.start.AttributeNames}
	return workflow.UpsertTypedSearchAttributes(r.ctx, startAttributes(r.life.Record.Operation, start, workflow.Now(r.ctx))...)
}
