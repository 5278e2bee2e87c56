package main

import (
	"io"
	"log/slog"
	"sync"

	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// sampledOperations is how many histories of operations are replayed; of
// serializers it is every one.
const sampledOperations = 100

// replayer replays histories with the workflows as they are.
type replayer struct {
	mu         sync.Mutex
	replayer   worker.WorkflowReplayer
	operations int
}

func newReplayer() *replayer {
	r := &replayer{replayer: worker.NewWorkflowReplayer()}
	workflows.Register(r.replayer, chaosCatalogue(), chaosOptions)
	return r
}

func (r *replayer) replay(info *workflowpb.WorkflowExecutionInfo, events []*historypb.HistoryEvent) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if info.GetType().GetName() == protocol.OperationWorkflow {
		if r.operations++; r.operations > sampledOperations {
			return nil
		}
	}
	logger := log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	return r.replayer.ReplayWorkflowHistoryWithOptions(logger, &historypb.History{Events: events}, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId()},
	})
}
