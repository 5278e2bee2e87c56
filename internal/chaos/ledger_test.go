package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPiecesAddUp(t *testing.T) {
	t.Parallel()
	ledger := filepath.Join(t.TempDir(), "long.jsonl")
	sum := func() (all map[string]any) {
		encoded, err := sumLedger(ledger)
		require.NoError(t, err)
		written, err := os.ReadFile(filepath.Join(filepath.Dir(ledger), "long-total.json"))
		require.NoError(t, err)
		require.Equal(t, string(encoded)+"\n", string(written))
		require.NoError(t, json.Unmarshal(encoded, &all))
		return all
	}
	_, err := sumLedger(ledger)
	require.ErrorContains(t, err, "has no pieces")

	require.NoError(t, addToLedger(ledger, &report{Seed: 1, Operations: 10, WorkerKills: 2, Seconds: 1.5, OK: true}, 1, nil))
	require.NoError(t, addToLedger(ledger, &report{Seed: 2, Operations: 5, Interrupted: true, OK: true}, 2, nil))
	all := sum()
	require.Equal(t, 15.0, all["operations"])
	require.Equal(t, 2.0, all["workerKills"])
	require.Equal(t, 1.5, all["seconds"])
	require.Equal(t, 2.0, all["pieces"])
	require.Equal(t, 1.0, all["interrupted"])
	require.Equal(t, true, all["ok"])
	require.NotContains(t, all, "seed")

	require.NoError(t, addToLedger(ledger, &report{Operations: 5, I4: 1}, 3, nil))
	all = sum()
	require.Equal(t, 1.0, all["i4"], "a violation is never forgotten")
	require.Equal(t, false, all["ok"])
}

func TestAPieceThatCouldNotBeJudgedIsLeftOut(t *testing.T) {
	t.Parallel()
	ledger := filepath.Join(t.TempDir(), "long.jsonl")
	require.NoError(t, addToLedger(ledger, nil, 1, errors.New("the server does not start")))
	pieces, err := readJournal[map[string]any](ledger)
	require.NoError(t, err)
	all := total(pieces)
	require.Equal(t, 0, all["pieces"])
	require.Equal(t, 1, all["leftOut"])
	require.Equal(t, false, all["ok"])
}

func TestALongRunHasOtherDefaults(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"--long", "--tokens", "7"}, &discard{})
	require.NoError(t, err)
	require.Equal(t, 7, o.tokens, "what is given stays")
	require.GreaterOrEqual(t, 5*o.workerKills, 500)
	require.GreaterOrEqual(t, 5*o.serverKills, 100)
	require.GreaterOrEqual(t, 5*o.operations, 20_000)
	require.LessOrEqual(t, o.limit+2*slack, 40*time.Minute)
	require.NotEmpty(t, o.ledger)
}
