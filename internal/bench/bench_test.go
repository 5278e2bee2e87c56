package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

func TestFiguresOverRounds(t *testing.T) {
	t.Parallel()
	require.Equal(t, spread{1, 2, 9}, spreadOf([]float64{9, 1, 2}))
	require.Equal(t, spread{1, 2.5, 9}, spreadOf([]float64{9, 1, 2, 3}))
	s := make(sample)
	s.quantiles([]time.Duration{4 * time.Millisecond, time.Millisecond, 3 * time.Millisecond, 2 * time.Millisecond}, startP50, startP99)
	require.Equal(t, sample{startP50: 3, startP99: 4}, s)
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	t.Parallel()
	r := newResult(workload{name: "x", tokens: 1, each: 1, variants: []variant{plain, seriatim}}, settings[0])
	r.rounds = []map[string]sample{
		{plain.name: {serverCPU: 10}, seriatim.name: {serverCPU: 20}},
		{plain.name: {serverCPU: 40}, seriatim.name: {serverCPU: 20}},
		{plain.name: {serverCPU: 0}, seriatim.name: {serverCPU: 20}}, // not measured
	}
	require.Equal(t, []pair{{seriatim, plain}}, r.pairs())
	require.Equal(t, map[metric]spread{serverCPU: {0.5, 1.25, 2}}, r.ratios(pair{seriatim, plain}))
	line, err := r.MarshalJSON()
	require.NoError(t, err)
	require.Contains(t, string(line), `"seriatim / plain":{"serverCPUMs":{"min":0.5,"median":1.25,"max":2}}`)
	require.Contains(t, string(line), `"history.transferProcessorMaxPollRPS":"2000"`)
}

func TestWhatWasNotSerialIsNoMeasurement(t *testing.T) {
	t.Parallel()
	at := func(start, end int64) times { return times{started: time.Unix(start, 0), ended: time.Unix(end, 0)} }
	token, free := []lane{{token: "a"}}, []lane{{}}
	require.NoError(t, requireSerial(token, [][]times{{at(1, 2), at(2, 3)}}))
	require.ErrorContains(t, requireSerial(token, [][]times{{at(1, 3), at(2, 4)}}), "operation 1 of token a started before")
	require.NoError(t, requireSerial(free, [][]times{{at(1, 3), at(2, 4)}}))
}

// A child workflow is two actions: its parent's command and its own start.
func TestActionsOfAnOperation(t *testing.T) {
	t.Parallel()
	count := func(types ...enumspb.EventType) (t tally) {
		for _, of := range types {
			t.add(&historypb.HistoryEvent{EventType: of})
		}
		return t
	}
	parent := count(enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED,
		enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	require.Equal(t, tally{events: 5, tasks: 1, actions: 1}, parent)
	child := count(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
		enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
	require.Equal(t, tally{events: 4, runs: 1, actions: 2}, child)
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		of                 workload
		size               float64
		tokens, each, idle int
	}{
		"all of it":                {workload{tokens: 50, each: 20}, 1, 50, 20, 0},
		"fewer tokens":             {workload{tokens: 50, each: 20}, 0.1, 5, 20, 0},
		"fewer of the one token":   {workload{tokens: 1, each: 100}, 0.1, 1, 10, 0},
		"fewer without a token":    {workload{each: 1000}, 0.1, 0, 100, 0},
		"fewer idle ones":          {workload{tokens: 20, each: 10, idle: 1000}, 0.1, 2, 10, 100},
		"two are left in any case": {workload{tokens: 1, each: 100}, 0.001, 1, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.of.sized(c.size)
			require.Equal(t, []int{c.tokens, c.each, c.idle}, []int{got.tokens, got.each, got.idle})
			require.Len(t, got.lanes("p"), max(1, c.tokens))
		})
	}
}

func TestWrongFlagsAreNamed(t *testing.T) {
	t.Parallel()
	for flags, wanted := range map[string]string{
		"--rounds=0":        "--rounds 0: at least 1",
		"--size=2":          "--size 2: over 0, up to 1",
		"--server=x":        `--server "x": embedded or limited`,
		"--pollers=x":       `--pollers "x": own, fixed or auto`,
		"--workload=idle,x": `workload "x": there is none of that name`,
		"rest":              `"rest": there are no arguments`,
	} {
		var stderr strings.Builder
		require.Equal(t, 2, run(t.Context(), []string{flags}, io.Discard, &stderr), flags)
		require.Contains(t, stderr.String(), wanted)
	}
}
