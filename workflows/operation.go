package workflows

import (
	"encoding/json"
	"errors"
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
	// Verdict is set where it ended while it queued.
	Verdict *Verdict `json:"verdict,omitempty"`
}

// operation is one run of an Operation. Its rules are in life.
type operation struct {
	// ctx is never cancelled; a cancellation of the workflow is an event on root.
	ctx, root workflow.Context

	life       *Life
	attributes bool // search attributes may be set
	cancelling bool // the workflow's own cancellation was handled
	cancelRun  workflow.CancelFunc
	changed    bool // a request changed something
	waited     bool // filters show it as Waiting
}

// maxTimer bounds one timer; a longer wait is several in a row.
const maxTimer = 365 * 24 * time.Hour

// Operation owns the life of one operation until it is Completed, and closes as
// it ended: completed, failed or canceled. submitted is the operation as a
// client or the serializer wrote it; system is an OperationStart, which counts
// only when it comes from the token's serializer.
func (d *definitions) Operation(root workflow.Context, submitted, system converter.RawValue) (protocol.OperationClosed, error) {
	ctx, _ := workflow.NewDisconnectedContext(root)
	o := &operation{ctx: ctx, root: root}
	if err := o.begin(d, submitted, system); err != nil {
		return protocol.OperationClosed{}, err
	}
	if err := o.setHandlers(); err != nil {
		return protocol.OperationClosed{}, err
	}
	for {
		workflow.SetCurrentDetails(ctx, o.details())
		switch o.life.Next(workflow.Now(ctx)) {
		case StepWait:
			o.wait()
		case StepRun:
			o.run()
		case StepEnd:
			return o.close()
		}
	}
}

// begin reads who the operation is.
func (o *operation) begin(d *definitions, submitted, system converter.RawValue) error {
	start, fromSerializer := startOf(workflow.GetInfo(o.ctx), system)
	record, err := submittedRecord(o.ctx, submitted, fromSerializer)
	if err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), protocol.ErrTypeInvalidOperation, nil,
			&protocol.Refusal{Type: protocol.ErrTypeInvalidOperation, Code: protocol.CodePayloadUnreadable, Message: cut(err.Error(), maxShownBytes)})
	}
	created := workflow.GetInfo(o.ctx).WorkflowStartTime
	if fromSerializer {
		created, record.Sequence = start.CreatedOn, start.Sequence
	} else if start, err = o.resolve(d, record.OperationType); err != nil {
		return err
	}
	record.CreatedOn, record.ModifiedOn = &created, &created
	o.life = &Life{Record: record, Type: start.Type, Verdict: start.Verdict}
	o.attributes = start.SearchAttributes
	if fromSerializer {
		return nil
	}
	return o.label(start)
}

// startOf reads the system's argument where the parent is the token's
// serializer; anybody else's is ignored.
func startOf(info *workflow.Info, system converter.RawValue) (start OperationStart, ok bool) {
	if info.ParentWorkflowExecution == nil || system.Payload() == nil {
		return start, false
	}
	if err := json.Unmarshal(system.Payload().GetData(), &start); err != nil {
		return start, false
	}
	return start, info.ParentWorkflowExecution.ID == protocol.SerializerWorkflowID(start.Token)
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
	if o.DependencyToken != "" {
		return &protocol.FieldError{
			Field: "dependencyToken", Value: fmt.Sprintf("%q", o.DependencyToken),
			Problem: fmt.Sprintf("an operation with a token is submitted to workflow %q by signal, not started", protocol.SerializerWorkflowID(o.DependencyToken)),
		}
	}
	return checkRecurrence(*o)
}

// resolve records what this worker's catalogue says of the type, once.
func (o *operation) resolve(d *definitions, ref protocol.TypeRef) (start OperationStart, err error) {
	recorded := workflow.SideEffect(o.ctx, func(workflow.Context) any {
		start := OperationStart{SearchAttributes: d.options.SearchAttributes}
		if t, found := d.catalogue.Lookup(ref); found {
			start.Type = &t
		}
		return start
	})
	return start, recorded.Get(&start)
}

// label sets the search attributes of an operation whose client did not.
func (o *operation) label(start OperationStart) error {
	attributes := workflow.GetTypedSearchAttributes(o.ctx)
	if !o.attributes || attributes.ContainsKey(operationType) {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(o.ctx, startAttributes(o.life.Record.Operation, start, workflow.Now(o.ctx))...)
}

// wait lets time pass until the operation may start or a request changed it.
func (o *operation) wait() {
	until := o.life.WaitUntil()
	ctx, cancel := workflow.WithCancel(o.ctx)
	defer cancel()
	rest := min(until.Sub(workflow.Now(o.ctx)), maxTimer)
	timer := workflow.NewTimerWithOptions(ctx, rest, workflow.TimerOptions{Summary: "postponed until " + until.Format(time.RFC3339)})
	o.changed, o.waited = false, true
	o.await(timer.IsReady)
}

// run has the handler called once, with the engine's retries, and notes how it
// ended.
func (o *operation) run() {
	ctx, cancel := workflow.WithCancel(workflow.WithActivityOptions(o.ctx, o.activityOptions()))
	defer cancel()
	o.cancelRun = cancel
	if o.waited {
		o.showStatus(protocol.InProgress)
	}
	fence := o.life.Scheduled(workflow.Now(o.ctx))
	workflow.SetCurrentDetails(o.ctx, o.details())
	future := workflow.ExecuteActivity(ctx, o.life.Type.Binding.Activity, protocol.HandlerInput{
		Operation: o.life.Record.Operation, CreatedOn: *o.life.Record.CreatedOn, Fence: fence,
	})
	for !future.IsReady() {
		o.changed = false
		o.await(future.IsReady)
		workflow.SetCurrentDetails(o.ctx, o.details())
	}
	o.conclude(future)
}

// await waits until the condition holds, a request came, or the workflow was
// cancelled from outside, which counts as the action cancel.
func (o *operation) await(condition func() bool) {
	cancelled := func() bool { return o.root.Err() != nil && !o.cancelling }
	_ = workflow.Await(o.ctx, func() bool { return condition() || o.changed || cancelled() }) // o.ctx is never cancelled
	if cancelled() && !condition() {
		o.cancelling = true
		o.cancel("the workflow was cancelled")
	}
}

func (o *operation) cancel(reason string) {
	o.life.Cancel(reason, workflow.Now(o.ctx))
	if o.life.Record.StatusCode == protocol.Canceling {
		o.cancelRun()
	}
	o.changed = true
}

// conclude tells the rules how the handler ended.
func (o *operation) conclude(future workflow.Future) {
	now := workflow.Now(o.ctx)
	var raw converter.RawValue
	err := future.Get(o.ctx, &raw)
	if err != nil {
		o.concludeError(err, now)
		return
	}
	var result protocol.HandlerResult
	if payload := raw.Payload(); payload != nil && len(payload.GetData()) > 0 {
		if err := json.Unmarshal(payload.GetData(), &result); err != nil {
			o.life.Failed("ResultUnreadable", fmt.Sprintf("the handler's answer is not {\"result\":…}: %v", err), protocol.FailureDetails{}, now)
			return
		}
	}
	o.life.Succeeded(result, now)
}

func (o *operation) concludeError(err error, now time.Time) {
	var cancelled *temporal.CanceledError
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	var details protocol.FailureDetails
	switch {
	case errors.As(err, &cancelled):
		_ = cancelled.Details(&details) // another language may send none
		o.life.Canceled(details, now)
	case errors.As(err, &timeout):
		o.life.Failed("Timeout", timeout.Error(), details, now)
	case errors.As(err, &application):
		_ = application.Details(&details)
		o.life.Failed(application.Type(), application.Message(), details, now)
	default:
		o.life.Failed("HandlerError", err.Error(), details, now)
	}
}

// close ends the workflow as the operation ended, so that Temporal's own
// status, filters and colours are right. A parent learns no more than it needs.
func (o *operation) close() (protocol.OperationClosed, error) {
	if err := workflow.Await(o.ctx, func() bool { return workflow.AllHandlersFinished(o.ctx) }); err != nil {
		return protocol.OperationClosed{}, err
	}
	workflow.SetCurrentDetails(o.ctx, o.details())
	o.reportEnd()
	r := o.life.Record
	closed := protocol.OperationClosed{ID: r.ID, Status: r.StatusCode}
	switch r.StatusCode {
	case protocol.Succeeded:
		return closed, nil
	case protocol.Canceled:
		return closed, temporal.NewCanceledError(shown(r))
	}
	message := cut(fmt.Sprintf("%s: %s", r.ErrorCode, r.Message), maxShownBytes)
	return closed, temporal.NewNonRetryableApplicationError(message, protocol.ErrTypeOperationFailed, nil, shown(r))
}

// reportEnd tells the serializer, if it asked, that this execution is about to
// close. The server rejects the close if the question arrives meanwhile.
func (o *operation) reportEnd() {
	asked := workflow.GetSignalChannel(o.ctx, protocol.ReportEndSignalName)
	var raw converter.RawValue
	if !asked.ReceiveAsync(&raw) || o.life.Record.DependencyToken == "" {
		return
	}
	report := workflow.SignalExternalWorkflow(o.ctx, protocol.SerializerWorkflowID(o.life.Record.DependencyToken), "",
		protocol.OperationClosedSignalName, protocol.OperationClosed{ID: o.life.Record.ID, Status: o.life.Record.StatusCode})
	if err := report.Get(o.ctx, nil); err != nil {
		workflow.GetLogger(o.ctx).Warn("the serializer was not told of the end; it looks by itself", "error", err)
	}
}

// shown is the record as it stands in the parent's history too: without the
// payloads, and with messages of a bounded length.
func shown(r protocol.Record) protocol.Record {
	r.Data, r.Result = nil, nil
	r.Message, r.FriendlyMessage = cut(r.Message, maxShownBytes), cut(r.FriendlyMessage, maxShownBytes)
	return r
}
