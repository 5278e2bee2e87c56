package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

var planOptions = options{seed: 7, operations: 600, tokens: 20, workerKills: 15, serverKills: 5, workers: 3, wireCuts: 3, wireStalls: 2, serviceStops: 2, recurrences: 4}

func TestASeedDecidesThePlan(t *testing.T) {
	t.Parallel()
	require.Equal(t, newPlan(planOptions, time.Minute), newPlan(planOptions, time.Minute))
	another := planOptions
	another.seed++
	require.NotEqual(t, newPlan(planOptions, time.Minute), newPlan(another, time.Minute))
}

func TestAPlanHasWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	p := newPlan(planOptions, time.Minute)
	ids := make(map[string]int)
	var cancels, postponed, poison, contents int
	verbs, types := make(map[string]int), make(map[protocol.TypeRef]int)
	recur := make(map[bool]int) // by whether they have a token
	for _, steps := range p.Steps {
		require.True(t, slices.IsSortedFunc(steps, func(a, b step) int { return int(a.At - b.At) }))
		for _, s := range steps {
			if s.Cancel != nil {
				cancels++
			}
			if s.Ask != nil {
				verbs[s.Ask.Verb]++
			}
			for _, o := range s.Operations {
				ids[o.ID]++
				types[o.Type]++
				if o.Recurs != nil {
					recur[o.Token != ""]++
				}
				if o.Postpone > 0 {
					postponed++
				}
				if o.Work.Kind != workSucceeds {
					poison++
				}
				if o.Work.Version > 1 {
					contents++
				}
				require.NoError(t, o.operation(origin).Validate())
			}
		}
	}
	require.Len(t, ids, planOptions.operations+planOptions.recurrences)
	for name, n := range map[string]int{"cancels": cancels, "postponed": postponed, "poison": poison, "other contents": contents} {
		require.Positive(t, n, name)
	}
	for _, verb := range []string{
		protocol.PauseUpdateName, protocol.PostponeUpdateName, protocol.HoldUpdateName, protocol.SetPolicyUpdateName,
	} {
		require.Positive(t, verbs[verb], verb)
	}
	for _, of := range []protocol.TypeRef{chaosType, httpType, flowType, localType, importType, mailType} {
		require.Positive(t, types[of], of)
	}
	require.Positive(t, recur[true])
	require.Positive(t, recur[false])
	require.NotEmpty(t, p.long())
	kinds, stopped := make(map[faultKind]int), make(map[protocol.TypeRef]int)
	for _, f := range p.Faults {
		if kinds[f.Kind]++; f.Type != "" {
			stopped[f.Type]++
		}
		require.True(t, quiet <= f.At && f.At <= time.Minute)
	}
	require.Equal(t, map[faultKind]int{killWorker: 15, killServer: 5, stopWorker: 5, restartWorker: 4, cutWire: 3, stallWire: 2, stopType: 2}, kinds)
	require.Equal(t, map[protocol.TypeRef]int{httpType: 1, localType: 1}, stopped)
}

// What a submitter sends of one token is in one lane: nothing else keeps its
// order.
func TestATokenIsInOneLaneOfASubmitter(t *testing.T) {
	t.Parallel()
	for _, steps := range newPlan(planOptions, time.Minute).Steps {
		laneOf := make(map[string]int)
		for _, s := range steps {
			for _, o := range s.Operations {
				if o.Token == "" || o.Work.Version > 1 {
					continue
				}
				if lane, known := laneOf[o.Token]; known {
					require.Equal(t, lane, s.Lane)
				}
				laneOf[o.Token] = s.Lane
			}
		}
	}
}

func TestTheTargetRefusesOlderFences(t *testing.T) {
	t.Parallel()
	target := &target{highest: make(map[string]protocol.Fence)}
	take := func(register string, sequence int64, number int32) bool {
		return target.take(write{Register: register, Fence: protocol.Fence{Sequence: sequence, N: 1, Attempt: number}})
	}
	require.True(t, take("t", 1, 1))
	require.True(t, take("t", 1, 2))
	require.False(t, take("t", 1, 1), "an attempt after it has claimed the register")
	require.True(t, take("t", 2, 1))
	require.False(t, take("t", 1, 9))
	require.True(t, take("u", 1, 1), "another register")
	require.Len(t, target.all(), 6)
}

func TestAJournalIsReadUpToWhereItsWriterDied(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.jsonl")
	j, err := openJournal(path)
	require.NoError(t, err)
	require.NoError(t, j.write(handlerLine{Event: "start", ID: "a"}))
	require.NoError(t, j.write(handlerLine{Event: "end", ID: "a", At: at(5)}))
	j.close()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"event":"sta`)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	lines, err := readJournal[handlerLine](path)
	require.NoError(t, err)
	require.Len(t, lines, 2)
	var e evidence
	e.joinWorker(lines)
	require.Len(t, e.attempts, 1)
	require.False(t, e.attempts[0].end.IsZero())
}

func TestAnswersAreJoinedWithTheirCalls(t *testing.T) {
	t.Parallel()
	var e evidence
	e.joinSubmitter([]submitLine{
		{Event: "call", Step: 0, At: at(0), Submissions: []submission{{ID: "a"}, {ID: "b"}}},
		{Event: "call", Step: 1, At: at(1), Verb: protocol.CancelUpdateName, ID: "a"},
		{Event: "answer", Step: 0, At: at(5), Acknowledged: true},
		{Event: "answer", Step: 1, At: at(6), Error: "too late"},
		{Event: "call", Step: 2, At: at(7), Submissions: []submission{{ID: "c"}}},
	})
	require.Len(t, e.submitted, 3)
	require.Equal(t, at(5), e.submitted[1].acknowledged)
	require.True(t, e.submitted[2].acknowledged.IsZero())
	require.Len(t, e.asked, 1)
	require.True(t, e.asked[0].acknowledged.IsZero())
}

func TestOnlyADatabaseOfItsOwnIsBroken(t *testing.T) {
	t.Parallel()
	broken := func(db string) (n int) {
		o := planOptions
		o.db, o.backendEnds, o.backendKills = db, 4, 3
		for _, f := range newPlan(o, time.Minute).Faults {
			if f.Kind == endBackend || f.Kind == killBackend {
				n++
			}
		}
		return n
	}
	require.Equal(t, 7, broken(onPostgres))
	require.Zero(t, broken(onSQLite))
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--limit", "1s"}, {"--tokens", "0"}, {"more"}, {"--server-kills", "-1"}, {"--db", "oracle"}, {"--backend-kills", "-1"}, {"--pieces", "0"}, {"--operations", "10000"}, {"--recurrences", "-1"}, {"--service-stops", "-1"}, {"--wire-cuts", "-1"}, {"--wire-stalls", "-1"}, {"--what"}} {
		_, err := parse(args, &discard{})
		require.Error(t, err, args)
	}
	o, err := parse([]string{"--seed", "5"}, &discard{})
	require.NoError(t, err)
	require.Equal(t, uint64(5), o.seed)
	require.Equal(t, 600, o.operations)
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
