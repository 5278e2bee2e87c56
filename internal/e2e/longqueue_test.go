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
// worker is up, cross pages and runs: they run in their order, what one run hands
// to the next stays small, and the state can be asked for all the time. The last
// ones are not run but held; their places are looked at.
func TestTwoThousandOperationsOnOneToken(t *testing.T) {
	t.Parallel()
	const n, run = 2000, 500
	s := newSite(t, shared, workflows.Options{SearchAttributes: true, MaxRunEvents: 1000})
	token := unique(t)
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, Namespace: s.namespace})
	due, data := time.Now().Add(time.Hour), []byte(`"`+strings.Repeat("x", 200)+`"`)
	var all []protocol.Operation
	place := map[string]int64{}
	for i := range n {
		o := protocol.Operation{ID: operation(token, i).ID, OperationType: "test.record", DependencyToken: token, Data: data}
		if i == 0 {
			o.PostponeUntil = &due
		}
		all, place[o.ID] = append(all, o), int64(i)
	}
	s.stopWorker()
	s.submitAll(c, all[:n/2])
	s.startWorker()
	s.submitAll(c, all[n/2:])
	require.Eventually(t, func() bool { return s.state(token).Queued == n-1 }, patience, 100*time.Millisecond)
	require.Greater(t, s.state(token).Pages, 5)
	_, err := c.Resume(s.ctx, all[0].ID, token, "")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.state(token).Counts.Succeeded >= run }, 3*patience, 200*time.Millisecond, "the state answers all the time")
	_, err = c.Hold(s.ctx, token, time.Time{}, "enough")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.state(token).Head == nil }, patience, 100*time.Millisecond)

	first := s.state(token).ChainStartedOn.UnixMicro()
	inPlace := func(ref verify.Ref) { require.Equal(t, place[ref.ID], ref.Sequence-first, ref.ID) }
	report := s.verified(token, verify.Options{Every: 10, Each: func(start verify.Start) { inPlace(start.Ref) }, EachQueued: inPlace})
	require.True(t, report.Kept, "%+v", report.Broken)
	require.Equal(t, n, report.Counts.Operations+report.Counts.Queued)
	require.LessOrEqual(t, report.Counts.MaxCarriedBytes, 256<<10)
	require.Greater(t, report.Counts.Runs, 2)
	requireInOrder(t, operationIDs(token, report.Counts.Operations), s.ran(token))
	t.Logf("%d ran in %d runs, at most %d bytes from one to the next", report.Counts.Operations, report.Counts.Runs, report.Counts.MaxCarriedBytes)
}

func (s *site) submitAll(c *opclient.Client, operations []protocol.Operation) {
	s.t.Helper()
	summary, err := c.SubmitMany(s.ctx, opclient.Items(operations...), nil)
	require.NoError(s.t, err)
	require.Equal(s.t, len(operations), summary.Accepted)
}
