package record

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// shape is some work of one token, or of one operation without a token.
type shape struct {
	name    string
	options workflows.Options
	play    func(*stage)
	// config are settings of a server of its own.
	config map[string]string
}

// linger lets serializers end soon, so that their histories are whole.
const linger = time.Second

func TestRecord(t *testing.T) {
	wanted := os.Getenv(recordVariable)
	if wanted == "" {
		t.Skipf("set %s=1 to record histories", recordVariable)
	}
	source, err := embedded.Locate(context.Background(), embedded.Options{Out: os.Stderr})
	require.NoError(t, err)
	shared := start(t, source, nil)
	for _, s := range slices.Concat(shapes, actionShapes, catalogueShapes, recurrenceShapes, aheadShapes) {
		if wanted != "1" && !slices.Contains(strings.Split(wanted, ","), s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			server := shared
			if s.config != nil {
				server = start(t, source, s.config)
			}
			if s.options.Linger == 0 {
				s.options.Linger = linger
			}
			s.play(newStage(t, server, s.name, s.options))
		})
	}
}

func start(t *testing.T, source embedded.Source, config map[string]string) *embedded.Server {
	t.Helper()
	server, err := embedded.Start(context.Background(), source, embedded.ServerOptions{DynamicConfig: config})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	return server
}

var shapes = []shape{
	{name: "serializer-idle", play: func(s *stage) {
		s.submit(s.op(1))
		s.keepClosed()
	}},
	{name: "serializer-postponed", play: func(s *stage) {
		s.submit(s.op(1), s.postponed(2, 3*time.Second), s.op(3))
		s.keepClosed()
	}},
	{name: "serializer-batch", play: func(s *stage) {
		s.submit([]any{s.op(1), s.op(2), s.op(3)}, map[string]any{"operations": []any{s.op(4), s.op(5)}})
		s.keepClosed()
	}},
	{name: "serializer-rejects", play: playRejects},
	{name: "serializer-cancel-queued", play: func(s *stage) {
		s.submit(s.postponed(1, 2*time.Second), s.op(2), s.op(3))
		s.cancelQueued(2)
		s.cancelQueued(9) // refused without a trace
		s.keepClosed()
		s.keep("-operation", protocol.OperationWorkflowID(s.op(2).ID), "")
	}},
	{name: "serializer-postpone-queued", play: func(s *stage) {
		s.submit(s.postponed(1, time.Second), s.op(2), s.postponed(3, time.Hour))
		s.postponeQueued(2, 3*time.Second, "")
		s.postponeQueued(3, -time.Hour, "")
		s.keepClosed()
	}},
	{name: "serializer-hand-off", options: workflows.Options{MaxRunSignals: 3}, play: func(s *stage) {
		first := s.submit(s.postponed(1, 2*time.Second), s.op(2), s.op(3), s.op(4))
		s.keepRuns(first)
	}},
	{name: "serializer-adoption", options: workflows.Options{MaxRunSignals: 5}, play: playAdoption},
	{name: "serializer-adoption-postponed", options: workflows.Options{MaxRunSignals: 5}, play: func(s *stage) {
		playAdoptionPostponed(s, true)
	}},
	{name: "serializer-adoption-gone", options: workflows.Options{MaxRunSignals: 5}, play: func(s *stage) {
		playAdoptionPostponed(s, false)
	}},
	{name: "serializer-cancelled", play: func(s *stage) {
		s.submit(s.postponed(1, time.Hour), s.op(2))
		s.until(func(state protocol.SerializerState) bool { return state.Head != nil && state.Queued == 1 })
		require.NoError(s.t, s.CancelWorkflow(s.ctx, s.token(), ""))
		s.until(func(state protocol.SerializerState) bool { return state.Counts.Canceled == 2 })
		s.submit(s.op(3))
		s.keepClosed()
	}},
	{name: "serializer-unknown-type", play: func(s *stage) {
		unknown := s.op(1)
		unknown.OperationType = "no.such.type"
		s.submit(unknown, s.op(2))
		s.keepClosed()
	}},
	{name: "serializer-answered-again", options: workflows.Options{MaxRunSignals: 3}, play: func(s *stage) {
		first := s.submit(s.postponed(1, 3*time.Second), s.op(2))
		s.postponeQueued(2, 5*time.Second, "again")
		s.submit(s.op(3), s.op(4))
		s.closed(s.token(), first)
		s.postponeQueued(2, time.Hour, "again")
		s.keepRuns(first)
	}},
	{
		name: "serializer-recovered", options: workflows.Options{MaxRunEvents: 30},
		config: map[string]string{"limit.historyCount.error": "90", "limit.historyCount.warn": "80"}, play: playRecovered,
	},
	{name: "serializer-terminated", play: playTerminated},
	{name: "serializer-reset", play: playReset},
	{name: "serializer-duplicate-of-another", play: func(s *stage) {
		s.start(s.op(1))
		s.closed(protocol.OperationWorkflowID(s.op(1).ID), "")
		s.submit(s.op(1), s.op(2))
		s.keepClosed()
	}},
	{name: "serializer-cancel-duplicate", play: func(s *stage) {
		s.start(s.op(2))
		s.closed(protocol.OperationWorkflowID(s.op(2).ID), "")
		s.submit(s.postponed(1, 3*time.Second), s.op(2), s.op(3))
		s.until(func(state protocol.SerializerState) bool { return state.Queued == 2 })
		s.cancelQueued(2)
		s.keepClosed()
	}},
	{name: "serializer-update-first", play: func(s *stage) {
		s.stopWorker()
		s.submit(s.postponed(1, 2*time.Second), s.op(2))
		answered := s.updateInBackground(s.token(), protocol.CancelUpdateName, protocol.ActionRequest{OperationID: s.op(2).ID})
		s.startWorker()
		<-answered
		s.keepClosed()
	}},
	{name: "serializer-mixed", options: workflows.Options{Linger: 3 * time.Second}, play: playMixed},
	{name: "operation-direct", play: func(s *stage) { s.start(s.op(1)); s.keepOperation(1) }},
	{name: "operation-postponed-canceled", play: func(s *stage) {
		s.start(s.postponed(1, time.Hour))
		id := protocol.OperationWorkflowID(s.op(1).ID)
		s.update(id, protocol.PostponeUpdateName, "", protocol.PostponeRequest{Until: time.Now().Add(2 * time.Hour)})
		s.update(id, protocol.CancelUpdateName, "", protocol.ActionRequest{Reason: "not needed"})
		s.keepOperation(1)
	}},
	{name: "operation-failed", play: func(s *stage) {
		s.handle = func(context.Context, protocol.HandlerInput) error {
			return temporal.NewNonRetryableApplicationError("no such customer", protocol.ErrTypeFail, nil,
				protocol.FailureDetails{Code: "E7", FriendlyMessage: "There is no such customer."})
		}
		s.start(s.op(1))
		s.keepOperation(1)
	}},
	{name: "operation-exhausted", play: func(s *stage) {
		s.handle = func(context.Context, protocol.HandlerInput) error { return errors.New("not now") }
		s.start(s.op(1))
		s.keepOperation(1)
	}},
	{name: "operation-canceled", play: playCanceled},
	{name: "serializer-wanted-page", options: workflows.Options{Linger: linger, PageBytes: 1000}, play: playWanted},
	{name: "operation-with-token", play: func(s *stage) { s.submit(s.op(1)); s.keepOperation(1) }},
}

// keepClosed keeps the serializer's only run, once it has ended.
func (s *stage) keepClosed() {
	s.t.Helper()
	s.closed(s.token(), "")
	s.keep("", s.token(), "")
}

// keepRuns keeps the first run and the last, once both have ended.
func (s *stage) keepRuns(first string) {
	s.t.Helper()
	s.closed(s.token(), first)
	s.closed(s.token(), "")
	s.keep("-1", s.token(), first)
	s.keep("-2", s.token(), "")
}

func (s *stage) keepOperation(n int) {
	s.t.Helper()
	id := protocol.OperationWorkflowID(s.op(n).ID)
	require.Eventually(s.t, func() bool {
		_, err := s.DescribeWorkflowExecution(s.ctx, id, "")
		return err == nil
	}, patience, 50*time.Millisecond)
	s.closed(id, "")
	s.keep("", id, "")
}
