package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// An update that waits for a worker beside the first submissions is handled in
// the run's very first task; a worker that takes the run over later replays it.
func TestUpdateInTheFirstTaskReplays(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	s.stopWorker()
	token := unique(t)
	a, b, c := operation(token, 1), operation(token, 2), operation(token, 3)
	due := time.Now().Add(2 * time.Second)
	a.PostponeUntil = &due
	s.submit(token, []protocol.Operation{a, b, c})
	id := protocol.SerializerWorkflowID(token)
	cancelled := make(chan error, 1)
	go func() {
		_, err := s.askQueued(token, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: b.ID})
		cancelled <- err
	}()
	// The server shows no update that waits; it is given the time to arrive.
	time.Sleep(500 * time.Millisecond)
	s.startWorker()
	require.NoError(t, <-cancelled)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(c.ID))
	require.Equal(t, []string{a.ID, c.ID}, ids(s.ran(token)))

	events := s.history(id, "")
	replayer := worker.NewWorkflowReplayer()
	workflows.Register(replayer, nil, workflows.Options{})
	require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(nil, &historypb.History{Events: events}, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: id},
	}))
}
