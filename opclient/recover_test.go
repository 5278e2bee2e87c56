package opclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// ruin is a token "t" of which runs are retained, the latest last. A run's name is
// that of its chain and a digit.
type ruin struct {
	*fake
	runs  []string
	ended map[string]enumspb.WorkflowExecutionStatus
	state protocol.SerializerState
	// did is what was asked of the token, in order.
	did []string
	// on is called before an update is answered.
	on func(name string) error
}

const (
	terminated = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	continued  = enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
)

func newRuin(ended map[string]enumspb.WorkflowExecutionStatus, runs ...string) *ruin {
	r := &ruin{runs: runs, ended: ended, state: protocol.SerializerState{Token: "t", Queued: 1}}
	r.fake = &fake{update: r.answer, histories: map[string][]*historypb.HistoryEvent{target("t"): {
		startedEvent(protocol.SerializerInput{Token: "t"}), submitted(protocol.Operation{ID: "a", OperationType: "x"}, protocol.Operation{ID: "b", OperationType: "x"}),
	}}}
	r.fake.describe = func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		if id != target("t") || len(runs) == 0 || runs[len(runs)-1] == "" {
			return nil, errGone
		}
		return r.describeRun(runs[len(runs)-1])
	}
	r.fake.describeRun = r.describeRun
	r.fake.query = func(context.Context, string, string, []any) (any, error) { return r.state, nil }
	r.fake.list = func(string) (infos []*workflowpb.WorkflowExecutionInfo, _ error) {
		for _, run := range runs {
			if there, err := r.describeRun(run); err == nil {
				infos = append(infos, there.GetWorkflowExecutionInfo())
			}
		}
		return infos, nil
	}
	return r
}

func (r *ruin) describeRun(runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	for at, run := range r.runs {
		if run != runID || run == "" {
			continue
		}
		status, ok := r.ended[run]
		if !ok {
			status = running
		}
		there := execution(target("t"), status, nil)
		there.WorkflowExecutionInfo.Execution.RunId = run
		there.WorkflowExecutionInfo.FirstRunId = strings.TrimRight(run, "0123456789")
		there.WorkflowExecutionInfo.StartTime = timestamppb.New(time.Unix(int64(1000*at), 0))
		return there, nil
	}
	return nil, errGone
}

// answer carries an update out.
func (r *ruin) answer(o client.UpdateWorkflowOptions) (any, error) {
	r.did = append(r.did, o.UpdateName)
	if r.on != nil {
		if err := r.on(o.UpdateName); err != nil {
			return nil, err
		}
	}
	switch request := o.Args[0].(type) {
	case protocol.HoldRequest:
		r.state.Hold = &protocol.Hold{Until: request.Until, Reason: request.Reason, Identity: request.Identity}
	case protocol.TokenRequest:
		r.state.Hold, r.state.Failure = nil, nil
	case protocol.PrependRequest:
		if request.DryRun {
			r.did = append(r.did, "only looked")
		}
		return protocol.PrependReply{Recovered: 7, Known: 2, First: []protocol.Record{record("a", protocol.WaitingForResources)}}, nil
	}
	return r.state, nil
}

// left is a state that reports a terminated run.
func left(run string) protocol.Predecessor {
	return protocol.Predecessor{Look: protocol.PredecessorTerminated, RunID: run, Queued: 7}
}

// chains are a terminated chain "old" and a running one.
func chains() *ruin {
	r := newRuin(map[string]enumspb.WorkflowExecutionStatus{"old1": continued, "old2": terminated}, "old1", "old2", "new1")
	r.state.Predecessor = left("old2")
	return r
}

func TestRecoverHoldsPrependsAndReleases(t *testing.T) {
	t.Parallel()
	r := chains()
	var held protocol.HoldRequest
	r.fake.update = func(o client.UpdateWorkflowOptions) (any, error) {
		if request, ok := o.Args[0].(protocol.HoldRequest); ok {
			held = request
		}
		return r.answer(o)
	}
	done, err := opclient.New(r, opclient.Options{Identity: "me"}).Recover(t.Context(), "t", opclient.RecoverOptions{Reason: "by mistake"})
	require.NoError(t, err)
	require.Equal(t, []string{"hold", "prepend", "release"}, r.did)
	require.Equal(t, []any{"old2", "Terminated", 7, 2, ""}, []any{done.RunID, done.Ended, done.Recovered, done.Known, done.Nothing})
	require.Equal(t, "a", done.First[0].ID)
	require.Nil(t, done.Hold)
	require.Equal(t, []string{"recovery of run old2: by mistake", "me"}, []string{held.Reason, held.Identity})
	require.NotNil(t, held.Until, "it would end by itself")
}

func TestRecoverLeavesAHoldAsItIs(t *testing.T) {
	t.Parallel()
	r := chains()
	r.state.Hold = &protocol.Hold{Reason: "stocktaking"}
	done, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"prepend"}, r.did)
	require.Equal(t, "stocktaking", done.Hold.Reason)

	r = chains()
	r.state.Failure = &protocol.FailureHold{OperationID: "f"}
	done, err = opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"prepend"}, r.did, "a release would let it go on past the failure")
	require.Equal(t, "f", done.Failure.OperationID)
}

func TestRecoverDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	r := chains()
	look, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []string{"prepend", "only looked"}, r.did)
	require.Equal(t, 7, look.Recovered)
	for _, call := range r.calls {
		require.NotContains(t, call, "start or use")
	}

	r = newRuin(map[string]enumspb.WorkflowExecutionStatus{"old1": terminated}, "old1")
	look, err = opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{DryRun: true})
	require.NoError(t, err)
	require.Empty(t, r.did, "an idle token is not started")
	require.Equal(t, []any{opclient.FromHistory, 2, "old1"}, []any{look.Source, look.Recovered, look.RunID})
	require.Equal(t, []any{"a", 1}, []any{look.First[0].ID, look.First[0].Position})
}

func TestRecoverChoosesTheRun(t *testing.T) {
	t.Parallel()
	type ends = map[string]enumspb.WorkflowExecutionStatus
	for name, test := range map[string]struct {
		ended       ends
		runs        []string
		predecessor protocol.Predecessor
		recovered   []string
		asked       string
		run         string // that is recovered
		nothing     string
	}{
		"the last run was terminated":      {ends{"a1": continued, "a2": terminated}, []string{"a1", "a2"}, protocol.Predecessor{}, nil, "", "a2", ""},
		"the last run timed out":           {ends{"a1": enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT}, []string{"a1"}, protocol.Predecessor{}, nil, "", "a1", ""},
		"the one that is named":            {ends{"a1": continued, "a2": terminated}, []string{"a1", "a2", "b1"}, left("a2"), nil, "a1", "a1", ""},
		"nobody looked":                    {ends{"a1": terminated}, []string{"a1", "b1"}, protocol.Predecessor{Look: protocol.PredecessorUnchecked}, nil, "", "a1", ""},
		"a deleted run hides another one":  {ends{"a1": terminated}, []string{"a1", ""}, protocol.Predecessor{}, nil, "", "a1", ""},
		"all ended as it should":           {ends{"a1": enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}, []string{"a1", "b1"}, protocol.Predecessor{Look: protocol.PredecessorNone}, nil, "", "", "ended as it should"},
		"it was recovered before":          {ends{"a1": terminated}, []string{"a1", "b1"}, left("a1"), []string{"a1"}, "", "", "was recovered before"},
		"the named one was recovered":      {ends{"a1": terminated}, []string{"a1", "b1"}, left("a1"), []string{"a1"}, "a1", "", "was recovered before"},
		"the token did by itself":          {ends{"a1": terminated}, []string{"a1", "b1"}, protocol.Predecessor{Look: protocol.PredecessorRecovered, RunID: "a1", Queued: 3}, nil, "", "", "goes on in the present chain: 3 operations"},
		"an earlier run was recovered":     {ends{"a1": continued}, []string{"a1", "b1"}, protocol.Predecessor{}, []string{"a1"}, "", "", "goes on in the present one"},
		"an idle token reports one before": {ends{"a1": terminated, "b1": enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED}, []string{"a1", "b1"}, left("a1"), nil, "", "a1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRuin(test.ended, test.runs...)
			r.state.Predecessor, r.state.Recovered = test.predecessor, test.recovered
			done, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{RunID: test.asked})
			require.NoError(t, err)
			require.Equal(t, test.run, done.RunID)
			require.Contains(t, done.Nothing, test.nothing)
			require.Equal(t, test.run != "", len(r.did) > 0, "%v", r.did)
		})
	}
}

func TestRecoverSaysWhatToDoWhereARunIsDeleted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		runs  []string
		asked string
	}{
		"no newer run":           {[]string{"a1", "a2", ""}, ""},
		"a newer run":            {[]string{"a1", "a2", "b1"}, ""},
		"named, with a newer":    {[]string{"a1", "a2", "b1"}, "a3"},
		"named, without a newer": {[]string{"a1", "a2", ""}, "a3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRuin(map[string]enumspb.WorkflowExecutionStatus{"a1": continued, "a2": continued}, test.runs...)
			_, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{RunID: test.asked})
			require.ErrorIs(t, err, opclient.ErrInvalidOperation)
			require.ErrorContains(t, err, "Recover an earlier run of its chain")
			require.ErrorContains(t, err, "a2 (ContinuedAsNew, began 1970-01-01T00:16:40Z), a1 (")
			require.NotContains(t, err.Error(), "b1")
			require.Empty(t, r.did)
		})
	}
	_, err := opclient.New(newRuin(nil, ""), opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
	require.ErrorIs(t, err, opclient.ErrNotFound)
}

// What the server ended goes on by itself with the first request.
func TestRecoverLeavesToTheTokenWhatItDoesByItself(t *testing.T) {
	t.Parallel()
	r := newRuin(map[string]enumspb.WorkflowExecutionStatus{"a1": enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT}, "a1")
	r.on = func(name string) error {
		r.state.Recovered, r.state.Predecessor.Queued = []string{"a1"}, 9
		return nil
	}
	done, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"hold", "release"}, r.did)
	require.Contains(t, done.Nothing, "by itself what run a1 still had to do: 9 operations")
}

func TestRecoverReleasesWhateverHappens(t *testing.T) {
	t.Parallel()
	r := chains()
	r.on = func(name string) error {
		if name == protocol.PrependUpdateName {
			return refuse(protocol.ErrTypeInvalidOperation)
		}
		return nil
	}
	_, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
	require.ErrorIs(t, err, opclient.ErrInvalidOperation)
	require.Equal(t, []string{"hold", "prepend", "release"}, r.did)
	require.Nil(t, r.state.Hold)
}

func TestRecoverReleasesWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, during := range []string{protocol.HoldUpdateName, protocol.PrependUpdateName} {
		r := chains()
		ctx, interrupt := context.WithCancel(t.Context())
		r.fake.update = func(o client.UpdateWorkflowOptions) (any, error) {
			answer, err := r.answer(o)
			if o.UpdateName == during {
				interrupt()
				return nil, context.Canceled
			}
			return answer, err
		}
		var notices []string
		c := opclient.New(r, opclient.Options{Notice: func(text string) { notices = append(notices, text) }})
		_, err := c.Recover(ctx, "t", opclient.RecoverOptions{})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, "release", r.did[len(r.did)-1])
		require.Nil(t, r.state.Hold)
		require.Contains(t, strings.Join(notices, "\n"), "is not held by the recovery any more")
		require.Equal(t, during == protocol.PrependUpdateName, strings.Contains(strings.Join(notices, "\n"), "may still be recovered"))
	}
}

func TestRecoverSaysThatItCannotRelease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := chains()
		r.on = func(name string) error {
			if name == protocol.ReleaseUpdateName {
				return errors.New("the line is dead")
			}
			return nil
		}
		done, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
		require.ErrorContains(t, err, "the token may be held until")
		require.ErrorContains(t, err, "the line is dead")
		require.Equal(t, 7, done.Recovered, "it was recovered all the same")
	})
}

// A hold of somebody else, put in the place of the recovery's, stays; and so does
// the stand after a failure.
func TestRecoverEndsItsOwnHoldOnly(t *testing.T) {
	t.Parallel()
	r := chains()
	r.on = func(name string) error {
		if name == protocol.PrependUpdateName {
			r.state.Hold = &protocol.Hold{Reason: "stocktaking"}
		}
		return nil
	}
	done, err := opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"hold", "prepend"}, r.did)
	require.Equal(t, "stocktaking", done.Hold.Reason)

	r = chains()
	r.on = func(name string) error {
		if name == protocol.PrependUpdateName {
			r.state.Failure = &protocol.FailureHold{OperationID: "f"}
		}
		return nil
	}
	done, err = opclient.New(r, opclient.Options{}).Recover(t.Context(), "t", opclient.RecoverOptions{})
	require.NoError(t, err)
	require.Equal(t, []string{"hold", "prepend", "hold"}, r.did)
	require.Less(t, time.Until(*r.state.Hold.Until), 3*time.Second)
	require.Equal(t, "f", done.Failure.OperationID)
}
