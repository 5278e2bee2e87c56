package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	batchpb "go.temporal.io/api/batch/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// lookingAhead are the options of a worker that looks 20 operations ahead.
func lookingAhead() workflows.Options {
	return workflows.Options{SearchAttributes: true, LookAhead: workflows.LookAhead{Window: 20}}
}

// ofToken is the query of an operator for a token's operations.
func ofToken(token, more string) string {
	return fmt.Sprintf("DependencyToken = %q AND WorkflowType = 'Operation'%s", protocol.TokenKey(token), more)
}

// lists waits until the server's index, which lags, has so many.
func (s *site) lists(query string, n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		count, err := s.CountWorkflow(s.ctx, countOf(s.namespace, query))
		return err == nil && count.GetCount() == int64(n)
	}, patience, 200*time.Millisecond, "%d are %s", n, query)
}

// standsStill has a token with a postponed head, and as many behind it.
func (s *site) standsStill(token string, behind int) []protocol.Operation {
	operations := []protocol.Operation{postponed(token, 0)}
	for n := 1; n <= behind; n++ {
		operations = append(operations, operation(token, n))
	}
	s.submit(token, operations)
	return operations
}

// without are the operations' ids, but for those of some numbers.
func without(operations []protocol.Operation, numbers ...int) (list []string) {
	for n, o := range operations {
		if !slices.Contains(numbers, n) {
			list = append(list, o.ID)
		}
	}
	return list
}

// SPEC 4.1, 4.4, 4.6: what waits behind a head that stands still is there to be seen,
// and to be acted on one by one and in bulk with the server's own means; then the rest
// runs in order.
func TestOperationsAheadAreSeenAndActedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, lookingAhead())
	token := unique(t)
	operations := []protocol.Operation{postponed(token, 0)}
	for n := 1; n <= 30; n++ {
		o := operation(token, n)
		o.Data = []byte(`{"n":1}`)
		if n >= 11 && n <= 13 {
			o.RegardingObjectID = "recalled"
		}
		operations = append(operations, o)
	}
	s.submit(token, operations)
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 21)
	s.lists(ofToken(token, " AND OperationStatus = 'WaitingForResources'"), 20)
	s.lists(ofToken(token, " AND OperationStatus = 'Waiting'"), 1)
	record := s.recordOf(operations[20].ID)
	require.True(t, record.Gated)
	require.Equal(t, operations[0].ID, record.BlockedBy)

	why, err := s.client().Why(s.ctx, operations[20].ID, "")
	require.NoError(t, err)
	require.Contains(t, why.Why[0], `it is number 20 in the queue of its token, behind operation "`+operations[0].ID)
	require.Contains(t, why.Why[0], "and is Waiting: it is postponed until")
	require.Equal(t, "it starts when all before it are Completed", why.Next)

	require.NoError(t, s.CancelWorkflow(s.ctx, protocol.OperationWorkflowID(operations[7].ID), ""))
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(operations[7].ID))
	recalled := ofToken(token, " AND RegardingObject = 'recalled' AND ExecutionStatus = 'Running'")
	s.lists(recalled, 3)
	_, err = s.WorkflowService().StartBatchOperation(s.ctx, &workflowservice.StartBatchOperationRequest{
		Namespace: s.namespace, JobId: uuid.NewString(), Reason: "recalled", VisibilityQuery: recalled,
		Operation: &workflowservice.StartBatchOperationRequest_CancellationOperation{CancellationOperation: &batchpb.BatchOperationCancellation{}},
	})
	require.NoError(t, err)
	for _, n := range []int{11, 12, 13} {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(operations[n].ID))
	}
	s.eventually(func() bool { return s.state(token).Queued == 26 })

	later := time.Now().Add(24 * time.Hour)
	_, err = s.ask(operations[15].ID, protocol.PostponeUpdateName, protocol.PostponeRequest{Until: later})
	require.NoError(t, err)
	s.lists(ofToken(token, " AND OperationStatus = 'Waiting'"), 2)
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 21)
	page, err := s.client().Queue(s.ctx, token, 0, 11)
	require.NoError(t, err)
	require.Equal(t, operations[15].ID, page.Operations[10].ID)
	require.Equal(t, protocol.Waiting, page.Operations[10].StatusCode, "as its own workflow has it")
	require.WithinDuration(t, later, *page.Operations[10].PostponeUntil, time.Second)

	s.resume(operations[0].ID)
	s.becomes(operations[15].ID, protocol.Waiting, protocol.SuspendPostponed)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operations[14].ID))
	s.eventually(func() bool { head := s.state(token).Head; return head != nil && head.ID == operations[15].ID })
	s.resume(operations[15].ID)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operations[30].ID))
	requireInOrder(t, without(operations, 7, 11, 12, 13), s.ran(token))
	s.eventually(func() bool { return s.state(token).Counts.Succeeded == 27 })
	require.Equal(t, int64(4), s.state(token).Counts.Canceled)
	report := s.requireKept(token)
	require.Equal(t, 31, report.Counts.Operations)
}

// What was started ahead by one run is given its turn by another, whatever became of
// it meanwhile.
func TestOperationsAheadGoOverRuns(t *testing.T) {
	t.Parallel()
	o := lookingAhead()
	o.MaxRunSignals = 3
	s := newSite(t, shared, o)
	token := unique(t)
	operations := []protocol.Operation{postponed(token, 0)}
	s.submit(token, operations[0])
	s.becomes(operations[0].ID, protocol.Waiting, protocol.SuspendPostponed)
	for n := 1; n <= 24; n++ {
		operations = append(operations, operation(token, n))
		s.submit(token, operations[n])
	}
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 21)
	s.eventually(func() bool { return s.state(token).Counts.Runs >= 2 })
	require.NoError(t, s.CancelWorkflow(s.ctx, protocol.OperationWorkflowID(operations[3].ID), ""))
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.OperationWorkflowID(operations[5].ID), "", "by hand"))
	_, err := s.ask(operations[9].ID, protocol.CancelUpdateName, protocol.ActionRequest{Reason: "not needed"})
	require.NoError(t, err)
	s.eventually(func() bool { return s.state(token).Queued == 22 })
	require.Equal(t, int64(2), s.state(token).Counts.Canceled, "what was terminated is found at its turn")
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 20)
	s.resume(operations[0].ID)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operations[24].ID))
	requireInOrder(t, without(operations, 3, 5, 9), s.ran(token))
	s.eventually(func() bool { return s.state(token).Counts.Succeeded == 22 })
	require.Equal(t, int64(3), s.state(token).Counts.Canceled)
	s.requireKept(token)
}

// SPEC 4.5, 4.10: what is asked of the token as a whole reaches what is ahead.
func TestTokenUpdatesReachOperationsAhead(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, lookingAhead())
	token := unique(t)
	operations := s.standsStill(token, 25)
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 21)
	_, err := askToken[protocol.SerializerState](s, token, protocol.CancelAllUpdateName, protocol.TokenRequest{Reason: "recalled"})
	require.NoError(t, err)
	for _, o := range operations {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(o.ID))
	}
	require.Contains(t, s.recordOf(operations[4].ID).Message, "canceled while it queued: the token was cancelled: recalled")
	s.eventually(func() bool { return s.state(token).Counts.Canceled == 26 })
	require.Empty(t, s.ran(token))

	_, err = askToken[protocol.SerializerState](s, token, protocol.HoldUpdateName, protocol.HoldRequest{Reason: "maintenance"})
	require.NoError(t, err)
	s.submit(token, []protocol.Operation{operation(token, 30), operation(token, 31)})
	s.becomes(operation(token, 31).ID, protocol.WaitingForResources, "")
	require.Empty(t, s.ran(token), "a token that is held gives no turn")
	_, err = askToken[protocol.SerializerState](s, token, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 31).ID))
	requireInOrder(t, []string{operation(token, 30).ID, operation(token, 31).ID}, s.ran(token))
	s.requireKept(token)
}

// A serializer was terminated by hand while operations were ahead: they wait on, run
// beside nobody, and go on in their order once they are recovered. One of them that
// was submitted again meanwhile runs once.
func TestOperationsAheadAreRecovered(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, lookingAhead())
	token := unique(t)
	operations := s.standsStill(token, 30)
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 21)
	s.rests(token)
	described, err := s.DescribeWorkflowExecution(s.ctx, protocol.SerializerWorkflowID(token), "")
	require.NoError(t, err)
	last := described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", "by mistake"))
	require.NoError(t, s.CancelWorkflow(s.ctx, protocol.OperationWorkflowID(operations[6].ID), ""))

	_, err = askToken[protocol.SerializerState](s, token, protocol.HoldUpdateName, protocol.HoldRequest{Reason: "recovery"})
	require.NoError(t, err)
	s.submit(token, []protocol.Operation{operation(token, 31), operations[4]})
	s.resume(operations[0].ID)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING.String(), s.statusOf(operations[1].ID).String())
	done, err := askToken[protocol.PrependReply](s, token, protocol.PrependUpdateName, protocol.PrependRequest{RunID: last})
	require.NoError(t, err)
	require.Equal(t, 2, done.Known, "its head, which goes on anyway, and what was accepted again")
	_, err = askToken[protocol.SerializerState](s, token, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operations[4].ID), "the last of all")
	wanted := append(without(operations, 4, 6), operation(token, 31).ID, operations[4].ID)
	requireInTurn(t, wanted, s.ran(token))
	s.requireKept(token)
}

// Nobody recovers what a chain left that was terminated: an operation of it that is
// submitted again is given its turn, and the token goes on.
func TestOperationAheadIsGivenItsTurnByAnotherChain(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, lookingAhead())
	token := unique(t)
	operations := s.standsStill(token, 3)
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 4)
	s.rests(token)
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", "by mistake"))
	s.submit(token, operations[1:])
	s.resume(operations[0].ID)
	for _, o := range operations {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(o.ID))
	}
	requireInOrder(t, without(operations), s.ran(token))
	s.eventually(func() bool { return s.state(token).Counts.Duplicates == 3 })
}

// The server closed a serializer while operations were ahead: the next chain goes on
// with them.
func TestOperationsAheadGoOnInTheNextChain(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, lookingAhead())
	token := unique(t)
	s.mu.Lock()
	s.tokens[token] = true
	s.mu.Unlock()
	id := protocol.SerializerWorkflowID(token)
	operations := []protocol.Operation{postponed(token, 0)}
	for n := 1; n <= 25; n++ {
		operations = append(operations, operation(token, n))
	}
	_, err := s.SignalWithStartWorkflow(s.ctx, id, protocol.SubmitSignalName, operations,
		client.StartWorkflowOptions{ID: id, TaskQueue: s.taskQueue, WorkflowRunTimeout: 8 * time.Second}, protocol.SerializerWorkflow, protocol.SerializerInput{Token: token})
	require.NoError(t, err)
	s.lists(ofToken(token, " AND ExecutionStatus = 'Running'"), 21)
	s.eventually(func() bool {
		described, err := s.DescribeWorkflowExecution(s.ctx, id, "")
		return err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT
	})
	s.submit(token, operation(token, 26))
	s.eventually(func() bool { return s.state(token).Predecessor.Look == protocol.PredecessorRecovered })
	s.resume(operations[0].ID)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 26).ID))
	requireInOrder(t, append(without(operations), operation(token, 26).ID), s.ran(token))
	s.requireKept(token)
}

func (s *site) statusOf(id string) enumspb.WorkflowExecutionStatus {
	s.t.Helper()
	described, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(id), "")
	require.NoError(s.t, err)
	return described.GetWorkflowExecutionInfo().GetStatus()
}

// requireInTurn is requireInOrder where fences do not grow: what was put before the
// queue has older ones.
func requireInTurn(t *testing.T, wanted []string, runs []interval) {
	t.Helper()
	require.Equal(t, wanted, ids(runs))
	for i := 1; i < len(runs); i++ {
		require.False(t, runs[i].Start.Before(runs[i-1].End), "%s overlaps %s", runs[i].ID, runs[i-1].ID)
	}
}

// What an operator sees and does in Temporal's own Web UI: the operations behind a head
// that stands still are rows of the token's list, each with its state, and one of them is
// cancelled there.
func TestWebUIShowsOperationsAhead(t *testing.T) {
	server, b := startWebUI(t)
	s := newSite(t, server, lookingAhead())
	const token = "customer-42"
	var operations []protocol.Operation
	for n := range 31 {
		operations = append(operations, operation("invoice", n))
	}
	due := time.Now().Add(time.Hour)
	operations[0].PostponeUntil, operations[9].PostponeUntil = &due, &due
	s.submit(token, operations)
	list := func(query string, n int, picture string) []string {
		t.Helper()
		s.lists(query, n)
		rows := b.read(page{
			URL: "/namespaces/default/workflows?query=" + url.QueryEscape(query), Text: []string{protocol.OperationWorkflowID(operations[20].ID)},
			Screenshot: picture, Height: 1100, Columns: []string{"Status", "Workflow ID", protocol.OperationStatusAttribute, protocol.PostponeUntilAttribute, "Start"},
		})
		require.Len(t, rows, n, "%q", rows)
		return rows
	}
	running := ofToken(token, " AND ExecutionStatus = 'Running'")
	rows := strings.Join(list(running, 21, screenshot(t, "web-ui-ahead.png")), "\n")
	for n := range 21 {
		state := protocol.WaitingForResources
		if n == 0 || n == 9 {
			state = protocol.Waiting
		}
		require.Contains(t, rows, "RUNNING "+protocol.OperationWorkflowID(operations[n].ID)+" "+state.String())
	}
	list(ofToken(token, " AND OperationStatus = 'WaitingForResources'"), 19, "")
	s.lists(ofToken(token, " AND OperationStatus = 'Waiting'"), 2)
	b.read(details("token:"+token, "30 waiting: 20 ahead, each in its own workflow; 10 more from position 21 on"))
	seventh := protocol.OperationWorkflowID(operations[7].ID)
	b.read(details(seventh, "it waits for its turn in the queue of its token"))
	b.read(page{URL: "/namespaces/default/workflows/" + seventh, Click: []string{"Request Cancellation", "Confirm"}, Text: []string{"Canceled"}})
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(operations[7].ID))
	rows = strings.Join(list(running, 21, ""), "\n")
	require.NotContains(t, rows, seventh)
	require.Contains(t, rows, protocol.OperationWorkflowID(operations[21].ID), "the window moves on")

	s.resume(operations[9].ID)
	s.resume(operations[0].ID)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operations[30].ID))
	requireInOrder(t, without(operations, 7), s.ran(token))
	s.requireKept(token)
}

// A queue that drains costs what it costs without, but for the timer that looks whether
// its head stands still: five events a run of it.
func TestLookAheadCostsADrainingQueueItsTimerAlone(t *testing.T) {
	t.Parallel()
	n := 150
	if long() {
		n = 1000
	}
	o := lookingAhead()
	o.LookAhead.After = 30 * time.Second // no head of a busy machine takes so long
	s := newSite(t, shared, o)
	token := unique(t)
	operations := make([]protocol.Operation, n)
	for i := range operations {
		operations[i] = operation(token, i)
	}
	began := time.Now()
	s.submitBy20(token, operations)
	s.untilClosed(operations[n-1].ID)
	timers := 0
	for _, run := range s.runsOf(token) {
		for _, event := range run {
			require.NotEqual(t, protocol.TurnSignalName, event.GetSignalExternalWorkflowExecutionInitiatedEventAttributes().GetSignalName(), "nothing is told a turn")
			if event.GetTimerStartedEventAttributes().GetStartToFireTimeout().AsDuration() == o.LookAhead.After {
				timers++
			}
		}
	}
	require.LessOrEqual(t, timers, 1+len(s.runsOf(token))+int(time.Since(began)/o.LookAhead.After))
	described, err := s.DescribeWorkflowExecution(s.ctx, protocol.OperationWorkflowID(operations[n-1].ID), "")
	require.NoError(t, err)
	require.NotContains(t, described.GetWorkflowExecutionInfo().GetMemo().GetFields(), protocol.GatedMemo)
	cost := s.costOf(token).steady()
	t.Logf("%d operations: %.2f serializer events each, %d timers", n, cost, timers)
	require.LessOrEqual(t, cost, 9.2+5*float64(timers)/float64(n))
}

// runsOf are the histories of all runs of the token's chain.
func (s *site) runsOf(token string) (runs [][]*historypb.HistoryEvent) {
	s.t.Helper()
	id := protocol.SerializerWorkflowID(token)
	run := s.history(id, "")[0].GetWorkflowExecutionStartedEventAttributes().GetFirstExecutionRunId()
	for run != "" {
		events := s.history(id, run)
		runs = append(runs, events)
		run = events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return runs
}
