package activities

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// RegisterEngine adds the engine's own activities to a worker that polls the
// workflows' task queue with protocol.EngineTaskQueueSuffix. A worker of its own
// keeps handlers that are busy from holding them up. rebuilder holds
// workflows.RebuildToken, RunLookedBack and KeepInPages, and the names of the search
// attributes where they are not the default ones.
func RegisterEngine(w Registry, c client.Client, rebuilder Rebuilder) {
	e := &engine{client: c, rebuilder: rebuilder, looks: rebuilder.Looks}
	if e.looks == nil {
		e.looks = NewLooks(c)
	}
	for name, definition := range map[string]any{
		protocol.AwaitOperationActivity:  e.awaitOperation,
		protocol.FindPredecessorActivity: e.findPredecessor,
		protocol.RebuildTokenActivity:    e.rebuild,
		protocol.ReadOperationActivity:   e.readOperation,
		protocol.RecoverRunActivity:      e.recoverRun,
		protocol.LoadPageActivity:        e.loadPage,
		protocol.FindInPagesActivity:     e.findInPages,
		protocol.ReadCheckpointActivity:  e.readCheckpoint,
		protocol.SubmitForEventActivity:  e.submitForEvent,
		protocol.NextPointActivity:       e.nextPoint,
		protocol.ApplyStopsActivity:      e.applyStops,
	} {
		w.RegisterActivityWithOptions(definition, activity.RegisterOptions{Name: name})
	}
	opclient.Occurrences{Temporal: c, AttributeNames: rebuilder.AttributeNames}.Register(w)
}

// engine does for workflows what they cannot do themselves.
type engine struct {
	client    client.Client
	rebuilder Rebuilder
	looks     *Looks
}

// engineHeartbeat keeps the server sure that a waiting activity is alive.
const engineHeartbeat = 5 * time.Second

// awaitOperation waits for an operation's execution to close, for as long as it
// is told, and answers what it is then.
func (e *engine) awaitOperation(ctx context.Context, request protocol.AwaitRequest) (protocol.AwaitReply, error) {
	id := protocol.OperationWorkflowID(request.OperationID)
	if request.WaitSeconds > 0 {
		e.wait(ctx, id, time.Duration(request.WaitSeconds*float64(time.Second)))
	}
	described, err := e.client.DescribeWorkflowExecution(ctx, id, "")
	switch {
	case isNotFound(err):
		return protocol.AwaitReply{}, nil
	case err != nil:
		return protocol.AwaitReply{}, err
	}
	reply := replyOf(described.GetWorkflowExecutionInfo())
	reply.Gated = reply.Gated && request.AsksGated
	return reply, nil
}

// wait returns when the execution has closed, or the time is over, or it cannot
// be said: the look that follows decides.
func (e *engine) wait(ctx context.Context, id string, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	go func() {
		for ticker := time.NewTicker(engineHeartbeat); ; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	_ = e.client.GetWorkflow(ctx, id, "").Get(ctx, nil)
}

// replyOf reads whose execution it is, and how it stands.
func replyOf(info *workflowpb.WorkflowExecutionInfo) protocol.AwaitReply {
	reply := protocol.AwaitReply{Found: true}
	reply.Status, reply.Closed = closedStatus(info.GetStatus())
	fields := info.GetMemo().GetFields()
	for key, value := range map[string]any{
		protocol.TokenMemo: &reply.Token, protocol.SequenceMemo: &reply.Sequence, protocol.ContentHashMemo: &reply.ContentHash,
		protocol.GatedMemo: &reply.Gated,
	} {
		readPayload(fields[key], value) // a client that started the operation may have written anything
	}
	return reply
}

// closedStatus is how an operation ended, by the status of its execution.
func closedStatus(status enumspb.WorkflowExecutionStatus) (protocol.StatusCode, bool) {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return protocol.Succeeded, true
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return protocol.Canceled, true
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return protocol.Failed, true
	}
	return protocol.InProgress, false
}
