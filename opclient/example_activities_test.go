package opclient_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// onboard is a workflow of a team: it submits three operations on one token, so
// that they run one after another, and goes on when the last has ended. It works
// for the operation that caused it, so its own are one deeper.
func onboard(ctx workflow.Context, cause protocol.Operation) (string, error) {
	const token = "customer-42"
	var operations []protocol.Operation
	for _, kind := range []protocol.TypeRef{"account.open", "contract.print", "welcome.send"} {
		operations = append(operations, protocol.Operation{OperationType: kind, DependencyToken: token}.CausedBy(cause))
	}
	var handles []protocol.Handle
	submitting := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 2 * time.Minute})
	err := workflow.ExecuteActivity(submitting, protocol.SubmitOperationsActivity, operations).Get(ctx, &handles)
	if err != nil {
		return "", err
	}
	var last protocol.Record
	waiting := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * 24 * time.Hour, HeartbeatTimeout: 10 * time.Second,
	})
	err = workflow.ExecuteActivity(waiting, protocol.AwaitHandleActivity, handles[2]).Get(ctx, &last)
	return fmt.Sprintf("%s: %s, depth %d of %s", last.ID, last.StatusCode, last.Depth, last.CorrelationID), err
}

// Submit operations from inside a workflow and wait for the last. Here the
// workflow runs in the SDK's test environment, with stand-ins for the
// activities, as a team's unit test has them.
func ExampleActivities() {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	var submitted []protocol.Operation
	env.RegisterActivityWithOptions(func(_ context.Context, operations []protocol.Operation) (handles []protocol.Handle, _ error) {
		for i, o := range operations {
			handles = append(handles, protocol.Handle{ID: fmt.Sprint("operation-", i), Token: o.DependencyToken})
		}
		submitted = operations
		return handles, nil
	}, activity.RegisterOptions{Name: protocol.SubmitOperationsActivity})
	env.RegisterActivityWithOptions(func(_ context.Context, h protocol.Handle) (protocol.Record, error) {
		last := submitted[len(submitted)-1]
		last.ID = h.ID
		return protocol.Record{Operation: last, StatusCode: protocol.Succeeded}, nil
	}, activity.RegisterOptions{Name: protocol.AwaitHandleActivity})

	env.ExecuteWorkflow(onboard, protocol.Operation{ID: "order-7"})
	var said string
	if err := env.GetWorkflowResult(&said); err != nil {
		fmt.Println(err)
	}
	fmt.Println(said)
	// Output: operation-2: Succeeded, depth 1 of order-7
}

// A team's worker lends its workflows the activities.
func ExampleActivities_Register() {
	var operations *opclient.Client // opclient.New(…)
	var w worker.Worker             // worker.New(…), on the task queue of the workflows
	if w != nil {
		w.RegisterWorkflow(onboard)
		opclient.Activities{Client: operations}.Register(w)
	}
}
