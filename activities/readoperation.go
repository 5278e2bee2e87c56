package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/gone"
	"github.com/seriatim-go/seriatim/protocol"
)

// readOperation answers what an operation was and how often its handler was
// scheduled, so that it can be run again. One whose start cannot be read is an
// InvalidOperation.
func (e *engine) readOperation(ctx context.Context, request protocol.ReadOperationRequest) (protocol.ReadOperationReply, error) {
	id := request.Rerun.OperationID
	reply, err := e.read(ctx, id)
	if isNotFound(err) {
		return protocol.ReadOperationReply{}, nil
	}
	if err != nil {
		return protocol.ReadOperationReply{}, fmt.Errorf("operation %q: %w", id, err)
	}
	return reply, nil
}

func (e *engine) read(ctx context.Context, id string) (reply protocol.ReadOperationReply, err error) {
	described, err := e.client.DescribeWorkflowExecution(ctx, protocol.OperationWorkflowID(id), "")
	if err != nil {
		return reply, err
	}
	info := described.GetWorkflowExecutionInfo()
	known := replyOf(info)
	reply.Found, reply.Closed, reply.Status, reply.Sequence = true, known.Closed, known.Status, known.Sequence
	events, err := e.history(ctx, protocol.PredecessorRequest{
		WorkflowID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(),
	})
	if err != nil {
		return reply, err
	}
	o, err := e.submitted(ctx, info, events)
	if err != nil {
		return reply, err
	}
	o.ID, o.DependencyToken = cmp.Or(o.ID, id), cmp.Or(o.DependencyToken, known.Token)
	reply.Operation = o
	if reply.Closed {
		reply.N = timesScheduled(events)
	}
	return reply, nil
}

// submitted is the operation as it was submitted: the first argument of the
// first run. A run that the server has forgotten was continued with the same.
func (e *engine) submitted(ctx context.Context, info *workflowpb.WorkflowExecutionInfo, events []*historypb.HistoryEvent) (o protocol.Operation, err error) {
	if first := info.GetFirstRunId(); first != "" && first != info.GetExecution().GetRunId() {
		earlier, err := e.history(ctx, protocol.PredecessorRequest{WorkflowID: info.GetExecution().GetWorkflowId(), RunID: first})
		if err == nil {
			events = earlier
		} else if !isNotFound(err) {
			return o, err
		}
	}
	if o, err = decodeSubmitted(startArgument(events, 0).GetData(), replyOf(info).Sequence != 0); err != nil {
		return o, temporal.NewNonRetryableApplicationError(
			"what was submitted cannot be read: "+err.Error(), protocol.ErrTypeInvalidOperation, err)
	}
	return o, nil
}

// decodeSubmitted reads an operation as its own workflow did: what a serializer
// wrote was checked when it was accepted, and may have grown since by escapes.
func decodeSubmitted(encoded []byte, bySerializer bool) (o protocol.Operation, err error) {
	if bySerializer {
		return o, json.Unmarshal(encoded, &o)
	}
	o, _, err = protocol.DecodeOperation(encoded)
	return o, err
}

// startArgument is an argument that a run was started with, nil where it has
// none.
func startArgument(events []*historypb.HistoryEvent, at int) *commonpb.Payload {
	if len(events) == 0 {
		return nil
	}
	arguments := events[0].GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
	if at >= len(arguments) {
		return nil
	}
	return arguments[at]
}

// timesScheduled is how often the handler of a closed run was scheduled: by its
// record, where it closed with one, else counted.
func timesScheduled(events []*historypb.HistoryEvent) int64 {
	if n := recordedN(events); n > 0 {
		return n
	}
	var start struct {
		Life struct {
			Record protocol.Record `json:"record"`
		} `json:"life"`
		Type struct {
			Binding catalogue.Binding `json:"binding"`
		} `json:"type"`
	}
	readPayload(startArgument(events, 1), &start)
	n := max(start.Life.Record.N, 0)
	for _, event := range events {
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		if scheduled != nil && !protocol.IsEngineActivity(scheduled.GetActivityType().GetName()) {
			n++
		}
		if event.GetMarkerRecordedEventAttributes().GetMarkerName() == protocol.LocalMarker {
			n++
		}
	}
	if start.Type.Binding.Execution == catalogue.ExecutionLocal {
		n = max(n, 1) // a local attempt that was lost leaves no event
	}
	return n
}

// recordedN reads the record in the details of a run's failure or cancellation.
func recordedN(events []*historypb.HistoryEvent) int64 {
	if len(events) == 0 {
		return 0
	}
	last := events[len(events)-1]
	details := last.GetWorkflowExecutionCanceledEventAttributes().GetDetails().GetPayloads()
	if failed := last.GetWorkflowExecutionFailedEventAttributes(); failed != nil {
		details = failed.GetFailure().GetApplicationFailureInfo().GetDetails().GetPayloads()
	}
	var record struct {
		N int64 `json:"n"`
	}
	if len(details) > 0 {
		readPayload(details[0], &record)
	}
	return record.N
}

// readCheckpoint answers the last heartbeat of the operation's handler.
func (e *engine) readCheckpoint(ctx context.Context, request protocol.ReadCheckpointRequest) (protocol.Heartbeat, error) {
	described, err := e.client.DescribeWorkflowExecution(ctx, protocol.OperationWorkflowID(request.OperationID), "")
	switch {
	case isNotFound(err):
		return protocol.Heartbeat{}, nil
	case err != nil:
		return protocol.Heartbeat{}, fmt.Errorf("operation %q: %w", request.OperationID, err)
	}
	return lastHeartbeat(described.GetPendingActivities()), nil
}

// lastHeartbeat is that of the handler that was scheduled last: one whose lock
// was broken before may still be there. One that cannot be read is none, and so
// is a checkpoint over the limit, which holds no handler in another language.
func lastHeartbeat(activities []*workflowpb.PendingActivityInfo) protocol.Heartbeat {
	var handler *workflowpb.PendingActivityInfo
	for _, pending := range activities {
		if protocol.IsEngineActivity(pending.GetActivityType().GetName()) {
			continue
		}
		if handler == nil || pending.GetScheduledTime().AsTime().After(handler.GetScheduledTime().AsTime()) {
			handler = pending
		}
	}
	var beat protocol.Heartbeat
	details := handler.GetHeartbeatDetails().GetPayloads()
	if len(details) == 0 || !readPayload(details[0], &beat) {
		return protocol.Heartbeat{}
	}
	if len(beat.Checkpoint) > protocol.MaxCheckpointBytes {
		beat.Checkpoint = nil
	}
	return beat
}

// readPayload decodes what others have written, and says whether it could.
func readPayload(payload *commonpb.Payload, into any) bool {
	return payload != nil && converter.GetDefaultDataConverter().FromPayload(payload, into) == nil
}

func isNotFound(err error) bool { return gone.Is(err) }
