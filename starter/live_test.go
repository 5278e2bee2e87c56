package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// watched runs a command that goes on until it is interrupted, for so long.
func watched(t *testing.T, f *fake, a *app, limit time.Duration, args ...string) result {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	time.AfterFunc(limit, interrupt)
	var stdout, stderr bytes.Buffer
	a.stdin, a.stdout, a.stderr = strings.NewReader(""), &stdout, &stderr
	a.dial = f.dialled
	code := a.run(ctx, args)
	return result{code, stdout.String(), stderr.String()}
}

func TestWatchRepeatsWithALineBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &app{environment: environment{}, terminal: func(any) bool { return false }, size: terminalSize}
		r := watched(t, site(), a, 5*time.Second, "token", "list", "--watch")
		require.Equal(t, exitInterrupted, r.code, r.stderr)
		require.Equal(t, "Interrupted.\n", r.stderr)
		require.Equal(t, 3, strings.Count(r.stdout, "HEAD IS"))
		require.Equal(t, 2, strings.Count(r.stdout, "\n--- 2000-01-01T00:00:0"))
		require.NotContains(t, r.stdout, "\x1b")
	})
}

func TestWatchStaysInItsPlaceOnATerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := site()
		a := &app{environment: environment{}, size: func(any) (int, int) { return 40, 8 }}
		a.terminal = func(stream any) bool { return stream == a.stdout }
		r := watched(t, f, a, 5*time.Second, "token", "show", "customer-42", "-w")
		require.Equal(t, exitInterrupted, r.code, r.stderr)
		frames := strings.Split(r.stdout, "\r\x1b[J")[1:]
		require.Len(t, frames, 3)
		require.Equal(t, 2, strings.Count(r.stdout, "\x1b[7A"), "up by the lines of the frame before")
		for _, frame := range frames {
			lines := strings.Split(strings.TrimSuffix(strings.TrimSuffix(frame, "\x1b[7A"), "\n"), "\n")
			require.Len(t, lines, 7)
			require.Regexp(t, `^… and \d+ more lines$`, lines[6])
			for _, line := range lines {
				require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\x1b[0m"))), 40)
			}
		}
	})
}

func TestWatchHasColoursOnATerminalOnlyAndNotWithNoColor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env    environment
		colors bool
	}{
		"colours":    {environment{}, true},
		"NO_COLOR":   {environment{"NO_COLOR": "1"}, false},
		"a terminal": {environment{"TERM": "dumb"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &app{environment: test.env, size: terminalSize}
				a.terminal = func(stream any) bool { return stream == a.stdout }
				r := watched(t, site(), a, 3*time.Second, "token", "show", "customer-42", "-w")
				require.Equal(t, test.colors, strings.Contains(r.stdout, "\x1b[35m"), r.stdout)
			})
		})
	}
}

// An error that may pass does not end it, another does; the first always does.
func TestWatchGoesOnOverAnErrorThatMayPass(t *testing.T) {
	t.Parallel()
	away, denied := serviceerror.NewUnavailable("away"), serviceerror.NewPermissionDenied("no", "")
	gone := &protocol.Refusal{Type: protocol.ErrTypeOperationNotFound, Message: "gone"}
	for name, test := range map[string]struct {
		errs  []error
		code  int
		looks int
	}{
		"the first error ends it":   {[]error{away}, exitError, 1},
		"away, and there again":     {[]error{nil, away, nil}, exitInterrupted, 4},
		"a worker that is not up":   {[]error{nil, &opclient.NoWorkerError{}}, exitInterrupted, 4},
		"denied":                    {[]error{nil, denied, nil}, exitError, 2},
		"a token that is not known": {[]error{nil, gone, nil}, exitNotFound, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var stdout, stderr bytes.Buffer
				a := &app{environment: environment{}, output: outputText, color: "auto", terminal: func(any) bool { return false }, stdout: &stdout, stderr: &stderr}
				c := a.listCommand()
				ctx, interrupt := context.WithCancel(t.Context())
				defer interrupt()
				c.SetContext(ctx)
				time.AfterFunc(7*time.Second, interrupt)
				looks := 0
				err := a.live(c, liveFlags{on: true, every: 2 * time.Second}, func() error {
					if looks++; looks <= len(test.errs) {
						return test.errs[looks-1]
					}
					return nil
				})
				require.Equal(t, test.code, exitCode(err), "%v", err)
				require.Equal(t, test.looks, looks)
				if test.code == exitInterrupted {
					require.Contains(t, stderr.String(), "Error: ")
				}
			})
		})
	}
}

func TestCutCountsNoColours(t *testing.T) {
	t.Parallel()
	require.Equal(t, "\x1b[32mab\x1b[0m", cut("\x1b[32mab\x1b[0m", 2))
	require.Equal(t, "\x1b[32mab\x1b[0mé\x1b[0m", cut("\x1b[32mab\x1b[0méd", 3))
	require.Empty(t, cut("", 3))
}
