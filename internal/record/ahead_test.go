package record

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// What is started ahead of its turn.
var aheadShapes = []shape{
	{name: "serializer-ahead", options: workflows.Options{LookAhead: workflows.LookAhead{Window: 3}}, play: func(s *stage) {
		s.submit(s.postponed(1, 5*time.Second), []any{s.op(2), s.op(3), s.op(4), s.op(5), s.op(6)})
		s.isAhead(4)
		require.NoError(s.t, s.CancelWorkflow(s.ctx, protocol.OperationWorkflowID(s.op(3).ID), ""))
		s.isAhead(5)
		s.cancelQueued(6)
		s.keepClosed()
		s.keep("-operation", protocol.OperationWorkflowID(s.op(2).ID), "")
		s.keep("-canceled-operation", protocol.OperationWorkflowID(s.op(3).ID), "")
	}},
	{name: "serializer-ahead-runs", options: workflows.Options{MaxRunSignals: 5, LookAhead: workflows.LookAhead{Window: 3}}, play: func(s *stage) {
		first := s.submit(s.postponed(1, 9*time.Second))
		for n := 2; n <= 9; n++ {
			s.submit(s.op(n))
		}
		s.isAhead(4)
		s.closed(s.token(), first)
		id := protocol.OperationWorkflowID(s.op(3).ID)
		s.update(id, protocol.PostponeUpdateName, "", protocol.PostponeRequest{Until: time.Now().Add(time.Hour)})
		s.update(id, protocol.CancelUpdateName, "", protocol.ActionRequest{Reason: "by the recorder"})
		s.keepRuns(first)
		s.keep("-operation", id, "")
	}},
	{name: "serializer-ahead-cancel-all", options: workflows.Options{LookAhead: workflows.LookAhead{Window: 3}}, play: func(s *stage) {
		s.submit(s.postponed(1, time.Hour), []any{s.op(2), s.op(3), s.op(4), s.op(5), s.op(6)})
		s.isAhead(4)
		s.update(s.token(), protocol.CancelAllUpdateName, "", protocol.TokenRequest{Reason: "by the recorder"})
		s.keepClosed()
		s.keep("-operation", protocol.OperationWorkflowID(s.op(2).ID), "")
	}},
}

// isAhead waits until the operation waits for its turn in a workflow of its own.
func (s *stage) isAhead(n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		answer, err := s.QueryWorkflow(s.ctx, protocol.OperationWorkflowID(s.op(n).ID), "", protocol.OperationQueryName)
		var record protocol.Record
		return err == nil && answer.Get(&record) == nil && record.Gated
	}, patience, 50*time.Millisecond)
}
