package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
	"github.com/seriatim-go/seriatim/workflows"
)

// SPEC 3.1, 6.5, 8.4: the hand on one operation, from the client.
func TestClientPausesExplainsAndResumes(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	counts := &counter{pace: 50 * time.Millisecond, until: 100}
	s.works = counts.handle
	c, token := s.client(), unique(t)
	s.submit(token, []protocol.Operation{work(token, 0), operation(token, 1)})
	head, behind := work(token, 0).ID, operation(token, 1).ID
	require.Eventually(t, func() bool { return counts.counted() >= 5 }, patience, 10*time.Millisecond)
	_, err := c.Resume(s.ctx, head, token, "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition, "it runs")
	record, err := c.Pause(s.ctx, head, "", "the site is down")
	require.NoError(t, err)
	require.Equal(t, protocol.Pausing, record.StatusCode)
	s.becomes(head, protocol.Waiting, protocol.SuspendPaused)

	why, err := c.Why(s.ctx, head, token)
	require.NoError(t, err)
	require.Contains(t, strings.Join(why.Why, "\n"), "by tester: the site is down")
	require.Contains(t, why.Allowed, protocol.ActionResume)
	why, err = c.Why(s.ctx, behind, token)
	require.NoError(t, err)
	require.Equal(t, head, why.BlockedBy)
	require.NotNil(t, why.BlockedSince)
	require.Equal(t, protocol.SuspendPaused, why.Blocker.SuspendReason)
	_, err = c.Pause(s.ctx, behind, token, "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition, "only a running one")

	_, err = c.Resume(s.ctx, head, token, "it is up")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(behind))
	counts.requireEachOnce(t)
}

// SPEC 3.1: rerun makes a new operation of the same content, with and without a
// token, and is safe to repeat with an id of one's own.
func TestClientRerunsWithAndWithoutAToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	var mended sync.Map
	s.works = func(_ context.Context, r activities.Request) protocol.Outcome {
		if _, ok := mended.Load("all"); ok {
			return protocol.Success(string(r.Operation.Data))
		}
		return protocol.Failure("E7", "no such account")
	}
	c, prefix := s.client(), unique(t)
	for n, token := range []string{"", prefix} {
		o := work(prefix, n)
		o.DependencyToken, o.Data, o.OwnerID = token, []byte(`{"n":1}`), "ada"
		handle, err := c.Submit(s.ctx, o)
		require.NoError(t, err)
		found, err := handle.Wait(s.ctx)
		require.NoError(t, err)
		require.Equal(t, protocol.Failed, found.StatusCode)
	}
	mended.Store("all", true)
	for n, token := range []string{"", prefix} {
		id, newID := work(prefix, n).ID, fmt.Sprint(prefix, "-again-", n)
		for range 2 - n { // a repeat without a token changes nothing
			record, err := c.Rerun(s.ctx, id, "", newID, "mended")
			require.NoError(t, err)
			require.Equal(t, []string{newID, id}, []string{record.ID, record.RerunOf})
		}
		found, err := c.Wait(s.ctx, newID, token)
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode)
		require.Equal(t, []string{id, token, "ada"}, []string{found.RerunOf, found.DependencyToken, found.OwnerID})
		_, err = c.Rerun(s.ctx, newID, token, "", "")
		require.ErrorIs(t, err, opclient.ErrInvalidTransition, "it succeeded")
	}
}

// SPEC 4.5, 4.10: the hand on a token, from the client, and the tokens that do
// not get on.
func TestClientHoldsSkipsAndFindsTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{})
	s.works = func(context.Context, activities.Request) protocol.Outcome { return protocol.Failure("E7", "no") }
	c, token := s.client(), unique(t)
	found := func(f opclient.TokenFilter) bool {
		for state, err := range c.Tokens(s.ctx, f) {
			if err == nil && state.Token == token {
				return true
			}
		}
		return false
	}
	_, err := c.Hold(s.ctx, token, time.Time{}, "stocktaking")
	require.NoError(t, err, "a token that never had an operation")
	_, err = c.SetPolicy(s.ctx, token, protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	require.NoError(t, err)
	s.submit(token, []protocol.Operation{work(token, 0), operation(token, 1), operation(token, 2)})
	require.Eventually(t, func() bool {
		return found(opclient.TokenFilter{Held: true}) && found(opclient.TokenFilter{Blocked: true})
	}, patience, 200*time.Millisecond)
	why, err := c.Why(s.ctx, work(token, 0).ID, token)
	require.NoError(t, err)
	require.Contains(t, strings.Join(why.Why, "\n"), "its token is held")
	require.Contains(t, strings.Join(why.Why, "\n"), "by tester: stocktaking")

	_, err = c.Release(s.ctx, token, "done")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return found(opclient.TokenFilter{Failed: true}) }, patience, 200*time.Millisecond)
	_, err = c.Skip(s.ctx, token, "paid by hand")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation(token, 2).ID))
	s.eventually(func() bool { return !found(opclient.TokenFilter{Held: true, Failed: true, Blocked: true}) })
	_, err = c.Skip(s.ctx, token, "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition)

	head := postponed(token, 3)
	s.submit(token, []protocol.Operation{head, operation(token, 4)})
	require.Eventually(t, func() bool { return s.state(token).Queued == 1 }, patience, 50*time.Millisecond)
	_, err = c.CancelAll(s.ctx, token, "the account was closed")
	require.NoError(t, err)
	for n := 3; n < 5; n++ {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(operation(token, n).ID))
	}
}

// Many at once by filter: queued ones, waiting heads, and those without a token.
func TestClientCancelsAndResumesByFilter(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{SearchAttributes: true})
	c, owner := s.client(), unique(t)
	due := time.Now().Add(time.Hour)
	submit := func(token string, n int, owner string, postponed bool) {
		o := operation(owner+token, n)
		o.DependencyToken, o.OwnerID = token, owner
		if postponed {
			o.PostponeUntil = &due
		}
		_, err := c.Submit(s.ctx, o)
		require.NoError(t, err)
	}
	tokens := []string{owner + "-a", owner + "-b"}
	for _, token := range tokens {
		for n := range 20 {
			submit(token, n, owner, n == 0)
		}
		submit(token, 20, "another", false)
	}
	for n := range 5 {
		submit("", n, owner, true)
	}
	filter := opclient.Filter{Owner: owner}
	require.Eventually(t, func() bool {
		selected, err := c.Select(s.ctx, filter, protocol.ActionCancel)
		return err == nil && len(selected) == 45
	}, patience, 200*time.Millisecond)
	require.Eventually(t, func() bool { // the index lags
		resumable, err := c.Select(s.ctx, opclient.Filter{Owner: owner, Type: "test.record"}, protocol.ActionResume)
		return err == nil && len(resumable) == 7
	}, patience, 200*time.Millisecond, "the heads and those without a token")
	none, err := c.Select(s.ctx, opclient.Filter{Owner: owner, CreatedBefore: opclient.OlderThan(time.Hour)}, protocol.ActionCancel)
	require.NoError(t, err)
	require.Empty(t, none)

	summary, err := c.ActMany(s.ctx, filter, protocol.ActionCancel, func(ctx context.Context, id, token string) (protocol.Record, error) {
		return c.Cancel(ctx, id, token, "she has left")
	}, func(a opclient.Acted) { require.NoError(t, a.Err, a.Found.ID) })
	require.NoError(t, err)
	require.Equal(t, opclient.ActSummary{Selected: 45, Done: 45}, summary)
	for _, token := range tokens {
		require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(operation("another"+token, 20).ID))
		require.Len(t, s.ran(token), 1, "nothing cancelled was run")
	}
}

// An operation that moves while it is asked for is either changed or refused,
// never lost from sight.
func TestVerbsFollowOperationsThatMove(t *testing.T) {
	t.Parallel()
	s := newSite(t, shared, workflows.Options{MaxRunEvents: 60})
	c, token := s.client(), unique(t)
	const n = 60
	var all []protocol.Operation
	for i := range n {
		all = append(all, operation(token, i))
	}
	s.submit(token, all)
	var wait sync.WaitGroup
	problems := make([]error, n)
	for i, o := range all {
		wait.Go(func() { _, problems[i] = c.Cancel(s.ctx, o.ID, token, "") })
	}
	wait.Wait()
	for i, err := range problems {
		if err != nil && !errors.Is(err, opclient.ErrInvalidTransition) {
			t.Errorf("%s: %v", all[i].ID, err)
		}
		s.closed(all[i].ID)
	}
}

// The command line, verb by verb, against a worker process.
func TestStarterActsOnTokensAndByFilter(t *testing.T) {
	t.Parallel()
	r := newTarget(t, time.Millisecond)
	c := cli{t: t, queue: unique(t)}
	startProcess(t, shared, fmt.Sprintf(crashConfig, c.queue, r.URL))
	token := unique(t)
	id := func(n int) string { return fmt.Sprint(token, "-", n) }
	submit := func(n int, data string) {
		c.ok("submit", "--type", "http.request", "--token", token, "--id", id(n), "--owner", token, "--data", data)
	}
	good := `{"method":"POST","connection":"target","path":"/x"}`
	c.ok("token", "policy", token, "--on-failure", "hold")
	c.ok("token", "hold", token, "--reason", "stocktaking")
	submit(1, `{"connection":"none such"}`)
	submit(2, good)
	c.eventually("stocktaking", "why", id(2), "--token", token)
	c.eventually(token, "token", "list", "--held", "-o", "jsonl")
	c.ok("token", "release", token)
	c.eventually(token, "token", "list", "--failed")
	require.Contains(t, c.ok("why", id(1)), "rerun")
	stdout := c.ok("rerun", id(1), "--new-id", id(9), "-o", "json")
	require.Contains(t, stdout, `"rerunOf": "`+id(1)+`"`)
	c.eventually(id(9), "token", "list", "--failed", "-o", "jsonl")
	c.ok("token", "skip", token, "--reason", "by hand")
	c.ok("wait", id(2), "--token", token)

	c.ok("token", "hold", token)
	submit(3, good)
	submit(4, good)
	c.eventually(id(4), "list", "--token", token)
	_, stderr, code := c.run("", "cancel", "--owner", token, "--task-queue", c.queue)
	require.Equal(t, 2, code, stderr)
	require.Contains(t, c.ok("cancel", "--token", token, "--owner", token, "--yes"), "2 selected: 2 cancelled")
	_, _, code = c.run("", "wait", id(4), "--token", token, "--task-queue", c.queue)
	require.Equal(t, 3, code, "ended Canceled")
	_, stderr, code = c.run("", "pause", id(4), "--task-queue", c.queue)
	require.Equal(t, 5, code, stderr)
	require.Contains(t, stderr, "allowed: delete, rerun")
	require.Contains(t, c.ok("delete", id(4)), "deleted")
}
