package workflows

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/protocol"
)

// seedsVariable is how many scripts the simulation plays; 1,000 by default.
const seedsVariable = "SERIATIM_SEEDS"

// TestSimulation plays random scripts of requests to one token, with runs that
// end after 5 to 50 signals, and compares what the real workflows did with a
// model: what was accepted, what ran when and in which order, how each operation
// ended, every count and every refusal (SPEC 2.1, 3.1, 4.1 to 4.6, 5.1 to 5.3).
//
// A script that fails is made as small as it can be, printed, and written to
// testdata/rapid; the test prints how to play it again, by -rapid.failfile or
// -rapid.seed.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds := simSeeds(t)
	c := &simCoverage{hit: map[simPair]int{}}
	t.Run("seeds", func(t *testing.T) {
		chunk := simChunk(t)
		for n := range (seeds + chunk - 1) / chunk {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(t *rapid.T) { simulate(t, c) })
			})
		}
	})
	if !t.Failed() {
		c.report(t)
	}
}

// simSeeds is how many seeds to play.
func simSeeds(t *testing.T) int {
	t.Helper()
	if value := os.Getenv(seedsVariable); value != "" {
		seeds, err := strconv.Atoi(value)
		require.NoError(t, err, seedsVariable)
		return seeds
	}
	if testing.Short() {
		return 200
	}
	return 1000
}

// simChunk is how many of them rapid plays in one go.
func simChunk(t *testing.T) int {
	t.Helper()
	checks, err := strconv.Atoi(flag.Lookup("rapid.checks").Value.String())
	require.NoError(t, err)
	if testing.Short() {
		checks /= 5 // as rapid does
	}
	return max(1, checks)
}

// simulate plays one script.
func simulate(t *rapid.T, c *simCoverage) {
	script := drawScript(t)
	b := newSimBench(script)
	b.play()
	require.True(t, b.IsWorkflowCompleted())
	require.NoError(t, b.GetWorkflowError())
	logScript(t, script, b.seen)
	require.Empty(t, b.seen.lost, "an execution that is not started when its parent closes never starts")
	m := newSimModel(script.linger)
	require.NoError(t, m.follow(script, b.seen))
	requireChains(t, m, b)
	requireRuns(t, requireExecutions(t, m, b), m, b)
	c.add(m, b)
}

// logScript is for a script that fails; rapid drops it where none does.
func logScript(t *rapid.T, script simScript, seen *simSeen) {
	for i, e := range script.events {
		t.Log(i, e)
	}
	for _, l := range seen.log {
		t.Logf("%+v", l)
	}
}

// requireChains compares what each chain of runs says of itself.
func requireChains(t *rapid.T, m *simModel, b *simBench) {
	require.Len(t, b.seen.states, len(m.chains))
	for i, state := range b.seen.states {
		wanted := m.chains[i]
		wanted.counts.Runs = state.Counts.Runs
		require.Equal(t, wanted.counts, state.Counts, "chain %d", i)
		var rejects []simReject
		for _, reject := range state.Rejects {
			rejects = append(rejects, simReject{reject.At.Sub(b.begin), reject.Type})
		}
		require.Equal(t, inOrder(wanted.rejects), inOrder(rejects), "chain %d", i)
		require.Nil(t, state.Head)
		require.Zero(t, state.Queued+state.Ending)
		require.Equal(t, state.ChainStartedOn.UnixMicro()+state.Counts.Accepted, state.NextSequence,
			"each number of a chain is accounted for")
	}
}

// inOrder are the last rejects. The order of those of one instant is not told: an
// id that another operation turned out to have, and what was read meanwhile. So
// where some are forgotten, so are all of that instant.
func inOrder(rejects []simReject) []simReject {
	kept := rejects[max(0, len(rejects)-maxRejects):]
	if len(kept) == maxRejects {
		kept = slices.DeleteFunc(slices.Clone(kept), func(r simReject) bool { return r.at == kept[0].at })
	}
	return slices.SortedFunc(slices.Values(kept), func(a, b simReject) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.errorType, b.errorType))
	})
}

// requireExecutions compares the operations' own workflows, and answers the ids
// that the model's entries have.
func requireExecutions(t *rapid.T, m *simModel, b *simBench) map[*simEntry]string {
	order := slices.SortedFunc(maps.Keys(b.executed()), func(x, y string) int {
		return cmp.Compare(b.operations[x].sequence, b.operations[y].sequence)
	})
	ids := make(map[*simEntry]string)
	for _, e := range m.all {
		if e.repeats != nil {
			continue
		}
		require.NotEmpty(t, order, "%s has an execution", e.ID)
		id := order[0]
		order = order[1:]
		o := b.operations[id]
		if ids[e] = id; e.ID == "" {
			require.Equal(t, protocol.DefaultOperationID(testToken, o.sequence), id)
		} else {
			require.Equal(t, e.ID, id, "sequences are in the order of acceptance")
		}
		require.True(t, o.closed, id)
		require.Equal(t, e.status, o.status, id)
		require.Equal(t, e.endedAt, o.endedAt, id)
	}
	require.Empty(t, order, "nothing else was started")
	return ids
}

// executed are the operations that have an execution.
func (b *simBench) executed() map[string]*simExecution {
	executed := maps.Clone(b.operations)
	maps.DeleteFunc(executed, func(_ string, o *simExecution) bool { return !o.begun })
	return executed
}

// requireRuns compares which handlers were called, when and in which order.
func requireRuns(t *rapid.T, ids map[*simEntry]string, m *simModel, b *simBench) {
	runs := b.runs
	for _, e := range m.all {
		for n, attempt := range e.attempts {
			is := len(runs) > 0 && runs[0].id == ids[e] && runs[0].at == attempt.at
			if !is && attempt.optional {
				continue
			}
			require.True(t, is, "attempt %d of %s is at %s; next were %v", n+1, ids[e], attempt.at, runs[:min(3, len(runs))])
			require.Equal(t, b.operations[ids[e]].sequence, runs[0].fence.Sequence)
			runs = runs[1:]
		}
	}
	require.Empty(t, runs, "nothing else ran")
	for i := 1; i < len(b.runs); i++ {
		require.GreaterOrEqual(t, b.runs[i].fence.Compare(b.runs[i-1].fence), 0, "the fence never goes back")
	}
}

// simCoverage counts what the scripts brought about.
type simCoverage struct {
	mu                                    sync.Mutex
	hit                                   map[simPair]int
	seeds, runs, chains, adopted, started int
}

func (c *simCoverage) add(m *simModel, b *simBench) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seeds++
	c.adopted += b.seen.adopted
	c.started += len(b.runs)
	c.chains += len(b.seen.states)
	for _, state := range b.seen.states {
		c.runs += int(state.Counts.Runs)
	}
	for pair, n := range m.hit {
		c.hit[pair] += n
	}
}

// report prints the coverage, and fails for a pair that was never hit.
func (c *simCoverage) report(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "%-28s", "")
	for _, action := range simActions {
		fmt.Fprintf(&table, "%18s", action)
	}
	var missed []simPair
	for _, state := range simStates {
		fmt.Fprintf(&table, "\n%-28s", state)
		for _, action := range simActions {
			pair := simPair{state, action}
			fmt.Fprintf(&table, "%18s", map[bool]string{false: strconv.Itoa(c.hit[pair]), true: "-"}[simImpossible[pair]])
			if c.hit[pair] == 0 && !simImpossible[pair] {
				missed = append(missed, pair)
			}
		}
	}
	t.Logf("%d seeds: %d chains, %d runs, %d heads adopted, %d handlers called\n%s", c.seeds, c.chains, c.runs, c.adopted, c.started, &table)
	if c.seeds >= 1000 {
		require.Empty(t, missed, "never hit")
	}
}
