package record

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// recurrenceShapes are recurring operations, and what they leave elsewhere.
var recurrenceShapes = []shape{
	{name: "recurrence", play: func(s *stage) {
		s.handle = failFirst
		s.recur(s.recurring(1, "FREQ=DAILY"))
		s.began(1, 1)
		s.askRecurrence(protocol.PauseUpdateName, protocol.ActionRequest{}) // refused without a trace
		s.askRecurrence(protocol.PostponeUpdateName, protocol.PostponeRequest{Until: time.Now().Add(2 * time.Second)})
		s.began(1, 2)
		s.askRecurrence(protocol.SetRecurrenceUpdateName, protocol.SetRecurrenceRequest{RecurrencePattern: "FREQ=HOURLY;INTERVAL=5", Reason: "too rare"})
		s.began(1, 2) // the next one is known again
		s.askRecurrence(protocol.ResumeUpdateName, protocol.ActionRequest{})
		s.began(1, 3)
		s.askRecurrence(protocol.CancelUpdateName, protocol.ActionRequest{Reason: "not needed"})
		s.keepOperation(1)
		s.keep("-occurrence", protocol.OccurrenceID(s.op(1).ID, 1), "")
	}},
	{name: "recurrence-ends", play: func(s *stage) {
		s.recur(s.recurring(1, "FREQ=DAILY;COUNT=1"))
		s.keepOperation(1)
	}},
	{name: "recurrence-renewed", options: workflows.Options{MaxRunEvents: 20}, play: func(s *stage) {
		first := s.recur(s.recurring(1, "FREQ=DAILY"))
		s.began(1, 1)
		s.askRecurrence(protocol.ResumeUpdateName, protocol.ActionRequest{})
		s.began(1, 2)
		id := protocol.OperationWorkflowID(s.op(1).ID)
		s.closed(id, first)
		s.askRecurrence(protocol.CancelUpdateName, protocol.ActionRequest{})
		s.closed(id, "")
		s.keep("-1", id, first)
		s.keep("-2", id, "")
	}},
	{name: "recurrence-with-token", play: func(s *stage) {
		o := s.recurring(1, "FREQ=DAILY")
		o.DependencyToken = s.name
		s.submit(s.postponed(2, 3*time.Second))
		s.recur(o)
		s.until(func(state protocol.SerializerState) bool { return state.Queued == 1 })
		s.askRecurrence(protocol.PostponeUpdateName, protocol.PostponeRequest{Until: time.Now().Add(4 * time.Second)})
		s.began(1, 1)
		s.askRecurrence(protocol.ResumeUpdateName, protocol.ActionRequest{})
		s.began(1, 2)
		s.askRecurrence(protocol.CancelUpdateName, protocol.ActionRequest{})
		s.keepOperation(1)
		s.keep("-occurrence", protocol.OccurrenceID(s.op(1).ID, 1), "")
	}},
	{name: "serializer-recurring", options: workflows.Options{MaxRunSignals: 6}, play: func(s *stage) {
		o := s.recurring(1, "FREQ=DAILY")
		first := s.submit(s.postponed(2, 2*time.Second), o, o, s.op(3))
		s.until(func(state protocol.SerializerState) bool { return state.Counts.Recurring == 1 })
		s.submit(s.recurring(4, "FREQ=SECONDLY"), s.recurring(5, "FREQ=HOURLY"), s.op(6))
		s.keepRuns(first)
	}},
}

// failFirst fails the first occurrence.
func failFirst(_ context.Context, in protocol.HandlerInput) error {
	if _, n, _ := protocol.ParseOccurrenceID(in.Operation.ID); n == 1 {
		return temporal.NewNonRetryableApplicationError("no such customer", protocol.ErrTypeFail, nil)
	}
	return nil
}

// recurring is one whose first point has just passed.
func (s *stage) recurring(n int, pattern string) protocol.Operation {
	o := s.op(n)
	start := time.Now().Add(-90 * time.Minute).UTC()
	o.RecurrencePattern, o.RecurrenceStartTime = pattern, &start
	return o
}

// recur starts a recurring operation, and answers its run.
func (s *stage) recur(o protocol.Operation) (runID string) {
	s.t.Helper()
	run, err := s.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{
		ID: protocol.OperationWorkflowID(o.ID), TaskQueue: s.name,
	}, protocol.RecurrenceWorkflow, o)
	require.NoError(s.t, err)
	return run.GetRunID()
}

// began waits until that occurrence of that operation has ended, and the next one
// is known.
func (s *stage) began(n int, occurrence int64) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		answer, err := s.QueryWorkflow(s.ctx, protocol.OperationWorkflowID(s.op(n).ID), "", protocol.OperationQueryName)
		var record protocol.Record
		if err != nil || answer.Get(&record) != nil {
			return false
		}
		return record.SuspendReason == protocol.SuspendNextOccurrence && record.Occurrence == occurrence
	}, patience, 20*time.Millisecond)
}

func (s *stage) askRecurrence(name string, request any) {
	s.t.Helper()
	s.update(protocol.OperationWorkflowID(s.op(1).ID), name, "", request)
}
