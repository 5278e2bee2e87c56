package opclient

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

func TestVisibilityQuery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		filter       Filter
		names        protocol.AttributeNames
		attributes   bool
		query        string
		keeps, drops protocol.Record
	}{
		"all operations": {attributes: true, query: `WorkflowType IN ('Operation', 'Recurrence')`},
		"closed ones by Temporal's own status": {
			filter: Filter{Status: "failed"}, attributes: true,
			query: `WorkflowType IN ('Operation', 'Recurrence') AND ExecutionStatus IN ('Failed', 'TimedOut')`,
		},
		"running ones by both": {
			filter: Filter{Status: "Waiting"}, attributes: true,
			query: `WorkflowType IN ('Operation', 'Recurrence') AND ExecutionStatus = 'Running' AND OperationStatus = 'Waiting'`,
		},
		"by the namespace's names": {
			filter: Filter{Status: "Waiting", Token: "t", Type: "x", Owner: "me"}, attributes: true,
			names: protocol.AttributeNames{"OperationStatus": "AcmeStatus", "DependencyToken": "Order", "OperationOwner": "acme-owner"},
			query: "WorkflowType IN ('Operation', 'Recurrence') AND `Order` = 't' AND OperationType = 'x' AND `acme-owner` = 'me' AND ExecutionStatus = 'Running' AND `AcmeStatus` = 'Waiting'",
		},
		"values cannot leave their quotes": {
			filter: Filter{Type: "x' OR WorkflowType='Y", Owner: "o'hara", Token: "t"}, attributes: true,
			query: `WorkflowType IN ('Operation', 'Recurrence') AND DependencyToken = 't' AND OperationType = 'x'' OR WorkflowType=''Y' AND OperationOwner = 'o''hara'`,
		},
		"what the server would change is compared here": {
			filter: Filter{Token: `a\b`}, attributes: true, query: `WorkflowType IN ('Operation', 'Recurrence')`,
			keeps: protocol.Record{Operation: protocol.Operation{DependencyToken: `a\b`}},
			drops: protocol.Record{Operation: protocol.Operation{DependencyToken: `ab`}},
		},
		"without attributes the memo tells": {
			filter: Filter{Token: "t", Type: "http.request", Status: "succeeded"},
			query:  `WorkflowType IN ('Operation', 'Recurrence') AND ExecutionStatus = 'Completed'`,
			keeps:  protocol.Record{Operation: protocol.Operation{DependencyToken: "t", OperationType: "http.request"}},
			drops:  protocol.Record{Operation: protocol.Operation{DependencyToken: "t", OperationType: "other"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clauses, err := test.filter.clauses(test.names)
			require.NoError(t, err)
			query, match, err := visibilityQuery(clauses, test.attributes)
			require.NoError(t, err)
			require.Equal(t, test.query, query)
			require.True(t, match(test.keeps))
			if test.drops.OperationType != "" || test.drops.DependencyToken != "" {
				require.False(t, match(test.drops))
			}
		})
	}
}

func TestVisibilityQueryRefusesWhatItCannotDecide(t *testing.T) {
	t.Parallel()
	clauses, err := Filter{Owner: "o"}.clauses(protocol.AttributeNames{protocol.OperationOwnerAttribute: "AcmeOwner"})
	require.NoError(t, err)
	_, _, err = visibilityQuery(clauses, false)
	require.ErrorContains(t, err, "AcmeOwner")
	_, err = Filter{Status: "done"}.clauses(nil)
	require.ErrorContains(t, err, `status "done" is not one of`)
}
