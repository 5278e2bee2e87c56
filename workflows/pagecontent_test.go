package workflows

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// All that is submitted to one run stands in its history twice, as signals and as
// pages. So what a page adds to an operation has a bound: with it 12 MiB of
// signals, which is what clients send before a worker reads, fit the 50 MiB at
// which the server ends a run, however small the operations are.
func TestAPageAddsLittleToItsOperations(t *testing.T) {
	t.Parallel()
	const n, clientLimit, serverLimit = 200, 12 << 20, 50 << 20
	start := time.Date(2030, 1, 31, 8, 0, 0, 123456789, time.UTC)
	q := NewQueue("t", start)
	signals := 0
	for i := range n {
		submitted := fmt.Sprintf(`{"id":"%036d","operationType":"t"}`, i)
		q.Submit(json.RawMessage(submitted), start)
		signals += len(submitted) + len(",")
	}
	page := q.Waiting
	encoded, err := json.Marshal(contentOf(q.Token, 1, page))
	require.NoError(t, err)
	require.Less(t, clientLimit/signals*(signals+len(encoded)), serverLimit*9/10, "%d bytes become %d", signals, len(encoded))

	read, err := readPage(encoded)
	require.NoError(t, err)
	require.Len(t, read, n)
	for i := range read {
		require.Equal(t, page[i].Hash, read[i].Hash)
		require.InDelta(t, page[i].Bytes, read[i].Bytes, 16)
		require.Equal(t, page[i].Operation, read[i].Operation)
	}
}

// A hash that no longer is that of the operation, since it was postponed, stays.
func TestAPageKeepsTheHashOfWhatWasSubmitted(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 1, 31, 8, 0, 0, 123456789, time.UTC)
	q := NewQueue("t", start)
	q.Submit(json.RawMessage(`{"id":"a","operationType":"t"}`), start)
	_, err := q.Postpone("a", start.AddDate(1, 0, 0), protocol.Taken{Action: protocol.ActionPostpone, On: start})
	require.NoError(t, err)
	encoded, err := json.Marshal(contentOf(q.Token, 1, q.Waiting))
	require.NoError(t, err)
	read, err := readPage(encoded)
	require.NoError(t, err)
	require.Equal(t, q.Waiting[0].Hash, read[0].Hash)
}
