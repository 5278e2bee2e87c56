package sqlimport

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// pausing is a handler that does something else between two batches.
type pausing struct {
	handler   activities.Handler
	stopAfter int // reports; 0 is never
	between   map[int]func()
}

func (p *pausing) run(t *testing.T, o protocol.Operation, fence protocol.Fence) protocol.Outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reports := 0
	return p.handler.Handle(ctx, activities.Request{
		Operation: o, Fence: fence, CreatedOn: time.Now(),
		OnReport: func(protocol.Heartbeat) {
			reports++
			if then := p.between[reports]; then != nil {
				then()
			}
			if reports == p.stopAfter {
				cancel()
			}
		},
	})
}

// SPEC 2.2: attempt 1 stands between two batches, attempt 2 does the rest, and
// attempt 1, which does not know, goes on: no row is there twice, although the
// table would take each twice.
func zombieWritesNothing(t *testing.T, b *bench) {
	b.Do(t, `CREATE TABLE notes (name TEXT)`)
	b.Save(t, "in.csv", manyPeople(100))
	for _, wakes := range []string{"in the middle", "behind the end"} {
		b.Do(t, `DELETE FROM notes`)
		o := operation("in.csv", `"table":"notes"`, `"columns":[{"from":"E-Mail","format":"email"},{"from":"Name","to":"name"}]`, `"batchSize":9`)
		o.Data = []byte(strings.Replace(string(o.Data), `{"from":"E-Mail","format":"email"},`, "", 1))
		var second protocol.Outcome
		first := &pausing{handler: b.handler(), between: map[int]func(){4: func() {
			h := &pausing{handler: b.handler()}
			if wakes == "in the middle" {
				h.stopAfter = 3
			}
			second = h.run(t, o, protocol.Fence{N: 1, Attempt: 2})
		}}}
		outcome := first.run(t, o, protocol.Fence{N: 1, Attempt: 1})
		require.Equal(t, "LockLost", outcome.Code, outcome.Message)
		require.Equal(t, "attempt 0.1.1 lost its lock: attempt 0.1.2 went on", outcome.Message)
		if wakes == "in the middle" {
			require.Equal(t, protocol.OutcomeCanceled, second.Kind, second.Message)
			second = (&pausing{handler: b.handler()}).run(t, o, protocol.Fence{N: 2, Attempt: 1})
		}
		require.Equal(t, protocol.OutcomeSucceeded, second.Kind, second.Message)
		require.Contains(t, string(second.Result), `"imported":100`)
		require.Equal(t, []string{"100 100"}, b.list(t, `SELECT CAST(count(*) AS TEXT) || ' ' || CAST(count(DISTINCT name) AS TEXT) FROM notes`), wakes)
		require.Equal(t, "LockLost", (&pausing{handler: b.handler()}).run(t, o, protocol.Fence{N: 1, Attempt: 1}).Code, "nor may it begin again")
	}
}

// Rejects are there once each, in order, whichever attempt wrote them, and what a
// stopped one writes when it wakes does not count.
func rejectsOnce(t *testing.T, b *bench) {
	b.Save(t, "in.csv", manyPeople(200))
	o := operation("in.csv", people, `"batchSize":15`)
	first := &pausing{handler: b.handler(), between: map[int]func(){5: func() {
		stopped := &pausing{handler: b.handler(), stopAfter: 3}
		require.Equal(t, protocol.OutcomeCanceled, stopped.run(t, o, protocol.Fence{N: 1, Attempt: 2}).Kind)
	}}}
	require.Equal(t, "LockLost", first.run(t, o, protocol.Fence{N: 1, Attempt: 1}).Code)
	outcome := (&pausing{handler: b.handler()}).run(t, o, protocol.Fence{N: 1, Attempt: 3})
	require.Equal(t, protocol.OutcomeSucceeded, outcome.Kind, outcome.Message)
	lines := strings.Split(strings.TrimSpace(b.read(t, "in.csv.rejects.csv")), "\n")[1:]
	require.Len(t, lines, 20)
	for i, line := range lines {
		require.Contains(t, line, fmt.Sprintf("nobody-%d,", 10*i+3))
	}
	b.onlyFiles(t, "in.csv", "in.csv.rejects.csv")
}
