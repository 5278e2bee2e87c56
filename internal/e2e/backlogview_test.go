package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// SPEC 8.4: a client tells every operation of a long queue and its place, wherever
// it is held, with a worker and without; what is cancelled or postponed in the
// middle shows as it then is.
func TestClientReadsThroughPages(t *testing.T) {
	t.Parallel()
	const n = 400
	s := newSite(t, shared, workflows.Options{PageBytes: 4000, MaxRunEvents: 150, SearchAttributes: true})
	c, token := s.client(), unique(t)
	s.longQueue(token, n)
	wanted := operationIDs(token, n)[1:]
	_, err := c.Cancel(s.ctx, wanted[199], "", "not needed")
	require.NoError(t, err, "by its id alone")
	later := time.Now().Add(24 * time.Hour)
	_, err = c.Postpone(s.ctx, wanted[210], "", later, "")
	require.NoError(t, err)
	wanted = append(wanted[:199:199], wanted[200:]...)
	s.requireTold(c, token, wanted)

	why, err := c.Why(s.ctx, wanted[209], "")
	require.NoError(t, err)
	require.Equal(t, []any{210, operation(token, 0).ID}, []any{why.Position, why.BlockedBy})
	require.Equal(t, protocol.SuspendPostponed, why.SuspendReason)
	require.NotNil(t, why.BlockedSince)
	record, err := c.Resume(s.ctx, wanted[209], token, "")
	require.NoError(t, err)
	require.Equal(t, protocol.WaitingForResources, record.StatusCode)
	_, err = c.Get(s.ctx, "nobody's", token)
	require.ErrorIs(t, err, opclient.ErrNotFound)

	s.rests(token)
	s.stopWorker()
	s.submit(token, operation(token, n))
	wanted = append(wanted, operation(token, n).ID)
	s.requireTold(c, token, wanted)
	found, err := c.Get(s.ctx, wanted[150], token)
	require.NoError(t, err)
	require.Equal(t, []any{opclient.FromHistory, 151}, []any{found.Source, found.Position})
	s.startWorker() // the proof of what queues needs one
}

// longQueue submits a head that is postponed and n-1 operations behind it, and
// waits until the head has its execution and most of the others are in pages.
func (s *site) longQueue(token string, n int) {
	s.t.Helper()
	head := postponed(token, 0)
	s.submit(token, head)
	for from := 1; from < n; from += 40 {
		var batch []protocol.Operation
		for i := from; i < min(from+40, n); i++ {
			batch = append(batch, operation(token, i))
		}
		s.submit(token, batch)
	}
	require.Eventually(s.t, func() bool {
		state := s.state(token)
		if state.Head == nil || state.Queued != n-1 || state.Pages <= n/40 {
			return false
		}
		_, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(head.ID), "")
		return err == nil && len(s.pagesOf(token)) > n/40
	}, patience, 50*time.Millisecond)
}

// pagesOf are the pages of a queue that have been started.
func (s *site) pagesOf(token string) []protocol.QueuePage {
	s.t.Helper()
	var reply protocol.ListReply
	answer, err := s.QueryWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", protocol.ListQueryName, protocol.ListRequest{Limit: 500})
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Get(&reply))
	return reply.Pages
}

// requireTold checks what a client tells of a queue: all of it, in windows that
// begin anywhere.
func (s *site) requireTold(c *opclient.Client, token string, wanted []string) {
	s.t.Helper()
	state, err := c.Token(s.ctx, token)
	require.NoError(s.t, err)
	require.Equal(s.t, len(wanted), state.Queued)
	for _, offset := range []int{0, 1, 97, 198, 199, len(wanted) - 3} {
		page, err := c.Queue(s.ctx, token, offset, 33)
		require.NoError(s.t, err)
		require.Equal(s.t, len(wanted), page.Total)
		require.Equal(s.t, wanted[offset:min(offset+33, len(wanted))], recordIDs(page.Operations))
		require.Equal(s.t, offset+1, page.Operations[0].Position)
	}
	var listed []string
	for found, err := range c.List(s.ctx, opclient.Filter{Token: token, Limit: len(wanted)}) {
		require.NoError(s.t, err)
		listed = append(listed, found.ID)
	}
	require.Equal(s.t, wanted, listed)
}

func recordIDs(records []protocol.Record) (list []string) {
	for _, r := range records {
		list = append(list, r.ID)
	}
	return list
}
