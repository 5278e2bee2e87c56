package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// day is the instant at which the queues of these tests begin.
var day = time.Date(2030, time.January, 31, 8, 0, 0, 0, time.UTC)

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

func (m *model) submit(id, content string) {
	before, found := m.find(id)
	switch {
	case found && before.Content == content:
		m.counts.Duplicates++
	case found:
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

// machine drives a Queue and its model with the same requests.
type machine struct {
	q   *Queue
	m   model
	now time.Time
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

func encode(t require.TestingT, value any) json.RawMessage {
	encoded, err := json.Marshal(value)
	require.NoError(t, err)
	return encoded
}

// checkRefusal compares what an action on an operation that does not queue got.
func (x *machine) checkRefusal(t *rapid.T, id string, err error) {
	var refusal *protocol.Refusal
	require.ErrorAs(t, err, &refusal)
	isID := func(op modelled) bool { return op.ID == id }
	if x.m.head != nil && x.m.head.ID == id || slices.ContainsFunc(x.m.ended, isID) {
		require.Equal(t, protocol.ErrTypeOperationStarted, refusal.Type)
		require.Equal(t, protocol.OperationWorkflowID(id), refusal.WorkflowID)
		return
	}
	require.Equal(t, protocol.ErrTypeOperationNotFound, refusal.Type)
}

func (x *machine) cancel(t *rapid.T) {
	id := x.drawID(t)
	record, err := x.q.Cancel(id, "no longer needed", x.tick(t))
	at := x.m.waitingAt(id)
	if at < 0 {
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
	x.q.CancelAll("no longer needed", x.tick(t))
	x.m.ended, x.m.waiting = append(x.m.ended, x.m.waiting...), []modelled{}
}

func (x *machine) postpone(t *rapid.T) {
	id, now := x.drawID(t), x.tick(t)
	until := now.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "minutes")) * time.Minute)
	record, err := x.q.Postpone(id, until, now)
	at := x.m.waitingAt(id)
	if at < 0 {
		x.checkRefusal(t, id, err)
		return
	}
	require.NoError(t, err)
	require.Equal(t, at+1, record.Position, "it keeps its place")
	if until.After(now) {
		require.Equal(t, protocol.Waiting, record.StatusCode)
		require.True(t, until.Equal(*record.PostponeUntil))
	} else {
		require.Equal(t, protocol.WaitingForResources, record.StatusCode)
		require.Nil(t, record.PostponeUntil)
	}
}

func (x *machine) takeHead(t *rapid.T) {
	taken := x.q.TakeHead()
	if x.m.head != nil || len(x.m.waiting) == 0 {
		require.Nil(t, taken)
		return
	}
	head := x.m.waiting[0]
	x.m.head, x.m.waiting = &head, x.m.waiting[1:]
	require.Equal(t, x.m.head.ID, taken.Operation.ID)
	require.Equal(t, x.m.head.Sequence, taken.Sequence)
	require.Equal(t, testToken, taken.Operation.DependencyToken)
}

func drawEnd(t *rapid.T) end {
	return rapid.SampledFrom([]end{
		{status: protocol.Succeeded}, {status: protocol.Succeeded}, {status: protocol.Failed}, {status: protocol.Canceled},
		{duplicate: true}, {duplicate: true, refusal: "id: is that of another operation"},
	}).Draw(t, "end")
}

func (x *machine) completeHead(t *rapid.T) {
	if x.m.head == nil {
		t.Skip("nothing runs")
	}
	e := drawEnd(t)
	x.q.HeadCompleted(e, x.tick(t))
	x.m.close(e)
	x.m.head = nil
}

func (x *machine) closeEnded(t *rapid.T) {
	if len(x.m.ended) == 0 {
		x.q.EndedClosed("unknown", end{}, x.now)
		return
	}
	at, e := rapid.IntRange(0, len(x.m.ended)-1).Draw(t, "at"), drawEnd(t)
	x.q.EndedClosed(x.m.ended[at].ID, e, x.tick(t))
	x.m.close(e)
	x.m.ended = slices.Delete(x.m.ended, at, at+1)
}

// handOver is what a run's end does to a queue.
func (x *machine) handOver(t *rapid.T) {
	var next Queue
	require.NoError(t, json.Unmarshal(encode(t, x.q), &next))
	x.q = &next
}

// check compares all that a queue knows with the model.
func (x *machine) check(t *rapid.T) {
	q, m := x.q, &x.m
	require.Equal(t, m.next, q.NextSequence)
	require.Equal(t, m.waiting, modelledOf(q.Waiting), "order")
	require.Equal(t, m.ended, modelledOf(q.Ended))
	require.Equal(t, m.head == nil, q.Head == nil)
	if q.Head != nil {
		require.Equal(t, []modelled{*m.head}, modelledOf([]Entry{*q.Head}))
	}
	require.Equal(t, m.counts, q.Counts)
	require.Equal(t, q.Head == nil && len(q.Waiting) == 0 && len(q.Ended) == 0, q.Idle())

	inside := int64(len(q.Waiting) + len(q.Ended))
	if q.Head != nil {
		inside++
	}
	require.Equal(t, q.NextSequence-day.UnixMicro(), inside+m.gone, "each sequence is accounted for")
	require.Equal(t, q.NextSequence-day.UnixMicro(), q.Counts.Accepted)

	bytes, indexed := 0, make(map[string]bool)
	for i, entry := range q.Waiting {
		bytes += entry.Bytes
		indexed[entry.Operation.ID] = true
		require.Positive(t, entry.Bytes)
		if i > 0 {
			require.Greater(t, entry.Sequence, q.Waiting[i-1].Sequence)
		}
	}
	require.Equal(t, bytes, q.Bytes)
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
	for i, record := range list.Operations {
		require.Equal(t, m.waiting[i].ID, record.ID)
		require.Equal(t, i+1, record.Position)
		switch {
		case m.head != nil:
			require.Equal(t, m.head.ID, record.BlockedBy)
		case i > 0:
			require.Equal(t, m.waiting[0].ID, record.BlockedBy)
		default:
			require.Empty(t, record.BlockedBy)
		}
	}
	for _, op := range m.seen {
		at := m.waitingAt(op.ID)
		started := m.head != nil && m.head.ID == op.ID || slices.Contains(m.ended, op)
		found := q.Find(op.ID, x.now)
		require.True(t, found.Seen)
		require.Equal(t, at >= 0 || started, found.Found)
		require.Equal(t, started, found.WorkflowID != "")
		require.Equal(t, found.Found, found.Record != nil)
		if found.Record != nil {
			require.Equal(t, op.Sequence, found.Record.Sequence)
		}
	}
	require.Equal(t, protocol.FindReply{Reject: q.Find("unknown", x.now).Reject}, q.Find("unknown", x.now))
	require.LessOrEqual(t, strings.Count(q.Details(x.now), "\n"), 40)
}

// SPEC 1.2, 4.1, 4.6, 4.9, 5.3: whatever is asked in whatever order, the queue
// is the model's, and a run's end changes nothing.
func TestQueueIsTheModels(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := &machine{q: NewQueue(testToken, day), m: model{next: day.UnixMicro(), waiting: []modelled{}, ended: []modelled{}}, now: day}
		t.Repeat(map[string]func(*rapid.T){
			"":              x.check,
			"submit":        x.submit,
			"submit again":  x.submit,
			"submit bad":    x.submitBad,
			"cancel":        x.cancel,
			"cancel all":    x.cancelAll,
			"postpone":      x.postpone,
			"take head":     x.takeHead,
			"complete head": x.completeHead,
			"close ended":   x.closeEnded,
			"hand over":     x.handOver,
		})
	})
}

// What was refused is told, with the reason.
func TestQueueTellsWhyItRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, raw, errorType, id, reason string }{
		{"another token", `{"id":"A","operationType":"a","dependencyToken":"other"}`, "InvalidOperation", "A", `dependencyToken: is not this serializer's token "customer-42" (got "other")`},
		{"a recurrence", `{"id":"A","operationType":"a","recurrencePattern":"FREQ=DAILY"}`, "InvalidOperation", "A", "80040246"},
		{"the start of a recurrence", `{"id":"A","operationType":"a","recurrenceStartTime":"2030-01-31T08:00:00Z"}`, "InvalidOperation", "A", "recurrence"},
		{"no type", `{"id":"A"}`, "InvalidOperation", "A", "operationType: is missing"},
		{"an id that cannot be shown", `{"id":"A\u0007","operationType":"a"}`, "InvalidOperation", "", "control character"},
		{"an id given twice", `{"id":"A","id":"B","operationType":"a"}`, "InvalidOperation", "A", "id: is given twice"},
		{"no object", `7`, "InvalidOperation", "", "is not a JSON object"},
		{"known with other content", `{"id":"known","operationType":"b"}`, "DuplicateId", "known", `"known" was accepted before with other content`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			q := NewQueue(testToken, day)
			q.Submit(json.RawMessage(`{"id":"known","operationType":"a"}`), day)
			q.Submit(json.RawMessage(tc.raw), day.Add(time.Second))
			require.Len(t, q.Rejects, 1)
			reject := q.Rejects[0]
			require.Equal(t, []string{tc.errorType, tc.id}, []string{reject.Type, reject.OperationID})
			require.Contains(t, reject.Reason, tc.reason)
			require.Equal(t, day.Add(time.Second), reject.At)
			require.Len(t, q.Waiting, 1)
			require.Equal(t, int64(1), q.Counts.Accepted)
		})
	}
}

func TestQueueKeepsTheLastRejects(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	for i := range 120 {
		q.Submit(json.RawMessage(fmt.Sprintf(`{"id":"bad-%d","name":%q}`, i, strings.Repeat("€", 300))), day)
	}
	checkRejects(t, q)
	require.Equal(t, int64(120), q.Counts.Rejected)
	require.Equal(t, "bad-70", q.Rejects[0].OperationID)
	require.Equal(t, "bad-119", q.Rejects[49].OperationID)
}

// SPEC 1.2: sequences grow over the chains of one token too.
func TestSequencesBeginAtTheChainsStart(t *testing.T) {
	t.Parallel()
	require.Equal(t, int64(1_896_076_800_000_000), NewQueue(testToken, day).NextSequence)
	require.Greater(t, NewQueue(testToken, day.Add(time.Second)).NextSequence, NewQueue(testToken, day).NextSequence+900_000)
}

// SPEC 1.2: an id is protected as long as it is remembered; beyond that by its
// own execution.
func TestQueueForgetsTheOldestIDs(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	submit := func(id string) { q.Submit(json.RawMessage(fmt.Sprintf(`{"id":%q,"operationType":"a"}`, id)), day) }
	complete := func() {
		require.NotNil(t, q.TakeHead())
		q.HeadCompleted(end{status: protocol.Succeeded}, day)
	}
	for i := range 1001 {
		submit(fmt.Sprint(i))
		complete()
	}
	submit("1")
	require.Equal(t, int64(1), q.Counts.Duplicates, "the 1,000th last is remembered")
	submit("0")
	require.Equal(t, int64(1), q.Counts.Duplicates, "the one before is not")
	require.Equal(t, int64(1002), q.Counts.Accepted)
	for i := range 1500 {
		submit(fmt.Sprintf("other-%d", i))
	}
	submit("0")
	require.Equal(t, int64(2), q.Counts.Duplicates, "but it is while it waits")
}

// The server ends a workflow whose state does not fit one payload, and its
// queue with it.
func TestWhatARunHandsOverFitsOnePayload(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"nothing":        "",
		"a little":       strings.Repeat("x", 100),
		"64 KiB":         strings.Repeat("x", 64<<10),
		"256 KiB":        strings.Repeat("x", 255<<10),
		"of characters":  strings.Repeat("🚀", 1000),
		"that is longer": strings.Repeat("<", 30<<10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := fullQueue(t, data)
			require.LessOrEqual(t, q.Bytes, maxQueuedBytes)
			checkRejects(t, q)
			fitsOnePayload(t, q)
		})
	}
}

// fullQueue has a head, as much behind it as it takes, and full lists of
// everything else.
func fullQueue(t *testing.T, data string) *Queue {
	t.Helper()
	q := NewQueue(strings.Repeat("🚀", 256), day)
	fill(t, q, data)
	q.TakeHead()
	fill(t, q, data)
	fill(t, q, "")
	for range maxRejects {
		q.Submit(encode(t, protocol.Operation{ID: strings.Repeat("<", 128), Name: strings.Repeat("<", 257), OwnerID: strings.Repeat("<", 256)}), day)
	}
	return q
}

// fill submits until the queue is full.
func fill(t *testing.T, q *Queue, data string) {
	t.Helper()
	before := q.Counts.Rejected
	for i := 0; q.Counts.Rejected == before; i++ {
		q.Submit(encode(t, protocol.Operation{
			ID: fmt.Sprintf("%s-%d-%d", strings.Repeat("<", 100), q.Counts.Accepted, i), OperationType: "a", Data: encode(t, data),
		}), day)
	}
	last := q.Rejects[len(q.Rejects)-1]
	require.Equal(t, protocol.ErrTypeQueueFull, last.Type)
	require.Contains(t, last.Reason, "the limit is 1572864")
}

// fitsOnePayload also counts the answers that a serializer carries.
func fitsOnePayload(t *testing.T, q *Queue) {
	t.Helper()
	require.Less(t, len(encode(t, carried{Queue: q}))+maxAnswerBytes, 2<<20)
}

// What the queue's bound does not count, on top of what it does.
func TestWhatARunHandsOverFitsOnePayloadWhateverWasAsked(t *testing.T) {
	t.Parallel()
	t.Skip("not yet: the bound counts Waiting as it was accepted, not the head, the postponements and Ended")
	for name, ask := range map[string]func(*Queue){
		"a head that grows when it is encoded": func(q *Queue) {
			q.Submit(json.RawMessage(`{"id":"head","operationType":"a","data":"`+strings.Repeat("<", 250<<10)+`"}`), day)
			q.TakeHead()
			fill(t, q, "")
		},
		"everything postponed": func(q *Queue) {
			fill(t, q, "")
			for _, entry := range q.Waiting {
				_, err := q.Postpone(entry.Operation.ID, day.Add(time.Hour+time.Nanosecond), day)
				require.NoError(t, err)
			}
			fill(t, q, "")
		},
		"everything cancelled": func(q *Queue) {
			fill(t, q, "")
			q.CancelAll("the token's workflow was cancelled", day)
		},
		"everything cancelled, and filled again": func(q *Queue) {
			fill(t, q, "")
			q.CancelAll("the token's workflow was cancelled", day)
			fill(t, q, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewQueue(testToken, day)
			ask(q)
			fitsOnePayload(t, q)
		})
	}
}

// SPEC 1.2: an id is unique, whoever chose it. The id that an operation without
// one would get can be guessed from the query "state".
func TestAnIDThatTheSystemWouldChooseIsTaken(t *testing.T) {
	t.Parallel()
	t.Skip("not yet: both wait under one id")
	q := NewQueue(testToken, day)
	q.Submit(encode(t, op(protocol.DefaultOperationID(testToken, q.NextSequence+1))), day)
	q.Submit(json.RawMessage(`{"operationType":"test.record"}`), day)
	q.Submit(json.RawMessage(`{"operationType":"test.record"}`), day)
	ids := make(map[string]bool)
	for _, entry := range q.Waiting {
		require.False(t, ids[entry.Operation.ID], entry.Operation.ID)
		ids[entry.Operation.ID] = true
	}
}

func TestListIsPaged(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	for i := range 700 {
		q.Submit(json.RawMessage(fmt.Sprintf(`{"id":"%d","operationType":"a","data":{"secret":1}}`, i)), day)
	}
	for _, tc := range []struct {
		offset, limit int
		first         string
		want          int
	}{
		{0, 0, "0", 100}, {0, 1, "0", 1}, {0, 500, "0", 500}, {650, 100, "650", 50}, {699, 500, "699", 1}, {700, 5, "", 0}, {1 << 40, 5, "", 0},
	} {
		reply, err := q.List(protocol.ListRequest{Offset: tc.offset, Limit: tc.limit}, day)
		require.NoError(t, err)
		require.Equal(t, 700, reply.Total)
		require.Len(t, reply.Operations, tc.want)
		require.NotNil(t, reply.Operations, "an empty list on the wire, not null")
		if tc.want > 0 {
			require.Equal(t, tc.first, reply.Operations[0].ID)
			require.Equal(t, tc.offset+1, reply.Operations[0].Position)
			require.Nil(t, reply.Operations[0].Data)
		}
	}
	for _, bad := range []protocol.ListRequest{{Limit: 501}, {Limit: -1}, {Offset: -1}} {
		_, err := q.List(bad, day)
		require.Error(t, err)
	}
	found := q.Find("699", day)
	require.JSONEq(t, `{"secret":1}`, string(found.Record.Data))
	require.Equal(t, 700, found.Record.Position)
}

func FuzzCut(f *testing.F) {
	f.Add("", 3)
	f.Add("🚀🚀", 7)
	f.Add(strings.Repeat("ü", 300), 400)
	f.Add("\x80\x80\x80\x80\x80", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < len("…") || limit > 1<<20 {
			t.Skip("no limit of ours")
		}
		short := cut(text, limit)
		require.LessOrEqual(t, len(short), limit)
		if len(text) <= limit {
			require.Equal(t, text, short)
			return
		}
		head, marked := strings.CutSuffix(short, "…")
		require.True(t, marked)
		require.True(t, strings.HasPrefix(text, head))
		if utf8.ValidString(text) {
			require.True(t, utf8.ValidString(short))
			require.Greater(t, len(short), limit-utf8.UTFMax, "no shorter than it must be")
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "*b* _i_ `c`", "# h", "[x](javascript:alert(1))", "<script>", "a|b", `\*`, "http://x.org", "1. a", "&lt;", "🚀", "\xff\xdf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		escaped := escape(text)
		var plain strings.Builder
		for i := 0; i < len(escaped); i++ {
			if escaped[i] == '\\' {
				i++
				require.Less(t, i, len(escaped), "nothing is left to escape what follows")
			} else {
				require.NotContains(t, "*_{}[]()<>#+-.!|~&:@`", string(rune(escaped[i])), "stands unescaped")
			}
			plain.WriteByte(escaped[i])
		}
		require.Equal(t, string([]rune(text)), plain.String(), "and nothing else is changed")
	})
}
