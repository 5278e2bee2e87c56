package protocol

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// SPEC 6.6: depth grows with every operation that causes another, and the
// correlation stays that of the first.
func TestCausedOperationIsDeeperAndOfTheSameCorrelation(t *testing.T) {
	t.Parallel()
	first := Operation{ID: "order-1"}
	second := Operation{ID: "invoice-1"}.CausedBy(first)
	require.Equal(t, Operation{ID: "invoice-1", Depth: 1, CorrelationID: "order-1"}, second)
	require.Equal(t, Operation{ID: "mail-1", Depth: 2, CorrelationID: "order-1"}, Operation{ID: "mail-1"}.CausedBy(second))
	own := Operation{CorrelationID: "mine", Depth: 5}.CausedBy(second)
	require.Equal(t, Operation{CorrelationID: "mine", Depth: 5}, own, "what was set stays, and never makes it less deep")
}

func TestSubmittedIDIsOfOneRunActivityAndPlace(t *testing.T) {
	t.Parallel()
	id := SubmittedOperationID("w", "r", "5", 0)
	require.Equal(t, "5dfb8db2478fee4edcacef457f479210-0", id, "the same in every attempt, and in every version")
	require.NoError(t, ValidateID(id))
	others := map[string]bool{id: true}
	for _, other := range []string{
		SubmittedOperationID("w2", "r", "5", 0), SubmittedOperationID("w", "r2", "5", 0), SubmittedOperationID("w", "r", "6", 0),
		SubmittedOperationID("w", "r", "5", 1), SubmittedOperationID(`w" "r`, "", "5", 0), SubmittedOperationID(`w`, `" "r`, "5", 0),
	} {
		require.False(t, others[other])
		others[other] = true
	}
}
