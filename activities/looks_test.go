package activities

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/protocol"
)

// index answers what it knows of one workflow id, and counts what it is asked.
type index struct {
	client.Client
	mu    sync.Mutex
	asked int
	err   error
	runs  []string
}

const indexed = "token:A"

func (i *index) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	reply := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, run := range i.runs {
		reply.Executions = append(reply.Executions, &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: indexed, RunId: run},
		})
	}
	return reply, i.err
}

func TestNothingBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		index      *index
		workflowID string
		nothing    bool
		err        bool
	}{
		"the run that asks is all there is": {&index{runs: []string{"own"}}, indexed, true, false},
		"it is not there yet":               {&index{}, indexed, true, false},
		"another run is not done":           {&index{runs: []string{"own", "other"}}, indexed, false, false},
		"another token's":                   {&index{runs: []string{"other"}}, "token:B", true, false},
		"the server does not say":           {&index{err: errors.New("away")}, indexed, false, true},
		"it cannot be asked about":          {&index{}, `token:a\\b`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nothing, err := NewLooks(c.index).NothingBefore(t.Context(), protocol.PredecessorRequest{WorkflowID: c.workflowID, RunID: "own"})
			require.Equal(t, c.nothing, nothing)
			require.Equal(t, c.err, err != nil)
		})
	}
}

// Tokens that ask at the same time share a question.
func TestLooksAreShared(t *testing.T) {
	t.Parallel()
	const tokens = 500
	asked := &index{}
	looks := NewLooks(asked)
	var all sync.WaitGroup
	for range tokens {
		all.Go(func() {
			_, _ = looks.NothingBefore(t.Context(), protocol.PredecessorRequest{WorkflowID: indexed})
		})
	}
	all.Wait()
	require.Less(t, asked.asked, tokens/4)
}

// A server that has had enough is asked less, and as before once it answers.
func TestLooksGiveWay(t *testing.T) {
	t.Parallel()
	looks := NewLooks(&index{})
	for range 20 {
		looks.adapt(serviceerror.NewResourceExhausted(0, "too much"))
	}
	require.InDelta(t, leastLooksPerSecond, float64(looks.limit.Limit()), 0)
	looks.adapt(errors.New("away"))
	require.InDelta(t, leastLooksPerSecond, float64(looks.limit.Limit()), 0)
	for range 1000 {
		looks.adapt(nil)
	}
	require.InDelta(t, looksPerSecond, float64(looks.limit.Limit()), 0)
}
