package workflows

import (
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// OperationStart is the system's own argument of an operation that a serializer
// starts: what was decided at acceptance.
type OperationStart struct {
	Token     string    `json:"token"`
	Sequence  int64     `json:"sequence"`
	CreatedOn time.Time `json:"createdOn"`
	// Type is the catalogue's entry; absent where it has none.
	Type *catalogue.Type `json:"type,omitempty"`
	// SearchAttributes says that they may be set.
	SearchAttributes bool `json:"searchAttributes,omitempty"`
	// AttributeNames are their names; absent for the default ones.
	AttributeNames protocol.AttributeNames `json:"attributeNames,omitempty"`
	// Verdict is set where it ended while it queued.
	Verdict *Verdict `json:"verdict,omitempty"`
	// LastAction is what was asked of it while it queued.
	LastAction *protocol.Taken `json:"lastAction,omitempty"`
	// RerunOf is the operation that it runs again, and N how often that one's
	// handler was scheduled where it takes its place.
	RerunOf string `json:"rerunOf,omitempty"`
	N       int64  `json:"n,omitempty"`
	// MaxRunEvents is how long one run's history may get.
	MaxRunEvents int `json:"maxRunEvents,omitempty"`
	// FreedOn is when the head before it ended, where it waited for that alone.
	FreedOn *time.Time `json:"freedOn,omitempty"`
	// Gated says that it waits for its turn, and BlockedBy which operation was the
	// head of its token when it was started, if one was.
	Gated     bool   `json:"gated,omitempty"`
	BlockedBy string `json:"blockedBy,omitempty"`
	// Life is what the run before left; ReportEnd that the serializer asked it to
	// be told of the end.
	Life      *Life `json:"life,omitempty"`
	ReportEnd bool  `json:"reportEnd,omitempty"`
}

// begin reads who the operation is.
func (o *operation) begin(d *definitions, submitted, system converter.RawValue) error {
	info := workflow.GetInfo(o.ctx)
	o.holds = workflow.GetSignalChannelWithOptions(o.ctx, protocol.TokenHoldSignalName, workflow.SignalChannelOptions{
		Description: "Its token is held, or no longer",
	})
	o.turns = workflow.GetSignalChannelWithOptions(o.ctx, protocol.TurnSignalName, workflow.SignalChannelOptions{
		Description: "Its turn has come",
	})
	start, ours := startOf(info, system)
	record, err := submittedRecord(o.ctx, submitted, ours)
	if err != nil {
		count(o.ctx, MetricRefused, 1, map[string]string{LabelReason: protocol.ErrTypeInvalidOperation})
		return temporal.NewNonRetryableApplicationError(err.Error(), protocol.ErrTypeInvalidOperation, nil,
			&protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Code: protocol.CodePayloadUnreadable, Message: cut(err.Error(), maxShownBytes)})
	}
	if start.Life != nil {
		o.start, o.life = start, start.Life
		o.life.Record.Data = record.Data
		return nil
	}
	if !ours {
		record.RerunOf = claimedRerun(system)
		if start, err = o.resolve(d, record.OperationType); err != nil {
			return err
		}
		start.CreatedOn = info.WorkflowStartTime
	} else {
		record.Sequence, record.RerunOf, record.N, record.LastAction = start.Sequence, start.RerunOf, start.N, start.LastAction
		record.Gated, record.BlockedBy = start.Gated, start.BlockedBy
	}
	record.RecurrenceOf, record.Occurrence, _ = protocol.ParseOccurrenceID(record.ID)
	created := start.CreatedOn
	record.CreatedOn, record.ModifiedOn = &created, &created
	o.start, o.life = start, &Life{Record: record, Type: start.Type, Verdict: start.Verdict}
	o.life.describe()
	if ours {
		return nil
	}
	count(o.ctx, MetricAccepted, 1, nil)
	return o.label(start)
}

// startOf reads the system's argument where the parent is the token's
// serializer, or the run before wrote it; anybody else's does not count.
func startOf(info *workflow.Info, system converter.RawValue) (start OperationStart, ours bool) {
	continued := info.ContinuedExecutionRunID != ""
	if info.ParentWorkflowExecution == nil && !continued || system.Payload() == nil {
		return start, false
	}
	var read OperationStart
	if err := json.Unmarshal(system.Payload().GetData(), &read); err != nil {
		return start, false
	}
	if continued && read.Life != nil {
		return read, true
	}
	read.Life = nil
	return read, !continued && info.ParentWorkflowExecution.ID == protocol.SerializerWorkflowID(read.Token)
}

// claimedRerun is what a client that starts an operation itself says of where it
// comes from.
func claimedRerun(system converter.RawValue) string {
	var claimed struct {
		RerunOf string `json:"rerunOf"`
	}
	if system.Payload() == nil || json.Unmarshal(system.Payload().GetData(), &claimed) != nil || protocol.ValidateID(claimed.RerunOf) != nil {
		return ""
	}
	return claimed.RerunOf
}

// submittedRecord decodes the operation. What a serializer wrote was checked
// when it was accepted; what a client started directly is checked here.
func submittedRecord(ctx workflow.Context, submitted converter.RawValue, checked bool) (r protocol.Record, err error) {
	encoded, err := jsonOf(submitted)
	if err != nil {
		return r, fmt.Errorf("operation: %w", err)
	}
	if checked {
		return r, json.Unmarshal(encoded, &r.Operation)
	}
	if r.Operation, _, err = protocol.DecodeOperation(encoded); err != nil {
		return r, err
	}
	return r, checkDirect(&r.Operation, workflow.GetInfo(ctx).WorkflowExecution.ID)
}

// checkDirect refuses what a client may not start without a serializer. The id
// is that of the workflow.
func checkDirect(o *protocol.Operation, workflowID string) error {
	if err := checkID(o, workflowID); err != nil {
		return err
	}
	if o.DependencyToken != "" {
		return &protocol.FieldError{
			Field: "dependencyToken", Value: fmt.Sprintf("%q", o.DependencyToken),
			Problem: fmt.Sprintf("an operation with a token is submitted to workflow %q by signal, not started", protocol.SerializerWorkflowID(o.DependencyToken)),
		}
	}
	if o.Recurs() {
		return &protocol.FieldError{
			Field: "recurrencePattern", Value: fmt.Sprintf("%q", o.RecurrencePattern), Code: protocol.CodeInvalidRecurrence,
			Problem: fmt.Sprintf("a recurring operation is started as workflow %q, with or without a token", protocol.RecurrenceWorkflow),
		}
	}
	return nil
}

// checkID refuses an operation whose id is not that of its workflow.
func checkID(o *protocol.Operation, workflowID string) error {
	id, ok := protocol.OperationID(workflowID)
	if !ok {
		return fmt.Errorf("workflow id: %q is not %q and the operation's id", cut(workflowID, 64), "operation:")
	}
	if err := protocol.ValidateID(id); err != nil {
		return err
	}
	if o.ID == "" {
		o.ID = id
	}
	if o.ID != id {
		return &protocol.FieldError{Field: "id", Value: fmt.Sprintf("%q", o.ID), Problem: fmt.Sprintf("is not that of workflow id %q", workflowID)}
	}
	return nil
}

// resolve records what this worker's catalogue says of the type, once.
func (o *operation) resolve(d *definitions, ref protocol.TypeRef) (start OperationStart, err error) {
	recorded := workflow.SideEffect(o.ctx, func(workflow.Context) any {
		start := OperationStart{
			SearchAttributes: d.options.SearchAttributes, AttributeNames: d.options.AttributeNames, MaxRunEvents: d.options.MaxRunEvents,
		}
		if t, found := d.catalogue.Lookup(ref); found {
			start.Type = &t
		}
		return start
	})
	return start, recorded.Get(&start)
}

// label sets the search attributes of an operation whose client did not, and
// leaves its restrictions where they are seen without a worker.
func (o *operation) label(start OperationStart) error {
	if restrictions := o.life.Record.Restrictions; len(restrictions) > 0 {
		if err := workflow.UpsertMemo(o.ctx, map[string]any{protocol.RestrictionsMemo: restrictions}); err != nil {
			return err
		}
	}
	attributes := workflow.GetTypedSearchAttributes(o.ctx)
	if !o.start.SearchAttributes || attributes.ContainsKey(keyword(o.start.AttributeNames, protocol.OperationTypeAttribute)) {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(o.ctx, startAttributes(o.life.Record.Operation, start, workflow.Now(o.ctx))...)
}
