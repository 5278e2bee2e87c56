package main

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/protocol"
)

// tally counts what is in histories.
type tally struct {
	events, tasks, runs int
	// actions are what Temporal Cloud bills, as its documentation lists them in
	// November 2026, as far as histories show them: no queries, no heartbeats.
	actions int
}

func (t *tally) add(event *historypb.HistoryEvent) {
	t.events++
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		t.tasks++
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		t.runs++
		t.actions++
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
		enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, // and the child's own start
		enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED,
		enumspb.EVENT_TYPE_TIMER_STARTED,
		enumspb.EVENT_TYPE_MARKER_RECORDED,
		enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
		enumspb.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED:
		t.actions++
	}
}

func (t *tally) plus(o tally) {
	t.events += o.events
	t.tasks += o.tasks
	t.runs += o.runs
	t.actions += o.actions
}

// times are what an operation's history tells of it.
type times struct{ started, ended, closed time.Time }

// readRun passes every event of one run on, the latest for no run id.
func (s *site) readRun(ctx context.Context, workflowID, runID string, each func(*historypb.HistoryEvent)) error {
	for events := s.temporal.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		if err != nil {
			return fmt.Errorf("history of %s: %w", workflowID, err)
		}
		each(event)
	}
	return nil
}

// readOperation is what one operation cost, and when it ran.
func (s *site) readOperation(ctx context.Context, id string) (t tally, at times, err error) {
	var task time.Time // when the last workflow task began
	err = s.readRun(ctx, id, "", func(event *historypb.HistoryEvent) {
		t.add(event)
		when := event.GetEventTime().AsTime()
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			task = when
		case enumspb.EVENT_TYPE_MARKER_RECORDED:
			if event.GetMarkerRecordedEventAttributes().GetMarkerName() == protocol.LocalMarker {
				at.started, at.ended = task, when
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			at.started = when
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			at.ended = when
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
			at.closed = when
		}
	})
	if err == nil && (at.started.IsZero() || at.closed.IsZero()) {
		err = fmt.Errorf("%s has not run to its end", id)
	}
	return t, at, err
}

// readToken is what a serializer cost, all of its runs.
func (s *site) readToken(ctx context.Context, id string) (t tally, err error) {
	run := ""
	err = s.readRun(ctx, id, "", func(event *historypb.HistoryEvent) {
		if started := event.GetWorkflowExecutionStartedEventAttributes(); started != nil {
			run = started.GetFirstExecutionRunId()
		}
	})
	for err == nil && run != "" {
		next := ""
		err = s.readRun(ctx, id, run, func(event *historypb.HistoryEvent) {
			t.add(event)
			if continued := event.GetWorkflowExecutionContinuedAsNewEventAttributes(); continued != nil {
				next = continued.GetNewExecutionRunId()
			}
		})
		run = next
	}
	t.actions-- // the first start came with a signal, and they are one action
	return t, err
}

// reading is all that the histories of a workload tell.
type reading struct {
	operations, serializers tally
	times                   [][]times // of each lane
}

// read reads every history of a workload, once it is over.
func (s *site) read(ctx context.Context, v variant, lanes []lane) (reading, error) {
	r := reading{times: make([][]times, len(lanes))}
	tallies := make([][]tally, len(lanes))
	tokens := make([]tally, len(lanes))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for l, of := range lanes {
		r.times[l], tallies[l] = make([]times, len(of.items)), make([]tally, len(of.items))
		for n, i := range of.items {
			group.Go(func() (err error) {
				tallies[l][n], r.times[l][n], err = s.readOperation(ctx, workflowID(v, i))
				return err
			})
		}
		if of.token != "" && v.kind != kindBare {
			group.Go(func() (err error) {
				tokens[l], err = s.readToken(ctx, serializerID(v, of.token))
				return err
			})
		}
	}
	err := group.Wait()
	for l := range lanes {
		r.serializers.plus(tokens[l])
		for _, t := range tallies[l] {
			r.operations.plus(t)
		}
	}
	return r, err
}
