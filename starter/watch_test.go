package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

var (
	half = protocol.Heartbeat{Done: 2, Total: 4, Note: "\x1b[31mred"}
	most = protocol.Heartbeat{Done: 3, Total: 4, Note: strings.Repeat("long ", 30)}
)

// runningSite is a token whose head runs, and tells of itself.
func runningSite(beats ...protocol.Heartbeat) *fake {
	f := site()
	f.records["b"], f.beats = record("b", protocol.InProgress), beats
	return f
}

// In a pipe each change is a line, and what has not changed is none.
func TestWatchTellsEachChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, runningSite(half, half, half, most), "", "show", "b", "--watch")
		require.Equal(t, exitOK, r.code, r.stderr)
		lines := strings.Split(r.stdout, "\n")
		for i, want := range []string{
			`InProgress  2 of 4 \(50 %\), \\x1b\[31mred  retry 1`, `InProgress  3 of 4 \(75 %\), long long .*  retry 1`, "Succeeded", "status +Succeeded",
		} {
			require.Regexp(t, want, lines[i])
		}
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  InProgress`, lines[0])
	})
}

func TestWatchForMachines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, runningSite(half, half, most), "", "show", "b", "--watch", "-o", "jsonl")
		require.Equal(t, exitOK, r.code, r.stderr)
		var told []recordOutput
		for _, line := range strings.Split(strings.TrimSpace(r.stdout), "\n") {
			var one recordOutput
			require.NoError(t, json.Unmarshal([]byte(line), &one))
			told = append(told, one)
		}
		require.Len(t, told, 3)
		require.Equal(t, 75, *told[1].Progress.Percent)
		require.Nil(t, told[2].Progress)
		require.Equal(t, "Succeeded", told[2].Status)

		r = start(t, runningSite(half, most), "", "show", "b", "--watch", "-o", "json")
		require.Equal(t, exitOK, r.code, r.stderr)
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &told))
		require.Len(t, told, 3)
	})
}

// On a terminal it is one line, which fits, and is gone at the end.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := runningSite(half, half, most)
		f.screen = true
		r := start(t, f, "", "show", "b", "-w", "--color", "never")
		require.Equal(t, exitOK, r.code, r.stderr)
		line, record, found := strings.Cut(r.stdout, "\r\x1b[Kstatus")
		require.True(t, found, r.stdout)
		require.Contains(t, record, "Succeeded")
		require.NotContains(t, line, "\n")
		shown := strings.Split(line, "\r\x1b[K")[1:]
		require.Len(t, shown, 4)
		require.Len(t, []rune(shown[2]), terminalWidth)
		require.Regexp(t, regexp.QuoteMeta("(75 %)"), shown[2])
	})
}

func TestWatchTellsTheOutcome(t *testing.T) {
	t.Parallel()
	require.Equal(t, exitOutcome, start(t, site(), "", "show", "f", "--watch").code)
	r := start(t, nil, "", "show", "f", "--watch", "--interval", "1s")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "--interval: 1s is under the least, 2s")
}
