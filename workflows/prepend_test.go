package workflows

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

// prependDay is when the chains of these tests began.
var prependDay = time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)

// queueWith is a queue of a chain with these operations waiting, and a page of two
// for each number.
func queueWith(chain string, ids []string, pages ...int64) *Queue {
	q := NewQueue("t", prependDay)
	q.Chain = chain
	for _, id := range ids {
		q.Submit(json.RawMessage(fmt.Sprintf(`{"id":%q,"operationType":"x"}`, id)), prependDay)
	}
	for _, n := range pages {
		q.Pages = append(q.Pages, Page{N: n, RunID: fmt.Sprint("run-", n), Count: 2})
	}
	if len(pages) > 0 {
		q.Front, q.Waiting = q.Waiting[:1], q.Waiting[1:]
	}
	return q
}

func TestPrependTakesNoPageTwice(t *testing.T) {
	t.Parallel()
	q := queueWith("new", []string{"n"})
	require.Equal(t, 6, q.Prepend(queueWith("old", []string{"a", "b"}, 3, 4), false, prependDay).Recovered)
	require.Equal(t, 7, q.Len())
	again := q.Prepend(queueWith("old", []string{"a", "b"}, 3, 4), false, prependDay)
	require.Equal(t, []int{0, 2}, []int{again.Recovered, again.Known}, "an earlier run of that chain had the same pages")
	require.Equal(t, 7, q.Len())
	require.Len(t, q.Pages, 2)
}

// The first ones are those up to the first page, with their places.
func TestPrependTellsTheFirstOnesInOrder(t *testing.T) {
	t.Parallel()
	q := queueWith("new", nil)
	first := q.Prepend(queueWith("old", []string{"a", "b"}, 3), true, prependDay).First
	require.Len(t, first, 1, "what follows is in the page")
	require.Equal(t, []any{"a", 1}, []any{first[0].ID, first[0].Position})
	require.Len(t, q.Prepend(queueWith("old", []string{"a", "b"}), true, prependDay).First, 2)
}

// A page that could not be read is tried again, so that the token is held for it
// and goes on without it only when a person says so.
func TestPrependTriesALostPageAgain(t *testing.T) {
	t.Parallel()
	before := queueWith("old", []string{"a"}, 3)
	before.Pages[0].Lost = true
	q := queueWith("new", nil)
	q.Prepend(before, false, prependDay)
	q.TakeHead(prependDay)
	require.NotNil(t, q.ToLoad())
	q.PageLost(q.ToLoad(), protocol.Hold{On: prependDay})
	require.Contains(t, q.Hold.Reason, "page:old:3 with 2 operations")
}

// A hold that a person put in its place and that is over does not leave the token
// standing for a lost page without a word.
func TestHoldForALostPageComesBack(t *testing.T) {
	t.Parallel()
	q := queueWith("c", []string{"a", "b"}, 3)
	q.TakeHead(prependDay)
	q.PageLost(&q.Pages[0], protocol.Hold{On: prependDay})
	until := prependDay.Add(time.Hour)
	q.HoldToken(protocol.HoldRequest{Until: &until, Reason: "stocktaking"}, prependDay)
	q.ReleaseIfDue(until)
	require.NotNil(t, q.Hold)
	require.Contains(t, q.Hold.Reason, "page:c:3 with 2 operations")
	require.Nil(t, q.Hold.Until)
	q.Release(until)
	require.True(t, q.MayStart())
	require.Equal(t, 1, q.Len())
	require.Contains(t, q.Rejects[0].Reason, "page:c:3 is gone")
}

// What was recovered once is not recovered again, by itself or with what followed.
func TestPrependRemembersWhatTheOtherChainRecovered(t *testing.T) {
	t.Parallel()
	before := queueWith("old", []string{"a"})
	before.noteRecovered("run-0", "run-1") // run-1 is the run itself
	state, err := json.Marshal(carried{Queue: before})
	require.NoError(t, err)
	q := queueWith("new", nil)
	read := protocol.RecoverRunReply{State: state}
	_, err = q.prependRead(protocol.PrependRequest{RunID: "run-1"}, read, prependDay)
	require.NoError(t, err)
	for _, run := range []string{"run-0", "run-1"} {
		_, err = q.prependRead(protocol.PrependRequest{RunID: run}, read, prependDay)
		require.ErrorContains(t, err, "was recovered before")
	}
	require.Equal(t, []string{"run-0", "run-1"}, q.State(prependDay).Recovered)
}

// What a terminated chain leaves behind is all that queued, wherever it was; its
// head is known to the next one.
func TestTakeOverFromATerminatedChain(t *testing.T) {
	t.Parallel()
	before := queueWith("old", []string{"h", "a", "b"}, 3)
	before.TakeHead(prependDay)
	require.Equal(t, 4, before.left())
	q := queueWith("new", nil).takeOver(before, false)
	q.HeadCompleted(end{status: protocol.Succeeded}, prependDay)
	again := queueWith("old", []string{"h", "a", "b"}, 3)
	again.TakeHead(prependDay)
	reply := q.Prepend(again, false, prependDay)
	require.Equal(t, []int{4, 1}, []int{reply.Recovered, reply.Known}, "the head has run")
}
