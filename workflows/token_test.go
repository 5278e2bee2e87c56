package workflows

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/protocol"
)

// failing has those operations end Failed.
func (b *bench) failing(ids ...string) {
	b.handle = func(in protocol.HandlerInput) (protocol.HandlerResult, error) {
		for _, id := range ids {
			if in.Operation.ID == id {
				return protocol.HandlerResult{}, temporal.NewNonRetryableApplicationError("no such customer", protocol.ErrTypeFail, nil)
			}
		}
		return protocol.HandlerResult{}, nil
	}
}

// knowing has the engine know an operation that is to be run again.
func (b *bench) knowing(was protocol.ReadOperationReply) {
	b.RegisterActivityWithOptions(func(context.Context, protocol.ReadOperationRequest) (protocol.ReadOperationReply, error) {
		return was, nil
	}, activity.RegisterOptions{Name: protocol.ReadOperationActivity})
}

func failed(id string) protocol.ReadOperationReply {
	o := op(id)
	o.DependencyToken = testToken
	return protocol.ReadOperationReply{Found: true, Closed: true, Status: protocol.Failed, Operation: o, N: 2}
}

// stateAfter is the token's state then.
func (b *bench) stateAfter(after time.Duration) *protocol.SerializerState {
	state := &protocol.SerializerState{}
	b.RegisterDelayedCallback(func() { *state = b.state() }, after)
	return state
}

// SPEC 4.10: held and released as a whole, idle or not.
func TestAHeldTokenStartsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	begin := b.Now()
	b.submit(0, op("A"))
	b.update(time.Minute, protocol.HoldUpdateName, protocol.HoldRequest{Reason: "maintenance", Identity: "ops@host"})
	b.submit(2*time.Minute, op("B"), op("C"))
	held := b.stateAfter(3 * time.Hour) // longer than the linger: it does not go away
	b.update(4*time.Hour, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	b.start(testToken)
	require.Equal(t, []string{"A", "B", "C"}, b.ids())
	require.Equal(t, 4*time.Hour, b.runs[1].At.Sub(begin))
	require.Equal(t, []any{"maintenance", "ops@host", 2}, []any{held.Hold.Reason, held.Hold.Identity, held.Queued})
	require.Nil(t, b.state().Hold)
}

// SPEC 4.10: with an optional time to release itself.
func TestAHoldReleasesItselfAtItsTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	begin := b.Now()
	until := begin.Add(5 * time.Hour)
	b.submit(0, op("A"))
	first := b.update(time.Minute, protocol.HoldUpdateName, protocol.HoldRequest{Until: ptr(begin.Add(2 * time.Hour))})
	b.submit(time.Minute, op("B"))
	b.update(time.Hour, protocol.HoldUpdateName, protocol.HoldRequest{Until: &until})
	past := b.update(time.Hour, protocol.HoldUpdateName, protocol.HoldRequest{Until: &begin})
	b.start(testToken)
	require.NoError(t, first.err)
	require.ErrorContains(t, past.err, "until: is not in the future")
	require.Equal(t, until, b.runs[1].At)
}

func ptr[T any](value T) *T { return &value }

// SPEC 4.10: a head that waits does not start either.
func TestAHeldTokensHeadWaitsToo(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	begin := b.Now()
	b.submit(0, postponed("A", begin.Add(time.Hour)), op("B"))
	b.update(time.Minute, protocol.HoldUpdateName, protocol.HoldRequest{})
	b.update(3*time.Hour, protocol.ReleaseUpdateName, protocol.TokenRequest{})
	b.start(testToken)
	require.Equal(t, []string{"A", "B"}, b.ids())
	require.Equal(t, 3*time.Hour, b.runs[0].At.Sub(begin))
}

// SPEC 4.5: what a failure does to the rest is the token's policy.
func TestFailurePolicies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy protocol.FailurePolicy
		counts protocol.Counts
		ran    []string
	}{
		{protocol.ContinueOnFailure, protocol.Counts{Succeeded: 2, Failed: 1}, []string{"A", "B", "C"}},
		{protocol.HoldOnFailure, protocol.Counts{Succeeded: 2, Failed: 1}, []string{"A", "B", "C"}},
		{protocol.CancelRestOnFailure, protocol.Counts{Failed: 1, Canceled: 2}, []string{"A"}},
	} {
		t.Run(string(tc.policy), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{Linger: 10 * time.Hour})
			b.failing("A")
			set := b.update(0, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: tc.policy})
			b.submit(time.Second, []protocol.Operation{op("A"), op("B"), op("C")})
			stands := b.stateAfter(time.Hour)
			skip := b.update(2*time.Hour, protocol.SkipUpdateName, protocol.TokenRequest{})
			b.update(3*time.Hour, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: protocol.ContinueOnFailure})
			b.start(testToken)
			require.NoError(t, set.err)
			require.Equal(t, tc.ran, b.ids())
			counts := b.state().Counts
			require.Equal(t, tc.counts, protocol.Counts{Succeeded: counts.Succeeded, Failed: counts.Failed, Canceled: counts.Canceled})
			if tc.policy == protocol.HoldOnFailure {
				require.NoError(t, skip.err)
				require.Equal(t, "A", stands.Failure.OperationID)
				require.Equal(t, 2, stands.Queued)
				require.Equal(t, 2*time.Hour, b.runs[1].At.Sub(b.runs[0].At.Add(-time.Second)).Truncate(time.Second))
			} else {
				require.ErrorContains(t, skip.err, "is not held by a failure")
			}
		})
	}
}

// SPEC 3.1: in place if its token is held by that failure: the original's
// sequence, n + 1.
func TestRerunTakesTheFailedOnesPlace(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.failing("A")
	b.knowing(failed("A"))
	b.update(0, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure})
	b.submit(time.Second, []protocol.Operation{op("A"), op("B")})
	rerun := b.update(time.Hour, protocol.RerunUpdateName, protocol.RerunRequest{OperationID: "A", NewID: "A2", Identity: "ops@host"})
	b.update(2*time.Hour, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: protocol.ContinueOnFailure})
	b.start(testToken)
	require.NoError(t, rerun.err)
	require.Equal(t, []any{"A2", "A", 1}, []any{rerun.record.ID, rerun.record.RerunOf, rerun.record.Position})
	require.Equal(t, []string{"A", "A2", "B"}, b.ids())
	require.Equal(t, protocol.Fence{Sequence: b.runs[0].Fence.Sequence, N: 3}, b.runs[1].Fence)
}

// SPEC 3.1: else at the end; what has not ended, or is another token's, is not
// run again.
func TestRerunGoesToTheEndAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	running, another := failed("A"), failed("A")
	running.Closed, running.Status = false, protocol.InProgress
	another.Operation.DependencyToken = "another"
	succeeded := failed("A")
	succeeded.Status = protocol.Succeeded
	for name, tc := range map[string]struct {
		was     protocol.ReadOperationReply
		refused string
	}{
		"failed":          {failed("A"), ""},
		"running":         {running, protocol.ErrTypeInvalidTransition},
		"succeeded":       {succeeded, protocol.ErrTypeInvalidTransition},
		"another token's": {another, protocol.ErrTypeOperationNotFound},
		"unknown":         {protocol.ReadOperationReply{}, protocol.ErrTypeOperationNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Options{})
			b.failing("A")
			b.knowing(tc.was)
			b.submit(0, op("A"), postponed("B", b.Now().Add(2*time.Hour)), op("C"))
			rerun := b.update(time.Hour, protocol.RerunUpdateName, protocol.RerunRequest{OperationID: "A"})
			b.start(testToken)
			if tc.refused != "" {
				var refusal *temporal.ApplicationError
				require.ErrorAs(t, rerun.err, &refusal)
				require.Equal(t, tc.refused, refusal.Type())
				require.Equal(t, []string{"A", "B", "C"}, b.ids())
				return
			}
			require.NoError(t, rerun.err)
			require.Equal(t, []string{"A", "B", "C", rerun.record.ID}, b.ids())
			require.Equal(t, newID(protocol.RerunRequest{OperationID: "A"}, "update-1"), rerun.record.ID)
		})
	}
}

// Cancel everything: the head that waits and all that queues; what comes later
// runs.
func TestCancelAllKeepsTheToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	b.submit(0, postponed("A", b.Now().Add(time.Hour)), op("B"), op("C"))
	b.update(time.Minute, protocol.CancelAllUpdateName, protocol.TokenRequest{Reason: "wrong customer"})
	b.submit(2*time.Minute, op("D"))
	b.start(testToken)
	require.Equal(t, []string{"D"}, b.ids())
	require.Equal(t, int64(3), b.state().Counts.Canceled)
}

// A token takes no more than its maxQueued, and says so.
func TestMaxQueuedRefusesVisibly(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	limit := 2
	b.submit(0, postponed("A", b.Now().Add(time.Hour)))
	b.update(time.Second, protocol.SetPolicyUpdateName, protocol.PolicyRequest{MaxQueued: &limit})
	for n := range 4 {
		b.submit(time.Minute, op(fmt.Sprintf("B%d", n)))
	}
	none := 0
	b.update(2*time.Hour, protocol.SetPolicyUpdateName, protocol.PolicyRequest{MaxQueued: &none})
	bad := b.update(2*time.Hour, protocol.SetPolicyUpdateName, protocol.PolicyRequest{OnFailure: "explode"})
	b.start(testToken)
	require.Equal(t, []string{"A", "B0", "B1"}, b.ids())
	require.Len(t, b.state().Rejects, 2)
	require.Equal(t, protocol.ErrTypeQueueFull, b.state().Rejects[0].Type)
	require.Contains(t, b.state().Rejects[0].Reason, "its maxQueued is 2")
	require.ErrorContains(t, bad.err, `onFailure: is not "continue", "hold" or "cancelRest" (got "explode")`)
}

// SPEC 3.1, 4.6: resume in the queue lets it start at its turn, and a pause is
// refused there.
func TestResumeInTheQueueNeverOvertakes(t *testing.T) {
	t.Parallel()
	b := newBench(t, Options{})
	begin := b.Now()
	b.submit(0, postponed("A", begin.Add(time.Hour)), postponed("B", begin.Add(5*time.Hour)), op("C"))
	pause := b.update(time.Minute, protocol.PauseUpdateName, protocol.ActionRequest{OperationID: "C"})
	ready := b.update(time.Minute, protocol.ResumeUpdateName, protocol.ActionRequest{OperationID: "C"})
	resume := b.update(time.Minute, protocol.ResumeUpdateName, protocol.ActionRequest{OperationID: "B", Reason: "the bank has opened"})
	b.start(testToken)
	require.True(t, pause.rejected)
	require.ErrorContains(t, pause.err, "80044F01")
	require.ErrorContains(t, ready.err, "80044166")
	require.Equal(t, []any{protocol.WaitingForResources, "the bank has opened"}, []any{resume.record.StatusCode, resume.record.LastAction.Reason})
	require.Equal(t, []string{"A", "B", "C"}, b.ids())
	require.Equal(t, time.Hour, b.runs[1].At.Sub(begin))
}
