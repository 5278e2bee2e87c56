package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// day is the instant at which the queues of these tests begin.
var day = time.Date(2030, time.January, 31, 8, 0, 0, 0, time.UTC)

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
		require.NotNil(t, q.TakeHead(day))
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

// The server ends a workflow whose state does not fit one payload, and its queue
// with it. What does not fit is in pages.
func TestWhatARunHandsOverFitsOnePayload(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		data       string
		operations int
		limit      int
	}{
		"nothing":           {"", 4000, 256 << 10},
		"a little":          {strings.Repeat("x", 100), 3000, 256 << 10},
		"64 KiB":            {strings.Repeat("x", 64<<10), 30, 512 << 10},
		"of characters":     {strings.Repeat("🚀", 1000), 300, 256 << 10},
		"that is escaped":   {strings.Repeat("<", 4<<10), 60, 384 << 10},
		"as long as may be": {strings.Repeat("x", 255<<10), 12, 768 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for what, ask := range map[string]func(*Queue){
				"as it is":      func(*Queue) {},
				"all cancelled": func(q *Queue) { q.CancelAll(strings.Repeat("<", 1000)) },
				"many changed": func(q *Queue) {
					for _, list := range [][]Entry{q.Front, q.Waiting} {
						for _, entry := range list {
							_, err := q.Postpone(entry.Operation.ID, day.Add(time.Hour+time.Nanosecond), protocol.Taken{
								Action: protocol.ActionPostpone, On: day.Add(1), Identity: "12345@host.example.com", Reason: "maintenance",
							})
							require.NoError(t, err)
						}
					}
				},
				"cancelled one by one until it is too much": func(q *Queue) {
					for err := error(nil); err == nil && len(q.Front) > 0; {
						_, err = q.Cancel(q.Front[0].Operation.ID, protocol.Taken{Action: protocol.ActionCancel, On: day, Reason: strings.Repeat("<", 1000)})
					}
				},
			} {
				q := longQueue(t, tc.data, tc.operations)
				ask(q)
				startPages(q)
				carriedBytes := len(encode(t, carried{Queue: q}))
				require.Less(t, carriedBytes+maxAnswerBytes, 2<<20)
				if what == "as it is" {
					require.LessOrEqual(t, carriedBytes, tc.limit, "%s: %d bytes", what, carriedBytes)
				}
			}
		})
	}
}

const testTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// Workers of v0.1.0 dropped a traceparent, and a run may come from one of them: its
// pages must not depend on that.
func TestATraceContextChangesNoPage(t *testing.T) {
	t.Parallel()
	queues := map[string]*Queue{"": NewQueue(testToken, day), testTrace: NewQueue(testToken, day)}
	for traceparent, q := range queues {
		for i := range 2000 {
			q.Submit(encode(t, protocol.Operation{ID: fmt.Sprint(i), OperationType: "a", Traceparent: traceparent}), day)
			startPages(q)
		}
	}
	with, without := queues[testTrace], queues[""]
	require.Greater(t, len(without.Pages), 5)
	require.Equal(t, without.Pages, with.Pages)
	require.Equal(t, []int{without.Bytes, without.tailBytes, len(without.Front)}, []int{with.Bytes, with.tailBytes, len(with.Front)})
	require.Less(t, len(encode(t, carried{Queue: with})), len(encode(t, carried{Queue: without}))+48<<10)
	require.Equal(t, testTrace, with.TakeHead(day).Operation.Traceparent)
	require.Equal(t, testTrace, with.Waiting[0].Operation.Traceparent)
	read, err := readPage(encode(t, contentOf(testToken, 1, with.Waiting[:1])))
	require.NoError(t, err)
	require.Equal(t, with.Waiting[:1], read, "a page keeps it, and counts the same")
}

// longQueue has a head, so many operations behind it, and full lists of
// everything else; its pages are started as it grows.
func longQueue(t *testing.T, data string, operations int) *Queue {
	t.Helper()
	q := NewQueue(strings.Repeat("🚀", 256), day)
	q.restored("0198c2c8-6a1c-7b5e-9a51-0123456789ab", 0)
	for i := range operations {
		q.Submit(encode(t, protocol.Operation{ID: fmt.Sprintf("operation-%d", i), OperationType: "a", Data: encode(t, data)}), day)
		q.TakeHead(day)
		startPages(q)
	}
	require.Equal(t, operations-1, q.Len())
	for range maxRejects {
		q.Submit(encode(t, protocol.Operation{ID: strings.Repeat("<", 128), Name: strings.Repeat("<", 257), OwnerID: strings.Repeat("<", 256)}), day)
	}
	return q
}

// startPages spills what must be, and has all pages started.
func startPages(q *Queue) {
	q.Spill()
	for _, page := range q.ToStart() {
		q.PageStarted(&Page{N: page.N, Chain: page.Chain}, "0198c2c8-6a1c-7b5e-9a51-0123456789ab")
	}
}

// There is an end to it, far away, and it is told.
func TestQueueHasAnEnd(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	q.Pages = make([]Page, maxPages)
	q.Submit(json.RawMessage(`{"operationType":"a"}`), day)
	require.Equal(t, protocol.ErrTypeQueueFull, q.Rejects[0].Type)
	require.Contains(t, q.Rejects[0].Reason, "in 3000 pages, which is as many as there may be")
}

// SPEC 1.2: an id is unique, whoever chose it. The id that an operation without
// one would get can be guessed from the query "state".
func TestAnIDThatTheSystemWouldChooseIsTaken(t *testing.T) {
	t.Parallel()
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

// Many heads that were adopted at once are looked at apart.
func TestLooksAreSpread(t *testing.T) {
	t.Parallel()
	seen := make(map[time.Duration]int)
	for i := range int64(3000) {
		pause := spread(time.Hour, day.UnixMicro()+37*i)
		require.GreaterOrEqual(t, pause, time.Hour)
		require.LessOrEqual(t, pause, 90*time.Minute)
		require.Equal(t, pause, spread(time.Hour, day.UnixMicro()+37*i))
		seen[pause.Truncate(time.Minute)]++
	}
	for _, n := range seen {
		require.Less(t, n, 300, "of 3,000 in one of 30 minutes")
	}
	require.Greater(t, len(seen), 25)
}
