package workflows

import (
	"cmp"
	"flag"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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
	m.window = script.window
	require.NoError(t, m.follow(script, b.seen))
	requireChains(t, m, b)
	requireExecutions(t, m, b)
	c.add(m, b)
}

// logScript is for a script that fails; rapid drops it where none does.
func logScript(t *rapid.T, script simScript, seen *simSeen) {
	for i, e := range script.events {
		t.Log(i, e)
	}
	for _, l := range seen.log {
		t.Log(l)
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
		require.Equal(t, state.ChainStartedOn.UnixMicro()+state.Counts.Accepted-wanted.inPlace, state.NextSequence,
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

// requireExecutions compares the operations' own workflows: each that was
// accepted has one, in the order of acceptance, and no other was started.
func requireExecutions(t *rapid.T, m *simModel, b *simBench) {
	executed := maps.Clone(b.operations)
	maps.DeleteFunc(executed, func(_ string, o *simExecution) bool { return !o.begun })
	sequence := int64(0)
	for _, e := range m.all {
		if e.repeats != nil {
			continue
		}
		o := executed[e.id]
		require.NotNil(t, o, "%s has an execution", e.id)
		delete(executed, e.id)
		require.True(t, o.closed, e.id)
		require.Equal(t, e.status, o.status, e.id)
		require.Equal(t, e.ended, o.endedAt, e.id)
		require.Equal(t, e.sequence, o.sequence, e.id)
		if e.inPlace == nil {
			require.Greater(t, o.sequence, sequence, "sequences are in the order of acceptance")
			sequence = o.sequence
		}
	}
	require.Empty(t, executed, "nothing else was started")
}
