package opclient

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// lanesModel drives lanes as SubmitMany does, with answers that come late and
// out of order.
type lanesModel struct {
	lanes lanes
	// added and taken are the lines of each token in order.
	added, taken map[string][]int
	inFlight     map[string][]entry
	freeInFlight [][]entry
	lines        int
}

func (m *lanesModel) add(t *rapid.T) {
	token := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "token")
	size := rapid.SampledFrom([]int{2, 200, 600, 60_000, protocol.MaxBatchBytes / 2, protocol.MaxBatchBytes}).Draw(t, "size")
	count := rapid.SampledFrom([]int{1, 1, 3, 700}).Draw(t, "count")
	if size > 1000 {
		count = 1
	}
	for range count {
		m.lines++
		m.lanes.add(entry{
			line: m.lines, operation: protocol.Operation{DependencyToken: token}, encoded: json.RawMessage(bytes.Repeat([]byte(" "), size)),
		})
		m.added[token] = append(m.added[token], m.lines)
	}
}

func (m *lanesModel) take(t *rapid.T) {
	flush := rapid.Bool().Draw(t, "flush")
	batch, ok := m.lanes.next(flush)
	if !ok {
		return
	}
	token := batch[0].operation.DependencyToken
	if token == "" {
		require.Len(t, batch, 1, "an operation without a token travels alone")
		m.freeInFlight = append(m.freeInFlight, batch)
	} else {
		require.Empty(t, m.inFlight[token], "two signals of one token in flight")
		m.inFlight[token] = batch
	}
	_, size := signalArgument(batch)
	require.LessOrEqual(t, len(batch), protocol.MaxBatchOperations)
	require.True(t, len(batch) == 1 || size <= protocol.MaxBatchBytes, "%d operations of %d bytes in one signal", len(batch), size)
	for _, e := range batch {
		require.Equal(t, token, e.operation.DependencyToken)
		m.taken[token] = append(m.taken[token], e.line)
	}
}

func (m *lanesModel) settle(t *rapid.T) {
	if n := len(m.freeInFlight); n > 0 && rapid.Bool().Draw(t, "free") {
		at := rapid.IntRange(0, n-1).Draw(t, "which")
		m.lanes.settle(m.freeInFlight[at])
		m.freeInFlight = append(m.freeInFlight[:at], m.freeInFlight[at+1:]...)
		return
	}
	token := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "answered")
	if batch := m.inFlight[token]; batch != nil {
		m.lanes.settle(batch)
		delete(m.inFlight, token)
	}
}

// finish takes and settles until nothing is left.
func (m *lanesModel) finish(t *rapid.T) {
	for {
		for token, batch := range m.inFlight {
			m.lanes.settle(batch)
			delete(m.inFlight, token)
		}
		for _, batch := range m.freeInFlight {
			m.lanes.settle(batch)
		}
		m.freeInFlight = nil
		batch, ok := m.lanes.next(true)
		if !ok {
			return
		}
		token := batch[0].operation.DependencyToken
		for _, e := range batch {
			m.taken[token] = append(m.taken[token], e.line)
		}
		m.inFlight[token] = batch
	}
}

// SPEC 4.1: the order of one token is the order of the stream.
func TestLanesKeepOrderAndLimitsAndLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &lanesModel{added: map[string][]int{}, taken: map[string][]int{}, inFlight: map[string][]entry{}}
		t.Repeat(map[string]func(*rapid.T){"add": m.add, "take": m.take, "settle": m.settle})
		m.finish(t)
		require.Equal(t, m.added, m.taken)
		require.Zero(t, m.lanes.operations)
		require.Zero(t, m.lanes.bytes)
		require.Empty(t, m.lanes.byToken)
		require.Zero(t, m.lanes.waiting)
	})
}

func TestLanesWaitForMoreUnlessFlushed(t *testing.T) {
	t.Parallel()
	var l lanes
	for i := range protocol.MaxBatchOperations {
		_, ok := l.next(false)
		require.False(t, ok, "a signal with %d operations was not full", i)
		l.add(tokenEntry("a", i))
	}
	l.add(tokenEntry("a", protocol.MaxBatchOperations))
	batch, ok := l.next(false)
	require.True(t, ok)
	require.Len(t, batch, protocol.MaxBatchOperations)
	_, ok = l.next(true)
	require.False(t, ok, "a second signal of the token in flight")
	l.settle(batch)
	batch, ok = l.next(true)
	require.True(t, ok)
	require.Equal(t, protocol.MaxBatchOperations, batch[0].line)
}

func TestLanesTakeTurns(t *testing.T) {
	t.Parallel()
	var l lanes
	for i := range 2 * protocol.MaxBatchOperations {
		l.add(tokenEntry("busy", i))
	}
	l.add(tokenEntry("quiet", 0))
	first, _ := l.next(true)
	require.Equal(t, "busy", first[0].operation.DependencyToken)
	l.settle(first)
	second, _ := l.next(true)
	require.Equal(t, "quiet", second[0].operation.DependencyToken)
}

func TestLanesDrop(t *testing.T) {
	t.Parallel()
	var l lanes
	for i := range 3 {
		l.add(tokenEntry("a", i))
		l.add(tokenEntry("b", i))
		l.add(tokenEntry("", i))
	}
	require.Len(t, l.drop("a"), 3)
	require.Empty(t, l.drop("a"))
	require.Len(t, l.dropAll(), 6)
	require.Zero(t, l.operations)
	require.Zero(t, l.bytes)
	require.Zero(t, l.waiting)
	require.Empty(t, l.byToken)
}

func TestLanesBoundMemory(t *testing.T) {
	t.Parallel()
	var l lanes
	for i := 0; l.room(); i++ {
		l.add(tokenEntry(fmt.Sprint("t", i%100), i))
	}
	require.Equal(t, windowOperations, l.operations)
	l = lanes{}
	for l.room() {
		l.add(entry{operation: protocol.Operation{DependencyToken: "a"}, encoded: make([]byte, protocol.MaxOperationBytes)})
	}
	require.LessOrEqual(t, l.bytes, windowBytes+protocol.MaxOperationBytes)
}

func tokenEntry(token string, line int) entry {
	return entry{line: line, operation: protocol.Operation{DependencyToken: token}, encoded: json.RawMessage(`{}`)}
}
