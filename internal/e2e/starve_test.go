package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// SPEC 4.7: of 1,000 tokens that all have work when the worker comes up, one of
// them with a long queue, none waits until the others are done. That is counted in
// starts, not in seconds: by the time that each token has had its first, no token
// is far ahead, and the long queue has not held anybody up. 10,000 tokens by hand:
//
//	SERIATIM_LONG=1 go test ./internal/e2e -run NoTokenStarves -v -timeout 40m
func TestNoTokenStarves(t *testing.T) {
	tokens, busy := 1000, 150
	if long() {
		tokens, busy = 10_000, 1500
	}
	const each = 2
	server, err := embedded.Start(t.Context(), source, embedded.ServerOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	s := openSite(t, server, server.Namespace(), workflows.Options{NoLookBack: true}, 30*time.Minute)
	s.stopWorker()
	prefix := unique(t)
	longOne := prefix + "-long"
	s.submit(longOne, batchOf(longOne, busy))
	forEachToken(t, tokens, func(k int) error {
		return s.trySubmit(headToken(prefix, k), batchOf(headToken(prefix, k), each))
	})
	s.startWorker()
	wanted := tokens*each + busy
	require.Eventually(t, func() bool { return len(s.runsSoFar()) >= wanted }, 20*time.Minute, 100*time.Millisecond)

	all := s.runsSoFar()
	begun, ofLong, seen := 0, 0, make(map[string]bool)
	for len(seen) < tokens {
		switch token := all[begun].Token; token {
		case longOne:
			ofLong++
		default:
			seen[token] = true
		}
		begun++
	}
	t.Logf("each of %d tokens has begun when %d of %d operations have, %d of them of the token with %d", tokens, begun, wanted, ofLong, busy)
	require.Less(t, begun, wanted*19/20, "the last token begins long before the others are done")
	require.Positive(t, ofLong, "nor does the long queue wait for all others")
	for k := range tokens {
		token := headToken(prefix, k)
		requireInOrder(t, operationIDs(token, each), s.ran(token))
	}
	requireInOrder(t, operationIDs(longOne, busy), s.ran(longOne))
}

func batchOf(token string, n int) (batch []protocol.Operation) {
	for i := range n {
		batch = append(batch, operation(token, i))
	}
	return batch
}

// runsSoFar are the runs of all tokens, in the order of their ends.
func (s *site) runsSoFar() []interval {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.runs)
}
