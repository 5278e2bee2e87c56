package workflows

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

var (
	listed = catalogue.Type{Key: "workflow", Binding: catalogue.Binding{
		CancelTimeoutSeconds: 30, Workflows: []catalogue.Workflow{{Name: "Fulfil"}, {Name: "Fulfil", TaskQueue: "orders"}},
	}}
	fulfils = catalogue.Type{Key: "order.fulfil", Binding: catalogue.Binding{Workflow: "Fulfil", CancelTimeoutSeconds: 30}}
)

// runsWorkflow starts an operation that the workflow runs, and answers its record.
func (b *bench) runsWorkflow(o protocol.Operation, run any) (record protocol.Record) {
	b.t.Helper()
	b.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: "Fulfil"})
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID(o.ID)})
	b.ExecuteWorkflow(protocol.OperationWorkflow, o)
	require.True(b.t, b.IsWorkflowCompleted())
	answer, err := b.QueryWorkflow(protocol.OperationQueryName)
	require.NoError(b.t, err)
	require.NoError(b.t, answer.Get(&record))
	return record
}

func ofWorkflow(data string) protocol.Operation {
	return protocol.Operation{ID: "W", OperationType: "10", Data: json.RawMessage(data)}
}

// SPEC 6.1, 9.1: what the workflow returns is the operation's result.
func TestAWorkflowRunsAnOperation(t *testing.T) {
	t.Parallel()
	b := newBenchWith(t, Options{}, listed)
	var id string
	record := b.runsWorkflow(ofWorkflow(`{"workflowType":"Fulfil","input":{"order":42}}`), func(ctx workflow.Context, input map[string]int) (map[string]int, error) {
		id = workflow.GetInfo(ctx).WorkflowExecution.ID
		return map[string]int{"shipped": input["order"]}, workflow.Sleep(ctx, time.Hour)
	})
	require.Equal(t, protocol.Succeeded, record.StatusCode)
	require.JSONEq(t, `{"shipped":42}`, string(record.Result))
	require.Equal(t, "handler:1:W", id)
	require.Equal(t, []any{id, 3600.0, int64(1)}, []any{record.HostID, record.ExecutionTimeSpan, record.N})
	require.Equal(t, []any{"workflow", 10}, []any{record.TypeKey, record.TypeNumber})
}

// SPEC 9.2: any type may be bound to one; it gets what a handler gets.
func TestAWorkflowOfATypeGetsTheOperation(t *testing.T) {
	t.Parallel()
	b := newBenchWith(t, Options{}, fulfils)
	var got protocol.HandlerInput
	record := b.runsWorkflow(protocol.Operation{ID: "W", OperationType: "order.fulfil", Data: json.RawMessage(`7`)}, func(_ workflow.Context, in protocol.HandlerInput) error {
		got = in
		return nil
	})
	require.Equal(t, protocol.Succeeded, record.StatusCode)
	require.Empty(t, record.Result)
	require.Equal(t, []any{"W", "7", int64(1)}, []any{got.Operation.ID, string(got.Operation.Data), got.Fence.N})
}

// SPEC 6.1
func TestHowAWorkflowEndsIsHowItsOperationEnds(t *testing.T) {
	t.Parallel()
	application := func(kind string, details protocol.FailureDetails) error {
		return temporal.NewNonRetryableApplicationError("no stock", kind, nil, details)
	}
	for _, tc := range []struct {
		name    string
		err     error
		status  protocol.StatusCode
		code    string
		message string
	}{
		{"failed for good", application(protocol.ErrTypeFail, protocol.FailureDetails{Code: "E7", FriendlyMessage: "Sold out."}), protocol.Failed, "E7", "no stock"},
		{"failed with any error", errors.New("broken"), protocol.Failed, "WorkflowFailed", "broken"},
		{"failed with a type of its own", temporal.NewApplicationError("gone", "Gone"), protocol.Failed, "Gone", "gone"},
		{"canceled", temporal.NewCanceledError(), protocol.Canceled, "", "canceled while it ran"},
		{"failed since something else was cancelled", temporal.NewApplicationErrorWithCause("gave up", "GaveUp", temporal.NewCanceledError()), protocol.Failed, "GaveUp", "gave up"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			record := newBenchWith(t, Options{}, fulfils).runsWorkflow(of("order.fulfil", "W"), func(workflow.Context) error { return tc.err })
			require.Equal(t, tc.status, record.StatusCode)
			require.Equal(t, tc.code, record.ErrorCode)
			require.Contains(t, record.Message, tc.message)
			if tc.code == "E7" {
				require.Equal(t, "Sold out.", record.FriendlyMessage)
			}
		})
	}
}

// SPEC 6.1, 6.4: one that asks for a person is run again, as another workflow.
func TestAWorkflowAsksForAPersonAndIsRunAgain(t *testing.T) {
	t.Parallel()
	b := newBenchWith(t, Options{}, fulfils)
	resume := b.update(time.Hour, protocol.ResumeUpdateName, protocol.ActionRequest{})
	var ids []string
	record := b.runsWorkflow(of("order.fulfil", "W"), func(ctx workflow.Context) error {
		ids = append(ids, workflow.GetInfo(ctx).WorkflowExecution.ID)
		if len(ids) == 1 {
			return temporal.NewNonRetryableApplicationError("who pays?", protocol.ErrTypeSuspend, nil)
		}
		return nil
	})
	require.NoError(t, resume.err)
	require.Equal(t, protocol.Succeeded, record.StatusCode)
	require.Equal(t, []string{"handler:1:W", "handler:2:W"}, ids)
}

// SPEC 3.2: a cancellation is passed on, and the workflow decides.
func TestCancelReachesTheWorkflow(t *testing.T) {
	t.Parallel()
	waits := func(ctx workflow.Context) error { return workflow.Sleep(ctx, 10*time.Hour) }
	cleansUp := func(ctx workflow.Context) error {
		_ = workflow.Sleep(ctx, 10*time.Hour)
		return nil
	}
	ignores := func(ctx workflow.Context) error {
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		return workflow.Sleep(ctx, 10*time.Hour)
	}
	for _, tc := range []struct {
		name   string
		run    func(workflow.Context) error
		status protocol.StatusCode
		code   string
	}{
		{"one that stops is Canceled", waits, protocol.Canceled, ""},
		{"one that completes all the same has Succeeded", cleansUp, protocol.Succeeded, ""},
		{"one that ignores it has its lock broken", ignores, protocol.Canceled, "LockBroken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBenchWith(t, Options{}, fulfils)
			begin := b.Now()
			cancel := b.update(time.Hour, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "sold out"})
			record := b.runsWorkflow(of("order.fulfil", "W"), tc.run)
			require.NoError(t, cancel.err)
			require.Equal(t, protocol.Canceling, cancel.record.StatusCode)
			require.Equal(t, tc.status, record.StatusCode, record.Message)
			require.Equal(t, tc.code, record.ErrorCode)
			require.Less(t, record.CompletedOn.Sub(begin), 2*time.Hour)
		})
	}
}

// SPEC 3.3: it is not stopped half-way.
func TestAWorkflowIsNotPausedNorPostponedWhileItRuns(t *testing.T) {
	t.Parallel()
	b := newBenchWith(t, Options{}, fulfils)
	pause := b.update(time.Hour, protocol.PauseUpdateName, protocol.ActionRequest{})
	postpone := b.update(time.Hour, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: b.Now().Add(10 * time.Hour)})
	record := b.runsWorkflow(of("order.fulfil", "W"), func(ctx workflow.Context) error { return workflow.Sleep(ctx, 5*time.Hour) })
	require.Equal(t, protocol.Succeeded, record.StatusCode)
	require.Equal(t, protocol.CodeCannotPause, refusalIn(t, pause).Code)
	require.Equal(t, protocol.CodeInvalidStateChangeToSuspended, refusalIn(t, postpone).Code)
	require.Equal(t, []protocol.Action{protocol.ActionCancel}, refusalIn(t, pause).Allowed)
}

// SPEC 8.3, 9.3: the data names one of the list.
func TestWhichWorkflowAnOperationMayName(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, data, queue, code, message string
		input                            int
	}{
		{"the first of that name", `{"workflowType":"Fulfil"}`, "", "", "", 0},
		{"the one on that queue", `{"workflowType":"Fulfil","taskQueue":"orders","input":[1]}`, "orders", "", "", 1},
		{"null is no input", `{"workflowType":"Fulfil","input":null}`, "", "", "", 1},
		{"none on that queue", `{"workflowType":"Fulfil","taskQueue":"else"}`, "", "80044303", `data.workflowType: "Fulfil" on task queue "else" is none that type "workflow" may run; it may run Fulfil on task queue "", Fulfil on task queue "orders"`, 0},
		{"none of that name", `{"workflowType":"Operation"}`, "", "80044303", `"Operation"`, 0},
		{"no name", `{"input":1}`, "", "80044304", "with a workflowType", 0},
		{"no data", ``, "", "80044304", "data: is not", 0},
		{"another field", `{"workflowType":"Fulfil","workflowId":"x"}`, "", "80044304", "data: is not", 0},
		{"a string", `"Fulfil"`, "", "80044304", `"Fulfil"`, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			typ := listed.WithDefaults()
			l := aLife(ofType(typ), func(l *Life) { l.Record.Data = json.RawMessage(tc.data) })
			step := l.Next(day)
			if tc.code != "" {
				require.Equal(t, StepEnd, step)
				require.Equal(t, []any{protocol.Failed, tc.code}, []any{l.Record.StatusCode, l.Record.ErrorCode})
				require.Contains(t, l.Record.Message, tc.message)
				require.NotEmpty(t, l.Record.FriendlyMessage)
				return
			}
			require.Equal(t, StepRun, step)
			found, _, err := l.target(protocol.Fence{})
			require.NoError(t, err)
			require.Equal(t, []any{"Fulfil", tc.queue, tc.input}, []any{found.name, found.taskQueue, len(found.input)})
		})
	}
}

// What the server does to it is not the handler's word.
func TestAWorkflowThatWasEndedByOthers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status protocol.StatusCode
		cause  error
		ended  protocol.StatusCode
		code   string
	}{
		{"terminated", protocol.InProgress, &temporal.TerminatedError{}, protocol.Failed, "Terminated"},
		{"terminated after it was asked to stop", protocol.Canceling, &temporal.TerminatedError{}, protocol.Canceled, ""},
		{"timed out", protocol.InProgress, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil), protocol.Failed, "Timeout"},
		{"timed out after it was asked to stop", protocol.Canceling, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil), protocol.Canceled, ""},
		{"failed with what it waited for", protocol.InProgress, errors.New("activity error"), protocol.Failed, "WorkflowFailed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := &operation{life: aLife(ofType(fulfils.WithDefaults()), in(tc.status))}
			o.concludeCause("Fulfil", tc.cause, day)
			require.Equal(t, []any{tc.ended, tc.code}, []any{o.life.Record.StatusCode, o.life.Record.ErrorCode})
		})
	}
	o := &operation{life: aLife(ofType(fulfils.WithDefaults()), in(protocol.InProgress))}
	o.concludeWorkflowError("Fulfil", &temporal.ChildWorkflowExecutionAlreadyStartedError{}, day)
	require.Equal(t, []any{protocol.Failed, "WorkflowFailed"}, []any{o.life.Record.StatusCode, o.life.Record.ErrorCode})
}
