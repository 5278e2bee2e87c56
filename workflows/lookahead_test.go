package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
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

// SPEC 4.12: a head that runs for long stands, too; what queues up behind it later is
// started ahead as well.
func TestWhatIsBehindALongRunIsAhead(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{LookAhead: LookAhead{Window: 3}})
	b.OnActivity("record", mock.Anything, mock.MatchedBy(func(in protocol.HandlerInput) bool { return in.Operation.ID == "A" })).
		After(time.Minute).Return(b.record)
	b.OnActivity("record", mock.Anything, mock.Anything).Return(b.record)
	b.submit(0, []protocol.Operation{op("A"), op("B"), op("C")})
	b.submit(30*time.Second, op("D"))
	soon, later, last := b.stateAfter(time.Second), b.stateAfter(5*time.Second), b.stateAfter(40*time.Second)
	b.start(testToken)
	require.NoError(t, b.GetWorkflowError())
	require.Equal(t, []int{0, 2, 3}, []int{soon.Ahead, later.Ahead, last.Ahead})
	require.Equal(t, int64(4), b.state().Counts.Succeeded)
}
