package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
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
	q.TakeHead(day)
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
	for name, ask := range map[string]func(*Queue){
		"a head that grows when it is encoded": func(q *Queue) {
			q.Submit(json.RawMessage(`{"id":"head","operationType":"a","data":"`+strings.Repeat("<", 250<<10)+`"}`), day)
			q.TakeHead(day)
			fill(t, q, "")
		},
		"everything postponed": func(q *Queue) {
			fill(t, q, "")
			for _, entry := range q.Waiting {
				_, err := q.Postpone(entry.Operation.ID, day.Add(time.Hour+time.Nanosecond),
					protocol.Taken{Action: protocol.ActionPostpone, On: day.Add(1), Identity: "12345@host.example.com"})
				require.NoError(t, err)
			}
			fill(t, q, "")
		},
		"everything cancelled": func(q *Queue) {
			fill(t, q, "")
			q.CancelAll(cancelledReason)
		},
		"everything cancelled for a reason that grows when it is encoded": func(q *Queue) {
			fill(t, q, "")
			q.CancelAll(strings.Repeat("<", 1000))
		},
		"actions with long reasons until there is no room": func(q *Queue) {
			fill(t, q, "")
			refused := 0
			for _, entry := range slices.Clone(q.Waiting) {
				_, err := q.Postpone(entry.Operation.ID, day.Add(time.Hour), protocol.Taken{On: day, Reason: strings.Repeat("<", 1000)})
				if err != nil {
					require.ErrorIs(t, err, &protocol.Refusal{Type: protocol.ErrTypeQueueFull})
					refused++
				}
			}
			require.Positive(t, refused)
			q.CancelAll(strings.Repeat("<", 1000))
		},
		"everything cancelled, and filled again": func(q *Queue) {
			fill(t, q, "")
			q.CancelAll(cancelledReason)
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
