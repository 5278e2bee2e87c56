package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// A serializer was terminated by hand, with a long queue: what it still had to do
// is put before what was submitted since, and none of it runs twice. What cannot
// be recovered is refused, with what to do instead.
func TestTerminatedQueueIsRecoveredBeforeTheNewOne(t *testing.T) {
	t.Parallel()
	const n = 120
	s := newSite(t, shared, workflows.Options{PageBytes: 4000, MaxRunEvents: 200})
	token := unique(t)
	second := postponed(token, 1)
	s.submit(token, []protocol.Operation{operation(token, 0), second})
	var batch []protocol.Operation
	for i := 2; i < n; i++ {
		batch = append(batch, operation(token, i))
	}
	s.submit(token, batch)
	require.Eventually(t, func() bool {
		state := s.state(token)
		return state.Pages > 5 && state.Counts.Succeeded == 1 && state.Head != nil && state.Head.ID == second.ID
	}, patience, 50*time.Millisecond)
	s.rests(token) // and ends no run before it is terminated
	described, err := s.DescribeWorkflowExecution(s.ctx, protocol.SerializerWorkflowID(token), "")
	require.NoError(t, err)
	last := described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	prepend := func(r protocol.PrependRequest) (protocol.PrependReply, error) {
		return askToken[protocol.PrependReply](s, token, protocol.PrependUpdateName, r)
	}
	_, err = prepend(protocol.PrependRequest{RunID: last})
	require.ErrorContains(t, err, "belongs to the chain of runs that goes on")
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", "by mistake"))

	_, err = askToken[protocol.SerializerState](s, token, protocol.HoldUpdateName, protocol.HoldRequest{Reason: "recovery"})
	require.NoError(t, err)
	s.submit(token, []protocol.Operation{operation(token, n), operation(token, 2)}) // the last one again
	require.Equal(t, last, s.state(token).Predecessor.RunID)

	_, err = prepend(protocol.PrependRequest{RunID: "0198c2c8-6a1c-7b5e-9a51-0123456789ab"})
	require.ErrorContains(t, err, "the server has no run")
	look, err := prepend(protocol.PrependRequest{RunID: last, DryRun: true})
	require.NoError(t, err)
	require.Positive(t, look.Recovered)
	require.Equal(t, 2, s.state(token).Queued, "a look changes nothing")
	done, err := prepend(protocol.PrependRequest{RunID: last, Identity: "ops@host"})
	require.NoError(t, err)
	require.Equal(t, look, done)
	_, err = prepend(protocol.PrependRequest{RunID: last})
	require.ErrorContains(t, err, "was recovered before")
	s.resume(second.ID)
	_, err = askToken[protocol.SerializerState](s, token, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, n).ID))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 2).ID), "the last of all")
	ran := ids(s.ran(token))
	require.Len(t, ran, n+1, "each ran once")
	require.Equal(t, operationIDs(token, 2), ran[:2])
	require.NotContains(t, ran[:n-2], operation(token, n).ID, "the new one comes after the old queue")
	require.Equal(t, operation(token, 3).ID, ran[2], "what was accepted again keeps its new place")
}

func (s *site) resume(id string) {
	s.t.Helper()
	_, err := s.ask(id, protocol.ResumeUpdateName, protocol.ActionRequest{})
	require.NoError(s.t, err)
}

// A chain that the server closed may have left more than one payload takes, since
// no worker read it: what is left goes on in pages, in order.
func TestMoreThanAPayloadIsRecovered(t *testing.T) {
	t.Parallel()
	const n = 90
	s := newSite(t, shared, workflows.Options{})
	s.stopWorker()
	token := unique(t)
	id := protocol.SerializerWorkflowID(token)
	data, err := json.Marshal(strings.Repeat("x", 40<<10))
	require.NoError(t, err)
	for i := range n - 1 {
		o := operation(token, i)
		o.Data = data
		_, err := s.SignalWithStartWorkflow(s.ctx, id, protocol.SubmitSignalName, o,
			client.StartWorkflowOptions{ID: id, TaskQueue: s.taskQueue, WorkflowRunTimeout: 10 * time.Second},
			protocol.SerializerWorkflow, protocol.SerializerInput{Token: token})
		require.NoError(t, err)
	}
	s.tokens[token] = true
	require.Eventually(t, func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, id, "")
		require.NoError(t, err)
		return described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
	}, patience, 100*time.Millisecond)
	s.submit(token, operation(token, n-1))
	s.startWorker()
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, n-1).ID))
	requireInOrder(t, operationIDs(token, n), s.ran(token))
	require.Equal(t, protocol.PredecessorRecovered, s.state(token).Predecessor.Look)
}
