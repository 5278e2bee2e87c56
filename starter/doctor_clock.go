package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
)

const (
	// clockTolerance is a difference that nobody is told of.
	clockTolerance = 2 * time.Second
	// clockPause is the time between two looks for our own poller.
	clockPause = 20 * time.Millisecond
)

// checkClock compares the clocks: "in two hours" is counted by the client's, and
// waited for by the server's.
func (d *doctor) checkClock(ctx context.Context) {
	const check = "clock"
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	least, most, err := d.readClock(ctx)
	if err != nil {
		d.warn(check, fmt.Sprintf("the server's clock could not be read: %s", err), "")
		return
	}
	d.ahead = least + (most-least)/2
	switch {
	case least > clockTolerance:
		d.warn(check, fmt.Sprintf("the server's is %s ahead of this machine's", shortly(least.Round(time.Second))), "let both be set by NTP: --until and --postpone-until count from here")
	case most < -clockTolerance:
		d.warn(check, fmt.Sprintf("the server's is %s behind this machine's", shortly((-most).Round(time.Second))), "let both be set by NTP: --until and --postpone-until count from here")
	default:
		d.ok(check, fmt.Sprintf("the server's and this machine's differ by less than %s", shortly(max(most, -least).Round(time.Millisecond))))
	}
}

// readClock answers between which bounds the server's clock is ahead of ours. No
// answer of the server carries its time, but it keeps when a task queue was
// polled: so a queue is polled that nobody else knows, as the sticky one of a
// worker's process. The server forgets it by itself.
func (d *doctor) readClock(ctx context.Context) (least, most time.Duration, err error) {
	queue := &taskqueuepb.TaskQueue{Name: "seriatim-doctor-" + uuid.NewString(), Kind: enumspb.TASK_QUEUE_KIND_STICKY, NormalName: d.taskQueue}
	polling, stop := context.WithCancel(ctx)
	polled := make(chan error, 1)
	before := time.Now()
	go func() {
		_, err := d.temporal.WorkflowService().PollWorkflowTaskQueue(polling, &workflowservice.PollWorkflowTaskQueueRequest{
			Namespace: d.options.Namespace, TaskQueue: queue, Identity: d.options.Identity,
		})
		polled <- err
	}()
	defer func() {
		stop()
		if err == nil {
			<-polled
		}
	}()
	for {
		seen, err := d.pollersOf(ctx, queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err != nil {
			return 0, 0, err
		}
		if pollers := seen.GetPollers(); len(pollers) > 0 {
			at := pollers[0].GetLastAccessTime().AsTime()
			return time.Until(at), at.Sub(before), nil
		}
		select {
		case err := <-polled:
			return 0, 0, firstOf(err, errors.New("the poll ended before it was seen"))
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(clockPause):
		}
	}
}

func (d *doctor) pollersOf(ctx context.Context, queue *taskqueuepb.TaskQueue, kind enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	return d.temporal.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: d.options.Namespace, TaskQueue: queue, TaskQueueType: kind, ReportStats: queue.GetKind() == enumspb.TASK_QUEUE_KIND_NORMAL,
	})
}
