package e2e

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// fulfil is a workflow of somebody's own that operations name.
func fulfil(ctx workflow.Context, how string) (string, error) {
	switch how {
	case "fail":
		return "", temporal.NewNonRetryableApplicationError("no stock", protocol.ErrTypeFail, nil, protocol.FailureDetails{Code: "E7"})
	case "wait":
		return "", workflow.Sleep(ctx, time.Hour)
	case "ignore":
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		return "", workflow.Sleep(ctx, time.Hour)
	}
	return "did " + how, nil
}

func (s *site) operations() *opclient.Client {
	return opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, Namespace: s.namespace})
}

// ends submits an operation and waits for its end.
func (s *site) ends(o protocol.Operation) opclient.Found {
	s.t.Helper()
	handle, err := s.operations().Submit(s.ctx, o)
	require.NoError(s.t, err)
	found, err := handle.Wait(s.ctx)
	require.NoError(s.t, err)
	return found
}

func requireRefused(t *testing.T, err error, code protocol.Code) {
	t.Helper()
	var refusal *protocol.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, code, refusal.Code, refusal)
}

// SPEC 8.3, 9.1, 9.3: the worker's word is final, by key and by number.
func TestWhatTheCatalogueDoesNotLetRunEndsFailed(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	for _, tc := range []struct {
		kind, token, code, friendly string
	}{
		{"bulk.email", "", "80044303", "- key: bulk.email"},
		{"2", token, "80044303", "- key: bulk.email"},
		{"none.such", token, "80044303", `Add the type "none.such"`},
		{"5", token, "TokenNotAllowed", "dependencyToken: allowed"},
	} {
		found := s.ends(protocol.Operation{OperationType: protocol.TypeRef(tc.kind), DependencyToken: tc.token})
		require.Equal(t, []any{protocol.Failed, tc.code}, []any{found.StatusCode, found.ErrorCode}, tc.kind)
		require.Contains(t, found.FriendlyMessage, tc.friendly)
	}
	found := s.ends(protocol.Operation{OperationType: "5"})
	require.Equal(t, []any{protocol.Succeeded, "import", 5}, []any{found.StatusCode, found.TypeKey, found.TypeNumber})
}

// SPEC 3.3, 8.3, 9.1: while it queues, while it waits, by the server's own cancel
// and after its end.
func TestRestrictionsHoldWhereverAnOperationIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	c, token := s.operations(), unique(t)
	soon := time.Now().Add(20 * time.Second)
	head := protocol.Operation{ID: token + "-head", OperationType: "test.fixed", DependencyToken: token, PostponeUntil: &soon}
	next := protocol.Operation{ID: token + "-next", OperationType: "57", DependencyToken: token}
	rest := protocol.Operation{ID: token + "-rest", OperationType: "test.record", DependencyToken: token}
	for _, o := range []protocol.Operation{head, next, rest} {
		_, err := c.Submit(s.ctx, o)
		require.NoError(t, err)
	}
	s.eventually(func() bool { return s.state(token).Queued == 2 && s.state(token).Head != nil })
	_, err := c.Cancel(s.ctx, next.ID, token, "")
	requireRefused(t, err, protocol.CodeCannotDeleteOrCancel)
	_, err = c.Cancel(s.ctx, head.ID, token, "")
	requireRefused(t, err, protocol.CodeCannotCancel)
	why, err := c.Why(s.ctx, head.ID, token)
	require.NoError(t, err)
	require.Equal(t, []protocol.Action{protocol.ActionPostpone}, why.Allowed)
	require.NoError(t, s.CancelWorkflow(s.ctx, protocol.OperationWorkflowID(head.ID), ""))
	_, err = c.CancelAll(s.ctx, token, "stocktaking")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(head.ID))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(next.ID))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(rest.ID))
	_, err = c.Delete(s.ctx, next.ID, token)
	requireRefused(t, err, protocol.CodeCannotDeleteOrCancel)
	free := s.ends(protocol.Operation{OperationType: "57"})
	_, err = c.Delete(s.ctx, free.ID, "")
	requireRefused(t, err, protocol.CodeCannotDeleteOrCancel)
}

func (s *site) eventually(condition func() bool) {
	s.t.Helper()
	require.Eventually(s.t, condition, patience, 100*time.Millisecond)
}

func workflowOperation(token, how string) protocol.Operation {
	return protocol.Operation{
		ID: token + "-" + how, OperationType: "workflow", DependencyToken: token,
		Data: json.RawMessage(fmt.Sprintf(`{"workflowType":"fulfil","input":%q}`, how)),
	}
}

// SPEC 4.1, 6.1, 9.1: workflows of one's own, one after another.
func TestWorkflowsRunAsOperationsOfAToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	s.submit(token, []protocol.Operation{workflowOperation(token, "pack"), workflowOperation(token, "fail"), workflowOperation(token, "ship")})
	last, err := s.operations().Wait(s.ctx, token+"-ship", token)
	require.NoError(t, err)
	require.JSONEq(t, `"did ship"`, string(last.Result))
	failed, err := s.operations().Get(s.ctx, token+"-fail", token)
	require.NoError(t, err)
	require.Equal(t, []any{protocol.Failed, "E7", "no stock"}, []any{failed.StatusCode, failed.ErrorCode, failed.Message})
	refused := s.ends(protocol.Operation{OperationType: "10", Data: json.RawMessage(`{"workflowType":"Serializer"}`)})
	require.Equal(t, []any{protocol.Failed, "80044303"}, []any{refused.StatusCode, refused.ErrorCode})
}

// SPEC 3.2: a cancellation is passed on; one that ignores it does not outlive its
// operation.
func TestACancelledWorkflowStopsOrIsTerminated(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	for how, ended := range map[string]enumspb.WorkflowExecutionStatus{
		"wait":   enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED,
		"ignore": enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED,
	} {
		o := workflowOperation(token, how)
		o.DependencyToken = ""
		handle, err := s.operations().Submit(s.ctx, o)
		require.NoError(t, err)
		child := protocol.HandlerWorkflowID(o.ID, 1)
		s.eventually(func() bool {
			_, err := s.DescribeWorkflowExecution(s.ctx, child, "")
			return err == nil
		})
		_, err = s.operations().Pause(s.ctx, o.ID, "", "")
		requireRefused(t, err, protocol.CodeCannotPause)
		_, err = s.operations().Cancel(s.ctx, o.ID, "", "sold out")
		require.NoError(t, err)
		found, err := handle.Wait(s.ctx)
		require.NoError(t, err)
		require.Equal(t, protocol.Canceled, found.StatusCode, how)
		s.eventually(func() bool {
			described, err := s.DescribeWorkflowExecution(s.ctx, child, "")
			return err == nil && described.GetWorkflowExecutionInfo().GetStatus() == ended
		})
	}
}

// Without a worker the server knows that a workflow runs it.
func TestAWorkflowIsSeenToRunWithoutAWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	o := workflowOperation(unique(t), "wait")
	o.DependencyToken = ""
	_, err := s.operations().Submit(s.ctx, o)
	require.NoError(t, err)
	s.eventually(func() bool {
		_, err := s.DescribeWorkflowExecution(s.ctx, protocol.HandlerWorkflowID(o.ID, 1), "")
		return err == nil
	})
	s.stopWorker()
	found, err := s.operations().Get(s.ctx, o.ID, "")
	require.NoError(t, err)
	require.Equal(t, []any{opclient.FromDescribe, protocol.InProgress}, []any{found.Source, found.StatusCode})
	s.startWorker()
	_, err = s.operations().Cancel(s.ctx, o.ID, "", "")
	require.NoError(t, err)
}
