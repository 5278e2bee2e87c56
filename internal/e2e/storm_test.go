package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// Submissions race the idle end of the serializer, again and again: none is lost
// and the sequence goes on growing over the chains.
func TestSubmissionsRacingTheIdleEnd(t *testing.T) {
	t.Parallel()
	const rounds = 12
	s := newSite(t, shared, workflows.Options{Linger: time.Second})
	token := unique(t)
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue})
	var wanted []string
	for n := range rounds {
		o := operation(token, n)
		o.DependencyToken = token
		handle, err := c.Submit(s.ctx, o)
		require.NoError(t, err)
		wanted = append(wanted, o.ID)
		_, err = handle.Wait(s.ctx)
		require.NoError(t, err)
		// The next one arrives around the very instant of the end.
		time.Sleep(time.Second + time.Duration(n-rounds/2)*10*time.Millisecond)
	}
	requireInOrder(t, wanted, s.ran(token))
}

// SPEC 1.2: an operation is run once however often, by however many clients, and
// however late it is submitted again: beyond what the serializer remembers too.
func TestRepeatsByManyClientsRunOnce(t *testing.T) {
	t.Parallel()
	const clients, each = 4, 60
	s := newSite(t, shared, workflows.Options{MaxRunSignals: 30})
	token := unique(t)
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue})
	submitAtOnce(t, clients, each, func(client, n int) error {
		o := operation(token, n) // the same from every client
		o.DependencyToken = token
		for range 1 + (client+n)%5 {
			if _, err := c.Submit(s.ctx, o); err != nil {
				return err
			}
		}
		return nil
	})
	require.Eventually(t, func() bool {
		state := s.state(token)
		return state.Counts.Succeeded == each && state.Queued == 0
	}, 2*patience, 100*time.Millisecond)
	seen := make(map[string]bool)
	for _, r := range s.ran(token) {
		require.False(t, seen[r.ID], "%s ran twice", r.ID)
		seen[r.ID] = true
	}
	require.Len(t, seen, each)
}

// The ring remembers 1,000 ids; one that it forgot is still not run twice.
func TestRepeatBeyondTheRingRunsOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	first, other := operation(token, 0), operation(token, 0)
	other.Name = "another"
	s.submit(token, first)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(first.ID))
	// 1,000 that never run, since they are cancelled at once, push it out.
	var last protocol.Operation
	for batch := range 2 {
		var submission []protocol.Operation
		for n := range 500 {
			last = operation(token, 1+batch*500+n)
			last.OperationType = "no.such.type"
			submission = append(submission, last)
		}
		s.submit(token, submission)
	}
	require.Eventually(t, func() bool { return s.state(token).Counts.Accepted == 1001 }, patience, 50*time.Millisecond)
	require.NoError(t, s.CancelWorkflow(s.ctx, protocol.SerializerWorkflowID(token), ""))
	require.Eventually(t, func() bool { return s.state(token).Queued == 0 }, patience, 50*time.Millisecond)
	s.submit(token, []protocol.Operation{first, other, operation(token, 9999)})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 9999).ID))
	require.Equal(t, []string{first.ID, operation(token, 9999).ID}, ids(s.ran(token)))
	state := s.state(token)
	require.Equal(t, int64(1), state.Counts.Duplicates)
	require.Len(t, state.Rejects, 1)
	require.Equal(t, protocol.ErrTypeDuplicateID, state.Rejects[0].Type)
}

// Whatever it is, it is refused with a reason that names it, or accepted as the
// contract says, within a second, and the next good one runs.
func TestSixtyKindsOfInput(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	for i, tc := range kindsOfInput() {
		t.Run(fmt.Sprintf("%02d %s", i, tc.name), func(t *testing.T) {
			t.Parallel()
			token := unique(t)
			s.rawSubmit(token, nil, tc.signal)
			good := operation(token, 1)
			s.submit(token, good)
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(good.ID))
			state := s.state(token)
			if tc.refused == "" {
				require.Empty(t, state.Rejects)
				require.Equal(t, int64(2), state.Counts.Accepted)
			} else {
				require.Len(t, state.Rejects, 1)
				require.Contains(t, state.Rejects[0].Reason, tc.refused)
			}
			requireNoFailedTasks(t, s, token)
		})
	}
}

type kindOfInput struct {
	name, refused string
	signal        *commonpb.Payloads
}
