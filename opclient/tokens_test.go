package opclient_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// fleet is one token of each kind, and one that does not answer.
func fleet() *fake {
	standing, moving := record("standing", protocol.InProgress), record("moving", protocol.InProgress)
	states := map[string]protocol.SerializerState{
		target("idle"):    {Token: "idle"},
		target("moving"):  {Token: "moving", Head: &moving, Queued: 3},
		target("blocked"): {Token: "blocked", Head: &standing, Queued: 3},
		target("held"):    {Token: "held", Hold: &protocol.Hold{}},
		target("failed"):  {Token: "failed", Failure: &protocol.FailureHold{}, Queued: 1},
	}
	return &fake{
		list: tokens("idle", "broken", "moving", "blocked", "held", "failed"),
		describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			return execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil), nil
		},
		query: func(_ context.Context, workflowID, _ string, _ []any) (any, error) {
			if id, ok := protocol.OperationID(workflowID); ok {
				status := map[string]protocol.StatusCode{"standing": protocol.Waiting, "moving": protocol.InProgress}[id]
				return record(id, status), nil
			}
			state, ok := states[workflowID]
			if !ok {
				return nil, errors.New("broken")
			}
			return state, nil
		},
	}
}

// SPEC 4.7: one that does not answer does not stop the rest.
func TestTokensFilters(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		filter opclient.TokenFilter
		want   []string
	}{
		"all":            {opclient.TokenFilter{}, []string{"blocked", "failed", "held", "idle", "moving"}},
		"blocked":        {opclient.TokenFilter{Blocked: true}, []string{"blocked", "failed"}},
		"held or failed": {opclient.TokenFilter{Held: true, Failed: true}, []string{"failed", "held"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			var failures int
			for state, err := range opclient.New(fleet(), opclient.Options{Parallel: 2}).Tokens(t.Context(), test.filter) {
				if err != nil {
					require.Equal(t, target("broken"), state.WorkflowID)
					failures++
					continue
				}
				got = append(got, state.Token)
			}
			slices.Sort(got)
			require.Equal(t, test.want, got)
			require.Equal(t, 1, failures)
		})
	}
}

func TestTokensStopsEarly(t *testing.T) {
	t.Parallel()
	seen := 0
	for range opclient.New(fleet(), opclient.Options{Parallel: 2}).Tokens(t.Context(), opclient.TokenFilter{}) {
		seen++
		break
	}
	require.Equal(t, 1, seen)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range opclient.New(fleet(), opclient.Options{}).Tokens(ctx, opclient.TokenFilter{}) {
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
}
