package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// What an operation costs in history events, in steady state with 20 a signal:
// time, storage and a cloud bill follow from it.
func TestEventsAnOperationStayWithinTheirBudget(t *testing.T) {
	t.Parallel()
	const signals, batch = 10, 20
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	token := unique(t)
	first := operation(token, 0)
	s.submit(token, first)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(first.ID))
	constant := len(s.history(protocol.SerializerWorkflowID(token), "")) // of the chain, and one operation
	var last protocol.Operation
	for n := range signals {
		var submission []protocol.Operation
		for k := range batch {
			last = operation(token, 1+n*batch+k)
			submission = append(submission, last)
		}
		s.submit(token, submission)
	}
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(last.ID))
	all := s.history(protocol.SerializerWorkflowID(token), "")
	serializer := float64(len(all)-constant) / (signals * batch)
	operation := len(s.history(protocol.OperationWorkflowID(last.ID), ""))
	t.Logf("history events an operation: serializer %.2f, of a chain %d, operation %d", serializer, constant, operation)
	require.LessOrEqual(t, serializer, 9.2)
	require.Equal(t, 11, operation)
}
