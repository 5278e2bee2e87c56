package activities

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/protocol"
)

// stopMark begins the reason of a rate limit that is a stop; the limit that was
// there before follows.
const stopMark = "stopped by Seriatim; limit before: "

// applyStops has a change of the stops reach workers that are not ours, by the
// server's rate limit of their task queues, and the operations that wait since
// their type was stopped. A limit holds for them, since only a worker that runs
// the workflows too is given activities past its task queue. What cannot be done
// is told, and the rest is done.
func (e *engine) applyStops(ctx context.Context, r protocol.ApplyStopsRequest) (reply protocol.ApplyStopsReply, err error) {
	namespace := activity.GetInfo(ctx).Namespace
	var problems []error
	for _, queue := range r.Limited {
		problems = append(problems, e.limit(ctx, namespace, queue, true, r.Reason))
	}
	for _, queue := range r.Unlimited {
		problems = append(problems, e.limit(ctx, namespace, queue, false, r.Reason))
	}
	for _, key := range r.Started {
		n, err := e.resumeStopped(ctx, key)
		reply.Resumed += n
		if ctx.Err() != nil {
			return reply, ctx.Err()
		}
		problems = append(problems, err)
	}
	if problem := errors.Join(problems...); problem != nil {
		reply.Problem = problem.Error()
	}
	return reply, nil
}

// limit lets nothing through a task queue, or what it did before.
func (e *engine) limit(ctx context.Context, namespace, queue string, stop bool, reason string) error {
	service := e.client.WorkflowService()
	described, err := service.DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, ReportConfig: true,
	})
	if err != nil {
		return fmt.Errorf("task queue %q: %w", queue, err)
	}
	now := described.GetConfig().GetQueueRateLimit()
	ours, before := readMark(now.GetMetadata().GetReason())
	if now.GetRateLimit() == nil {
		ours = false // the reason stays when a limit is taken away
	}
	if ours == stop {
		return nil
	}
	update := &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{RateLimit: before, Reason: reason}
	if stop {
		update.RateLimit = &taskqueuepb.RateLimit{RequestsPerSecond: 0}
		update.Reason = mark(now.GetRateLimit())
	}
	_, err = service.UpdateTaskQueueConfig(ctx, &workflowservice.UpdateTaskQueueConfigRequest{
		Namespace: namespace, TaskQueue: queue, TaskQueueType: enumspb.TASK_QUEUE_TYPE_ACTIVITY, Identity: "seriatim", UpdateQueueRateLimit: update,
	})
	if err != nil {
		return fmt.Errorf("task queue %q: %w", queue, err)
	}
	return nil
}

// mark is the reason of a stop, which keeps the limit before.
func mark(before *taskqueuepb.RateLimit) string {
	if before == nil {
		return stopMark + "none"
	}
	return stopMark + strconv.FormatFloat(float64(before.GetRequestsPerSecond()), 'g', -1, 32)
}

// readMark is the reverse; ok is false for another reason.
func readMark(reason string) (ok bool, before *taskqueuepb.RateLimit) {
	text, ok := strings.CutPrefix(reason, stopMark)
	if perSecond, err := strconv.ParseFloat(text, 32); ok && err == nil {
		return true, &taskqueuepb.RateLimit{RequestsPerSecond: float32(perSecond)}
	}
	return ok, nil
}

// resumeStopped tells the operations of a type that wait since it was stopped to
// go on; those that wait for anything else stay.
func (e *engine) resumeStopped(ctx context.Context, key string) (resumed int, err error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 200,
		Query:    fmt.Sprintf("WorkflowType = %s AND ExecutionStatus = 'Running'", protocol.QuoteForQuery(protocol.OperationWorkflow)),
	}
	for {
		page, err := e.client.ListWorkflow(ctx, request)
		if err != nil {
			return resumed, fmt.Errorf("operations of type %q that wait were not told, and ask again within %s: %w", key, stoppedRetry, err)
		}
		for _, info := range page.GetExecutions() {
			activity.RecordHeartbeat(ctx)
			var typed protocol.TypeRef
			readPayload(info.GetMemo().GetFields()[protocol.TypeMemo], &typed)
			if typed != "" && !e.isType(typed, key) {
				continue
			}
			if e.resumeOne(ctx, info.GetExecution().GetWorkflowId(), key) {
				resumed++
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return resumed, nil
		}
	}
}

// isType says whether an operation's type may be the one with that key: a number
// is looked at more closely.
func (e *engine) isType(of protocol.TypeRef, key string) bool {
	return string(of) == key || strings.Trim(string(of), "0123456789") == ""
}

// resumeOne resumes an operation if it waits since its type was stopped.
func (e *engine) resumeOne(ctx context.Context, workflowID, key string) bool {
	answer, err := e.client.QueryWorkflow(ctx, workflowID, "", protocol.OperationQueryName)
	var record protocol.Record
	if err != nil || answer.Get(&record) != nil || record.ErrorCode != protocol.CodeStopped || record.SuspendReason != protocol.SuspendRetrying {
		return false
	}
	handle, err := e.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateName: protocol.ResumeUpdateName, WaitForStage: client.WorkflowUpdateStageCompleted,
		Args: []any{protocol.ActionRequest{Reason: "operations of type " + key + " were started again", Identity: "seriatim"}},
	})
	return err == nil && handle.Get(ctx, nil) == nil
}
