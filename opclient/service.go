package opclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/protocol"
)

// ServiceStatus is what is stopped, of the workers on Options.TaskQueue.
type ServiceStatus struct {
	protocol.ServiceState
	// TaskQueue is the workers'.
	TaskQueue string `json:"taskQueue"`
	// Unread says that no worker has read the last requests yet: what they change is
	// not in Stops. The first worker reads them before it starts a handler.
	Unread bool `json:"unread,omitempty"`
}

// Stopped is the stop that keeps a type's handlers from starting, nil where there
// is none.
func (s ServiceStatus) Stopped(key string) *protocol.Stop {
	for _, stop := range s.Stops {
		if stop.OperationType == "" || stop.OperationType == key {
			return &stop
		}
	}
	return nil
}

// StopService keeps handlers from starting, of one operation type or of all where
// that is "" (SPEC 8.2). Those that run get the workers' grace period, then their
// operations wait with their checkpoint. Submissions and actions go on being
// taken, and nothing is lost. It is durable, and needs no worker to be up: it holds
// for those that come. reason is kept and shown, at most 1,000 bytes. A
// *protocol.FieldError names what breaks a limit.
func (c *Client) StopService(ctx context.Context, operationType protocol.TypeRef, reason string) error {
	return c.control(ctx, protocol.ControlStop, operationType, reason)
}

// StartService ends the stop of one operation type, or every stop where that is "":
// what fell due runs. Errors are those of StopService.
func (c *Client) StartService(ctx context.Context, operationType protocol.TypeRef, reason string) error {
	return c.control(ctx, protocol.ControlStart, operationType, reason)
}

func (c *Client) control(ctx context.Context, action protocol.ControlAction, operationType protocol.TypeRef, reason string) error {
	request := protocol.ControlRequest{Action: action, OperationType: operationType, Reason: reason, Identity: c.options.Identity}
	if err := request.Validate(); err != nil {
		return err
	}
	id := protocol.ServiceWorkflowID(c.options.TaskQueue)
	err := c.retry(ctx, ctx, func(ctx context.Context) error {
		_, err := c.temporal.SignalWithStartWorkflow(ctx, id, protocol.ControlSignalName, request, client.StartWorkflowOptions{
			ID: id, TaskQueue: c.options.TaskQueue + protocol.EngineTaskQueueSuffix,
			StaticSummary: "what is stopped of the workers on " + summary(c.options.TaskQueue),
		}, protocol.ServiceWorkflow)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s the service on task queue %q: %w", action, c.options.TaskQueue, err)
	}
	return nil
}

// Service says what is stopped. It asks the workflow that keeps it, which has then
// read every request before, and reads what it wrote down where no worker answers.
func (c *Client) Service(ctx context.Context) (status ServiceStatus, err error) {
	status.TaskQueue, status.Stops = c.options.TaskQueue, []protocol.Stop{}
	id := protocol.ServiceWorkflowID(c.options.TaskQueue)
	there, err := c.describe(ctx, id)
	if isGone(err) {
		return status, nil
	}
	if err != nil {
		return status, fmt.Errorf("the service on task queue %q: %w", c.options.TaskQueue, err)
	}
	info := there.GetWorkflowExecutionInfo()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return status, nil
	}
	bounded, cancel := context.WithTimeout(ctx, c.options.QueryTimeout)
	defer cancel()
	answer, err := c.temporal.QueryWorkflow(bounded, id, info.GetExecution().GetRunId(), protocol.ServiceQueryName)
	if err == nil {
		err = answer.Get(&status.ServiceState)
	}
	if err != nil && ctx.Err() == nil {
		status.Stops, status.Unread, err = c.writtenStops(ctx, id)
	}
	return status, cmp.Or(err, ctx.Err())
}

// Stops is what is stopped as it was last written down: cheap enough to be asked
// every few seconds, and late by no more than a workflow task.
func (c *Client) Stops(ctx context.Context) ([]protocol.Stop, error) {
	stops, _, err := c.writtenStops(ctx, protocol.ServiceWorkflowID(c.options.TaskQueue))
	return stops, err
}

func (c *Client) writtenStops(ctx context.Context, id string) (stops []protocol.Stop, unread bool, err error) {
	there, err := c.describe(ctx, id)
	stops = []protocol.Stop{}
	if isGone(err) {
		return stops, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("the service on task queue %q: %w", c.options.TaskQueue, err)
	}
	if there.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return stops, false, nil
	}
	c.decode(there.GetWorkflowExecutionInfo().GetMemo().GetFields()[protocol.StopsMemo], &stops)
	return stops, there.GetPendingWorkflowTask() != nil, nil
}

// ErrNotTaken says that no worker has taken a request in time. It holds once one
// has.
var ErrNotTaken = errors.New("no worker has taken the request yet; it holds once one does")

// AwaitService waits until every request so far was taken, at most that long. The
// error is ErrNotTaken, or one of Service.
func (c *Client) AwaitService(ctx context.Context, patience time.Duration) (ServiceStatus, error) {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		status, err := c.Service(bounded)
		if err == nil && !status.Unread {
			return status, nil
		}
		select {
		case <-bounded.Done():
			if ctx.Err() != nil {
				return status, ctx.Err()
			}
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return status, err
			}
			return status, ErrNotTaken
		case <-time.After(200 * time.Millisecond):
		}
	}
}
