package opclient_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// deleter deletes runs, the last of them after some time.
type deleter struct {
	workflowservice.WorkflowServiceClient
	takes   time.Duration
	runs    []string
	goneAt  time.Time
	nothing bool
	memo    map[string]any
}

func (d *deleter) DeleteWorkflowExecution(_ context.Context, r *workflowservice.DeleteWorkflowExecutionRequest, _ ...grpc.CallOption) (*workflowservice.DeleteWorkflowExecutionResponse, error) {
	d.runs = append(d.runs, r.Namespace+"/"+r.WorkflowExecution.RunId)
	if !d.nothing {
		d.goneAt = time.Now().Add(d.takes)
	}
	return nil, nil
}

// completed is an operation with an earlier run.
func completed(d *deleter) *fake {
	id := protocol.OperationWorkflowID("a")
	return &fake{
		service: d,
		query:   finds(protocol.FindReply{}),
		describe: func(workflowID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			if workflowID != id || !d.goneAt.IsZero() && time.Now().After(d.goneAt) {
				return nil, errGone
			}
			return execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, d.memo), nil
		},
		list: func(query string) (infos []*workflowpb.WorkflowExecutionInfo, _ error) {
			if !strings.HasPrefix(query, "WorkflowId = 'operation:a'") {
				return nil, nil
			}
			for _, run := range []string{"run", "earlier"} {
				there := execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil)
				there.WorkflowExecutionInfo.Execution.RunId = run
				infos = append(infos, there.WorkflowExecutionInfo)
			}
			return infos, nil
		},
	}
}

// SPEC 3.1: the record is gone when it returns, and a repeat does no harm.
func TestDeleteRemovesEveryRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &deleter{takes: 30 * time.Second}
		c := opclient.New(completed(d), opclient.Options{Namespace: "n"})
		begin := time.Now()
		deleted, err := c.Delete(t.Context(), "a", "t")
		require.NoError(t, err)
		require.True(t, deleted)
		require.Equal(t, []string{"n/earlier", "n/run"}, d.runs)
		require.GreaterOrEqual(t, time.Since(begin), d.takes)
		deleted, err = c.Delete(t.Context(), "a", "t")
		require.NoError(t, err)
		require.False(t, deleted)
	})
}

// SPEC 8.3, 9.1: R is no delete.
func TestDeleteIsRefusedWhereTheTypeKeepsItsRecords(t *testing.T) {
	t.Parallel()
	d := &deleter{memo: map[string]any{protocol.RestrictionsMemo: protocol.Restrictions{protocol.NoCancelOrDelete}}}
	_, err := opclient.New(completed(d), opclient.Options{}).Delete(t.Context(), "a", "t")
	var refusal *protocol.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, protocol.CodeCannotDeleteOrCancel, refusal.Code)
	require.Empty(t, refusal.Allowed)
	require.Empty(t, d.runs)
}

func TestDeleteSaysThatItIsStillThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := opclient.New(completed(&deleter{nothing: true}), opclient.Options{}).Delete(t.Context(), "a", "t")
		var unanswered *opclient.UnansweredError
		require.ErrorAs(t, err, &unanswered)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = opclient.New(completed(&deleter{nothing: true}), opclient.Options{}).Delete(ctx, "a", "t")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
