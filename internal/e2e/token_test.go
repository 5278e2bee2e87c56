package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// askToken sends an update to a token's serializer, and starts it where it idles.
func askToken[A any](s *site, token, name string, request any) (answer A, err error) {
	id := protocol.SerializerWorkflowID(token)
	handle, err := s.UpdateWithStartWorkflow(s.ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: s.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
			ID: id, TaskQueue: s.taskQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		}, protocol.SerializerWorkflow, protocol.SerializerInput{Token: token}),
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: name, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	if err == nil {
		err = handle.Get(s.ctx, &answer)
	}
	return answer, err
}

// SPEC 4.10: an idle token is held before anything was submitted to it; a head
// that waits for its time does not start while it is held, over runs of its
// serializer too.
func TestHeldTokenStartsNothingUntilReleased(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{MaxRunSignals: 3})
	token := unique(t)
	state, err := askToken[protocol.SerializerState](s, token, protocol.HoldUpdateName, protocol.HoldRequest{Reason: "maintenance", Identity: "ops@host"})
	require.NoError(t, err)
	require.Equal(t, "maintenance", state.Hold.Reason)
	head := postponed(token, 0)
	s.submit(token, head)
	require.Never(t, func() bool { return s.state(token).Head != nil }, time.Second, 100*time.Millisecond, "held")
	_, err = askToken[protocol.SerializerState](s, token, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	require.NoError(t, err)
	s.becomes(head.ID, protocol.Waiting, protocol.SuspendPostponed)
	_, err = askToken[protocol.SerializerState](s, token, protocol.HoldUpdateName, protocol.HoldRequest{Reason: "again"})
	require.NoError(t, err)
	for n := 1; n < 8; n++ { // the run ends, and the next one adopts the head
		s.submit(token, operation(token, n))
	}
	due := time.Now().Add(time.Second)
	_, err = s.ask(head.ID, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: due})
	require.NoError(t, err)
	s.becomes(head.ID, protocol.WaitingForResources, "")
	require.True(t, time.Now().After(due))
	require.Empty(t, s.ran(token), "its time has come, and its token is held")
	require.Equal(t, "again", s.state(token).Hold.Reason)
	s.eventually(func() bool { return s.state(token).Counts.Runs > 1 })
	_, err = askToken[protocol.SerializerState](s, token, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 7).ID))
	requireInOrder(t, operationIDs(token, 8), s.ran(token))
}

func operationIDs(prefix string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, operation(prefix, i).ID)
	}
	return ids
}

// SPEC 3.1, 4.5: a failure holds the token; what is run again takes its place,
// with the original's sequence and a newer fence; the second failure is skipped.
func TestFailureHoldsTheTokenAndRerunTakesItsPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	s.works = func(_ context.Context, r activities.Request) protocol.Outcome {
		if r.Operation.ID == work(token, 0).ID || r.Operation.ID == work(token, 2).ID {
			return protocol.Failure("E7", "no such account")
		}
		return protocol.Success(nil)
	}
	_, err := askToken[protocol.SerializerState](s, token, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	require.NoError(t, err)
	s.submit(token, []protocol.Operation{work(token, 0), work(token, 1), work(token, 2), work(token, 3)})
	require.Eventually(t, func() bool { return s.state(token).Failure != nil }, patience, 50*time.Millisecond)
	require.Equal(t, work(token, 0).ID, s.state(token).Failure.OperationID)
	require.Equal(t, 3, s.state(token).Queued)
	record, err := askToken[protocol.Record](s, token, protocol.RerunUpdateName, protocol.RerunRequest{OperationID: work(token, 0).ID, NewID: token + "-again"})
	require.NoError(t, err)
	require.Equal(t, []any{work(token, 0).ID, s.recordOf(work(token, 0).ID).Sequence}, []any{record.RerunOf, record.Sequence})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(token+"-again"))
	require.Equal(t, int64(2), s.recordOf(token+"-again").N)
	require.Equal(t, protocol.Failed, s.recordOf(work(token, 0).ID).StatusCode, "the old record stays")

	require.Eventually(t, func() bool {
		f := s.state(token).Failure
		return f != nil && f.OperationID == work(token, 2).ID
	}, patience, 50*time.Millisecond)
	_, err = askToken[protocol.SerializerState](s, token, protocol.SkipUpdateName, protocol.TokenRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(work(token, 3).ID))
	_, err = askToken[protocol.SerializerState](s, token, protocol.SkipUpdateName, protocol.TokenRequest{})
	require.ErrorContains(t, err, "there is nothing to skip")
	_, err = askToken[protocol.Record](s, token, protocol.RerunUpdateName, protocol.RerunRequest{OperationID: work(token, 3).ID})
	require.ErrorContains(t, err, "is Succeeded: it cannot be asked to rerun")
}
