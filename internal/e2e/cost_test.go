package e2e

import (
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// What operations cost in history events, which time, storage and a cloud bill
// follow. The figures are counts, so that a busy machine does not change them.
func TestEventsAnOperationStayWithinTheirBudget(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		budget float64
		// operations are run at 1,000 with SERIATIM_LONG.
		operations int
		submit     func(*site, string, []protocol.Operation)
	}{
		"a backlog of 20 a signal, in pages": {9.2, 1000, (*site).submitBy20WithoutWorker},
		// A signal that comes alone has a workflow task of its own, 3/20 more.
		"20 a signal while it works, in pages": {9.35, 1000, (*site).submitBy20},
		"a backlog of one a signal":            {10.2, 200, (*site).submitWithoutWorker},
		"one by one, each on an idle token":    {13.2, 60, (*site).submitPaced},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if long() {
				c.operations = 1000
			}
			s := newSite(t, shared, workflows.Options{SearchAttributes: true})
			// A server that is busy hands some workflow tasks out again, three events
			// each: the least of a few rounds is what the work itself costs.
			least := math.Inf(1)
			for range 3 {
				if least = min(least, s.steadyCost(c.operations, c.submit)); least <= c.budget {
					break
				}
			}
			require.LessOrEqual(t, least, c.budget)
		})
	}
}

// steadyCost runs operations of a new token, checks what each and each run cost
// besides, and answers what one costs its serializer in steady state.
func (s *site) steadyCost(n int, submit func(*site, string, []protocol.Operation)) float64 {
	s.t.Helper()
	token := unique(s.t)
	operations := make([]protocol.Operation, n)
	for n := range operations {
		operations[n] = operation(token, n)
	}
	submit(s, token, operations)
	s.untilClosed(operations[len(operations)-1].ID)
	cost := s.costOf(token)
	s.t.Logf("%d operations in %d runs: %.3f serializer events an operation in steady state; besides, %v events in each run",
		cost.operations, len(cost.constants), cost.steady(), cost.constants)
	require.Equal(s.t, n, cost.operations)
	for _, constant := range cost.constants {
		require.LessOrEqual(s.t, constant, maxRunConstant)
	}
	require.Equal(s.t, 11, s.eventsOf(operations[0].ID))
	return cost.steady()
}

// One that a client starts has a marker more: how its type was bound.
func TestAnOperationWithoutATokenCostsTwelveEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	o := operation(unique(t), 0)
	_, err := s.client().Submit(s.ctx, o)
	require.NoError(t, err)
	s.untilClosed(o.ID)
	require.Equal(t, 12, s.eventsOf(o.ID))
}

// What a token costs once, besides the 13 of an operation on an idle one: its start,
// a marker each for its settings and for the look at the chain before, the search
// attribute, and a timer.
func TestANewTokenCostsFiveEventsOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true, Linger: time.Hour})
	least := math.MaxInt
	for range 5 { // a server that is busy hands some workflow tasks out again
		token := unique(t) + uuid.NewString()
		s.submit(token, operation(token, 0))
		s.untilClosed(operation(token, 0).ID)
		s.eventually(func() bool { return s.state(token).Head == nil })
		if least = min(least, len(s.history(protocol.SerializerWorkflowID(token), ""))); least <= 18 {
			break
		}
	}
	require.LessOrEqual(t, least, 18)
}

// eventsOf counts an operation's events. A workflow task that a busy server hands
// out again does not count.
func (s *site) eventsOf(id string) int {
	s.t.Helper()
	events := s.history(protocol.OperationWorkflowID(id), "")
	n := len(events)
	for _, event := range events {
		if lost := event.GetWorkflowTaskTimedOutEventAttributes(); lost != nil {
			n -= 2 // and when it was scheduled
			if lost.GetStartedEventId() > 0 {
				n--
			}
		}
	}
	return n
}

// A local attempt is one event in place of six, and no second workflow task.
func TestAnOperationThatRunsLocallyCostsSixEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	token := unique(t)
	local := operation(token, 0)
	local.OperationType = localType
	s.submit(token, local)
	s.untilClosed(local.ID)
	require.Len(t, s.history(protocol.OperationWorkflowID(local.ID), ""), 6)

	free := operation(unique(t), 0)
	free.OperationType, free.DependencyToken = localType, ""
	_, err := s.client().Submit(s.ctx, free)
	require.NoError(t, err)
	s.untilClosed(free.ID)
	require.Len(t, s.history(protocol.OperationWorkflowID(free.ID), ""), 7, "with how it is bound")
	require.Equal(t, 1, s.attempts(local.ID))
	require.Equal(t, 1, s.attempts(free.ID))
}

// maxRunConstant is what a run may cost besides its operations: its start, its
// settings, its end, and in a chain's first run the search attribute, and a
// workflow task and a page or so for signals that come before the first operation
// starts. On a quiet server it is 6 to 19.
const maxRunConstant = 80

func (s *site) submitBy20(token string, operations []protocol.Operation) {
	for len(operations) > 0 {
		n := min(20, len(operations))
		s.submit(token, operations[:n])
		operations = operations[n:]
	}
}

func (s *site) submitBy20WithoutWorker(token string, operations []protocol.Operation) {
	s.stopWorker()
	s.submitBy20(token, operations)
	s.startWorker()
}

func (s *site) submitWithoutWorker(token string, operations []protocol.Operation) {
	s.stopWorker()
	for _, o := range operations {
		s.submit(token, o)
	}
	s.startWorker()
}

func (s *site) submitPaced(token string, operations []protocol.Operation) {
	for _, o := range operations {
		s.submit(token, o)
		s.untilClosed(o.ID)
		require.Eventually(s.t, func() bool { return s.state(token).Head == nil }, siteLimit, 10*time.Millisecond)
	}
}

// untilClosed waits for an operation that is to succeed, behind a long queue too.
func (s *site) untilClosed(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		return s.GetWorkflow(s.ctx, protocol.OperationWorkflowID(id), "").Get(s.ctx, nil) == nil
	}, siteLimit, 50*time.Millisecond, "operation %s closes", id)
}

// cost is what a token's serializer cost, over all of its runs.
type cost struct {
	operations, signals int
	// between are the events from the start of one operation to that of the next,
	// signals left out, and hops how many times that was.
	between, hops int
	// constants are what each run cost besides.
	constants []int
}

// steady is the cost of one operation, its share of the signals included,
// without what a run and a chain cost once.
func (c cost) steady() float64 {
	return float64(c.between)/float64(c.hops) + float64(c.signals)/float64(c.operations)
}

func (s *site) costOf(token string) (c cost) {
	s.t.Helper()
	id := protocol.SerializerWorkflowID(token)
	run := s.history(id, "")[0].GetWorkflowExecutionStartedEventAttributes().GetFirstExecutionRunId()
	for run != "" {
		events := s.history(id, run)
		c.add(events)
		run = events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return c
}

// add counts one run.
func (c *cost) add(events []*historypb.HistoryEvent) {
	var starts []int // for each operation, the events before it, signals left out
	n := 0
	for _, event := range events {
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			c.signals++
			continue
		case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
			child := event.GetStartChildWorkflowExecutionInitiatedEventAttributes().GetWorkflowType().GetName()
			if child == protocol.OperationWorkflow { // and no page of a long queue, which is part of the cost
				starts = append(starts, n)
			}
		}
		n++
	}
	c.operations += len(starts)
	if len(starts) < 2 {
		c.constants = append(c.constants, n)
		return
	}
	hops := len(starts) - 1
	between := starts[hops] - starts[0]
	c.between += between
	c.hops += hops
	c.constants = append(c.constants, n-between-between/hops)
}
