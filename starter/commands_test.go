package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/<name>.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update")
	require.Equal(t, string(want), got)
}

// at is the fixed day of the records in these tests.
func at(clock string) *time.Time {
	t, err := time.Parse(time.RFC3339, "2030-01-31T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return &t
}

func record(id string, status protocol.StatusCode) protocol.Record {
	return protocol.Record{
		Operation: protocol.Operation{ID: id, OperationType: "http.request", DependencyToken: "customer-42"},
		StateCode: status.State(), StatusCode: status, CreatedOn: at("08:00:00"),
	}
}

// site is a token with a postponed head and two operations behind it, and two
// that have ended.
func site() *fake {
	failed := record("f", protocol.Failed)
	failed.Name, failed.Data = "\x1b[31mred", json.RawMessage(`{"url":"https://example.com"}`)
	failed.ErrorCode, failed.Message, failed.FriendlyMessage = "HTTP 404", "not there\nsecond line", "The receiver does not know it."
	failed.StartedOn, failed.CompletedOn, failed.ExecutionTimeSpan, failed.RetryCount = at("08:00:01"), at("08:00:03"), 1.5, 2
	head := record("b", protocol.Waiting)
	head.SuspendReason, head.PostponeUntil = protocol.SuspendPostponed, at("09:00:00")
	next, last := record("c", protocol.WaitingForResources), record("d", protocol.Waiting)
	next.Position, next.BlockedBy = 1, "b"
	last.Position, last.BlockedBy, last.SuspendReason, last.PostponeUntil = 2, "b", protocol.SuspendPostponed, at("10:00:00")
	acted := map[string]any{
		protocol.CancelUpdateName: record("c", protocol.Canceled), protocol.PauseUpdateName: record("b", protocol.Pausing),
		protocol.ResumeUpdateName: record("b", protocol.WaitingForResources), protocol.RerunUpdateName: rerunOf(failed),
	}
	until := at("09:00:00")
	return &fake{
		deleted: map[string]bool{}, serializers: []string{"customer-42"},
		answer: func(name string) any {
			if answer, ok := acted[name]; ok {
				return answer
			}
			return protocol.SerializerState{
				Token: "customer-42", Queued: 2, Head: &head, Policy: protocol.Policy{OnFailure: protocol.HoldOnFailure, MaxQueued: 9},
				Hold: &protocol.Hold{On: *at("08:30:00"), Until: until, Identity: "starter:ada@host", Reason: "stocktaking"},
			}
		},
		records: map[string]protocol.Record{"f": failed, "b": head, "ok": record("ok", protocol.Succeeded)},
		queue:   []protocol.Record{next, last},
		state: protocol.SerializerState{
			Token: "customer-42", Head: &head, HeadSince: at("08:00:03"), Queued: 2,
			Counts:  protocol.Counts{Accepted: 4, Rejected: 1, Failed: 1, Runs: 1},
			Rejects: []protocol.Reject{{At: *at("08:00:02"), Type: protocol.ErrTypeDuplicateID, OperationID: "c", Reason: "id: taken"}},
		},
	}
}

func rerunOf(failed protocol.Record) protocol.Record {
	again := record("f-again", protocol.WaitingForResources)
	again.RerunOf, again.Name, again.Position, again.BlockedBy = failed.ID, "red", 3, "b"
	return again
}

func TestOutput(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"show-failed.txt":      "show f",
		"show-failed.json":     "show f -o json",
		"show-queued.txt":      "show d --token customer-42",
		"show-running.txt":     "show b",
		"show-running.json":    "show b -o json",
		"why-running.txt":      "why b",
		"token-show.txt":       "token show customer-42",
		"token-rejects.txt":    "token rejects customer-42",
		"token-rejects.jsonl":  "token rejects customer-42 -o jsonl",
		"token-list.txt":       "token list --blocked",
		"token-list.jsonl":     "token list -o jsonl",
		"token-hold.txt":       "token hold customer-42 --until 2030-01-31T09:00:00Z --reason stocktaking",
		"token-release.json":   "token release customer-42 -o json",
		"why-queued.txt":       "why d --token customer-42",
		"why-queued.json":      "why d --token customer-42 -o json",
		"why-failed.txt":       "why f",
		"pause.txt":            "pause b",
		"resume.txt":           "resume b --reason again",
		"rerun.txt":            "rerun f --new-id f-again",
		"rerun.json":           "rerun f -o json",
		"delete.txt":           "delete ok",
		"delete.jsonl":         "delete ok -o jsonl",
		"cancel-filter.txt":    "cancel --token customer-42 --type http.request --yes",
		"cancel-several.jsonl": "cancel c d --token customer-42 -o jsonl",
		"submit.txt":           "submit --type http.request --token customer-42 --id a1",
		"submit.json":          "submit --type http.request --id a1 -o json",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world := func() *fake {
				if strings.Contains(name, "running") {
					return runningSite(half, half, half)
				}
				return site()
			}
			r := start(t, world(), "", strings.Fields(args)...)
			require.Zero(t, r.code, r.stderr)
			golden(t, name, r.stdout)
			r = start(t, world(), "", append(strings.Fields(args), "-o", "none")...)
			require.Zero(t, r.code)
			require.Empty(t, r.stdout+r.stderr)
		})
	}
}

// The head is told as it is now, not as the serializer started it.
func TestTokenAsJSON(t *testing.T) {
	t.Parallel()
	f := site()
	f.records["b"] = record("b", protocol.Canceling)
	r := start(t, f, "", "token", "show", "customer-42", "-o", "json")
	require.Zero(t, r.code, r.stderr)
	var told tokenOutput
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &told))
	require.Equal(t, "Canceling", told.Head.Status)
	require.Len(t, told.Queue, 2)
	require.Equal(t, 2, told.Queued)
}

func TestWaitTellsTheOutcome(t *testing.T) {
	t.Parallel()
	require.Equal(t, exitOK, start(t, site(), "", "wait", "ok").code)
	r := start(t, site(), "", "wait", "f", "-o", "jsonl")
	require.Equal(t, exitOutcome, r.code)
	require.Contains(t, r.stdout, `"status":"Failed"`)
	require.JSONEq(t, `{"error":{"message":"operation \"f\" ended Failed","exitCode":3}}`, r.stderr)
	require.Equal(t, exitNotFound, start(t, site(), "", "show", "x", "--token", "customer-42").code)
}

func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	f := site()
	var refusal *protocol.Refusal
	require.ErrorAs(t, protocol.CheckAction("b", protocol.Canceling, protocol.ActionPostpone), &refusal)
	f.refusal = temporal.NewNonRetryableApplicationError("", refusal.Type, nil, *refusal)
	r := start(t, f, "", "postpone", "b", "--until", "1h", "-o", "json")
	require.Equal(t, exitRefused, r.code)
	var told errorOutput
	require.NoError(t, json.Unmarshal([]byte(r.stderr), &told))
	require.Equal(t, errorBody{
		Message: told.Error.Message, ExitCode: exitRefused, Type: protocol.ErrTypeInvalidTransition, OperationID: "b",
		Code: protocol.CodeInvalidStateChangeToSuspended, Name: "InvalidStateChangeToSuspended", AllowedActions: []protocol.Action{protocol.ActionCancel},
	}, told.Error)
	require.Equal(t, "[]\n", r.stdout)
}

// SPEC 1.2, 1.3: each line that is wrong is refused by its number and the
// field's name, and the others go on.
func TestSubmitFileRefusesLineByLine(t *testing.T) {
	t.Parallel()
	lines := `{"id":"a","operationType":"http.request","dependencyToken":"t"}
{"id":"b","operationType":"http.request","tokn":"t"}

{"id":"c","operationType":"http.request","dependencyToken":"t","priority":7}
{"id":"d","operationType":"http.request"}
`
	f := site()
	r := start(t, f, lines, "submit", "--file", "-")
	require.Equal(t, exitSomeRefused, r.code)
	require.Equal(t, "4 read: 2 accepted, 2 refused\n", r.stdout)
	require.Contains(t, r.stderr, "line 2 (b): refused: tokn: is not a field of an operation")
	require.Contains(t, r.stderr, "line 4 (c): refused: priority: is not in 1..5 (got 7)")
	require.Equal(t, 1, f.signals)

	r = start(t, site(), lines, "submit", "--file", "-", "-o", "jsonl")
	require.Equal(t, exitSomeRefused, r.code)
	require.Len(t, strings.Split(strings.TrimSpace(r.stdout), "\n"), 4, r.stdout)
	for _, line := range strings.Split(strings.TrimSpace(r.stdout+r.stderr), "\n") {
		require.True(t, json.Valid([]byte(line)), line)
	}
}

func TestSubmitFileStopsWhereItIsDenied(t *testing.T) {
	t.Parallel()
	f := site()
	f.refusal = serviceerror.NewPermissionDenied("not yours", "")
	r := start(t, f, `{"operationType":"x","dependencyToken":"t"}`, "submit", "--file", "-")
	require.Equal(t, exitError, r.code)
	require.Equal(t, "1 read: 0 accepted, 1 not submitted\n", r.stdout)
	require.Contains(t, r.stderr, "not yours (Temporal at localhost:7233)")
}

func TestSubmitReadsData(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"from":"file"}`), 0o600))
	for _, test := range []struct {
		data, stdin string
		code        int
		says        string
	}{
		{`{"a":1}`, "", exitOK, ""},
		{"@" + file, "", exitOK, ""},
		{"-", `{"from":"stdin"}`, exitOK, ""},
		{"{", "", exitRefused, "data: is not JSON"},
		{"-", "", exitRefused, "data: is empty"},
		{"@" + file + ".none", "", exitError, "no such file"},
	} {
		r := start(t, site(), test.stdin, "submit", "--type", "x", "--data", test.data)
		require.Equal(t, test.code, r.code, test.data)
		require.Contains(t, r.stderr, test.says)
	}
}

func TestCancelSeveralGoesOn(t *testing.T) {
	t.Parallel()
	f := site()
	f.refusal = temporal.NewNonRetryableApplicationError("no", protocol.ErrTypeInvalidTransition, nil)
	r := start(t, f, "", "cancel", "b", "x", "--token", "customer-42")
	require.Equal(t, exitSomeRefused, r.code)
	require.Equal(t, 3, strings.Count(r.stderr, "Error: "))
	require.Contains(t, r.stderr, "2 of 2 operations were refused")
}
