package main

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// What Seriatim is measured against: the bare workflow with one activity, and the
// serializer that a team writes by hand. Both are as the samples have them and as
// workers come, without any tuning and without any of the guarantees: no check of
// the input, no repeats, no pause, no record, no bound on the queue's size.

const (
	// bareWorkflow runs one operation.
	bareWorkflow = "Bare"
	// plainWorkflow is the serializer written by hand, plainSignal its queue.
	plainWorkflow = "Plain"
	plainSignal   = "submit"
	// handlerActivity is the handler that does nothing, of Bare.
	handlerActivity = "Nothing"
)

// Bare is a workflow with one activity.
func Bare(ctx workflow.Context, o protocol.Operation) (result string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 5 * time.Minute})
	err = workflow.ExecuteActivity(ctx, handlerActivity, o).Get(ctx, &result)
	return result, err
}

// Plain runs what is signalled, strictly one after another, a child workflow for
// each. queue is what the run before left.
func Plain(ctx workflow.Context, queue []protocol.Operation) error {
	signals := workflow.GetSignalChannel(ctx, plainSignal)
	for {
		var batch []protocol.Operation
		if len(queue) == 0 {
			signals.Receive(ctx, &batch)
			queue = append(queue, batch...)
		}
		for signals.ReceiveAsync(&batch) {
			queue = append(queue, batch...)
			batch = nil
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return workflow.NewContinueAsNewError(ctx, Plain, queue)
		}
		next := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: plainID(queue[0].ID)})
		if err := workflow.ExecuteChildWorkflow(next, bareWorkflow, queue[0]).Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Error("the operation failed", "id", queue[0].ID, "error", err)
		}
		queue = queue[1:]
	}
}

// plainID is the workflow id of an operation of the serializer by hand, or of a
// bare one.
func plainID(id string) string { return "plain-operation-" + id }

// plainToken is the workflow id of the serializer by hand.
func plainToken(token string) string { return "plain-token-" + token }
