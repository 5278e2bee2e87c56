package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/harness"
	"github.com/seriatim-go/seriatim/protocol"
)

// long says that the tests run by hand, at their full size.
func long() bool { return os.Getenv("SERIATIM_LONG") != "" }

// stopwatch measures single operations, one after another, while something else
// goes on at the same site.
type stopwatch struct {
	*site
	prefix string // of its tokens
	each   int    // operations of one token; then comes the next
	n      int
	began  chan time.Time
	// Since each submission.
	toStart, toEnd []time.Duration
}

// newStopwatch takes the site's handler over; other handles the operations of
// other tokens, nil succeeds at once.
func newStopwatch(t *testing.T, s *site, each int, other func(context.Context, protocol.HandlerInput) (protocol.HandlerResult, error)) *stopwatch {
	t.Helper()
	w := &stopwatch{site: s, prefix: unique(t) + "-measured", each: each, began: make(chan time.Time, 1)}
	s.handle = func(ctx context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if strings.HasPrefix(in.Operation.DependencyToken, w.prefix) {
			w.began <- time.Now()
		} else if other != nil {
			return other(ctx, in)
		}
		return protocol.HandlerResult{}, nil
	}
	w.run(10) // caches and connections are warm
	w.toStart, w.toEnd = nil, nil
	return w
}

// run submits and measures n operations: to the start of the handler, and until
// a client that waits is told of the end.
func (w *stopwatch) run(n int) {
	w.t.Helper()
	for range n {
		o := operation(w.prefix, w.n)
		token := fmt.Sprintf("%s-%d", w.prefix, w.n/w.each)
		w.n++
		submitted := time.Now()
		w.submit(token, o)
		began := <-w.began
		require.NoError(w.t, w.GetWorkflow(w.ctx, protocol.OperationWorkflowID(o.ID), "").Get(w.ctx, nil))
		w.toEnd = append(w.toEnd, time.Since(submitted))
		w.toStart = append(w.toStart, began.Sub(submitted))
	}
}

// compare logs the quantiles of both, and answers the ratio of the medians.
func compare(t *testing.T, what string, without, with []time.Duration) (median float64) {
	t.Helper()
	of := harness.Quantile
	ratio := func(q float64) float64 { return float64(of(with, q)) / float64(of(without, q)) }
	t.Logf("%s, %d and %d operations: p50 %v and %v, ratio %.2f; p99 %v and %v, ratio %.2f", what, len(without), len(with),
		ms(of(without, 0.5)), ms(of(with, 0.5)), ratio(0.5), ms(of(without, 0.99)), ms(of(with, 0.99)), ratio(0.99))
	return ratio(0.5)
}

func ms(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
