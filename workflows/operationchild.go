package workflows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// target is the workflow that runs an operation in place of an activity.
type target struct {
	name, taskQueue string
	input           []any
}

// target finds the workflow that runs the operation: that of its type's binding,
// or the one that its data names, which must be on the binding's list. Otherwise
// code and error say why nothing can run it.
func (l *Life) target(fence protocol.Fence) (t target, code string, err error) {
	b := l.Type.Binding
	if b.Workflow != "" {
		return target{b.Workflow, b.TaskQueue, []any{l.input(fence)}}, "", nil
	}
	var data protocol.WorkflowData
	decoder := json.NewDecoder(bytes.NewReader(l.Record.Data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&data); err != nil || data.WorkflowType == "" {
		return t, string(protocol.CodePayloadUnreadable), fmt.Errorf(`data: is not {"workflowType": …, "taskQueue": …, "input": …} with a workflowType: %s`, cut(string(l.Record.Data), 64))
	}
	known := make([]string, len(b.Workflows))
	for i, w := range b.Workflows {
		known[i] = fmt.Sprintf("%s on task queue %q", w.Name, w.TaskQueue)
		if w.Name != data.WorkflowType || data.TaskQueue != "" && w.TaskQueue != data.TaskQueue {
			continue
		}
		t = target{name: w.Name, taskQueue: w.TaskQueue}
		if len(data.Input) > 0 {
			t.input = []any{data.Input}
		}
		return t, "", nil
	}
	return t, string(protocol.CodeTypeNotRecognised), fmt.Errorf("data.workflowType: %q on task queue %q is none that type %q may run; it may run %s",
		cut(data.WorkflowType, 64), cut(data.TaskQueue, 64), l.Type.Key, strings.Join(known, ", "))
}

// refuseTarget ends an operation whose data names a workflow that may not run.
func (l *Life) refuseTarget(now time.Time) (ended bool) {
	if len(l.Type.Binding.Workflows) == 0 {
		return false
	}
	_, code, err := l.target(protocol.Fence{})
	if err == nil {
		return false
	}
	friendly := `Give the operation's data as {"workflowType": "…", "input": …} and submit it as a new operation.`
	if code == string(protocol.CodeTypeNotRecognised) {
		friendly = fmt.Sprintf("Add the workflow to the type's list in the worker's configuration (workflows: of %q under types: in config.yaml) and submit the operation again.", l.Type.Key)
	}
	l.end(protocol.Failed, code, err.Error(), friendly, now)
	return true
}

// input is what a handler is called with, activity or workflow.
func (l *Life) input(fence protocol.Fence) protocol.HandlerInput {
	return protocol.HandlerInput{Operation: l.Record.Operation, CreatedOn: *l.Record.CreatedOn, Fence: fence, Checkpoint: l.Checkpoint}
}

// runWorkflow has a workflow run the operation once, as a child that ends with it:
// one that ignores a cancellation for too long is terminated when the operation
// closes.
func (o *operation) runWorkflow(fence protocol.Fence) {
	t, code, err := o.life.target(fence)
	if err != nil { // Life.Next has said so already
		o.life.Failed(code, err.Error(), protocol.FailureDetails{}, workflow.Now(o.ctx))
		return
	}
	options := o.workflowOptions(t, fence)
	ctx, cancel := workflow.WithCancel(workflow.WithChildOptions(o.ctx, options))
	defer cancel()
	o.cancelRun = cancel
	begun := workflow.Now(o.ctx)
	child := workflow.ExecuteChildWorkflow(ctx, t.name, t.input...)
	if !o.awaitHandler(child) {
		o.life.LockBroken(workflow.Now(o.ctx))
		return
	}
	now := workflow.Now(o.ctx)
	o.life.held(&protocol.Held{HostID: options.WorkflowID, StartedOn: begun, Seconds: now.Sub(begun).Seconds()})
	var raw converter.RawValue
	if err := child.Get(o.ctx, &raw); err != nil {
		o.concludeWorkflowError(t.name, err, now)
		return
	}
	o.concludeWorkflow(raw, now)
}

func (o *operation) workflowOptions(t target, fence protocol.Fence) workflow.ChildWorkflowOptions {
	b, r := o.life.Type.Binding, o.life.Record
	options := workflow.ChildWorkflowOptions{
		WorkflowID:          protocol.HandlerWorkflowID(r.ID, fence.N),
		TaskQueue:           t.taskQueue,
		WorkflowRunTimeout:  seconds(b.StartToCloseSeconds),
		WaitForCancellation: true,
		ParentClosePolicy:   enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		StaticSummary:       summary(r.Operation),
		Priority:            temporal.Priority{PriorityKey: r.Priority, FairnessKey: r.FairnessKey},
	}
	if b.Retry.MaxAttempts > 1 {
		options.RetryPolicy = retryPolicy(b.Retry, 0)
	}
	return options
}

// concludeWorkflow takes what the workflow returned as the operation's result.
func (o *operation) concludeWorkflow(raw converter.RawValue, now time.Time) {
	var result protocol.HandlerResult
	payload := raw.Payload()
	switch encoding := string(payload.GetMetadata()[converter.MetadataEncoding]); {
	case encoding == jsonEncoding:
		result.Result = payload.GetData()
	case payload != nil && encoding != converter.MetadataEncodingNil:
		o.life.Failed("ResultUnreadable", fmt.Sprintf("the workflow's result is encoded as %q, not %q", encoding, jsonEncoding), protocol.FailureDetails{}, now)
		return
	}
	o.life.Succeeded(result, now)
}

// concludeWorkflowError tells the rules how a workflow ended that did not
// complete. Only what it ended with itself counts, not what that was caused by: a
// workflow may fail since something that it waited for was cancelled.
func (o *operation) concludeWorkflowError(name string, err error, now time.Time) {
	if child := (*temporal.ChildWorkflowExecutionError)(nil); errors.As(err, &child) {
		err = child.Unwrap()
	}
	o.concludeCause(name, err, now)
}

func (o *operation) concludeCause(name string, cause error, now time.Time) {
	var details protocol.FailureDetails
	asked := o.life.Record.StatusCode != protocol.InProgress
	switch cause := cause.(type) {
	case *temporal.CanceledError:
		_ = cause.Details(&details) // most workflows send none
		o.life.Stopped(details, now)
	case *temporal.TerminatedError:
		if asked {
			o.life.Stopped(details, now)
			return
		}
		o.life.Failed("Terminated", fmt.Sprintf("workflow %s was terminated", name), details, now)
	case *temporal.TimeoutError:
		if asked {
			o.life.Stopped(details, now)
			return
		}
		o.life.Failed("Timeout", fmt.Sprintf("workflow %s: %v", name, cause), details, now)
	case *temporal.ApplicationError:
		_ = cause.Details(&details)
		if cause.Type() == "" { // an error without a type
			o.life.Failed("WorkflowFailed", cause.Message(), details, now)
			return
		}
		o.concludeFailure(cause, details, false, now)
	default:
		o.life.Failed("WorkflowFailed", fmt.Sprintf("workflow %s: %v", name, cause), details, now)
	}
}
