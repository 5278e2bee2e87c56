package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"golang.org/x/sync/errgroup"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 4.7: a token that is poisoned in every way delays no other. Rounds with
// poison, without, and beside a token that is as busy with good operations
// alternate, since the machine has other things to do: what shares a machine has
// less of it. 300 operations of each by hand:
//
//	SERIATIM_LONG=1 go test ./internal/e2e -run PoisonDelays -v -timeout 40m
func TestPoisonDelaysNoOtherToken(t *testing.T) {
	rounds, each := 5, 10 // each way comes first in one round
	if long() {
		rounds, each = 15, 20
	}
	s := newSiteFor(t, shared, 30*time.Minute)
	w := newStopwatch(t, s, 1_000_000, poison)
	var alone, busy, poisoned []time.Duration
	measure := func(beside *[]time.Duration) {
		w.toEnd = nil
		w.run(each)
		*beside = append(*beside, w.toEnd...)
	}
	for n := range rounds {
		measure(&alone)
		stop := keepBusy(t, s)
		measure(&busy)
		stop()
		stop = poisonToken(t, s, n)
		measure(&poisoned)
		stop()
	}
	clear(s.tokens) // a poisoned token is not at rest when it is left
	compare(t, "submit to end, alone and beside a token that is as busy", alone, busy)
	compare(t, "submit to end, alone and beside a poisoned token", alone, poisoned)
	median := compare(t, "submit to end, beside a token that is as busy and beside a poisoned one", busy, poisoned)
	require.LessOrEqual(t, median, 2.0) // against the busy one: a machine at its limit slows both
}

// keepBusy submits good operations to a token, as many signals as poisonToken
// sends, until it is stopped.
func keepBusy(t *testing.T, s *site) (stop func()) {
	t.Helper()
	p := &poisoner{site: s, token: unique(t)}
	return p.start(stream{25 * time.Millisecond, p.good}, stream{200 * time.Millisecond, p.good})
}

// poisonToken does to a token whatever can be done until it is stopped:
// operations that are poison to their handlers run one after another, while
// malformed signals, repeats, large operations and cancels come in. first is the
// way that comes first.
func poisonToken(t *testing.T, s *site, first int) (stop func()) {
	t.Helper()
	p := &poisoner{site: s, token: unique(t), first: first, kinds: slices.DeleteFunc(kindsOfInput(), isAccepted)}
	p.submitPoison()
	require.Eventually(t, func() bool { return s.attempts(p.queue[0].ID) > 0 }, patience, 5*time.Millisecond)
	return p.start(stream{50 * time.Millisecond, p.malformed}, stream{50 * time.Millisecond, p.repeat},
		stream{500 * time.Millisecond, p.large}, stream{200 * time.Millisecond, p.cancel})
}

// poisoner sends a token what nobody should.
type poisoner struct {
	*site
	token string
	first int // which way comes first
	queue []protocol.Operation
	kinds []kindOfInput
	sent  int
}

func isAccepted(kind kindOfInput) bool { return kind.refused == "" }

// submitPoison queues operations that are poison to their handlers, two of each
// way.
func (p *poisoner) submitPoison() {
	p.t.Helper()
	ways := []struct {
		name string
		kind protocol.TypeRef
	}{
		{alwaysFails, "test.two-attempts"},
		{hangs, "test.one-second"},
		{returnsMuch, "test.two-attempts"},
		{ignoresCancel, "test.heartbeat"},
		{panics, "test.two-attempts"},
	}
	for n := range 2 * len(ways) {
		way := ways[(p.first+n)%len(ways)]
		o := operation(p.token, n)
		o.Name, o.OperationType = way.name, way.kind
		p.queue = append(p.queue, o)
	}
	p.submit(p.token, p.queue)
}

// stream is something that is sent again and again.
type stream struct {
	pace time.Duration
	send func(context.Context) error
}

// start begins streams; stop ends them, and what they left.
func (p *poisoner) start(streams ...stream) (stop func()) {
	ctx, cancel := context.WithCancel(p.ctx)
	var group errgroup.Group
	for _, s := range streams {
		group.Go(func() error { return s.run(ctx) })
	}
	return func() {
		p.t.Helper()
		cancel()
		require.NoError(p.t, group.Wait())
		p.drain()
	}
}

// run sends until ctx is done.
func (s stream) run(ctx context.Context) error {
	for ticker := time.NewTicker(s.pace); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return nil
		case <-ticker.C:
			if err := s.send(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (p *poisoner) good(context.Context) error {
	return p.trySubmit(p.token, protocol.Operation{OperationType: "test.record"})
}

func (p *poisoner) malformed(ctx context.Context) error {
	p.sent++
	return p.tryRawSubmit(ctx, p.token, nil, p.kinds[p.sent%len(p.kinds)].signal)
}

func (p *poisoner) repeat(context.Context) error {
	return p.trySubmit(p.token, p.queue[0])
}

func (p *poisoner) large(context.Context) error {
	return p.trySubmit(p.token, protocol.Operation{
		OperationType: "test.record", Data: []byte(`"` + strings.Repeat("x", 250<<10) + `"`),
	})
}

// cancel asks the operations that ignore it to stop; most of the time none runs.
func (p *poisoner) cancel(ctx context.Context) error {
	for _, o := range p.queue {
		if o.Name == ignoresCancel {
			_ = p.CancelWorkflow(ctx, protocol.OperationWorkflowID(o.ID), "")
		}
	}
	return nil
}

// drain cancels what is left, and sees that the token is as good as new.
func (p *poisoner) drain() {
	p.t.Helper()
	require.NoError(p.t, p.CancelWorkflow(p.ctx, protocol.SerializerWorkflowID(p.token), ""))
	// What arrives in the same workflow task as the cancellation is cancelled too.
	require.Eventually(p.t, func() bool { return p.state(p.token).Queued == 0 }, patience, 20*time.Millisecond)
	good := operation(p.token, 999)
	p.submit(p.token, good)
	require.Equal(p.t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, p.closed(good.ID))
	requireNoFailedTasks(p.t, p.site, p.token)
}
