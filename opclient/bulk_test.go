package opclient_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// crowd is two tokens with three queued operations each, and two operations that
// have started.
func crowd(query *string) *fake {
	begin := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	f := &fake{
		query: func(_ context.Context, workflowID, _ string, args []any) (any, error) {
			var reply protocol.ListReply
			for n := range 3 {
				r := record(fmt.Sprintf("%s-%d", strings.TrimPrefix(workflowID, "token:"), n), protocol.WaitingForResources)
				created := begin.Add(time.Duration(n) * time.Hour)
				r.CreatedOn, r.OwnerID = &created, "me"
				if n == 2 {
					r.OwnerID, r.StatusCode = "you", protocol.Waiting
				}
				reply.Operations = append(reply.Operations, r)
			}
			reply.Total = 3
			return reply, nil
		},
	}
	f.list = func(q string) ([]*workflowpb.WorkflowExecutionInfo, error) {
		if strings.Contains(q, protocol.SerializerWorkflow) {
			return tokens("t1", "t2")(q)
		}
		*query = q
		var infos []*workflowpb.WorkflowExecutionInfo
		for _, id := range []string{"s1", "t1-0"} {
			infos = append(infos, execution(protocol.OperationWorkflowID(id), running, nil).GetWorkflowExecutionInfo())
		}
		return infos, nil
	}
	return f
}

func TestSelect(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		filter opclient.Filter
		action protocol.Action
		want   string
		query  string
	}{
		"all that has not completed, queues from the end": {
			opclient.Filter{},
			protocol.ActionCancel, "t1-2 t1-1 t1-0 t2-2 t2-1 t2-0 s1",
			"WorkflowType IN ('Operation', 'Recurrence') AND ExecutionStatus = 'Running'",
		},
		"one token": {
			opclient.Filter{Token: "t2"},
			protocol.ActionCancel, "t2-2 t2-1 t2-0 s1 t1-0",
			"WorkflowType IN ('Operation', 'Recurrence') AND DependencyToken = 't2' AND ExecutionStatus = 'Running'",
		},
		"of an owner, older than": {
			opclient.Filter{Owner: "me", CreatedBefore: time.Date(2030, 1, 31, 8, 30, 0, 0, time.UTC)},
			protocol.ActionCancel, "t1-0 t2-0 s1",
			"WorkflowType IN ('Operation', 'Recurrence') AND OperationOwner = 'me' AND StartTime < '2030-01-31T08:30:00Z' AND ExecutionStatus = 'Running'",
		},
		"suspended ones to resume": {
			opclient.Filter{},
			protocol.ActionResume, "t1-2 t2-2 s1",
			"WorkflowType IN ('Operation', 'Recurrence') AND ExecutionStatus = 'Running' AND OperationStatus = 'Waiting'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var query string
			selected, err := opclient.New(crowd(&query), opclient.Options{Parallel: 1}).Select(t.Context(), test.filter, test.action)
			require.NoError(t, err)
			var ids []string
			for _, found := range selected {
				ids = append(ids, found.ID)
			}
			require.Equal(t, test.want, strings.Join(ids, " "))
			require.Equal(t, test.query, query)
		})
	}
	_, err := opclient.New(&fake{}, opclient.Options{}).Select(t.Context(), opclient.Filter{Status: "failed"}, protocol.ActionCancel)
	require.ErrorIs(t, err, opclient.ErrInvalidTransition)
}

// One that is refused or fails does not stop the rest, and each is told.
func TestActManyGoesOn(t *testing.T) {
	t.Parallel()
	var query string
	verb := func(_ context.Context, id, _ string) (protocol.Record, error) {
		switch id {
		case "t1-0":
			return protocol.Record{}, &protocol.Refusal{Type: protocol.ErrTypeInvalidTransition}
		case "s1":
			return protocol.Record{}, &opclient.NoWorkerError{Pollers: 1}
		}
		return record(id, protocol.Canceled), nil
	}
	var told []string
	summary, err := opclient.New(crowd(&query), opclient.Options{}).ActMany(t.Context(), opclient.Filter{}, protocol.ActionCancel, verb,
		func(a opclient.Acted) { told = append(told, a.Found.ID) })
	require.NoError(t, err)
	require.Equal(t, opclient.ActSummary{Selected: 7, Done: 5, Refused: 1, Failed: 1}, summary)
	require.Len(t, told, 7)
}

func TestActOnStops(t *testing.T) {
	t.Parallel()
	const parallel = 4
	many := make([]opclient.Found, 100)
	for name, test := range map[string]struct {
		verb func(cancel func(), n int32) error
		is   error
	}{
		"when it is asked to": {func(cancel func(), n int32) error {
			if n >= 10 {
				cancel()
			}
			return nil
		}, context.Canceled},
		"when there is no worker": {func(_ func(), n int32) error {
			if n >= 10 { // whichever hears of it first
				return &opclient.NoWorkerError{}
			}
			return nil
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var calls atomic.Int32
			summary, err := opclient.New(&fake{}, opclient.Options{Parallel: parallel}).ActOn(ctx, many,
				func(context.Context, string, string) (protocol.Record, error) {
					return protocol.Record{}, test.verb(cancel, calls.Add(1))
				}, nil)
			require.Error(t, err)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.EqualValues(t, calls.Load(), summary.Selected-summary.NotAsked)
			require.LessOrEqual(t, calls.Load(), int32(9+parallel), "what is in flight is awaited, and no more")
			require.Equal(t, 100, summary.Done+summary.Refused+summary.Failed+summary.NotAsked)
		})
	}
}
