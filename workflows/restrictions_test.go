package workflows

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// fixed and kept are types with the original's L and R.
var (
	fixed = catalogue.Type{Key: "test.fixed", Number: 100_101, Restrictions: protocol.Restrictions{protocol.NoControl}, Binding: catalogue.Binding{Activity: "record"}}
	kept  = catalogue.Type{Key: "test.kept", Restrictions: protocol.Restrictions{protocol.NoCancelOrDelete}, Binding: catalogue.Binding{Activity: "record"}}
)

func of(kind protocol.TypeRef, id string) protocol.Operation {
	return protocol.Operation{ID: id, OperationType: kind}
}

// refusalIn is what an update was refused with.
func refusalIn(t *testing.T, u *updated) (refusal protocol.Refusal) {
	t.Helper()
	var failure *temporal.ApplicationError
	require.ErrorAs(t, u.err, &failure)
	require.NoError(t, failure.Details(&refusal))
	return refusal
}

// SPEC 3.3, 8.3, 9.1: L and R hold while an operation queues.
func TestWhatMayNotBeCancelledStaysQueued(t *testing.T) {
	t.Parallel()
	b := newBenchWith(t, Options{}, fixed, kept)
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), of("100101", "L"), of("test.kept", "R"), op("free"))
	l := b.update(time.Minute, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: "L"})
	r := b.update(time.Minute, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: "R"})
	resume := b.update(time.Minute, protocol.ResumeUpdateName, protocol.ActionRequest{OperationID: "L"})
	later := b.update(2*time.Minute, protocol.PostponeUpdateName, protocol.PostponeRequest{OperationID: "L", Until: b.Now().Add(2 * time.Hour)})
	b.update(3*time.Minute, protocol.CancelAllUpdateName, protocol.TokenRequest{})
	b.start(testToken)
	require.Equal(t, protocol.CodeCannotCancel, refusalIn(t, l).Code)
	require.Equal(t, []protocol.Action{protocol.ActionPostpone}, refusalIn(t, l).Allowed)
	require.Equal(t, protocol.CodeCannotDeleteOrCancel, refusalIn(t, r).Code)
	require.Equal(t, protocol.CodeInvalidStateChangeToReady, refusalIn(t, resume).Code)
	require.NoError(t, later.err)
	require.Equal(t, []string{"L", "R"}, b.ids(), "the head and what is free are cancelled, the others run in order")
	require.Equal(t, int64(2), b.state().Counts.Canceled)
}

// SPEC 8.3, 9.1: and while it waits, or runs.
func TestWhatMayNotBeControlledRefusesWhileItWaits(t *testing.T) {
	t.Parallel()
	b := newBenchWith(t, Options{}, fixed)
	o := of("test.fixed", "L")
	until := b.Now().Add(time.Hour)
	o.PostponeUntil = &until
	cancel := b.update(time.Minute, protocol.CancelUpdateName, protocol.ActionRequest{})
	resume := b.update(time.Minute, protocol.ResumeUpdateName, protocol.ActionRequest{})
	b.RegisterDelayedCallback(b.CancelWorkflow, 2*time.Minute)
	b.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: protocol.OperationWorkflowID("L")})
	b.ExecuteWorkflow(protocol.OperationWorkflow, o)
	require.NoError(t, b.GetWorkflowError(), "the Web UI's cancel is the same action")
	require.Equal(t, []string{"L"}, b.ids())
	require.Equal(t, protocol.CodeCannotCancel, refusalIn(t, cancel).Code)
	require.Equal(t, protocol.CodeInvalidStateChangeToReady, refusalIn(t, resume).Code)
	answer, err := b.QueryWorkflow(protocol.OperationQueryName)
	require.NoError(t, err)
	var record protocol.Record
	require.NoError(t, answer.Get(&record))
	require.Equal(t, []any{"test.fixed", 100_101, fixed.Restrictions}, []any{record.TypeKey, record.TypeNumber, record.Restrictions})
}

// restrictedQueue has so many operations waiting, each third of which may not be
// cancelled, and most of them in pages.
func restrictedQueue(t *testing.T, n int) (q *Queue, free, stay []string) {
	t.Helper()
	q = NewQueue("t", day)
	q.restored("a chain", 4<<10)
	q.restrict([]restrictedType{{Refs: []protocol.TypeRef{"test.kept"}, Restrictions: kept.Restrictions}})
	for i := range n {
		id := fmt.Sprintf("%03d", i)
		kind := protocol.TypeRef("test.record")
		if i/10%3 == 2 {
			kind, stay = "test.kept", append(stay, id)
		} else {
			free = append(free, id)
		}
		q.Submit(encode(t, of(kind, id)), day)
		q.Spill()
	}
	return q, free, stay
}

// drain starts pages, loads them and takes what waits, in order.
func drain(q *Queue) (ran []string) {
	held := map[int64][]Entry{}
	for {
		for _, page := range q.ToStart() {
			held[page.N] = page.Entries
			q.PageStarted(page, fmt.Sprint("run-", page.N))
		}
		if page := q.ToLoad(); page != nil {
			q.Loaded(page, held[page.N])
			continue
		}
		if q.TakeHead(day) == nil {
			return ran
		}
		ran = append(ran, q.Head.Operation.ID)
		q.HeadCompleted(end{status: protocol.Succeeded}, day)
		for len(q.Ended) > 0 {
			q.EndedClosed(q.Ended[0].Operation.ID, end{status: protocol.Canceled}, day)
		}
	}
}

// SPEC 8.3, 9.1: in pages too. The rest is cancelled, and order is kept.
func TestCancelAllKeepsWhatMayNotBeCancelledInPages(t *testing.T) {
	t.Parallel()
	q, free, stay := restrictedQueue(t, 200)
	require.Greater(t, len(q.Pages), 5)
	q.CancelAll("stocktaking")
	require.Equal(t, len(stay), q.Len())
	require.Equal(t, len(free), q.ending())
	require.Equal(t, stay, drain(q))
	for len(q.Ended) > 0 {
		q.EndedClosed(q.Ended[0].Operation.ID, end{status: protocol.Canceled}, day)
	}
	require.Equal(t, int64(len(free)), q.Counts.Canceled)
	require.Zero(t, q.Bytes)
}

func TestPagesOfRestrictedOperationsKeepTheOrder(t *testing.T) {
	t.Parallel()
	q, free, stay := restrictedQueue(t, 200)
	require.Len(t, drain(q), len(free)+len(stay))
	require.IsIncreasing(t, func() []string { q, _, _ := restrictedQueue(t, 200); return drain(q) }())
}

// A page is asked about what it holds with what was recorded there.
func TestAnActionInAPageHonoursRestrictions(t *testing.T) {
	t.Parallel()
	q, _, _ := restrictedQueue(t, 200)
	for i := range q.Pages {
		page := &q.Pages[i]
		if !page.Restricted {
			continue
		}
		_, err := q.ActPaged(page, 0, page.Entries[0], protocol.ActionCancel, protocol.PostponeRequest{}, askedFor(protocol.ActionCancel))
		var refusal *protocol.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, protocol.CodeCannotDeleteOrCancel, refusal.Code)
		return
	}
	t.Fatal("no page holds what may not be cancelled")
}

// A run records only what it has to know, and what another chain left obeys it.
func TestWhatARunRecordsOfTheCatalogue(t *testing.T) {
	t.Parallel()
	c, err := catalogue.New(fixed, bound("import"), catalogue.Type{Key: "a", Binding: catalogue.Binding{Activity: "a"}})
	require.NoError(t, err)
	recorded := restrictedTypes(c)
	require.Equal(t, []restrictedType{{Refs: []protocol.TypeRef{"test.fixed", "100101"}, Restrictions: fixed.Restrictions}}, recorded)
	require.Nil(t, restrictedTypes(nil))
	before := NewQueue("t", day)
	before.Submit(encode(t, of("test.fixed", "A")), day)
	q := NewQueue("t", day)
	q.restrict(recorded)
	require.Equal(t, fixed.Restrictions, q.takeOver(before, true).Waiting[0].Restrictions)
}
