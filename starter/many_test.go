package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// What a filter would touch is shown before it is touched.
func TestCancelByFilterAsks(t *testing.T) {
	t.Parallel()
	for answer, test := range map[string]struct {
		code, sent int
		says       string
	}{
		"y\n":   {exitOK, 2, ""},
		" YES ": {exitOK, 2, ""},
		"n\n":   {exitError, 0, "nothing was changed"},
		"":      {exitError, 0, "nothing was changed"},
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			f := site()
			f.terminal = true
			r := start(t, f, answer, "cancel", "--type", "http.request", "--reason", "why", "--identity", "ada")
			require.Equal(t, test.code, r.code, r.stderr)
			require.Contains(t, r.stderr, "2 operations would be cancelled:\n\nSTATUS               ID  TYPE          TOKEN        CREATED\nWaiting              d ")
			require.Contains(t, r.stderr, test.says)
			require.Len(t, f.sent, test.sent)
			if test.sent > 0 {
				require.Contains(t, f.sent, protocol.ActionRequest{OperationID: "d", Reason: "why", Identity: "ada"})
				require.Equal(t, "2 selected: 2 cancelled\n", r.stdout)
			}
		})
	}
}

func TestActingByFilterWithoutATerminalNeedsYes(t *testing.T) {
	t.Parallel()
	f := site()
	r := start(t, f, "y\n", "resume", "--token", "customer-42")
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "add --yes")
	require.Empty(t, f.sent)
	r = start(t, f, "", "resume", "--token", "customer-42", "--yes", "-o", "json")
	require.Equal(t, exitOK, r.code, r.stderr)
	var acted []actedOutput
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &acted))
	require.Equal(t, []actedOutput{{ID: "d", DependencyToken: "customer-42", Status: "WaitingForResources"}}, acted, "only d is Suspended")
	require.JSONEq(t, `{"summary":{"selected":1,"done":1,"refused":0,"failed":0,"notAsked":0}}`, r.stderr)
}

func TestActingByFilterTellsWhatWasRefused(t *testing.T) {
	t.Parallel()
	f := site()
	f.refusal = temporal.NewNonRetryableApplicationError("no", protocol.ErrTypeInvalidTransition, nil)
	r := start(t, f, "", "cancel", "--token", "customer-42", "-y")
	require.Equal(t, exitSomeRefused, r.code)
	require.Equal(t, "2 selected: 0 cancelled, 2 refused\n", r.stdout)
	require.Equal(t, 2, strings.Count(r.stderr, ": no; allowed: nothing"), r.stderr)
	require.Equal(t, exitOK, start(t, f, "", "cancel", "--owner", "nobody", "-y").code)
	require.Equal(t, exitRefused, start(t, f, "", "cancel", "--status", "failed", "-y").code)
}

func TestActingByFilterIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := site()
	for len(f.queue) < 100 {
		f.queue = append(f.queue, record("q"+strings.Repeat("x", len(f.queue)), protocol.WaitingForResources))
	}
	answer := f.answer
	f.answer = func(name string) any {
		cancel()
		time.Sleep(10 * time.Millisecond)
		return answer(name)
	}
	r := startIn(ctx, t, f, environment{}, "", "cancel", "--token", "customer-42", "-y")
	require.Equal(t, exitInterrupted, r.code)
	require.Regexp(t, `^100 selected: \d+ cancelled, (\d+ without an answer, )?\d+ not asked\n$`, r.stdout)
	require.Contains(t, r.stderr, "Interrupted.")
}

// SPEC 3.1: what is not there is no error for delete, so that it can be repeated.
func TestDelete(t *testing.T) {
	t.Parallel()
	r := start(t, site(), "", "delete", "none", "--token", "customer-42")
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, "none  not there: nothing to delete\n", r.stdout)
	r = start(t, site(), "", "delete", "ok", "c", "--token", "customer-42")
	require.Equal(t, exitSomeRefused, r.code)
	require.Contains(t, r.stderr, "8004416A")
	require.Equal(t, "ok  deleted\n", r.stdout)
}

func TestBusyIsAnErrorToTryAgain(t *testing.T) {
	t.Parallel()
	require.Equal(t, exitError, exitCode(&protocol.Refusal{Type: protocol.ErrTypeBusy}))
	require.Equal(t, exitError, exitCode(&protocol.Refusal{Type: protocol.ErrTypeContinuingAsNew}))
}
