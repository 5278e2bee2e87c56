package opclient_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const failed = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED

// SPEC 3.1: rerun makes a new operation of the same content, now.
func TestRerunWithoutATokenStartsTheSameContent(t *testing.T) {
	t.Parallel()
	past := time.Now().Add(-time.Hour)
	old := protocol.Operation{ID: "a", OperationType: "x", Name: "n", Data: json.RawMessage(`{"n":1}`), PostponeUntil: &past, Deadline: &past}
	var second []byte
	f := &fake{
		input: old,
		describe: there(map[string]enumspb.WorkflowExecutionStatus{
			protocol.OperationWorkflowID("a"): failed, protocol.OperationWorkflowID("b"): running,
		}),
		query: func(context.Context, string, string, []any) (any, error) {
			return record("b", protocol.InProgress), nil
		},
		start: func(_ client.StartWorkflowOptions, o protocol.Operation) error {
			require.Equal(t, protocol.Operation{ID: "b", OperationType: "x", Name: "n", Data: old.Data}, o)
			return nil
		},
		starting: func(args []any) { second, _ = json.Marshal(args[1]) },
	}
	r, err := opclient.New(f, opclient.Options{}).Rerun(t.Context(), "a", "", "b", "")
	require.NoError(t, err)
	require.JSONEq(t, `{"rerunOf":"a"}`, string(second))
	require.Equal(t, "b", r.ID)
	require.Equal(t, "a", r.RerunOf)
}

// The old execution knows its token, and an idle token takes the request too.
func TestRerunInATokenAsksItsSerializer(t *testing.T) {
	t.Parallel()
	f := &fake{
		describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			return execution(id, failed, map[string]any{protocol.TokenMemo: "t"}), nil
		},
		update: func(o client.UpdateWorkflowOptions) (any, error) {
			require.Equal(t, protocol.RerunUpdateName, o.UpdateName)
			request := o.Args[0].(protocol.RerunRequest)
			id, err := uuid.Parse(request.NewID)
			require.NoError(t, err)
			require.Equal(t, uuid.Version(7), id.Version())
			require.Equal(t, protocol.RerunRequest{OperationID: "a", NewID: request.NewID, Reason: "why", Identity: "me"}, request)
			r := record(request.NewID, protocol.WaitingForResources)
			r.RerunOf, r.DependencyToken = "a", "t"
			return r, nil
		},
	}
	r, err := opclient.New(f, opclient.Options{TaskQueue: "q", Identity: "me"}).Rerun(t.Context(), "a", "", "", "why")
	require.NoError(t, err)
	require.Equal(t, "a", r.RerunOf)
	require.Contains(t, f.calls, "start or use token:t on q UseExisting")
}

func TestRerunAndDeleteRefuseWhatHasNotEndedSo(t *testing.T) {
	t.Parallel()
	queued := record("a", protocol.WaitingForResources)
	for name, test := range map[string]struct {
		f       *fake
		rerun   string
		deletes string
	}{
		"it runs": {&fake{
			describe: there(map[string]enumspb.WorkflowExecutionStatus{protocol.OperationWorkflowID("a"): running}),
			query:    finds(protocol.FindReply{}),
		}, "it cannot be asked to rerun", "8004416A"},
		"it queues": {&fake{query: finds(protocol.FindReply{Found: true, Record: &queued})}, "it cannot be asked to rerun", "8004416A"},
		"it succeeded": {&fake{describe: there(map[string]enumspb.WorkflowExecutionStatus{
			protocol.OperationWorkflowID("a"): enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED,
		})}, "allowed: delete", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := opclient.New(test.f, opclient.Options{})
			_, err := c.Rerun(t.Context(), "a", "t", "", "")
			require.ErrorIs(t, err, opclient.ErrInvalidTransition)
			require.ErrorContains(t, err, test.rerun)
			if test.deletes != "" {
				_, err = c.Delete(t.Context(), "a", "t")
				require.ErrorIs(t, err, opclient.ErrInvalidTransition)
				require.ErrorContains(t, err, test.deletes)
			}
		})
	}
}
