package opclient

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// describedRecord puts a record together without a worker: from the execution's
// description, its input, and how it closed.
func (c *Client) describedRecord(ctx context.Context, there *workflowservice.DescribeWorkflowExecutionResponse) protocol.Record {
	info := there.GetWorkflowExecutionInfo()
	record := c.indexedRecord(info)
	if isRecurrence(there) && record.SuspendReason == protocol.SuspendPostponed {
		record.SuspendReason = protocol.SuspendNextOccurrence
	}
	c.addInput(ctx, info.GetExecution(), &record)
	if info.GetCloseTime() != nil {
		c.addOutcome(ctx, info.GetExecution(), &record)
		return record
	}
	if isRecurrence(there) {
		return record // its own workflow knows more, and runs no handler
	}
	postponed := record.PostponeUntil != nil && record.PostponeUntil.After(time.Now())
	switch {
	case handlerOf(there.GetPendingActivities()) != nil, len(there.GetPendingChildren()) > 0:
		record.StatusCode, record.SuspendReason = protocol.InProgress, ""
	case postponed:
		record.StatusCode, record.SuspendReason = protocol.Waiting, protocol.SuspendPostponed
	case record.StatusCode != protocol.Waiting:
		record.StatusCode = protocol.WaitingForResources
	}
	record.StateCode = record.StatusCode.State()
	return record
}

// indexedRecord is what the server's index says of an execution.
func (c *Client) indexedRecord(info *workflowpb.WorkflowExecutionInfo) protocol.Record {
	memo, fields := info.GetMemo(), info.GetSearchAttributes().GetIndexedFields()
	indexed := func(attribute string) *commonpb.Payload { return fields[c.options.AttributeNames.Of(attribute)] }
	record := protocol.Record{CreatedOn: instant(info.GetStartTime()), CompletedOn: instant(info.GetCloseTime())}
	record.ID, _ = protocol.OperationID(info.GetExecution().GetWorkflowId())
	record.RecurrenceOf, record.Occurrence, _ = protocol.ParseOccurrenceID(record.ID)
	record.Name = c.memoString(memo, protocol.NameMemo)
	record.OperationType = protocol.TypeRef(c.memoString(memo, protocol.TypeMemo))
	if record.OperationType == "" {
		record.OperationType = protocol.TypeRef(c.decodeString(indexed(protocol.OperationTypeAttribute)))
	}
	record.DependencyToken = c.memoString(memo, protocol.TokenMemo)
	c.decode(memo.GetFields()[protocol.SequenceMemo], &record.Sequence)
	record.Restrictions = c.restrictionsOf(info)
	record.OwnerID = c.decodeString(indexed(protocol.OperationOwnerAttribute))
	record.CorrelationID = c.decodeString(indexed(protocol.CorrelationIDAttribute))
	record.RegardingObjectID = c.decodeString(indexed(protocol.RegardingObjectAttribute))
	var until time.Time
	if c.decode(indexed(protocol.PostponeUntilAttribute), &until) {
		record.PostponeUntil = &until
	}
	record.StatusCode = indexedStatus(info.GetStatus(), c.decodeString(indexed(protocol.OperationStatusAttribute)))
	record.StateCode = record.StatusCode.State()
	if record.StatusCode == protocol.Waiting && record.PostponeUntil != nil {
		record.SuspendReason = protocol.SuspendPostponed
	}
	return record
}

// restrictionsOf are those of the operation's type, as it was started with.
func (c *Client) restrictionsOf(info *workflowpb.WorkflowExecutionInfo) (restrictions protocol.Restrictions) {
	c.decode(info.GetMemo().GetFields()[protocol.RestrictionsMemo], &restrictions)
	return restrictions
}

// indexedStatus combines Temporal's status with the coarse one of the search
// attribute, which keeps its last value when the workflow closes.
func indexedStatus(status enumspb.WorkflowExecutionStatus, attribute string) protocol.StatusCode {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return protocol.Succeeded
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return protocol.Failed
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return protocol.Canceled
	}
	if code, err := protocol.ParseStatus(attribute); err == nil && !code.Terminal() {
		return code
	}
	return protocol.InProgress
}

// submitted is the operation as it was started, from its first event.
func (c *Client) submitted(ctx context.Context, execution *commonpb.WorkflowExecution) (o protocol.Operation, err error) {
	events := c.temporal.GetWorkflowHistory(ctx, execution.GetWorkflowId(), execution.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return o, errors.New("its history is empty")
	}
	first, err := events.Next()
	if err != nil {
		return o, fmt.Errorf("read its history: %w", err)
	}
	payloads := first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()
	if len(payloads) == 0 || !c.decode(payloads[0], &o) {
		return o, errors.New("its history does not tell what was submitted")
	}
	return o, nil
}

// addInput takes what the caller submitted from the first event.
func (c *Client) addInput(ctx context.Context, execution *commonpb.WorkflowExecution, record *protocol.Record) {
	submitted, err := c.submitted(ctx, execution)
	if err != nil {
		return
	}
	if submitted.ID == "" {
		submitted.ID = record.ID
	}
	if submitted.DependencyToken == "" {
		submitted.DependencyToken = record.DependencyToken
	}
	if record.PostponeUntil != nil { // the index knows of a later change
		submitted.PostponeUntil = record.PostponeUntil
	}
	record.Operation = submitted
}

// addOutcome takes what the operation's failure or cancellation says of it.
func (c *Client) addOutcome(ctx context.Context, execution *commonpb.WorkflowExecution, record *protocol.Record) {
	err := c.temporal.GetWorkflow(ctx, execution.GetWorkflowId(), execution.GetRunId()).Get(ctx, nil)
	var closed *temporal.WorkflowExecutionError
	if err == nil || !errors.As(err, &closed) {
		return
	}
	submitted := record.Operation
	status := record.StatusCode
	if told, ok := toldRecord(err); ok && told.ID == submitted.ID {
		*record = told
		record.Data = submitted.Data
	} else {
		record.Message = closed.Unwrap().Error()
	}
	record.StatusCode, record.StateCode = status, status.State()
}

// toldRecord is the record in the details of an operation's own end.
func toldRecord(err error) (record protocol.Record, ok bool) {
	var failed *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &failed):
		ok = failed.HasDetails() && failed.Details(&record) == nil
	case errors.As(err, &canceled):
		ok = canceled.HasDetails() && canceled.Details(&record) == nil
	}
	return record, ok
}

// refine tells what a workflow cannot see of its running handler: whether a
// worker has it, which, and whether it waits for a retry (SPEC 3.1).
func (f *Found) refine(pending []*workflowpb.PendingActivityInfo) {
	activity := handlerOf(pending)
	if activity == nil || f.StatusCode.State() != protocol.Locked {
		return
	}
	f.RetryCount = max(int(activity.GetAttempt())-1, 0)
	if started := instant(activity.GetLastStartedTime()); started != nil {
		f.StartedOn = started
		f.HostID = activity.GetLastWorkerIdentity()
	}
	if f.StatusCode != protocol.InProgress {
		return
	}
	switch activity.GetState() {
	case enumspb.PENDING_ACTIVITY_STATE_SCHEDULED:
		f.refineScheduled(activity)
	case enumspb.PENDING_ACTIVITY_STATE_PAUSED: // at the server, as the Web UI does
		f.StatusCode, f.SuspendReason = protocol.Waiting, protocol.SuspendPaused
	}
	f.StateCode = f.StatusCode.State()
}

// refineScheduled tells of a handler that no worker runs.
func (f *Found) refineScheduled(activity *workflowpb.PendingActivityInfo) {
	f.StatusCode = protocol.WaitingForResources
	if next := instant(activity.GetNextAttemptScheduleTime()); next != nil && f.RetryCount > 0 {
		f.StatusCode, f.SuspendReason, f.NextAttempt = protocol.Waiting, protocol.SuspendRetrying, next
		if f.Message == "" {
			f.Message = activity.GetLastFailure().GetMessage()
		}
	}
}

// progress is what the running handler's last heartbeat tells people; one that
// cannot be read tells nothing.
func (c *Client) progress(pending []*workflowpb.PendingActivityInfo) *protocol.Progress {
	handler := handlerOf(pending)
	details := handler.GetHeartbeatDetails().GetPayloads()
	var beat protocol.Heartbeat
	if len(details) == 0 || !c.decode(details[0], &beat) {
		return nil
	}
	return beat.Progress(instant(handler.GetLastHeartbeatTime()))
}

func instant(at *timestamppb.Timestamp) *time.Time {
	if at == nil || !at.IsValid() {
		return nil
	}
	t := at.AsTime()
	return &t
}

// decode reads one payload; false where it is absent or something else.
func (c *Client) decode(payload *commonpb.Payload, value any) bool {
	return payload != nil && c.options.DataConverter.FromPayload(payload, value) == nil
}

func (c *Client) decodeString(payload *commonpb.Payload) (text string) {
	c.decode(payload, &text)
	return text
}

func (c *Client) memoString(memo *commonpb.Memo, key string) string {
	return c.decodeString(memo.GetFields()[key])
}
