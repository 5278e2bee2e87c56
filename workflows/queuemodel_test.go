package workflows

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// modelled is an accepted operation as the model knows it: its id, what of its
// content tells it from another with the same id, and its sequence.
type modelled struct {
	ID, Content string
	Sequence    int64
}

// model is a queue as simple as it can be: slices, and nothing is fast.
type model struct {
	next           int64
	head           *modelled
	waiting, ended []modelled
	seen           []modelled // all that was accepted, in order
	counts         protocol.Counts
	gone           int64 // ended, whatever the end

	held, failed bool // by a person, by a failure
	heldUntil    time.Time
	failure      modelled
	policy       protocol.Policy
	over         []modelled // Failed or Canceled, so that they may run again
	inPlace      int64      // reruns that took no new sequence

	ahead map[string]Ahead // how far executions are that were started ahead
}

func (m *model) find(id string) (op modelled, found bool) {
	all := slices.Concat(m.waiting, m.ended)
	if m.head != nil {
		all = append(all, *m.head)
	}
	for _, op := range slices.Concat(m.seen, all) {
		if op.ID == id {
			return op, true
		}
	}
	return modelled{}, false
}

// hasExecution says that the operation's own workflow is to be asked.
func (m *model) hasExecution(id string) bool { return (Entry{Ahead: m.ahead[id]}).hasExecution() }

func (m *model) submit(id, content string) {
	before, found := m.find(id)
	switch {
	case found && before.Content == content:
		m.counts.Duplicates++
	case found:
		m.counts.Rejected++
	case m.policy.MaxQueued > 0 && len(m.waiting) >= m.policy.MaxQueued:
		m.counts.Rejected++
	default:
		op := modelled{ID: id, Content: content, Sequence: m.next}
		if id == "" {
			op.ID = protocol.DefaultOperationID(testToken, m.next)
		}
		m.next++
		m.counts.Accepted++
		m.waiting, m.seen = append(m.waiting, op), append(m.seen, op)
	}
}

func (m *model) waitingAt(id string) int {
	return slices.IndexFunc(m.waiting, func(op modelled) bool { return op.ID == id })
}

// close counts an end as the queue is told of it.
func (m *model) close(e end) {
	m.gone++
	switch {
	case e.refusal != "":
		m.counts.Rejected++
	case e.duplicate:
		m.counts.Duplicates++
	case e.status == protocol.Succeeded:
		m.counts.Succeeded++
	case e.status == protocol.Failed:
		m.counts.Failed++
	default:
		m.counts.Canceled++
	}
}

// testPageBytes makes pages of some operations.
const testPageBytes = 2000

// check compares all that a queue knows with the model.
func (x *machine) check(t *rapid.T) {
	q, m := x.q, &x.m
	require.Equal(t, m.next, q.NextSequence)
	require.Equal(t, m.waiting, modelledOf(x.all()), "order")
	ended := modelledOf(q.Ended)
	for i := range q.Doomed {
		ended = append(ended, modelledOf(x.content(&q.Doomed[i]))...)
	}
	require.ElementsMatch(t, m.ended, ended)
	require.Equal(t, []int{len(m.waiting), len(m.ended)}, []int{q.Len(), q.ending()})
	require.Equal(t, m.head == nil, q.Head == nil)
	if q.Head != nil {
		require.Equal(t, []modelled{*m.head}, modelledOf([]Entry{*q.Head}))
	}
	require.Equal(t, m.counts, q.Counts)
	require.Equal(t, m.policy, q.Policy)
	require.Equal(t, m.failed, q.Failure != nil)
	if m.failed {
		require.Equal(t, []any{m.failure.ID, m.failure.Sequence}, []any{q.Failure.OperationID, q.Failure.Sequence})
	}
	require.Equal(t, m.held, q.Hold != nil)
	require.Equal(t, !m.held && !m.failed, q.MayStart())
	nothing := q.Head == nil && len(m.waiting) == 0 && len(m.ended) == 0
	require.Equal(t, nothing && q.MayStart() && m.policy == protocol.Policy{}, q.Idle())

	inside := int64(q.Len() + q.ending())
	if q.Head != nil {
		inside++
	}
	require.Equal(t, q.NextSequence-day.UnixMicro()+m.inPlace, inside+m.gone, "each sequence is accounted for")
	require.Equal(t, q.NextSequence-day.UnixMicro()+m.inPlace, q.Counts.Accepted)

	indexed := make(map[string]bool)
	for _, list := range q.inMemory() {
		for _, entry := range list {
			indexed[entry.Operation.ID] = true
		}
	}
	all := x.all()
	for i, entry := range all {
		require.Equal(t, m.ahead[entry.Operation.ID], entry.Ahead)
		require.False(t, entry.Ahead == aheadStarted && entry.Operation.Data != nil, "its data is its execution's")
		if i == 0 {
			continue
		}
		require.Greater(t, all[i].Sequence, all[i-1].Sequence)
	}
	require.Equal(t, bytesIn(q.Waiting), q.tailBytes)
	require.Equal(t, bytesOf(q), q.Bytes)
	require.Equal(t, indexed, q.index())
	checkRejects(t, q)
	x.checkAnswers(t)
}

func modelledOf(entries []Entry) []modelled {
	ops := []modelled{}
	for _, entry := range entries {
		ops = append(ops, modelled{ID: entry.Operation.ID, Content: entry.Operation.Name, Sequence: entry.Sequence})
	}
	return ops
}

func checkRejects(t require.TestingT, q *Queue) {
	require.Len(t, q.Rejects, int(min(q.Counts.Rejected, 50)))
	for _, reject := range q.Rejects {
		require.LessOrEqual(t, len(reject.Reason), 400)
		require.NotEmpty(t, reject.Reason)
		require.True(t, utf8.ValidString(reject.Reason))
		require.LessOrEqual(t, len(reject.OperationID), 128)
	}
}

// checkAnswers compares what queries tell.
func (x *machine) checkAnswers(t *rapid.T) {
	q, m := x.q, &x.m
	state := q.State(x.now)
	require.Equal(t, []any{len(m.waiting), len(m.ended), m.next, m.counts}, []any{state.Queued, state.Ending, state.NextSequence, state.Counts})
	require.Equal(t, m.head != nil, state.Head != nil)
	list, err := q.List(protocol.ListRequest{}, x.now)
	require.NoError(t, err)
	require.Equal(t, len(m.waiting), list.Total)
	listed := len(list.Operations)
	for _, page := range list.Pages {
		listed += page.Count
	}
	require.Equal(t, len(m.waiting), listed, "each is listed, or in a page that is named")
	for _, record := range list.Operations {
		i := record.Position - 1
		require.Equal(t, m.waiting[i].ID, record.ID)
		switch {
		case m.head != nil:
			require.Equal(t, m.head.ID, record.BlockedBy)
		case i > 0 && record.BlockedBy != "": // else the first is in a page
			require.Equal(t, m.waiting[0].ID, record.BlockedBy)
		case i > 0:
			require.NotEmpty(t, q.Pages)
		default:
			require.Empty(t, record.BlockedBy)
		}
	}
	for _, op := range m.seen {
		at := m.waitingAt(op.ID)
		started := m.head != nil && m.head.ID == op.ID || slices.Contains(m.ended, op)
		found := q.Find(op.ID, x.now)
		require.True(t, found.Seen)
		if !found.Found && (at >= 0 || started) {
			require.True(t, len(found.Pages) > 0 || len(q.Doomed) > 0, "it is in a page")
			continue
		}
		require.Equal(t, at >= 0 || started, found.Found)
		require.Equal(t, started || at >= 0 && m.hasExecution(op.ID), found.WorkflowID != "")
		require.Equal(t, found.Found, found.Record != nil)
		if found.Record != nil {
			require.Equal(t, op.Sequence, found.Record.Sequence)
		}
	}
	unknown := q.Find("unknown", x.now)
	require.Equal(t, protocol.FindReply{Reject: unknown.Reject, Pages: unknown.Pages}, unknown)
	require.LessOrEqual(t, strings.Count(q.Details(x.now), "\n"), 60)
}

// SPEC 1.2, 4.1, 4.6, 4.9, 5.3: whatever is asked in whatever order, the queue
// is the model's, and a run's end changes nothing.
func TestQueueIsTheModels(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := &machine{
			q: NewQueue(testToken, day), m: model{next: day.UnixMicro(), waiting: []modelled{}, ended: []modelled{}, ahead: map[string]Ahead{}}, now: day,
			pages: map[int64][]Entry{},
		}
		x.q.restored("a chain", testPageBytes)
		t.Repeat(map[string]func(*rapid.T){
			"":              x.check,
			"submit":        x.submit,
			"submit again":  x.submit,
			"submit bad":    x.submitBad,
			"cancel":        x.cancel,
			"cancel all":    x.cancelAll,
			"postpone":      x.postpone,
			"resume":        x.resume,
			"token":         x.token,
			"token again":   x.token,
			"rerun":         x.rerun,
			"spill":         x.spill,
			"load":          x.load,
			"take head":     x.takeHead,
			"complete head": x.completeHead,
			"close ended":   x.closeEnded,
			"look ahead":    x.lookAhead,
			"know ahead":    x.knowAhead,
			"close ahead":   x.closeAhead,
			"hand over":     x.handOver,
		})
	})
}

// bytesOf is what everything in memory that has not completed may take.
func bytesOf(q *Queue) (sum int) {
	sum = bytesIn(q.Front) + bytesIn(q.Waiting) + bytesIn(q.Ended) + bytesIn(q.Recurring)
	for _, page := range q.ToStart() {
		sum += bytesIn(page.Entries)
	}
	if q.Head != nil {
		sum += q.Head.Bytes
	}
	return sum
}
