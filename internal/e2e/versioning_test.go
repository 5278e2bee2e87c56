package e2e

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// versionedConfig has the serializer end its runs every few operations.
const versionedConfig = crashConfig + `
serializer: {maxRunEvents: 60}
`

// rollout is a Worker Deployment whose builds are processes of ours.
type rollout struct {
	client.Client
	t      *testing.T
	name   string
	config string
}

func (r *rollout) start(build string) *process {
	return startProcess(r.t, shared, r.config, "TEMPORAL_DEPLOYMENT_NAME="+r.name, "TEMPORAL_WORKER_BUILD_ID="+build)
}

// setCurrent routes the work to a build, once its workers are known.
func (r *rollout) setCurrent(build string) {
	r.t.Helper()
	handle := r.WorkerDeploymentClient().GetHandle(r.name)
	var last error
	require.Eventually(r.t, func() bool {
		_, last = handle.SetCurrentVersion(r.t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
		return last == nil
	}, 2*patience, 200*time.Millisecond, "build %s becomes current", build)
}

// builds are those that completed a workflow's tasks, over all its runs, each
// time that it was another one than before; runs counts these.
func (r *rollout) builds(workflowID string) (builds []string, runs int) {
	r.t.Helper()
	for runID := ""; ; runs++ {
		var within []string
		before := ""
		each := r.GetWorkflowHistory(r.t.Context(), workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for each.HasNext() {
			event, err := each.Next()
			require.NoError(r.t, err)
			require.False(r.t, hasFailed(event), "a workflow task of %s failed: %s", workflowID, event)
			if started := event.GetWorkflowExecutionStartedEventAttributes(); started != nil {
				before = started.GetContinuedExecutionRunId()
			}
			if completed := event.GetWorkflowTaskCompletedEventAttributes(); completed != nil {
				require.Equal(r.t, enumspb.VERSIONING_BEHAVIOR_AUTO_UPGRADE, completed.GetVersioningBehavior())
				within = append(within, completed.GetDeploymentVersion().GetBuildId())
			}
		}
		builds = slices.Compact(append(within, builds...))
		if before == "" {
			return builds, runs + 1
		}
		runID = before
	}
}

// SPEC 4.1, 8.1: with Worker Versioning the build that is set current takes over
// every token in the middle of its work, over runs that end and begin meanwhile;
// the build before it may then be stopped.
func TestTheBuildThatIsSetCurrentTakesOver(t *testing.T) {
	t.Parallel()
	const tokens, each = 4, 60
	place := newTarget(t, 20*time.Millisecond)
	queue := unique(t)
	temporal := dial(t, shared.Namespace())
	r := &rollout{temporal, t, queue, fmt.Sprintf(versionedConfig, queue, place.URL)}
	c := opclient.New(temporal, opclient.Options{TaskQueue: queue})
	operations := deliveries(queue, tokens, each)

	first := r.start("1")
	r.setCurrent("1")
	half := len(operations) / 2
	submit := func(some []protocol.Operation) {
		summary, err := c.SubmitMany(t.Context(), opclient.Items(some...), nil)
		require.NoError(t, err)
		require.Equal(t, len(some), summary.Accepted)
	}
	submit(operations[:half])
	require.Eventually(t, func() bool { return len(place.all()) >= half/2 }, 2*patience, 20*time.Millisecond)
	r.start("2")
	r.setCurrent("2")
	submit(operations[half:])
	require.Eventually(t, func() bool { return len(place.all()) >= half+half/4 }, 2*patience, 20*time.Millisecond)
	require.NoError(t, first.command.Process.Signal(syscall.SIGTERM))
	require.NoError(t, first.command.Wait(), "it is stopped in order")

	for _, o := range operations {
		found, err := c.Wait(t.Context(), o.ID, o.DependencyToken)
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode, "%s: %s", o.ID, found.Message)
	}
	repeats := requireDelivered(t, operations, place.all())
	total := 0
	for k := range tokens {
		token := fmt.Sprintf("%s-%d", queue, k)
		builds, runs := r.builds(protocol.SerializerWorkflowID(token))
		require.Equal(t, []string{"1", "2"}, builds, "token %s moves once, and not back", token)
		require.Greater(t, runs, 2)
		total += runs
		last, _ := r.builds(protocol.OperationWorkflowID(operation(token, each-1).ID))
		require.Equal(t, []string{"2"}, last)
	}
	t.Logf("%d operations of %d tokens over %d runs and two builds, %d repeated attempts, 0 lost", len(operations), tokens, total, repeats)
}
