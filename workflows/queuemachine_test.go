package workflows

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// machine drives a Queue and its model with the same requests. It keeps what
// pages hold, as the server would.
type machine struct {
	q     *Queue
	m     model
	now   time.Time
	pages map[int64][]Entry
}

// spill puts the tail into pages, and starts some of them.
func (x *machine) spill(t *rapid.T) {
	x.q.Spill()
	for _, page := range x.q.ToStart() {
		switch rapid.IntRange(0, 3).Draw(t, "start") {
		case 0: // not yet
		case 1:
			x.q.PageTaken(page)
		default:
			x.start(t, page)
		}
	}
	require.Less(t, x.q.tailBytes, spillFactor*testPageBytes)
}

func (x *machine) start(t require.TestingT, page *Page) {
	var kept []Entry
	require.NoError(t, json.Unmarshal(encode(t, page.Entries), &kept))
	x.pages[page.N] = kept
	require.Len(t, kept, page.Count)
	x.q.PageStarted(&Page{N: page.N}, "a run")
}

// load takes the next page back.
func (x *machine) load(*rapid.T) {
	if page := x.q.ToLoad(); page != nil {
		which := *page
		x.q.Loaded(&which, slices.Clone(x.pages[which.N]))
	}
}

// all is the whole queue in order, with what pages hold of it.
func (x *machine) all() (entries []Entry) {
	entries = slices.Clone(x.q.Front)
	for i := range x.q.Pages {
		entries = append(entries, x.content(&x.q.Pages[i])...)
	}
	return append(entries, x.q.Waiting...)
}

func (x *machine) content(page *Page) (entries []Entry) {
	held := page.Entries
	if page.RunID != "" {
		held = x.pages[page.N]
	}
	for _, entry := range held {
		if !page.apply(&entry) {
			entries = append(entries, entry)
		}
	}
	return entries
}

// act asks something of a queued operation, as a serializer does: in memory, else
// where the engine finds it.
func (x *machine) act(id string, postpone protocol.PostponeRequest, asked protocol.Taken) (protocol.Record, error) {
	record, err := x.q.act(id, postpone, asked)
	if !isPaged(err) {
		return record, err
	}
	pages := x.q.searchable()
	var found protocol.FindInPagesReply
	for i := range pages {
		for at, entry := range x.pages[pages[i].N] {
			if entry.Operation.ID == id {
				encoded, _ := json.Marshal(entry)
				found = protocol.FindInPagesReply{Found: true, Page: i, At: at, Entry: encoded}
			}
		}
	}
	return x.q.actFound(pages, found, id, postpone, asked)
}

func (x *machine) tick(t *rapid.T) time.Time {
	x.now = x.now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "milliseconds")) * time.Millisecond)
	return x.now
}

func (x *machine) drawID(t *rapid.T) string {
	known := []string{"A", "B", "C", "D", "E", "F", "G", "H", "unknown"}
	for _, op := range x.m.seen {
		known = append(known, op.ID)
	}
	return rapid.SampledFrom(known).Draw(t, "id")
}

func (x *machine) submit(t *rapid.T) {
	id := rapid.SampledFrom([]string{"", "A", "B", "C", "D", "E", "F", "G", "H"}).Draw(t, "id")
	content := rapid.SampledFrom([]string{"one", "one", "one", "two"}).Draw(t, "content")
	fields := map[string]any{"operationType": "test.record", "name": content, "data": strings.Repeat("x", rapid.IntRange(0, 50).Draw(t, "size"))}
	if id != "" {
		fields["id"] = id
		fields["data"] = nil
	}
	if rapid.Bool().Draw(t, "spells out the token") {
		fields["dependencyToken"] = testToken
	}
	if rapid.Bool().Draw(t, "has an unknown field") {
		fields["unknown"] = 1
		x.m.counts.UnknownFields++
	}
	x.q.Submit(encode(t, fields), x.tick(t))
	x.m.submit(id, content)
}

func (x *machine) submitBad(t *rapid.T) {
	spoil := rapid.SampledFrom([]func(map[string]any){
		func(f map[string]any) { f["dependencyToken"] = "another" },
		func(f map[string]any) { f["operationType"] = "" },
		func(f map[string]any) { f["recurrencePattern"] = "FREQ=DAILY" },
		func(f map[string]any) { f["id"] = "\u0000" },
		func(f map[string]any) {
			for _, name := range []string{"id", "name", "ownerId", "requestId", "correlationId", "fairnessKey"} {
				f[name] = strings.Repeat("🚀\u0085", 500)
			}
		},
	}).Draw(t, "spoil")
	fields := map[string]any{"id": x.drawID(t), "operationType": "test.record"}
	spoil(fields)
	x.q.Submit(encode(t, fields), x.tick(t))
	x.m.counts.Rejected++
}

// checkRefusal compares what an action on an operation that does not queue got.
func (x *machine) checkRefusal(t *rapid.T, id string, err error) {
	var refusal *protocol.Refusal
	require.ErrorAs(t, err, &refusal)
	isID := func(op modelled) bool { return op.ID == id }
	for i := range x.q.Doomed {
		if slices.ContainsFunc(x.q.Doomed[i].Entries, func(e Entry) bool { return e.Operation.ID == id }) {
			return // it is about to be in a page
		}
		if slices.ContainsFunc(modelledOf(x.content(&x.q.Doomed[i])), isID) {
			require.Equal(t, protocol.ErrTypeInvalidTransition, refusal.Type, "it is Canceled")
			return
		}
	}
	ahead := x.m.waitingAt(id) >= 0 && x.m.hasExecution(id)
	if x.m.head != nil && x.m.head.ID == id || slices.ContainsFunc(x.m.ended, isID) || ahead {
		require.Equal(t, protocol.ErrTypeOperationStarted, refusal.Type)
		require.Equal(t, protocol.OperationWorkflowID(id), refusal.WorkflowID)
		return
	}
	require.Equal(t, protocol.ErrTypeOperationNotFound, refusal.Type)
}

func (x *machine) cancel(t *rapid.T) {
	id := x.drawID(t)
	record, err := x.act(id, protocol.PostponeRequest{}, protocol.Taken{Action: protocol.ActionCancel, On: x.tick(t), Reason: "no longer needed"})
	at := x.m.waitingAt(id)
	if isBusy(err) {
		return
	}
	if at < 0 || x.m.hasExecution(id) {
		x.checkRefusal(t, id, err)
		return
	}
	require.NoError(t, err)
	require.Equal(t, protocol.Canceled, record.StatusCode)
	require.Equal(t, x.m.waiting[at].Sequence, record.Sequence)
	x.m.ended = append(x.m.ended, x.m.waiting[at])
	x.m.waiting = slices.Delete(x.m.waiting, at, at+1)
}

func (x *machine) cancelAll(t *rapid.T) {
	x.tick(t)
	x.q.CancelAll("no longer needed")
	x.m.ended, x.m.waiting = append(x.m.ended, x.m.waiting...), []modelled{}
}

func (x *machine) postpone(t *rapid.T) {
	id, now := x.drawID(t), x.tick(t)
	until := now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "minutes")) * time.Minute)
	record, err := x.act(id, protocol.PostponeRequest{Until: until}, protocol.Taken{Action: protocol.ActionPostpone, On: now, Identity: "ops@host"})
	at := x.m.waitingAt(id)
	if isBusy(err) {
		return
	}
	if at < 0 || x.m.hasExecution(id) {
		x.checkRefusal(t, id, err)
		return
	}
	require.NoError(t, err)
	require.GreaterOrEqual(t, record.Position, at+1, "it keeps its place; what left its page before it still counts")
	if until.After(now) {
		require.Equal(t, protocol.Waiting, record.StatusCode)
		require.True(t, until.Equal(*record.PostponeUntil))
	} else {
		require.Equal(t, protocol.WaitingForResources, record.StatusCode)
		require.Nil(t, record.PostponeUntil)
	}
}

func (x *machine) takeHead(t *rapid.T) {
	if _, inMemory := x.q.next(); !inMemory && len(x.q.Pages) > 0 {
		require.Nil(t, x.q.TakeHead(day), "nothing overtakes what is in a page")
		if x.q.Pages[0].RunID == "" {
			x.start(t, &x.q.Pages[0])
		}
		require.Equal(t, &x.q.Pages[0], x.q.ToLoad())
		x.load(t)
		if _, inMemory := x.q.next(); !inMemory && x.q.Len() > 0 {
			return // all of that page was cancelled
		}
	}
	taken := x.q.TakeHead(day)
	if x.m.head != nil || len(x.m.waiting) == 0 || x.m.held || x.m.failed {
		require.Nil(t, taken)
		return
	}
	head := x.m.waiting[0]
	x.m.head, x.m.waiting = &head, x.m.waiting[1:]
	require.Equal(t, x.m.head.ID, taken.Operation.ID)
	require.Equal(t, x.m.head.Sequence, taken.Sequence)
	require.Equal(t, testToken, taken.Operation.DependencyToken)
}

func (x *machine) completeHead(t *rapid.T) {
	if x.m.head == nil {
		t.Skip("nothing runs")
	}
	e := drawEnd(t)
	x.q.HeadCompleted(e, x.tick(t))
	x.m.close(e)
	head := *x.m.head
	x.m.head = nil
	if e.duplicate {
		return
	}
	if e.status != protocol.Succeeded {
		x.m.over = append(x.m.over, head)
	}
	if e.status != protocol.Failed {
		return
	}
	switch x.m.policy.OnFailure { // SPEC 4.5
	case protocol.HoldOnFailure:
		x.m.failed, x.m.failure = true, head
	case protocol.CancelRestOnFailure:
		x.m.ended, x.m.waiting = append(x.m.ended, x.m.waiting...), []modelled{}
	}
}

// resume is SPEC 4.6: it clears the postponement and never overtakes.
func (x *machine) resume(t *rapid.T) {
	id := x.drawID(t)
	at, now := x.m.waitingAt(id), x.tick(t)
	all := x.all()
	postponed := at >= 0 && all[at].Operation.PostponeUntil != nil && all[at].Operation.PostponeUntil.After(now)
	record, err := x.act(id, protocol.PostponeRequest{}, protocol.Taken{Action: protocol.ActionResume, On: now})
	switch {
	case isBusy(err):
		return
	case at < 0 || x.m.hasExecution(id):
		x.checkRefusal(t, id, err)
	case postponed:
		require.NoError(t, err)
		require.Equal(t, protocol.WaitingForResources, record.StatusCode)
		require.GreaterOrEqual(t, record.Position, at+1)
	default:
		require.ErrorIs(t, err, &protocol.Refusal{Type: protocol.ErrTypeInvalidTransition})
	}
	_, err = x.act(id, protocol.PostponeRequest{}, protocol.Taken{Action: protocol.ActionPause, On: now})
	require.Error(t, err, "only what runs can be paused")
}

// token asks something of the token as a whole (SPEC 4.5, 4.10).
func (x *machine) token(t *rapid.T) {
	now := x.tick(t)
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0:
		until := now.Add(time.Duration(rapid.IntRange(1, 10).Draw(t, "seconds")) * time.Second)
		x.q.HoldToken(protocol.HoldRequest{Until: &until, Reason: "maintenance"}, now)
		x.m.held, x.m.heldUntil = true, until
	case 1:
		x.q.Release(now)
		x.m.held, x.m.failed = false, false
	case 2:
		x.q.ReleaseIfDue(now)
		x.m.held = x.m.held && now.Before(x.m.heldUntil)
	case 3:
		require.Equal(t, x.m.failed, x.q.CheckSkip() == nil)
		x.q.Skip()
		x.m.failed = false
	default:
		limit := rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(t, "max queued")
		x.m.policy = protocol.Policy{MaxQueued: limit, OnFailure: rapid.SampledFrom([]protocol.FailurePolicy{
			"", protocol.HoldOnFailure, protocol.CancelRestOnFailure,
		}).Draw(t, "policy")}
		asked := x.m.policy.OnFailure
		if asked == "" {
			asked = protocol.ContinueOnFailure
		}
		x.q.SetPolicy(protocol.PolicyRequest{OnFailure: asked, MaxQueued: &limit})
	}
}

// rerun is SPEC 3.1: a new operation, in the place of the old one where its
// failure holds the token, else at the end.
func (x *machine) rerun(t *rapid.T) {
	if len(x.m.over) == 0 {
		t.Skip("nothing has failed")
	}
	was := rapid.SampledFrom(x.m.over).Draw(t, "which")
	again := modelled{ID: rapid.SampledFrom([]string{"", "H"}).Draw(t, "new id"), Content: was.Content, Sequence: x.m.next}
	update := rapid.StringN(8, 8, -1).Draw(t, "update")
	request := protocol.RerunRequest{OperationID: was.ID, NewID: again.ID}
	if again.ID == "" {
		again.ID = newID(request, update)
	}
	_, taken := x.m.find(again.ID)
	record, err := x.q.Rerun(request, update, protocol.ReadOperationReply{
		Found: true, Closed: true, Status: protocol.Failed, N: 4,
		Operation: protocol.Operation{ID: was.ID, Name: was.Content, OperationType: "test.record", DependencyToken: testToken},
	}, x.tick(t))
	if taken {
		require.ErrorIs(t, err, &protocol.Refusal{Type: protocol.ErrTypeDuplicateID})
		return
	}
	require.NoError(t, err)
	require.Equal(t, []any{again.ID, was.ID}, []any{record.ID, record.RerunOf})
	x.m.counts.Accepted++
	if x.m.failed && x.m.failure.ID == was.ID {
		again.Sequence, x.m.failed = was.Sequence, false
		x.m.inPlace++
		x.m.waiting = append([]modelled{again}, x.m.waiting...)
		require.Equal(t, []any{1, int64(4)}, []any{record.Position, record.N})
	} else {
		x.m.next++
		x.m.waiting = append(x.m.waiting, again)
		require.Equal(t, len(x.m.waiting), record.Position)
	}
	x.m.seen = append(x.m.seen, again)
}

func (x *machine) closeEnded(t *rapid.T) {
	if len(x.m.ended) == 0 {
		x.q.EndedClosed("unknown", end{}, x.now)
		return
	}
	if len(x.q.Ended) == 0 {
		x.startAll(t)
		x.load(t) // a page of those that ended
	}
	if len(x.q.Ended) == 0 {
		return
	}
	id, e := rapid.SampledFrom(modelledOf(x.q.Ended)).Draw(t, "which").ID, drawEnd(t)
	at := slices.IndexFunc(x.m.ended, func(op modelled) bool { return op.ID == id })
	x.q.EndedClosed(id, e, x.tick(t))
	x.m.close(e)
	x.m.ended = slices.Delete(x.m.ended, at, at+1)
}

func (x *machine) startAll(t require.TestingT) {
	for _, page := range x.q.ToStart() {
		x.start(t, page)
	}
}

// handOver is what a run's end does to a queue.
func (x *machine) handOver(t *rapid.T) {
	x.q.Spill()
	x.startAll(t)
	var next Queue
	require.NoError(t, json.Unmarshal(encode(t, x.q), &next))
	next.restored("a chain", testPageBytes)
	x.q = &next
}

// isBusy says that the request is to be repeated: the operation is between two
// places.
func isBusy(err error) bool { return errors.Is(err, &protocol.Refusal{Type: protocol.ErrTypeBusy}) }

func encode(t require.TestingT, value any) json.RawMessage {
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	return encoded
}

func drawEnd(t *rapid.T) end {
	return rapid.SampledFrom([]end{
		{status: protocol.Succeeded},
		{status: protocol.Succeeded},
		{status: protocol.Failed},
		{status: protocol.Canceled},
		{duplicate: true},
		{duplicate: true, refusal: "id: is that of another operation"},
	}).Draw(t, "end")
}
