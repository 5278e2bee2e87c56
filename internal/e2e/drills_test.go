package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// drill is a section of docs/operations.md, whose commands are run as they stand
// there, for a token with a long queue.
type drill struct {
	*site
	starter  cli
	t        *testing.T
	token    string
	commands []string
	// run is what stands for "<run>" there.
	run string
}

// drillQueue is how many operations a drill's token has.
const drillQueue = 200

func newDrill(t *testing.T, server *embedded.Server, section string, o workflows.Options) *drill {
	t.Helper()
	s := newSite(t, server, o)
	return &drill{
		site: s, starter: cli{t: t, queue: s.taskQueue, server: server}, t: t, token: unique(t),
		commands: documented(t, section),
	}
}

// documented are the commands of the starter in a section, up to the next one.
func documented(t *testing.T, section string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), `<a id="`+section+`"></a>`)
	require.True(t, found, section)
	rest, _, _ = strings.Cut(rest, "<a id=")
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(rest, -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			if command, ok := strings.CutPrefix(line, "starter "); ok {
				commands = append(commands, command)
			}
		}
	}
	require.NotEmpty(t, commands)
	return commands
}

// next runs the section's next command, which must begin so, and answers what it
// prints.
func (d *drill) next(verb string, wantedCode int) string {
	d.t.Helper()
	require.NotEmpty(d.t, d.commands, "the section has no more commands")
	command := d.commands[0]
	d.commands = d.commands[1:]
	require.True(d.t, strings.HasPrefix(command, verb), "%q is not %q", command, verb)
	command = strings.NewReplacer("customer-42", d.token, "<run>", d.run).Replace(command)
	stdout, stderr, code := d.starter.run("", append(words(command), "--task-queue", d.taskQueue)...)
	d.t.Logf("starter %s\n%s%s", command, firstLines(stdout, 8), stderr)
	require.Equal(d.t, wantedCode, code, "%s: %s%s", command, stdout, stderr)
	return stdout + stderr
}

// words takes a command apart as a shell does.
func words(command string) (list []string) {
	for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(command, -1) {
		list = append(list, strings.Trim(word, `"`))
	}
	return list
}

func firstLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[:min(n, len(lines))], "")
}

// finishes waits until the token has run what is wanted.
func (d *drill) finishes(wanted []string) {
	d.t.Helper()
	require.Eventually(d.t, func() bool { return len(d.ran(d.token)) >= len(wanted) }, 2*patience, 100*time.Millisecond)
	require.Eventually(d.t, func() bool { state := d.state(d.token); return state.Head == nil && state.Queued == 0 }, patience, 100*time.Millisecond)
}

// verifies ends a drill: the last command proves the token.
func (d *drill) verifies(wanted []string) {
	d.t.Helper()
	d.finishes(wanted)
	d.next("verify", 0)
	d.done(wanted)
}

// done checks that all commands were run, and that the token has run what is
// wanted, in order and once.
func (d *drill) done(wanted []string) {
	d.t.Helper()
	require.Empty(d.t, d.commands, "these were not run")
	d.finishes(wanted)
	requireInOrder(d.t, wanted, d.ran(d.token))
}

func (d *drill) latest() *commonpb.WorkflowExecution {
	d.t.Helper()
	described, err := d.DescribeWorkflowExecution(d.ctx, protocol.SerializerWorkflowID(d.token), "")
	require.NoError(d.t, err)
	return described.GetWorkflowExecutionInfo().GetExecution()
}

func (d *drill) terminate() {
	d.t.Helper()
	require.NoError(d.t, d.TerminateWorkflow(d.ctx, protocol.SerializerWorkflowID(d.token), "", "by mistake"))
}

// erase deletes a run, and waits until the server no longer has it.
func (d *drill) erase(run *commonpb.WorkflowExecution) {
	d.t.Helper()
	_, err := d.WorkflowService().DeleteWorkflowExecution(d.ctx, &workflowservice.DeleteWorkflowExecutionRequest{Namespace: d.namespace, WorkflowExecution: run})
	require.NoError(d.t, err)
	require.Eventually(d.t, func() bool {
		_, err := d.DescribeWorkflowExecution(d.ctx, run.GetWorkflowId(), run.GetRunId())
		return err != nil
	}, 2*patience, 200*time.Millisecond)
}

// drillOptions have a queue of drillQueue span pages and runs.
var drillOptions = workflows.Options{PageBytes: 4000, MaxRunEvents: 150}

func TestDrillTerminated(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]bool{"used since": true, "not used since": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDrill(t, shared, "terminated", drillOptions)
			d.longQueue(d.token, drillQueue)
			d.terminate()
			wanted := operationIDs(d.token, drillQueue)
			if since {
				d.submit(d.token, operation(d.token, drillQueue))
				wanted = append(wanted, operation(d.token, drillQueue).ID)
				require.Eventually(t, func() bool { return d.state(d.token).Predecessor.Queued == drillQueue-1 }, patience, 50*time.Millisecond)
				require.Contains(t, d.next("token show", 0), "199 operations were left and are not run")
			} else {
				d.next("token show", 0)
			}
			require.Contains(t, d.next("recover", 0), "would recover   199 operations")
			require.Contains(t, d.next("recover", 0), "recovered       199 operations")
			require.Contains(t, d.next("token show", 0), "199 operations were recovered")
			require.Nil(t, d.state(d.token).Hold)
			d.resume(wanted[0])
			d.verifies(wanted)
			require.Contains(t, d.starter.ok("recover", d.token), "nothing to do")
		})
	}
}

func TestDrillTimedOut(t *testing.T) {
	t.Parallel()
	d := newDrill(t, shared, "timed-out", workflows.Options{PageBytes: 4000})
	id := protocol.SerializerWorkflowID(d.token)
	_, err := d.SignalWithStartWorkflow(d.ctx, id, protocol.SubmitSignalName, operation("x"+d.token, 0),
		client.StartWorkflowOptions{ID: id, TaskQueue: d.taskQueue, WorkflowRunTimeout: 15 * time.Second},
		protocol.SerializerWorkflow, protocol.SerializerInput{Token: d.token})
	require.NoError(t, err)
	d.longQueue(d.token, drillQueue)
	require.Eventually(t, func() bool {
		described, err := d.DescribeWorkflowExecution(d.ctx, id, "")
		return err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
	}, patience, 100*time.Millisecond)
	require.Contains(t, d.next("recover", 0), "the token took in by itself")
	require.Contains(t, d.next("token show", 0), "the server closed the serializer")
	require.Nil(t, d.state(d.token).Hold)
	wanted := operationIDs(d.token, drillQueue)
	d.resume(wanted[0])
	d.verifies(slices.Insert(wanted, 0, operation("x"+d.token, 0).ID))
}

// slowly is a handler that takes its time.
func slowly(work time.Duration) func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error) {
	return func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error) {
		time.Sleep(work)
		return protocol.HandlerResult{}, nil
	}
}

func TestDrillClosedByTheServer(t *testing.T) {
	t.Parallel()
	server := ownServer(t, map[string]string{"limit.historyCount.error": "120", "limit.historyCount.warn": "110"})
	d := newDrill(t, server, "closed-by-the-server", workflows.Options{MaxRunEvents: 60})
	d.stopWorker()
	// Slow enough that a run ends by itself before the server's small limit.
	d.handle = slowly(110 * time.Millisecond)
	c := d.client()
	var wanted []string
	for n := range 150 {
		o := operation(d.token, n)
		o.DependencyToken = d.token
		_, err := c.Submit(d.ctx, o)
		require.NoError(t, err)
		wanted = append(wanted, o.ID)
	}
	d.startWorker()
	d.finishes(wanted)
	require.Contains(t, d.next("token show", 0), "the server closed the serializer")
	require.Contains(t, d.next("recover", 0), "nothing to do")
	d.verifies(wanted)
}

func TestDrillDeletedRun(t *testing.T) {
	t.Parallel()
	d := newDrill(t, shared, "deleted-run", drillOptions)
	d.longQueue(d.token, drillQueue)
	last := d.aNewRun()
	d.terminate()
	d.erase(last)
	said := d.next("recover", 5)
	require.Contains(t, said, "was deleted")
	d.run = regexp.MustCompile(`Retained: (\S+) \(ContinuedAsNew`).FindStringSubmatch(said)[1]
	require.Contains(t, d.next("recover", 0), "recovered       ")
	require.Contains(t, d.next("token show", 0), "queued          199")
	wanted := operationIDs(d.token, drillQueue)
	d.resume(wanted[0])
	d.verifies(wanted)
}

// aNewRun has the serializer end its run, with all that was submitted taken over,
// and answers the next one.
func (d *drill) aNewRun() *commonpb.WorkflowExecution {
	d.t.Helper()
	before := d.latest().GetRunId()
	require.Eventually(d.t, func() bool {
		for range 10 {
			d.submit(d.token, operation(d.token, drillQueue-1)) // a repeat
		}
		return d.latest().GetRunId() != before
	}, patience, 200*time.Millisecond)
	return d.latest()
}

func TestDrillPageGone(t *testing.T) {
	t.Parallel()
	d := newDrill(t, shared, "page-gone", drillOptions)
	d.longQueue(d.token, drillQueue)
	pages := d.pagesOf(d.token)
	page := pages[len(pages)/2]
	d.erase(&commonpb.WorkflowExecution{WorkflowId: page.WorkflowID, RunId: page.RunID})
	wanted := operationIDs(d.token, drillQueue)
	before, behind := wanted[:page.Offset+1], wanted[page.Offset+1+page.Count:]
	d.resume(wanted[0])
	require.Eventually(t, func() bool { return len(d.ran(d.token)) >= len(before) }, 2*patience, 100*time.Millisecond)
	require.Eventually(t, func() bool { return d.state(d.token).Hold != nil }, patience, 100*time.Millisecond)
	require.Contains(t, d.next("token list", 0), page.WorkflowID)
	said := d.next("token show", 1)
	require.Contains(t, said, "is gone: releasing the token goes on without them")
	require.Contains(t, said, behind[0], "the rest is shown")
	require.Equal(t, before, ids(d.ran(d.token)), "nothing overtakes")
	d.next("token release", 0)
	require.Contains(t, d.next("token rejects", 0), page.WorkflowID+" is gone")
	require.Eventually(t, func() bool { return len(d.ran(d.token)) >= len(before)+len(behind) }, 2*patience, 100*time.Millisecond)
	require.Contains(t, d.next("verify", 8), fmt.Sprintf("the %d numbers from", page.Count))
	d.done(slices.Concat(before, behind))
	delete(d.tokens, d.token) // what is lost is missing in the proof too
}
