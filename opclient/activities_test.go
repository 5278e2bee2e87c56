package opclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// activities is an environment with the activities on a server that answers so.
func activities(f *fake) *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	opclient.Activities{Client: opclient.New(f, opclient.Options{})}.Register(env)
	return env
}

// An attempt that came to its end after it had submitted is repeated as it was,
// and another activity of the workflow is not taken for it.
func TestSubmitActivitySubmitsTheSameInEveryAttempt(t *testing.T) {
	t.Parallel()
	var sent []string
	f := &fake{signal: func(_ string, argument any) error {
		encoded, err := json.Marshal(argument)
		sent = append(sent, string(encoded))
		if err == nil && len(sent) == 1 {
			err = serviceerror.NewPermissionDenied("no", "")
		}
		return err
	}}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	opclient.Activities{Client: opclient.New(f, opclient.Options{})}.Register(env)
	operations := []protocol.Operation{
		{OperationType: "t", DependencyToken: "customer-42"},
		{OperationType: "t", DependencyToken: "customer-42", ID: "mine"},
	}
	var handles []protocol.Handle
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		return errors.Join(
			workflow.ExecuteActivity(ctx, protocol.SubmitOperationsActivity, operations).Get(ctx, &handles),
			workflow.ExecuteActivity(ctx, protocol.SubmitOperationsActivity, operations[0]).Get(ctx, nil))
	})
	require.NoError(t, env.GetWorkflowError())
	first := handles[0]
	require.Regexp(t, "^[0-9a-f]{32}-0$", first.ID)
	require.Contains(t, sent[0], first.ID)
	require.Equal(t, sent[0], sent[1])
	require.NotContains(t, sent[2], first.ID)
	operations[0].ID = first.ID
	require.Equal(t, []protocol.Handle{
		{ID: first.ID, Token: "customer-42", WorkflowID: "token:customer-42", ContentHash: operations[0].ContentHash()},
		{ID: "mine", Token: "customer-42", WorkflowID: "token:customer-42", ContentHash: operations[1].ContentHash()},
	}, handles)
}

// SPEC 1.3: what a workflow in any language sends is read strictly, and nothing
// is sent where anything is wrong with it.
func TestSubmitActivityRefusesForGoodAndWhole(t *testing.T) {
	t.Parallel()
	valid := map[string]any{"operationType": "t"}
	for name, submission := range map[string]any{
		"operation 1: naem":          []any{valid, map[string]any{"operationType": "t", "naem": "x"}},
		"operation 1: operationType": []any{valid, map[string]any{"id": "a"}},
		"operation 0: priority":      map[string]any{"operations": []any{map[string]any{"operationType": "t", "priority": 9}}},
		"the submission is 7":        7,
	} {
		_, err := activities(&fake{}).ExecuteActivity(protocol.SubmitOperationsActivity, submission)
		var refused *temporal.ApplicationError
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, name)
		require.True(t, refused.NonRetryable())
		require.Equal(t, protocol.ErrTypeInvalidOperation, refused.Type())
		var refusal protocol.Refusal
		require.NoError(t, refused.Details(&refusal))
		require.Contains(t, refusal.Message, name)
	}
}

func TestSubmitActivityIsTriedAgainUnlessTheIDIsTaken(t *testing.T) {
	t.Parallel()
	f := &fake{
		start: func(client.StartWorkflowOptions, protocol.Operation) error {
			return serviceerror.NewWorkflowExecutionAlreadyStarted("there", "", "")
		},
		describe: closedOperation(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, "of another"),
	}
	_, err := activities(f).ExecuteActivity(protocol.SubmitOperationsActivity, protocol.Operation{ID: "a", OperationType: "t"})
	var refused *temporal.ApplicationError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, protocol.ErrTypeDuplicateID, refused.Type())
	require.True(t, refused.NonRetryable())

	f.start = func(client.StartWorkflowOptions, protocol.Operation) error {
		return serviceerror.NewPermissionDenied("no", "")
	}
	_, err = activities(f).ExecuteActivity(protocol.SubmitOperationsActivity, protocol.Operation{ID: "a", OperationType: "t"})
	require.ErrorAs(t, err, &refused)
	require.False(t, refused.NonRetryable(), "a person may mend it meanwhile")
}

// closedOperation is the description of an operation that ended.
func closedOperation(status enumspb.WorkflowExecutionStatus, hash string) func(string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return func(string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		memo, err := converter.GetDefaultDataConverter().ToPayload(hash)
		return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: "operation:a", RunId: "r"}, Status: status, CloseTime: timestamppb.Now(),
			Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{protocol.ContentHashMemo: memo}},
		}}, err
	}
}

func TestAwaitActivityAnswersARecordOrAnErrorAsItIsAsked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status protocol.StatusCode
		closed enumspb.WorkflowExecutionStatus
		kind   string
	}{
		{protocol.Succeeded, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, ""},
		{protocol.Failed, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, protocol.ErrTypeOperationFailed},
		{protocol.Canceled, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, protocol.ErrTypeOperationCanceled},
	} {
		f := &fake{describe: closedOperation(test.closed, "h"), query: func(context.Context, string, string, []any) (any, error) {
			return protocol.Record{
				Operation: protocol.Operation{ID: "a", Data: []byte(`"large"`)}, Message: "no such account",
				StateCode: protocol.Completed, StatusCode: test.status, Result: []byte(`7`),
			}, nil
		}}
		handle := protocol.Handle{ID: "a", ContentHash: "h"}
		value, err := activities(f).ExecuteActivity(protocol.AwaitHandleActivity, handle)
		require.NoError(t, err)
		var record protocol.Record
		require.NoError(t, value.Get(&record))
		require.Equal(t, test.status, record.StatusCode)
		require.JSONEq(t, `7`, string(record.Result))
		require.Empty(t, record.Data)

		_, err = activities(f).ExecuteActivity(protocol.AwaitHandleActivity, protocol.AwaitHandleRequest{Handle: handle, MustSucceed: true})
		if test.kind == "" {
			require.NoError(t, err)
			continue
		}
		var failed *temporal.ApplicationError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, test.kind, failed.Type())
		require.ErrorContains(t, err, "operation a ended "+test.status.String()+": no such account")
		require.NoError(t, failed.Details(&record))
		require.Equal(t, test.status, record.StatusCode)
	}
}

func TestAwaitActivityRefusesWhatIsNotTheSubmission(t *testing.T) {
	t.Parallel()
	f := &fake{
		describe: closedOperation(enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, "of another"),
		query: func(context.Context, string, string, []any) (any, error) {
			return protocol.Record{Operation: protocol.Operation{ID: "a"}, StateCode: protocol.Completed, StatusCode: protocol.Failed}, nil
		},
	}
	for request, kind := range map[protocol.Handle]string{
		{ID: "a", ContentHash: "h"}: protocol.ErrTypeDuplicateID,
		{Token: "customer-42"}:      protocol.ErrTypeOperationNotFound,
	} {
		_, err := activities(f).ExecuteActivity(protocol.AwaitHandleActivity, request)
		var refused *temporal.ApplicationError
		require.True(t, errors.As(err, &refused), err)
		require.Equal(t, kind, refused.Type())
		require.True(t, refused.NonRetryable())
	}
}
