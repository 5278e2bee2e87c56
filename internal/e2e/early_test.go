package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// SPEC 3.1: an operation that is postponed is Suspended from its acceptance on,
// so that a request which its very first task brings is judged by that.
func TestRequestOfTheFirstTaskFindsItSuspended(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	s.stopWorker()
	o := postponed(unique(t), 1)
	_, err := s.client().Submit(s.ctx, o)
	require.NoError(t, err)
	answered := make(chan error)
	go func() {
		_, err := s.ask(o.ID, protocol.ResumeUpdateName, protocol.ActionRequest{})
		answered <- err
	}()
	time.Sleep(300 * time.Millisecond) // the update is there before the worker
	s.startWorker()
	require.NoError(t, <-answered)
	require.Equal(t, protocol.Succeeded, s.settled(o.ID).StatusCode)
}

// settled is the record once the operation has ended.
func (s *site) settled(id string) protocol.Record {
	s.t.Helper()
	s.closed(id)
	return s.recordOf(id)
}
