package opclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// inbox keeps what serializers received.
type inbox struct {
	mu       sync.Mutex
	received map[string][]string
	busy     map[string]bool
	overlaps int
	signals  int
}

func (b *inbox) fake(refuse func(workflowID string, n int) error) *fake {
	b.received, b.busy = map[string][]string{}, map[string]bool{}
	return &fake{
		signal: func(workflowID string, argument any) error { return b.take(workflowID, idsOf(argument), refuse) },
		start: func(_ client.StartWorkflowOptions, o protocol.Operation) error {
			return b.take("", []string{o.ID}, refuse)
		},
	}
}

func (b *inbox) take(target string, ids []string, refuse func(string, int) error) error {
	b.mu.Lock()
	if target != "" && b.busy[target] {
		b.overlaps++
	}
	b.busy[target] = true
	b.signals++
	n := b.signals
	b.mu.Unlock()
	time.Sleep(10 * time.Millisecond) // of the test's own clock
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy[target] = false
	if refuse != nil {
		if err := refuse(target, n); err != nil {
			return err
		}
	}
	b.received[target] = append(b.received[target], ids...)
	return nil
}

func idsOf(argument any) (ids []string) {
	operations, ok := argument.([]json.RawMessage)
	if !ok {
		operations = []json.RawMessage{argument.(json.RawMessage)}
	}
	for _, raw := range operations {
		var o protocol.Operation
		if err := json.Unmarshal(raw, &o); err != nil {
			panic(err)
		}
		ids = append(ids, o.ID)
	}
	return ids
}

func sumOf(s opclient.Summary) int {
	return s.Accepted + s.Duplicates + s.Refused + s.NotSubmitted + s.Unanswered
}

// SPEC 4.1: whatever fails, no operation overtakes another of its token, and
// each is accounted for once.
func TestSubmitManyKeepsOrderWhateverFails(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		operations := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) protocol.Operation {
			return protocol.Operation{
				ID:            rapid.StringMatching(`[a-z]{8}`).Draw(t, "id"),
				OperationType: "x", Priority: rapid.SampledFrom([]int{0, 0, 0, 1, 9}).Draw(t, "priority"),
				DependencyToken: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "token"),
			}
		}), 0, 200).Draw(rt, "operations")
		failing := rapid.IntRange(0, 8).Draw(rt, "failing")
		failure := rapid.SampledFrom([]error{
			serviceerror.NewPermissionDenied("no", ""), serviceerror.NewInvalidArgument("not this one"),
		}).Draw(rt, "failure")
		box := &inbox{}
		f := box.fake(func(_ string, n int) error {
			if n == failing {
				return failure
			}
			return nil
		})
		var results []opclient.Result
		var summary opclient.Summary
		var err error
		synctest.Test(t, func(t *testing.T) {
			summary, err = opclient.New(f, opclient.Options{Parallel: 3}).SubmitMany(t.Context(),
				opclient.Items(operations...), func(r opclient.Result) { results = append(results, r) })
		})
		require.Zero(rt, box.overlaps, "two signals of one token at once")
		require.Len(rt, results, summary.Read)
		require.Equal(rt, summary.Read, sumOf(summary))
		require.Equal(rt, err == nil, summary.NotSubmitted == 0 && summary.Unanswered == 0)
		checkDelivered(rt, operations, results, box)
	})
}

// checkDelivered compares what was reported with what arrived: for each token a
// beginning of what was valid, in order.
func checkDelivered(t *rapid.T, operations []protocol.Operation, results []opclient.Result, box *inbox) {
	valid, accepted := map[string][]string{}, map[string][]string{}
	for _, o := range operations {
		if o.Validate() == nil {
			valid[target(o.DependencyToken)] = append(valid[target(o.DependencyToken)], o.ID)
		}
	}
	slices.SortStableFunc(results, func(a, b opclient.Result) int { return a.Line - b.Line })
	for _, r := range results {
		require.Equal(t, operations[r.Line-1].ID, r.ID)
		require.Equal(t, operations[r.Line-1].Validate() != nil, r.Delivery == opclient.Refused)
		if r.Delivery == opclient.Accepted {
			accepted[target(r.Token)] = append(accepted[target(r.Token)], r.ID)
		}
	}
	for workflowID, ids := range box.received {
		if workflowID == "" {
			require.ElementsMatch(t, accepted[""], ids)
			continue
		}
		require.Equal(t, accepted[workflowID], ids)
		require.Equal(t, valid[workflowID][:len(ids)], ids, "token %s", workflowID)
	}
}

func target(token string) string {
	if token == "" {
		return ""
	}
	return protocol.SerializerWorkflowID(token)
}

func many(token string, n int) (operations []protocol.Operation) {
	for i := range n {
		operations = append(operations, protocol.Operation{ID: fmt.Sprintf("%s-%d", token, i), OperationType: "x", DependencyToken: token})
	}
	return operations
}

func TestSubmitManyFillsSignals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		summary, err := opclient.New(box.fake(nil), opclient.Options{}).SubmitMany(t.Context(), opclient.Items(many("a", 1200)...), nil)
		require.NoError(t, err)
		require.Equal(t, opclient.Summary{Read: 1200, Accepted: 1200, Signals: 3}, summary)
	})
}

func TestSubmitManySendsWhatIsThereWhenTheStreamPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		stream := func(yield func(opclient.Item) bool) {
			for i, o := range many("a", 3) {
				yield(opclient.Item{Line: i + 1, Operation: o})
			}
			time.Sleep(time.Second)
			box.mu.Lock()
			defer box.mu.Unlock()
			require.Len(t, box.received[target("a")], 3)
		}
		_, err := opclient.New(box.fake(nil), opclient.Options{}).SubmitMany(t.Context(), stream, nil)
		require.NoError(t, err)
	})
}

// A stream that never pauses for long is sent all the same.
func TestSubmitManyDelaysNothingForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		stream := func(yield func(opclient.Item) bool) {
			for i, o := range many("a", 200) {
				yield(opclient.Item{Line: i + 1, Operation: o})
				time.Sleep(20 * time.Millisecond)
			}
			box.mu.Lock()
			defer box.mu.Unlock()
			require.GreaterOrEqual(t, len(box.received[target("a")]), 140)
		}
		summary, err := opclient.New(box.fake(nil), opclient.Options{}).SubmitMany(t.Context(), stream, nil)
		require.NoError(t, err)
		require.Less(t, summary.Signals, 10)
	})
}

func TestSubmitManyHoldsBackTheRestOfAFullToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		f := box.fake(func(workflowID string, _ int) error {
			if workflowID == target("a") && len(box.received[target("a")]) > 0 {
				return serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events")
			}
			return nil
		})
		operations := append(many("a", 1001), many("b", 1)...)
		summary, err := opclient.New(f, opclient.Options{}).SubmitMany(t.Context(), opclient.Items(operations...), nil)
		require.ErrorIs(t, err, opclient.ErrQueueFull)
		require.Equal(t, opclient.Summary{Read: 1002, Accepted: 501, NotSubmitted: 501, Signals: 2}, summary)
	})
}

func TestSubmitManyStopsBetweenSignals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		ctx, cancel := context.WithCancel(t.Context())
		stream := func(yield func(opclient.Item) bool) {
			for i, o := range many("a", 2000) {
				if i == 1500 {
					cancel()
				}
				if !yield(opclient.Item{Line: i + 1, Operation: o}) {
					return
				}
			}
		}
		summary, err := opclient.New(box.fake(nil), opclient.Options{}).SubmitMany(ctx, stream, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, len(box.received[target("a")]), summary.Accepted, "what was in flight is counted")
		require.Equal(t, 500, summary.Accepted)
		require.Equal(t, summary.Read, sumOf(summary))
		synctest.Wait()
	})
}

func TestSubmitManyStopsWhenTheServerIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		f := box.fake(func(string, int) error { return serviceerror.NewUnavailable("away") })
		summary, err := opclient.New(f, opclient.Options{}).SubmitMany(t.Context(), opclient.Items(many("", 100)...), nil)
		var unanswered *opclient.UnansweredError
		require.True(t, errors.As(err, &unanswered))
		require.Equal(t, 16, summary.Unanswered)
		require.Equal(t, 84, summary.NotSubmitted)
	})
}
