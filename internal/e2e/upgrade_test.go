package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// release is the commit of v0.1.0: a clone need not have the tag.
const release = "533ecfb7460f482ed9fb872fe4331d84842119fb"

// releasedWorker builds the worker of the last release.
func releasedWorker(t *testing.T) string {
	t.Helper()
	if exec.Command("git", "cat-file", "-e", release+"^{commit}").Run() != nil {
		t.Skipf("this checkout's history does not reach back to the release, %s", release)
	}
	folder := t.TempDir()
	output, err := exec.Command("bash", "-c", fmt.Sprintf("set -o pipefail; git -C ../.. archive %s | tar -x -C %q", release, folder)).CombinedOutput()
	require.NoError(t, err, string(output))
	path := filepath.Join(folder, "bin", "worker")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./worker")
	build.Dir = folder
	output, err = build.CombinedOutput()
	require.NoError(t, err, string(output))
	return path
}

// SPEC 2.2, 4.1, 8.1: workers of the last release and of this one take turns, ten
// times, in the middle of work: tokens whose runs are short, so that either goes on
// with what the other carried over, a long queue in pages, a postponed head.
func TestReleasesTakeTurnsUnderLoad(t *testing.T) {
	t.Parallel()
	const tokens, each, turns = 4, 60, 10
	builds := []string{releasedWorker(t), program(t, "worker")}
	r := newTarget(t, 20*time.Millisecond)
	queue := unique(t)
	config := fmt.Sprintf(crashConfig, queue, r.URL) + "serializer: {maxRunEvents: 120}\n"
	temporal := dial(t, shared.Namespace())
	c := opclient.New(temporal, opclient.Options{TaskQueue: queue})

	operations := deliveries(queue, tokens, each)
	// The last token begins in the eighth turn, on the newer build.
	late := operations[tokens-1].DependencyToken
	slices.SortStableFunc(operations, func(a, b protocol.Operation) int {
		switch isLate := func(o protocol.Operation) bool { return o.DependencyToken == late }; {
		case isLate(a) == isLate(b):
			return 0
		case isLate(a):
			return 1
		}
		return -1
	})
	due := time.Now().Add(10 * time.Second).UTC()
	operations[0].PostponeUntil = &due
	p := runBuild(t, builds[0], shared, "0.1.0", config)
	submitted := 0
	for turn := 1; turn <= turns; turn++ {
		share := len(operations) * turn / turns
		summary, err := c.SubmitMany(t.Context(), opclient.Items(operations[submitted:share]...), nil)
		require.NoError(t, err)
		require.Equal(t, share-submitted, summary.Accepted)
		submitted = share
		require.Eventually(t, func() bool { return len(r.all()) >= submitted/2 }, patience, 5*time.Millisecond)
		require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
		require.NoError(t, p.command.Wait(), "turn %d", turn)
		p.replays(turn)
		p = runBuild(t, builds[turn%2], shared, "0.1.0", config)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, o := range operations {
		found, err := c.Wait(ctx, o.ID, o.DependencyToken)
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode, "%s: %s", o.ID, found.Message)
	}
	repeats := requireDelivered(t, operations, r.all())
	first := slices.IndexFunc(r.all(), func(q request) bool { return q.ID == operations[0].ID })
	require.False(t, r.all()[first].Start.Before(due), "it was postponed")
	p.replays(turns)
	t.Logf("%d operations, %d turns, %d repeated attempts, 0 lost", len(operations), turns, repeats)
}

// replays says that no history was another build's only.
func (p *process) replays(turn int) {
	p.t.Helper()
	log, err := os.ReadFile(p.log)
	require.NoError(p.t, err)
	require.NotContains(p.t, strings.ToLower(string(log)), "nondeterminis", "turn %d", turn)
	require.NotContains(p.t, string(log), "TMPRL1100", "turn %d", turn)
}

// runBuild is startProcess for another build of the worker, beside workers of that
// release.
func runBuild(t *testing.T, path string, server *embedded.Server, oldest, config string) *process {
	t.Helper()
	return runProgram(t, path, append(os.Environ(), "TEMPORAL_ADDRESS="+server.Address(), "TEMPORAL_NAMESPACE="+server.Namespace(),
		"SERIATIM_SERIALIZER_OLDESTWORKER="+oldest), "warn", config)
}

// A token whose next operations were started ahead comes to a worker of the last
// release, which does not know that, and back: nothing is lost, nothing runs beside the
// head or twice, and the order stays (docs/operations.md, "See and act on what waits").
func TestDowngradeWithOperationsAheadLosesNothing(t *testing.T) {
	t.Parallel()
	builds := []string{program(t, "worker"), releasedWorker(t)}
	r := newTarget(t, 20*time.Millisecond)
	queue := unique(t)
	config := fmt.Sprintf(crashConfig, queue, r.URL)
	ahead := config + "lookAhead: {window: 5, after: 1s}\n"
	temporal := dial(t, shared.Namespace())
	c := opclient.New(temporal, opclient.Options{TaskQueue: queue})

	operations := deliveries(queue, 1, 9)
	due := time.Now().Add(time.Hour).UTC()
	operations[0].PostponeUntil = &due
	token := operations[0].DependencyToken
	p := runBuild(t, builds[0], shared, "0.2.0", ahead)
	_, err := c.SubmitMany(t.Context(), opclient.Items(operations...), nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		last, err := c.Get(t.Context(), operations[5].ID, token)
		return err == nil && last.Gated
	}, patience, 50*time.Millisecond)
	turn := func(build, config string) {
		t.Helper()
		require.NoError(t, p.command.Process.Signal(syscall.SIGTERM))
		require.NoError(t, p.command.Wait())
		p = runBuild(t, build, shared, "0.2.0", config)
	}
	turn(builds[1], config)
	_, err = c.Resume(t.Context(), operations[0].ID, token, "")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found, err := c.Wait(ctx, operations[0].ID, token)
	require.NoError(t, err)
	require.Equal(t, protocol.Succeeded, found.StatusCode)
	serializer := protocol.SerializerWorkflowID(token)
	require.Eventually(t, func() bool { // it knows of the head's end, and cannot go on
		described, err := temporal.DescribeWorkflowExecution(t.Context(), serializer, "")
		return err == nil && described.GetPendingWorkflowTask().GetAttempt() > 1
	}, patience, 50*time.Millisecond)
	require.Len(t, r.all(), 1, "nobody else has had a turn")

	turn(builds[0], ahead)
	for _, o := range operations {
		found, err := c.Wait(ctx, o.ID, token)
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode, "%s: %s", o.ID, found.Message)
	}
	require.Zero(t, requireDelivered(t, operations, r.all()))
}
