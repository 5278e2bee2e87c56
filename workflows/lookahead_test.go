package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 4.1, 4.4: what is started ahead waits for its turn, in order.
func TestWhatIsAheadRunsInItsTurn(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{LookAhead: LookAhead{Window: 2}})
	due := b.Now().Add(time.Hour)
	b.submit(0, []protocol.Operation{postponed("A", due), op("B"), op("C"), op("D")})
	b.start(testToken)
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, []string{"A", "B", "C", "D"}, b.ids())
	for _, r := range b.runs {
		require.False(t, r.At.Before(due), r.ID)
	}
	require.Equal(t, int64(4), b.state().Counts.Succeeded)
}
