package main

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// Names of the workflow that runs the operations of flowType, and of its activity.
const (
	flowWorkflow = "ChaosFlow"
	flowActivity = "chaos.flow.work"
)

// flow has an activity do the work, in the name of the operation's run.
func flow(ctx workflow.Context, in protocol.HandlerInput) (map[string]string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: startToClose, HeartbeatTimeout: heartbeatTimeout, WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: maxAttempts, InitialInterval: 100 * time.Millisecond, MaximumInterval: time.Second},
	})
	var result map[string]string
	err := workflow.ExecuteActivity(ctx, flowActivity, in, workflow.GetInfo(ctx).ParentWorkflowExecution.RunID).Get(ctx, &result)
	return result, err
}

func registerFlow(w worker.Registry, h *handler) {
	w.RegisterWorkflowWithOptions(flow, workflow.RegisterOptions{Name: flowWorkflow})
	w.RegisterActivityWithOptions(h.flow, activity.RegisterOptions{Name: flowActivity})
}

// flow does what Handle does, for a workflow.
func (h *handler) flow(ctx context.Context, in protocol.HandlerInput, runID string) (map[string]string, error) {
	ctx, stop := beat(ctx)
	defer stop()
	in.Fence.Attempt = activity.GetInfo(ctx).Attempt
	outcome := h.handle(ctx, activities.Request{Operation: in.Operation, Fence: in.Fence}, runID)
	switch outcome.Kind {
	case protocol.OutcomeSucceeded:
		return map[string]string{"fence": in.Fence.String()}, nil
	case protocol.OutcomeCanceled:
		return nil, temporal.NewCanceledError()
	case protocol.OutcomeFailed:
		return nil, temporal.NewNonRetryableApplicationError(outcome.Message, outcome.Code, nil)
	}
	return nil, errors.New(outcome.Message)
}

// beat sends heartbeats until it is stopped; they end ctx when the lock is gone.
func beat(ctx context.Context) (beating context.Context, stop func()) {
	beating, stop = context.WithCancel(ctx)
	go func() {
		for pause(beating, heartbeatTimeout/5) {
			activity.RecordHeartbeat(ctx)
		}
	}()
	return beating, stop
}
