package opclient_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 8.4: why it waits, its position, which operation blocks it, since when.
func TestWhyTellsWhatIsAroundTheOperation(t *testing.T) {
	t.Parallel()
	since := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	queued, head := record("b", protocol.WaitingForResources), record("a", protocol.InProgress)
	queued.Position, queued.BlockedBy, queued.DependencyToken = 1, "a", "t"
	paused := record("a", protocol.Waiting)
	paused.SuspendReason = protocol.SuspendPaused
	f := &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{protocol.OperationWorkflowID("a"): running, target("t"): running}),
		list:     tokens("t"),
		query: func(_ context.Context, _, name string, _ []any) (any, error) {
			return map[string]any{
				protocol.FindQueryName:      protocol.FindReply{Found: true, Record: &queued},
				protocol.OperationQueryName: paused,
				protocol.StateQueryName: protocol.SerializerState{
					Token: "t", Head: &head, HeadSince: &since, Hold: &protocol.Hold{On: since, Identity: "me", Reason: "stocktaking"},
				},
			}[name], nil
		},
	}
	e, err := opclient.New(f, opclient.Options{}).Why(t.Context(), "b", "")
	require.NoError(t, err)
	require.Equal(t, []string{
		`it is Ready (WaitingForResources): it is number 1 in the queue of its token, behind operation "a", which has been the head since 2030-01-31T08:00:00Z and is Waiting: it is paused`,
		"its token is held, asked for at 2030-01-31T08:00:00Z by me: stocktaking",
	}, e.Why)
	encoded, err := json.Marshal(e)
	require.NoError(t, err)
	var told map[string]any
	require.NoError(t, json.Unmarshal(encoded, &told))
	for _, name := range []string{"id", "position", "blockedBy", "blockedSince", "why", "next", "allowedActions", "hold", "blocker", "source", "workflowId"} {
		require.Contains(t, told, name)
	}
}
