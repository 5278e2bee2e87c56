package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// SPEC 4.1, 4.2, 4.4, 5.1: A runs, C waits behind the postponed B.
func TestPostponedOperationHoldsBackWhatIsBehindIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	a, b, c := operation(token, 1), operation(token, 2), operation(token, 3)
	due := time.Now().Add(3 * time.Second).UTC()
	b.PostponeUntil = &due
	for _, o := range []protocol.Operation{a, b, c} {
		s.submit(token, o)
	}
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(a.ID))
	require.True(t, time.Now().Before(due), "A does not wait for B")
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(c.ID))
	runs := s.ran(token)
	requireInOrder(t, []string{a.ID, b.ID, c.ID}, runs)
	require.False(t, runs[1].Start.Before(due), "B never starts before its time")
	reportEvents(t, s, token, []string{a.ID, b.ID, c.ID})
}

// SPEC 4.1, 4.7: 20 tokens side by side, each in order.
func TestTokensRunSideBySideEachInOrder(t *testing.T) {
	t.Parallel()
	const tokens, each = 20, 15
	s := newSite(t, shared, workflows.Options{})
	prefix := unique(t)
	wanted := make(map[string][]string)
	for n := range each {
		for k := range tokens {
			token := fmt.Sprintf("%s-%d", prefix, k)
			o := operation(token, n)
			s.submit(token, o)
			wanted[token] = append(wanted[token], o.ID)
		}
	}
	for token, order := range wanted {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(order[each-1]))
		requireInOrder(t, order, s.ran(token))
	}
	reportEvents(t, s, fmt.Sprintf("%s-%d", prefix, 0), wanted[fmt.Sprintf("%s-%d", prefix, 0)])
}

// SPEC 1.2, 4.9: any text is a token, and an id.
func TestTokensAndIDsInAnyScript(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	suffix := unique(t)
	for _, text := range []string{
		"Müller & Söhne/7", "顧客四十二", "🚚 north", "\u200fשלום", "it's \"quoted\" \\ and %41", "../../etc", "a/page/1",
		" leading and trailing ", strings.Repeat("é", 200), strings.Repeat("x", 200) + "~",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			token := text + suffix
			o := operation("é"+uuid.NewString(), 1)
			s.submit(token, o)
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(o.ID))
			require.Equal(t, []string{o.ID}, ids(s.ran(token)))
			require.Equal(t, token, s.state(token).Token)
		})
	}
}

// reportEvents prints the history events an operation, counted from the server.
func reportEvents(t *testing.T, s *site, token string, operations []string) {
	t.Helper()
	serializer := len(s.history(protocol.SerializerWorkflowID(token), ""))
	own := 0
	for _, id := range operations {
		own += len(s.history(protocol.OperationWorkflowID(id), ""))
	}
	n := float64(len(operations))
	t.Logf("history events an operation: serializer %.2f (%d in all) + operation %.2f", float64(serializer)/n, serializer, float64(own)/n)
}

// SPEC 1.1, 4.8, 4.11: without a token operations run beside each other, from the
// moment at which a worker is there; their priority is Temporal's.
func TestOperationsWithoutATokenRunBesideEachOther(t *testing.T) {
	t.Parallel()
	const n = 5
	s := newSite(t, shared, workflows.Options{})
	s.stopWorker()
	var running sync.WaitGroup
	running.Add(n)
	s.handle = func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error) {
		running.Done()
		running.Wait() // all of them run at once, or none ends
		return protocol.HandlerResult{}, nil
	}
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue})
	prefix := unique(t)
	for i := range n {
		o := operation(prefix, i)
		o.Priority = 1 + i%5
		_, err := c.Submit(s.ctx, o)
		require.NoError(t, err, "it is durable with no worker there")
	}
	s.startWorker()
	for i := range n {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(prefix, i).ID))
		described, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(operation(prefix, i).ID), "")
		require.NoError(t, err)
		require.EqualValues(t, 1+i%5, described.GetWorkflowExecutionInfo().GetPriority().GetPriorityKey())
	}
}
