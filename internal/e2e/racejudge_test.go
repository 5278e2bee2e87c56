package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// start is one attempt of a handler.
type start struct {
	fence      protocol.Fence
	begin, end time.Time
}

// plan is what an operation's handler does: it works for so long, and ends so;
// before that it asks for so many retries.
type plan struct {
	Ms      int  `json:"ms"`
	Retries int  `json:"retries"`
	Fails   bool `json:"fails"`
}

// planned is an operation with that plan.
func planned(p plan) protocol.Operation {
	encoded, _ := json.Marshal(p) // plain data
	return protocol.Operation{Data: encoded}
}

// work does as planned, and stops when it is asked to.
func (a *arena) work(ctx context.Context, r activities.Request) protocol.Outcome {
	id, at := r.Operation.ID, 0
	a.mu.Lock()
	at = len(a.starts[id])
	a.starts[id] = append(a.starts[id], start{fence: r.Fence, begin: time.Now()})
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.starts[id][at].end = time.Now()
	}()
	var p plan
	if err := json.Unmarshal(r.Operation.Data, &p); err != nil {
		return protocol.Failure("PlanUnreadable", err.Error())
	}
	select {
	case <-ctx.Done():
		return protocol.Cancellation()
	case <-time.After(time.Duration(p.Ms) * time.Millisecond):
	}
	switch {
	case int(r.Fence.Attempt) <= p.Retries:
		return protocol.Retry("E5", "not yet")
	case p.Fails:
		return protocol.Failure("E7", "no such account")
	}
	return protocol.Success(at)
}

// judge checks what no race may break: one terminal state that is Temporal's
// too, one attempt at a time and each once, and no start after an
// acknowledgement.
func (a *arena) judge(id string) error {
	status, record, err := a.look(id)
	for tries := 0; err != nil && tries < 5; tries++ { // the server is busy
		time.Sleep(lookPace)
		status, record, err = a.look(id)
	}
	if err != nil {
		return err
	}
	closes := map[protocol.StatusCode]enumspb.WorkflowExecutionStatus{
		protocol.Succeeded: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED,
		protocol.Failed:    enumspb.WORKFLOW_EXECUTION_STATUS_FAILED,
		protocol.Canceled:  enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED,
	}
	if closes[record.StatusCode] != status {
		return fmt.Errorf("its record is %s, its workflow %s", record.StatusCode, status)
	}
	if err := oneAtATime(a.started(id)); err != nil {
		return err
	}
	return noStartAfterStop(a.history(protocol.OperationWorkflowID(id), ""))
}

// look reads how an operation's workflow stands, and its record.
func (a *arena) look(id string) (status enumspb.WorkflowExecutionStatus, record protocol.Record, err error) {
	described, err := a.DescribeWorkflowExecution(a.ctx, protocol.OperationWorkflowID(id), "")
	if err != nil {
		return status, record, err
	}
	answer, err := a.QueryWorkflow(a.ctx, protocol.OperationWorkflowID(id), "", protocol.OperationQueryName)
	if err != nil {
		return status, record, err
	}
	err = answer.Get(&record)
	return described.GetWorkflowExecutionInfo().GetStatus(), record, err
}

// oneAtATime checks that no attempt began before the one before it had ended, and
// that the fence grew.
func oneAtATime(starts []start) error {
	for i := 1; i < len(starts); i++ {
		before, this := starts[i-1], starts[i]
		if this.begin.Before(before.end) || before.end.IsZero() {
			return fmt.Errorf("attempt %s began while %s ran", this.fence, before.fence)
		}
		if this.fence.Compare(before.fence) <= 0 {
			return fmt.Errorf("attempt %s came after %s", this.fence, before.fence)
		}
	}
	return nil
}

// follower reads a history and remembers which acknowledged request forbids the
// next start, and until when.
type follower struct {
	asked     map[int64]*updatepb.Request // by their acceptance
	handlers  map[int64]bool              // activities that are handlers
	stoppedBy string
	stoppedAt time.Time
	until     time.Time // zero for ever
}

// noStartAfterStop checks the server's own record: after a pause, a postponement
// or a cancel was answered, no attempt started until a resume was answered, or
// the time was over.
func noStartAfterStop(events []*historypb.HistoryEvent) error {
	f := follower{asked: map[int64]*updatepb.Request{}, handlers: map[int64]bool{}}
	for _, event := range events {
		if err := f.follow(event); err != nil {
			return fmt.Errorf("event %d: %w%s", event.GetEventId(), err, shownHistory(events))
		}
	}
	return nil
}

func (f *follower) follow(event *historypb.HistoryEvent) error {
	at := event.GetEventTime().AsTime()
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		f.asked[event.GetEventId()] = event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest()
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
		done := event.GetWorkflowExecutionUpdateCompletedEventAttributes()
		if done.GetOutcome().GetFailure() == nil {
			return f.answered(f.asked[done.GetAcceptedEventId()], done.GetOutcome().GetSuccess(), at)
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		name := event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()
		if f.handlers[event.GetEventId()] = name != protocol.ReadCheckpointActivity; f.handlers[event.GetEventId()] {
			return f.check(at, "its handler was scheduled")
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		if f.handlers[event.GetActivityTaskStartedEventAttributes().GetScheduledEventId()] {
			return f.check(at, "an attempt started")
		}
	}
	return nil
}

// check refuses what happened after a request forbade it.
func (f *follower) check(at time.Time, what string) error {
	over := !f.until.IsZero() && !at.Before(f.until)
	if f.stoppedBy == "" || over || !at.After(f.stoppedAt) {
		return nil
	}
	return fmt.Errorf("%s %v after %s was acknowledged", what, at.Sub(f.stoppedAt), f.stoppedBy)
}

// answered notes an update that was carried out, by the record that it answered:
// one that is Ready after it may start. The last one that stops it counts.
func (f *follower) answered(asked *updatepb.Request, answer *commonpb.Payloads, at time.Time) error {
	var record protocol.Record
	var postponed protocol.PostponeRequest
	read := converter.GetDefaultDataConverter()
	if err := read.FromPayloads(answer, &record); err != nil {
		return err
	}
	if record.StatusCode == protocol.WaitingForResources {
		f.stoppedBy = ""
		return nil
	}
	f.stoppedBy, f.stoppedAt, f.until = asked.GetInput().GetName(), at, time.Time{}
	if f.stoppedBy == protocol.PostponeUpdateName {
		err := read.FromPayloads(asked.GetInput().GetArgs(), &postponed)
		f.until = postponed.Until
		return err
	}
	return nil
}

// shownHistory is a history in few lines.
func shownHistory(events []*historypb.HistoryEvent) string {
	var b strings.Builder
	for _, e := range events {
		name := strings.TrimPrefix(e.GetEventType().String(), "EVENT_TYPE_")
		fmt.Fprintf(&b, "\n%3d %s %s %s", e.GetEventId(), e.GetEventTime().AsTime().Format("05.000"), name,
			e.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput().GetName())
	}
	return b.String()
}
