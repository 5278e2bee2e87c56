package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// Where a name is taken with another type, the search attributes have another one
// there: workflows set it, filters find by it, and a name that changes while
// operations run harms none of them.
func TestSearchAttributesByOtherNames(t *testing.T) {
	t.Parallel()
	namespace := "seriatim-test-" + uuid.NewString()
	require.NoError(t, embedded.Namespace(t.Context(), shared.Address(), namespace))
	require.NoError(t, embedded.SearchAttributes(t.Context(), shared.Address(), namespace, map[string]enumspb.IndexedValueType{
		protocol.OperationStatusAttribute: enumspb.INDEXED_VALUE_TYPE_INT, "Later": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	}))
	_, stderr, code := starterIn(t, namespace, "setup")
	require.Equal(t, 9, code, stderr)
	// One is a word of the query language, the other no plain word.
	const flag = "--search-attribute-names=OperationStatus=Group,DependencyToken=acme-token"
	_, stderr, code = starterIn(t, namespace, "setup", flag)
	require.Zero(t, code, stderr)

	names := protocol.AttributeNames{protocol.OperationStatusAttribute: "Group", protocol.DependencyTokenAttribute: "acme-token"}
	s := newSiteIn(t, shared, namespace, workflows.Options{SearchAttributes: true, AttributeNames: names, MaxRunSignals: 3})
	c := opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, Namespace: namespace, AttributeNames: names})
	token, due := unique(t), time.Now().Add(time.Hour)
	a, b, free := operation(token, 1), operation(token, 2), operation(token, 3)
	a.PostponeUntil, free.PostponeUntil = &due, &due
	s.submit(token, []protocol.Operation{a, b})
	_, err := c.Submit(s.ctx, free)
	require.NoError(t, err)
	raw := operation(token, 4) // whose client knows no names
	raw.PostponeUntil = &due
	_, err = opclient.New(s.Client, opclient.Options{TaskQueue: s.taskQueue, Namespace: namespace}).Submit(s.ctx, raw)
	require.NoError(t, err)

	listed := func(c *opclient.Client, f opclient.Filter) (found []string) {
		for operation, err := range c.List(s.ctx, f) {
			if err != nil {
				return []string{err.Error()}
			}
			found = append(found, operation.ID)
		}
		return found
	}
	eventually := func(want []string, f opclient.Filter) {
		t.Helper()
		require.Eventually(t, func() bool { return equalSets(want, listed(c, f)) }, patience, 100*time.Millisecond, "%v", want)
	}
	eventually([]string{a.ID, free.ID, raw.ID}, opclient.Filter{Status: "waiting"})
	eventually([]string{a.ID, b.ID}, opclient.Filter{Token: token})
	stdout, stderr, code := starterIn(t, namespace, "list", "--status", "waiting", "-o", "jsonl", flag)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, raw.ID)

	// A held token goes on into a second run, which finds it shown as held.
	held := unique(t) + "-held"
	_, err = c.Hold(s.ctx, held, time.Time{}, "stocktaking")
	require.NoError(t, err)
	var waiting []string
	require.Eventually(t, func() bool {
		o := operation(held, len(waiting))
		waiting = append(waiting, o.ID)
		s.submit(held, o)
		return s.state(held).Counts.Runs > 1
	}, patience, 300*time.Millisecond)
	require.Eventually(t, func() bool {
		counted, err := s.CountWorkflow(s.ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: namespace, Query: "`Group` = 'Held' AND `acme-token` = " + protocol.QuoteForQuery(held) + " AND ExecutionStatus = 'Running'",
		})
		return err == nil && counted.GetCount() == 1
	}, patience, 100*time.Millisecond)

	// A worker with another name takes over what runs, and names what comes new.
	s.stopWorker()
	later := protocol.AttributeNames{protocol.OperationStatusAttribute: "Later", protocol.DependencyTokenAttribute: "acme-token"}
	s.options.AttributeNames = later
	s.startWorker()
	for _, id := range []string{a.ID, free.ID, raw.ID} {
		owner := ""
		if id == a.ID {
			owner = token
		}
		_, err = c.Resume(s.ctx, id, owner, "")
		require.NoError(t, err)
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	}
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(b.ID))
	requireInOrder(t, []string{a.ID, b.ID}, s.ran(token))
	eventually(nil, opclient.Filter{Status: "waiting"})
	_, err = c.Release(s.ctx, held, "")
	require.NoError(t, err)
	for _, id := range waiting {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	}

	for _, id := range []string{protocol.SerializerWorkflowID(token), protocol.SerializerWorkflowID(held), protocol.OperationWorkflowID(a.ID), protocol.OperationWorkflowID(raw.ID)} {
		for _, o := range []workflows.Options{{}, {AttributeNames: later}} {
			replayer := worker.NewWorkflowReplayer()
			workflows.Register(replayer, nil, o)
			require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(nil, &historypb.History{Events: s.history(id, "")},
				worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: id}}), id)
		}
	}
}

func equalSets(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
