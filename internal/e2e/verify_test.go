package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/internal/verify"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// verified is what the histories say of a token.
func (s *site) verified(token string, o verify.Options) *verify.Report {
	s.t.Helper()
	report, err := verify.NewReader(s.Client, o).Token(s.ctx, token)
	require.NoError(s.t, err)
	return report
}

// proveTokens has the histories prove, at the end of a test, that the tokens that
// it submitted to kept their promise: again for a while, since a token may be at
// work still. Without a worker nothing would change, and nothing is proved.
func (s *site) proveTokens() {
	if s.t.Failed() || len(s.workers) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*patience)
	defer cancel()
	for _, token := range slices.Sorted(maps.Keys(s.tokens)) {
		report, err := s.proved(ctx, token)
		if errors.Is(err, verify.ErrUnknownToken) {
			continue // what was sent was refused
		}
		require.NoError(s.t, err)
		require.True(s.t, report.Kept, "token %s: %+v", token, report.Broken)
	}
}

// proved is the first report that is clean, else the last one.
func (s *site) proved(ctx context.Context, token string) (*verify.Report, error) {
	for end := time.Now().Add(3 * patience); ; {
		report, err := verify.NewReader(s.Client, verify.Options{Every: 1 + len(s.tokens)/20}).Token(ctx, token)
		if err != nil || report.Kept || time.Now().After(end) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, nil
		case <-time.After(time.Second):
		}
	}
}

func (s *site) requireKept(token string) *verify.Report {
	s.t.Helper()
	report := s.verified(token, verify.Options{})
	require.True(s.t, report.Kept, "%+v", report.Broken)
	return report
}

// A token with a bit of everything over many runs, with pages: the histories
// prove that it kept its promise, while it works, without a worker, and when it
// is done; and what is changed in them is found.
func TestVerifyProvesAToken(t *testing.T) {
	t.Parallel()
	const n = 60
	s := newSite(t, shared, workflows.Options{PageBytes: 4000, MaxRunEvents: 60})
	token := unique(t)
	failing := operation(token, 3).ID
	s.handle = func(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == failing {
			return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError("no", protocol.ErrTypeFail, nil)
		}
		time.Sleep(60 * time.Millisecond) // a run lasts a second at least: over several, however fast the machine
		return protocol.HandlerResult{}, nil
	}
	_, err := askToken[protocol.SerializerState](s, token, protocol.HoldUpdateName, protocol.HoldRequest{Reason: "at first"})
	require.NoError(t, err)
	_, err = askToken[protocol.SerializerState](s, token, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	require.NoError(t, err)
	var batch []protocol.Operation
	for i := range n {
		o := operation(token, i)
		if due := time.Now().Add(2 * time.Second); i == 5 {
			o.PostponeUntil = &due
		}
		batch = append(batch, o)
	}
	s.submit(token, batch)
	require.Eventually(t, func() bool { return s.state(token).Pages > 2 }, patience, 50*time.Millisecond)
	report := s.requireKept(token)
	require.Equal(t, n, report.Counts.Queued, "all of it waits")
	_, err = s.askQueued(token, protocol.CancelUpdateName, protocol.ActionRequest{OperationID: operation(token, 30).ID})
	require.NoError(t, err)
	_, err = askToken[protocol.SerializerState](s, token, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, s.closed(failing))
	require.Eventually(t, func() bool { return s.state(token).Failure != nil }, patience, 50*time.Millisecond)
	s.requireKept(token)
	_, err = askToken[protocol.Record](s, token, protocol.RerunUpdateName, protocol.RerunRequest{OperationID: failing, NewID: failing + "-again"})
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 9).ID))
	s.requireKept(token)
	s.closed(operation(token, n-1).ID)
	require.Eventually(t, func() bool { return s.state(token).Head == nil }, patience, 50*time.Millisecond)

	var starts []verify.Start
	report = s.verified(token, verify.Options{Each: func(start verify.Start) { starts = append(starts, start) }})
	require.True(t, report.Kept, "%+v", report.Broken)
	require.Equal(t, n+1, report.Counts.Operations)
	require.Equal(t, n+1, report.Counts.Histories)
	require.Equal(t, 1, report.Counts.Reruns)
	require.Equal(t, 1, report.Counts.EndedInQueue)
	require.Greater(t, report.Counts.Runs, 2)
	require.True(t, report.Coverage.FromChainStart)
	require.Empty(t, report.Coverage.Limits)
	require.Equal(t, report.Coverage.First+n-1, report.Coverage.Last)
	sampled := s.verified(token, verify.Options{Every: 10})
	require.True(t, sampled.Kept)
	require.Less(t, sampled.Counts.Histories, n/2)
	requireTamperingIsFound(t, token, starts, report.Coverage.First)
	t.Logf("%+v", report.Counts)
}

// requireTamperingIsFound changes one thing in what the histories said.
func requireTamperingIsFound(t *testing.T, token string, starts []verify.Start, first int64) {
	t.Helper()
	for kind, spoil := range map[verify.Kind]func([]verify.Start) []verify.Start{
		verify.Missing: func(s []verify.Start) []verify.Start { return append(s[:20], s[21:]...) },
		verify.Reordered: func(s []verify.Start) []verify.Start {
			s[40].Ref, s[41].Ref = s[41].Ref, s[40].Ref
			return s
		},
		verify.Overlapped: func(s []verify.Start) []verify.Start {
			s[40].Execution.Closed = s[41].Execution.Began.Add(time.Millisecond)
			return s
		},
		verify.StartedTwice: func(s []verify.Start) []verify.Start {
			s[44].ID = s[43].ID
			return s
		},
	} {
		c := verify.NewChecker(token, 0)
		c.ChainBegins(first)
		for _, start := range spoil(append([]verify.Start(nil), starts...)) {
			c.Start(start)
		}
		report := c.End(true)
		require.False(t, report.Kept, kind)
		require.Positive(t, report.CountOf(kind), "%s: %+v", kind, report.Broken)
	}
}

// Without a worker the histories still answer, and the report says what they do
// not know.
func TestVerifyWithoutAWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{PageBytes: 4000, MaxRunEvents: 60})
	token := unique(t)
	var batch []protocol.Operation
	for i := range 50 {
		batch = append(batch, operation(token, i))
	}
	batch[40] = postponed(token, 40)
	s.submit(token, batch)
	s.closed(operation(token, 39).ID)
	s.becomes(operation(token, 40).ID, protocol.Waiting, protocol.SuspendPostponed)
	s.rests(token)
	s.stopWorker()
	report := s.requireKept(token)
	require.Equal(t, 41, report.Counts.Operations)
	require.Equal(t, 1, report.Counts.Running)
	require.Contains(t, report.Coverage.Limits[0], "no worker answers")
}

// What the last run accepted and holds is not missing where an operation behind it
// has ended already: without a worker only that one is known.
func TestVerifyWithoutAWorkerWhenALaterOneHasEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	token := unique(t)
	batch := []protocol.Operation{postponed(token, 1), operation(token, 2), operation(token, 3), operation(token, 4)}
	s.submit(token, batch)
	_, err := s.client().Cancel(s.ctx, batch[3].ID, token, "")
	require.NoError(t, err)
	s.closed(batch[3].ID)
	s.rests(token)
	s.stopWorker()
	report := s.requireKept(token)
	require.Equal(t, 1, report.Counts.EndedInQueue)
	require.Contains(t, report.Coverage.Limits[0], "no worker answers")
}

// The command line proves a token, refuses one that nobody knows, and says with
// its own exit code that something was lost.
func TestStarterVerifies(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	c := cli{t: t, queue: s.taskQueue}
	token := unique(t)
	release := make(chan struct{})
	s.handle = func(_ context.Context, in protocol.HandlerInput) (protocol.HandlerResult, error) {
		if in.Operation.ID == operation(token, 2).ID {
			<-release
		}
		return protocol.HandlerResult{}, nil
	}
	s.submit(token, []protocol.Operation{operation(token, 1), operation(token, 2), operation(token, 3), operation(token, 4)})
	s.closed(operation(token, 1).ID)
	require.Contains(t, c.ok("verify", token), "kept")
	var report verify.Report
	require.NoError(t, json.Unmarshal([]byte(c.ok("verify", token, "-o", "json")), &report))
	require.True(t, report.Kept)
	require.Equal(t, 4, report.Counts.Operations+report.Counts.Queued)
	_, stderr, code := c.run("", "verify", "nobody-"+token)
	require.Equal(t, 4, code, stderr)
	_, stderr, code = c.run("", "verify")
	require.Equal(t, 2, code, stderr)

	require.Eventually(t, func() bool { return s.attempts(operation(token, 2).ID) == 1 }, patience, 20*time.Millisecond)
	require.NoError(t, s.TerminateWorkflow(s.ctx, protocol.SerializerWorkflowID(token), "", "by a test"))
	close(release)
	s.submit(token, operation(token, 5))
	s.closed(operation(token, 5).ID)
	stdout, stderr, code := c.run("", "verify", token, "-o", "json")
	require.Equal(t, 8, code, stdout+stderr)
	report = verify.Report{}
	require.NoError(t, json.Unmarshal([]byte(stdout), &report))
	require.Equal(t, 2, report.CountOf(verify.Lost), "%+v", report.Broken)
	require.Equal(t, operation(token, 3).ID, report.Broken[0].Operations[0].ID)

	s.submit(token, []protocol.Operation{operation(token, 3), operation(token, 4)})
	s.closed(operation(token, 4).ID)
	require.Contains(t, c.ok("verify", token), "kept", "what was left was submitted again")
}
