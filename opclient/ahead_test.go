package opclient_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// aheadQueue is a token with seven queued operations, of which the first six were
// started ahead.
func aheadQueue(index func() ([]*workflowpb.WorkflowExecutionInfo, error)) *fake {
	f := &fake{
		query: func(context.Context, string, string, []any) (any, error) {
			reply := protocol.ListReply{Total: 7}
			for n := 1; n <= 7; n++ {
				r := record(fmt.Sprint(n), protocol.WaitingForResources)
				r.DependencyToken, r.Sequence, r.Position, r.Gated = "t", int64(n), n, n <= 6
				reply.Operations = append(reply.Operations, r)
			}
			until := time.Now().Add(time.Hour)
			reply.Operations[4].StatusCode, reply.Operations[4].PostponeUntil = protocol.Waiting, &until
			return reply, nil
		},
	}
	f.list = func(query string) ([]*workflowpb.WorkflowExecutionInfo, error) {
		if !strings.HasPrefix(query, "WorkflowId IN (") {
			return nil, nil
		}
		return index()
	}
	return f
}

// What was started ahead has been asked things that its token does not know: the
// server's index tells.
func TestWhatIsAheadIsSeenAsItIs(t *testing.T) {
	t.Parallel()
	until := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	info := func(n int, status enumspb.WorkflowExecutionStatus, memo, attributes map[string]any) *workflowpb.WorkflowExecutionInfo {
		i := execution(protocol.OperationWorkflowID(fmt.Sprint(n)), status, memo).GetWorkflowExecutionInfo()
		i.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: payloads(attributes)}
		return i
	}
	of := func(sequence int) map[string]any {
		return map[string]any{protocol.TokenMemo: "t", protocol.SequenceMemo: sequence}
	}
	waiting := map[string]any{protocol.OperationStatusAttribute: "Waiting", protocol.PostponeUntilAttribute: until}
	f := aheadQueue(func() ([]*workflowpb.WorkflowExecutionInfo, error) {
		return []*workflowpb.WorkflowExecutionInfo{
			info(1, running, of(1), waiting),
			info(1, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, of(1), nil), // an earlier run
			info(2, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, of(2), waiting),
			info(3, running, of(99), waiting), // another operation's
			info(4, running, of(4), nil),      // a namespace without search attributes
			info(5, running, of(5), map[string]any{protocol.OperationStatusAttribute: "WaitingForResources", protocol.PostponeUntilAttribute: until}),
		}, nil
	})
	c := opclient.New(f, opclient.Options{})
	page, err := c.Queue(t.Context(), "t", 0, 10)
	require.NoError(t, err)
	var got []string
	for _, r := range page.Operations {
		got = append(got, fmt.Sprintf("%s %s %t", r.ID, r.StatusCode, r.PostponeUntil != nil))
	}
	require.Equal(t, []string{
		"1 Waiting true", "2 Canceled false", "3 WaitingForResources false", "4 WaitingForResources false",
		"5 WaitingForResources false", "6 WaitingForResources false", "7 WaitingForResources false",
	}, got)
	require.Equal(t, until, *page.Operations[0].PostponeUntil)
	require.Equal(t, protocol.SuspendPostponed, page.Operations[0].SuspendReason)
	require.Contains(t, f.calls, "list WorkflowId IN ('operation:1', 'operation:2', 'operation:3', 'operation:4', 'operation:5', 'operation:6')")

	selected, err := c.Select(t.Context(), opclient.Filter{Token: "t"}, protocol.ActionResume)
	require.NoError(t, err)
	require.Len(t, selected, 1)
	require.Equal(t, "1", selected[0].ID)
	selected, err = c.Select(t.Context(), opclient.Filter{Token: "t"}, protocol.ActionCancel)
	require.NoError(t, err)
	require.Len(t, selected, 6, "one was cancelled already")
}

// Without the index the token's own word stands, and that is told.
func TestWhatIsAheadIsSeenAsItsTokenHasIt(t *testing.T) {
	t.Parallel()
	f := aheadQueue(func() ([]*workflowpb.WorkflowExecutionInfo, error) { return nil, errors.New("no index") })
	var told []string
	page, err := opclient.New(f, opclient.Options{Notice: func(s string) { told = append(told, s) }}).Queue(t.Context(), "t", 0, 10)
	require.NoError(t, err)
	require.Len(t, page.Operations, 7)
	require.Equal(t, protocol.Waiting, page.Operations[4].StatusCode)
	require.Equal(t, []string{"operations that were started ahead are shown as their token has them: no index"}, told)
}

// The workflow of one that was started ahead does not know its place: its token does.
func TestGetTellsThePlaceOfWhatIsAhead(t *testing.T) {
	t.Parallel()
	silent := false
	f := &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{protocol.OperationWorkflowID("a"): running}),
		query: func(_ context.Context, workflowID, name string, _ []any) (any, error) {
			r := record("a", protocol.WaitingForResources)
			r.DependencyToken = "t"
			if name == protocol.OperationQueryName {
				r.Gated, r.BlockedBy = true, "as it was at its start"
				return r, nil
			}
			require.Equal(t, protocol.SerializerWorkflowID("t")+" "+protocol.FindQueryName, workflowID+" "+name)
			if silent {
				return nil, errors.New("no answer")
			}
			r.Position, r.BlockedBy = 3, "head"
			return protocol.FindReply{Found: true, Record: &r, WorkflowID: protocol.OperationWorkflowID("a")}, nil
		},
	}
	found, err := opclient.New(f, opclient.Options{}).Get(t.Context(), "a", "")
	require.NoError(t, err)
	require.True(t, found.Gated)
	require.Equal(t, []any{3, "head"}, []any{found.Position, found.BlockedBy})
	silent = true
	found, err = opclient.New(f, opclient.Options{}).Get(t.Context(), "a", "")
	require.NoError(t, err)
	require.Equal(t, []any{0, "as it was at its start"}, []any{found.Position, found.BlockedBy})
}
