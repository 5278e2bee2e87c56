package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/verify"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// T9: two thousand operations on one token, half of them submitted while no
// worker is up, cross pages and runs: all run in their order, what one run hands
// to the next stays small, and the state can be asked for all the time.
func TestTwoThousandOperationsOnOneToken(t *testing.T) {
	t.Parallel()
	const n = 2000
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	token := unique(t)
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, Namespace: s.namespace})
	var all []protocol.Operation
	var wanted []string
	due, data := time.Now().Add(time.Hour), []byte(`"`+strings.Repeat("x", 200)+`"`)
	for i := range n {
		o := protocol.Operation{ID: operation(token, 10_000+i).ID, OperationType: "test.record", DependencyToken: token, Data: data}
		if i == 0 {
			o.PostponeUntil = &due
		}
		all, wanted = append(all, o), append(wanted, o.ID)
	}
	s.stopWorker()
	s.submitAll(c, all[:n/2])
	s.startWorker()
	s.submitAll(c, all[n/2:])
	require.Eventually(t, func() bool { return s.state(token).Queued == n-1 }, patience, 100*time.Millisecond)
	require.Greater(t, s.state(token).Pages, 5)
	require.Eventually(t, func() bool { // until then it has not waited yet
		_, err := c.Resume(s.ctx, all[0].ID, token, "")
		return err == nil
	}, patience, 100*time.Millisecond)
	require.Eventually(t, func() bool { return s.state(token).Counts.Succeeded == n }, 4*time.Minute, 200*time.Millisecond, "the state answers all the time")
	requireInOrder(t, wanted, s.ran(token))
	s.noPagesLeft(token)
	report := s.verified(token, verify.Options{Every: 20})
	require.True(t, report.Kept, "%+v", report.Broken)
	require.Equal(t, n, report.Counts.Operations)
	require.LessOrEqual(t, report.Counts.MaxCarriedBytes, 256<<10)
	require.Greater(t, report.Counts.Runs, 5)
	t.Logf("%d runs, at most %d bytes from one to the next", report.Counts.Runs, report.Counts.MaxCarriedBytes)
}

func (s *site) submitAll(c *opclient.Client, operations []protocol.Operation) {
	s.t.Helper()
	summary, err := c.SubmitMany(s.ctx, opclient.Items(operations...), nil)
	require.NoError(s.t, err)
	require.Equal(s.t, len(operations), summary.Accepted)
}
