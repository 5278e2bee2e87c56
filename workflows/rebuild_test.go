package workflows

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// The server may close a run after any event. Whenever it does, what is rebuilt
// is what the run itself went on with: the same operations, in the same order,
// with the same ids and sequences.
func TestRebuiltAfterAnyEvent(t *testing.T) {
	t.Parallel()
	for name, history := range recorded(t) {
		if !strings.HasPrefix(path.Base(name), "serializer-") || strings.HasSuffix(name, "-operation") {
			continue
		}
		if strings.HasSuffix(name, "-page") {
			continue // what a page holds is not in the serializer's memory, where this test looks
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRebuilt(t, history.GetEvents())
		})
	}
}

// The same of histories that nobody would record: any order of signals, updates
// and ends.
func TestRebuiltAfterAnyEventOfAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { requireRebuilt(t, drawHistory(t)) })
}

// requireRebuilt compares, after each event, what is rebuilt with what the whole
// history tells.
func requireRebuilt(t require.TestingT, events []*historypb.HistoryEvent) {
	whole := read(t, events)
	id := events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowId()
	for cut := 1; cut <= len(events); cut++ {
		at := fmt.Sprintf("after event %d, %s", events[cut-1].GetEventId(), events[cut-1].GetEventType())
		answer, err := RebuildToken(id, events[:cut], nil, false)
		require.NoError(t, err, at)
		wanted, queue := read(t, events[:cut]), answer.(carried).Queue
		if wanted.closed != "" {
			continue // it had nothing left, or handed it over by itself
		}
		requireHead(t, wanted, queue, at)
		requireTokenHeld(t, wanted, queue, at)
		requireQueued(t, whole, wanted, queue, at)
	}
}

func requireHead(t require.TestingT, wanted *reading, queue *Queue, at string) {
	head := ""
	if queue.Head != nil {
		head = queue.Head.Operation.ID
	}
	require.Equal(t, wanted.head, head, "head %s", at)
}

// requireTokenHeld compares what keeps the token, and its policy.
func requireTokenHeld(t require.TestingT, wanted *reading, queue *Queue, at string) {
	failure := ""
	if queue.Failure != nil {
		failure = queue.Failure.OperationID
	}
	require.Equal(t, wanted.failure, failure, "the failure that holds the token %s", at)
	if wanted.heldUntil == nil { // else it ends by itself, at a time that no event tells
		require.Equal(t, wanted.held, queue.Hold != nil, "held %s", at)
	}
	wantedPolicy := wanted.policy
	if wantedPolicy.OnFailure == protocol.ContinueOnFailure {
		wantedPolicy.OnFailure = ""
	}
	require.Equal(t, wantedPolicy, queue.Policy, "policy %s", at)
}

// requireQueued: whatever was accepted and has no execution is there once, in
// order; what was cancelled waits for its record and for nothing else.
func requireQueued(t require.TestingT, whole, wanted *reading, queue *Queue, at string) {
	var waiting, ended []string
	left := slices.Concat(queue.Front, queue.Waiting, queue.Ended)
	for _, entry := range left {
		id := entry.Operation.ID
		if started := whole.started[id]; started != nil {
			require.Equal(t, started.Sequence, entry.Sequence, "sequence of %s %s", id, at)
			if wanted.tasks[started.CreatedOn] { // else no worker had read it
				require.Equal(t, started.CreatedOn, entry.CreatedOn, "createdOn of %s %s", id, at)
			}
			if whole.postponements[id] == wanted.postponements[id] {
				require.Equal(t, started.until, entry.Operation.PostponeUntil, "postponeUntil of %s %s", id, at)
			}
		}
	}
	for _, entry := range slices.Concat(queue.Front, queue.Waiting) {
		waiting = append(waiting, entry.Operation.ID)
	}
	for _, entry := range queue.Ended {
		if !wanted.left(entry.Operation.ID) { // else it is about to be forgotten
			ended = append(ended, entry.Operation.ID)
		}
	}
	var wantedWaiting, wantedEnded []string
	for _, id := range wanted.accepted {
		if name := whole.names[id]; name != "" {
			id = name
		}
		switch {
		case wanted.left(id):
		case wanted.cancelled[id]:
			wantedEnded = append(wantedEnded, id)
		default:
			wantedWaiting = append(wantedWaiting, id)
		}
	}
	require.Equal(t, wantedWaiting, waiting, "waiting %s", at)
	require.ElementsMatch(t, wantedEnded, ended, "ended %s", at)
}
