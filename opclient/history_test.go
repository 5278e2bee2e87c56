package opclient_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

func submitted(operations ...protocol.Operation) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
			WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{
				SignalName: protocol.SubmitSignalName, Input: arguments(operations),
			},
		},
	}
}

// unattended is a server without a worker and with two tokens.
func unattended() *fake {
	return &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{target("t1"): running, target("t2"): running}),
		query: func(context.Context, string, string, []any) (any, error) {
			return nil, serviceerror.NewFailedPrecondition("no poller")
		},
		list: tokens("t1", "t2"),
		histories: map[string][]*historypb.HistoryEvent{
			target("t1"): {startedEvent(protocol.SerializerInput{Token: "t1"})},
			target("t2"): {
				startedEvent(protocol.SerializerInput{Token: "t2"}),
				submitted(protocol.Operation{ID: "a", OperationType: "x", Data: []byte("1")}, protocol.Operation{ID: "b", OperationType: "y", Data: []byte("2")}),
			},
		},
	}
}

func TestReadingDoesWithoutAWorker(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{"by its token": "t2", "in all tokens": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var notices []string
			c := opclient.New(unattended(), opclient.Options{Notice: func(s string) { notices = append(notices, s) }, Parallel: 1})
			found, err := c.Get(t.Context(), "b", token)
			require.NoError(t, err)
			require.Equal(t, opclient.FromHistory, found.Source)
			require.Equal(t, 2, found.Position)
			require.Equal(t, "2", string(found.Data))
			require.Contains(t, notices[len(notices)-1], "from history, without a worker")
			_, err = c.Get(t.Context(), "c", token)
			var unattended *opclient.NoWorkerError
			require.ErrorAs(t, err, &unattended)
		})
	}
}

func TestTokenQueueAndListDoWithoutAWorker(t *testing.T) {
	t.Parallel()
	c := opclient.New(unattended(), opclient.Options{})
	state, err := c.Token(t.Context(), "t2")
	require.NoError(t, err)
	require.Equal(t, opclient.FromHistory, state.Source)
	require.Equal(t, 2, state.Queued)
	page, err := c.Queue(t.Context(), "t2", 1, 5)
	require.NoError(t, err)
	require.Equal(t, opclient.FromHistory, page.Source)
	require.Len(t, page.Operations, 1)
	require.Equal(t, 2, page.Total)
	var ids []string
	for found, err := range c.List(t.Context(), opclient.Filter{Token: "t2", Type: "y", Limit: 1}) {
		require.NoError(t, err)
		require.Equal(t, opclient.FromHistory, found.Source)
		ids = append(ids, found.ID)
	}
	require.Equal(t, []string{"b"}, ids)
	why, err := c.Why(t.Context(), "a", "t2")
	require.NoError(t, err)
	require.Contains(t, why.Why[0], "number 1 in the queue")
}
