package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// patience bounds every wait of a test.
const patience = 3 * time.Minute

// interval is one run of a handler: from its start to its end.
type interval struct {
	ID         string
	Token      string
	Start, End time.Time
	Fence      protocol.Fence
}

// site is a worker in this process with a task queue of its own and one
// handler that records what it ran.
type site struct {
	client.Client
	t         *testing.T
	ctx       context.Context
	taskQueue string
	namespace string
	options   workflows.Options
	workers   []worker.Worker

	mu    sync.Mutex
	begun map[string]int // attempts by the operation's id
	// tokens are those that were submitted to; their histories are to prove in the
	// end that they kept their promise.
	tokens map[string]bool
	runs   []interval
	// handle decides how a run ends; nil succeeds at once.
	handle func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error)
	// withoutLocal has a worker that is started from then on run nothing locally.
	withoutLocal bool
	// works is the handler of workType and localType; nil succeeds at once.
	works func(context.Context, activities.Request) protocol.Outcome
}

// workType is handled by a Handler, as those of a team are.
const workType = "test.work"

// localType is that handler's too, as a local activity.
const localType = "test.local"

func (s *site) work(ctx context.Context, r activities.Request) protocol.Outcome {
	s.mu.Lock()
	s.begun[r.Operation.ID]++
	s.mu.Unlock()
	if s.works == nil {
		return protocol.Success(nil)
	}
	return s.works(ctx, r)
}

// siteLimit is how long a test may use its site, its waits for a turn beside the
// other tests included.
const siteLimit = 15 * time.Minute

// newSite starts a worker against the server.
func newSite(t *testing.T, server *embedded.Server, o workflows.Options) *site {
	return newSiteIn(t, server, server.Namespace(), o)
}

func newSiteIn(t *testing.T, server *embedded.Server, namespace string, o workflows.Options) *site {
	t.Helper()
	return openSite(t, server, namespace, o, siteLimit)
}

// newSiteFor is a site for a test that takes long.
func newSiteFor(t *testing.T, server *embedded.Server, limit time.Duration) *site {
	t.Helper()
	return openSite(t, server, server.Namespace(), workflows.Options{}, limit)
}

func openSite(t *testing.T, server *embedded.Server, namespace string, o workflows.Options, limit time.Duration) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	c, err := client.DialContext(ctx, opclient.DialOptions(client.Options{
		HostPort: server.Address(), Namespace: namespace,
		Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))),
	}))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	s := &site{Client: c, t: t, ctx: ctx, options: o, namespace: namespace, taskQueue: "operations-" + uuid.NewString(), begun: map[string]int{}, tokens: map[string]bool{}}
	s.startWorker()
	t.Cleanup(func() {
		s.proveTokens()
		s.stopWorker()
	})
	return s
}

// dial is a client of the shared server as any program may have one.
func dial(t *testing.T, namespace string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: shared.Address(), Namespace: namespace})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (s *site) startWorker() {
	cat, err := catalogue.New(testTypes(s.taskQueue)...)
	require.NoError(s.t, err)
	cat, err = cat.WithEvents(testHandlers()...)
	require.NoError(s.t, err)
	options := worker.Options{WorkerStopTimeout: 5 * time.Second}
	operations := worker.New(s.Client, s.taskQueue, options)
	handlers := activities.Handlers{"work": activities.HandlerFunc(s.work)}
	o, looks := s.options, activities.NewLooks(s.Client)
	if !s.withoutLocal {
		o.RunLocally, o.NothingBefore = activities.Local(handlers), looks.NothingBefore
	}
	workflows.Register(operations, cat, o)
	operations.RegisterWorkflowWithOptions(fulfil, workflow.RegisterOptions{Name: "fulfil"})
	operations.RegisterActivityWithOptions(s.record, activity.RegisterOptions{Name: "record"})
	activities.Register(operations, handlers)
	engine := worker.New(s.Client, s.taskQueue+protocol.EngineTaskQueueSuffix, options)
	activities.RegisterEngine(engine, s.Client, activities.Rebuilder{
		Rebuild: workflows.RebuildToken, LookedBack: workflows.RunLookedBack, KeepInPages: workflows.KeepInPages,
		AttributeNames: s.options.AttributeNames, Looks: looks,
	})
	s.workers = []worker.Worker{operations, engine}
	for _, w := range s.workers {
		require.NoError(s.t, w.Start())
	}
}

// testTypes are the types of a site: test.record, and those of which something
// is short. All but test.elsewhere run in this process.
func testTypes(taskQueue string) []catalogue.Type {
	few := catalogue.Retry{MaxAttempts: 2, InitialSeconds: 0.1}
	return []catalogue.Type{
		{Key: "test.record", Binding: catalogue.Binding{Activity: "record"}},
		{Key: workType, Binding: catalogue.Binding{
			Activity: "work", HeartbeatSeconds: 1, CancelTimeoutSeconds: 3, Retry: catalogue.Retry{InitialSeconds: 0.2},
		}},
		{Key: localType, Binding: catalogue.Binding{
			Activity: "work", CancelTimeoutSeconds: 3, Execution: catalogue.ExecutionLocal,
			Retry: catalogue.Retry{InitialSeconds: 0.2, MaxAttempts: 3},
		}},
		{Key: "test.local-short", Binding: catalogue.Binding{
			Activity: "work", Execution: catalogue.ExecutionLocal, StartToCloseSeconds: 0.5, Retry: few,
		}},
		{Key: "test.fixed", Restrictions: protocol.Restrictions{protocol.NoControl}, Binding: catalogue.Binding{Activity: "record"}},
		{Key: "rollup.field", Binding: catalogue.Binding{Activity: "record"}},
		{Key: "import", Binding: catalogue.Binding{Activity: "record"}},
		{Key: "workflow", Binding: catalogue.Binding{Workflows: []catalogue.Workflow{{Name: "fulfil"}}, CancelTimeoutSeconds: 3}},
		{Key: "test.two-attempts", Binding: catalogue.Binding{Activity: "record", Retry: few}},
		{Key: "test.one-second", Binding: catalogue.Binding{Activity: "record", StartToCloseSeconds: 1, Retry: few}},
		{Key: "test.heartbeat", Binding: catalogue.Binding{Activity: "record", HeartbeatSeconds: 1, Retry: few}},
		{Key: "test.elsewhere", Binding: catalogue.Binding{
			Activity: "elsewhere", TaskQueue: taskQueue + elsewhere, StartToCloseSeconds: 1, Retry: few,
		}},
	}
}

// elsewhere ends the name of the task queue that another process polls.
const elsewhere = "-elsewhere"

func (s *site) stopWorker() {
	for _, w := range s.workers {
		w.Stop()
	}
	s.workers = nil
}

func (s *site) record(ctx context.Context, in protocol.HandlerInput) (result protocol.HandlerResult, err error) {
	begin := time.Now()
	s.mu.Lock()
	s.begun[in.Operation.ID]++
	s.mu.Unlock()
	if s.handle != nil {
		result, err = s.handle(ctx, in)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, interval{in.Operation.ID, in.Operation.DependencyToken, begin, time.Now(), in.Fence})
	return result, err
}

// ran are the runs of a token so far, in the order of their ends.
func (s *site) ran(token string) (runs []interval) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if r.Token == token {
			runs = append(runs, r)
		}
	}
	return runs
}

// attempts is how often an operation's handler was called.
func (s *site) attempts(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun[id]
}

func ids(runs []interval) []string {
	list := make([]string, len(runs))
	for i, r := range runs {
		list[i] = r.ID
	}
	return list
}

// submit sends one signal with the submission as its argument, as any client
// may.
func (s *site) submit(token string, submission any) {
	s.t.Helper()
	require.NoError(s.t, s.trySubmit(token, submission))
}

func (s *site) trySubmit(token string, submission any) error {
	id := protocol.SerializerWorkflowID(token)
	s.mu.Lock()
	s.tokens[token] = true
	s.mu.Unlock()
	_, err := s.SignalWithStartWorkflow(s.ctx, id, protocol.SubmitSignalName, submission,
		client.StartWorkflowOptions{ID: id, TaskQueue: s.taskQueue}, protocol.SerializerWorkflow, protocol.SerializerInput{Token: token})
	return err
}

// state asks the token's serializer.
func (s *site) state(token string) (state protocol.SerializerState) {
	s.t.Helper()
	answer, err := s.QueryWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", protocol.StateQueryName)
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Get(&state))
	return state
}

// update sends an update to a workflow and reads its answer into the pointer.
func (s *site) update(workflowID, name string, request, answer any) error {
	for {
		handle, err := s.UpdateWorkflow(s.ctx, client.UpdateWorkflowOptions{
			WorkflowID: workflowID, UpdateName: name, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if notReady := (*serviceerror.WorkflowNotReady)(nil); errors.As(err, &notReady) {
			continue // a signal came in the way of the task that would have answered
		}
		if err != nil {
			return err
		}
		return handle.Get(s.ctx, answer)
	}
}

// rests waits until the token's serializer has nothing to do: what it started has
// begun, and it has heard of that. A worker that is stopped then takes no workflow
// task away with it, behind which the server would hold back signals for 10 s.
func (s *site) rests(token string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, protocol.SerializerWorkflowID(token), "")
		waits := func(child *workflowpb.PendingChildExecutionInfo) bool { return child.GetRunId() == "" }
		return err == nil && described.GetPendingWorkflowTask() == nil && !slices.ContainsFunc(described.GetPendingChildren(), waits)
	}, patience, 50*time.Millisecond, "the serializer of %s rests", token)
}

// closed waits until an operation's execution has closed, and says how.
func (s *site) closed(id string) enumspb.WorkflowExecutionStatus {
	s.t.Helper()
	var status enumspb.WorkflowExecutionStatus
	require.Eventually(s.t, func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(id), "")
		if err != nil {
			return false
		}
		status = described.GetWorkflowExecutionInfo().GetStatus()
		return status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}, patience, 50*time.Millisecond, "operation %s closes", id)
	return status
}

// history is the whole history of a workflow's run, the latest by default.
func (s *site) history(workflowID, runID string) (events []*historypb.HistoryEvent) {
	s.t.Helper()
	each := s.GetWorkflowHistory(s.ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for each.HasNext() {
		event, err := each.Next()
		require.NoError(s.t, err)
		events = append(events, event)
	}
	return events
}

// operation is one of a test; its id is unique on the server.
func operation(prefix string, n int) protocol.Operation {
	return protocol.Operation{ID: fmt.Sprintf("%s-%03d", prefix, n), OperationType: "test.record"}
}

// postponed is an operation that waits for an hour, longer than any test.
func postponed(prefix string, n int) protocol.Operation {
	due := time.Now().Add(time.Hour)
	o := operation(prefix, n)
	o.PostponeUntil = &due
	return o
}

// unique is a token that no other test has.
func unique(t *testing.T) string {
	return t.Name() + "-" + uuid.NewString()[:8]
}

// requireInOrder checks a token's promise on what its handler saw: the order of
// acceptance, each exactly once, never two at a time.
func requireInOrder(t *testing.T, wanted []string, runs []interval) {
	t.Helper()
	require.Equal(t, wanted, ids(runs))
	for i := 1; i < len(runs); i++ {
		require.False(t, runs[i].Start.Before(runs[i-1].End), "%s overlaps %s", runs[i].ID, runs[i-1].ID)
		require.Positive(t, runs[i].Fence.Compare(runs[i-1].Fence), "the fence grows")
	}
}
