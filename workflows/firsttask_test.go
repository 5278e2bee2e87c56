package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 3.1: a request that comes with an operation's first workflow task is judged
// by what the operation waits for then, not before it has looked.
func TestARequestInTheFirstTaskFindsItPostponed(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	until := b.Now().Add(time.Hour)
	resumed := b.update(0, protocol.ResumeUpdateName, protocol.ActionRequest{})
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID("a")})
	b.ExecuteWorkflow(protocol.OperationWorkflow, postponed("a", until))
	require.True(t, b.IsWorkflowCompleted())
	require.True(t, resumed.done)
	require.NoError(t, resumed.err)
	require.True(t, b.Now().Before(until), "it did not wait")
}
