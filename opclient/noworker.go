package opclient

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
)

// pollersTimeout bounds the question who polls a task queue.
const pollersTimeout = 4 * time.Second

// noWorker explains why a workflow did not answer.
func (c *Client) noWorker(ctx context.Context, workflowID string, cause error) error {
	e := &NoWorkerError{WorkflowID: workflowID, TaskQueue: c.options.TaskQueue, Pollers: -1, Err: cause}
	bounded, cancel := context.WithTimeout(ctx, pollersTimeout)
	defer cancel()
	if there, err := c.describe(bounded, workflowID); err == nil {
		e.TaskQueue = there.GetWorkflowExecutionInfo().GetTaskQueue()
	}
	queue, err := c.temporal.DescribeTaskQueue(bounded, e.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err == nil {
		e.Pollers = len(queue.GetPollers())
	}
	return e
}
