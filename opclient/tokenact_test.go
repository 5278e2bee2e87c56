package opclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 4.5, 4.10: each verb is one update of the serializer, which starts for it
// where it idles.
func TestTokenVerbs(t *testing.T) {
	t.Parallel()
	until, bound := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC), 7
	for update, test := range map[string]struct {
		verb func(context.Context, *opclient.Client) (protocol.SerializerState, error)
		want any
	}{
		protocol.HoldUpdateName: {func(ctx context.Context, c *opclient.Client) (protocol.SerializerState, error) {
			return c.Hold(ctx, "t", until, "why")
		}, protocol.HoldRequest{Until: &until, Reason: "why", Identity: "me"}},
		protocol.ReleaseUpdateName: {func(ctx context.Context, c *opclient.Client) (protocol.SerializerState, error) {
			return c.Release(ctx, "t", "why")
		}, protocol.TokenRequest{Reason: "why", Identity: "me"}},
		protocol.SkipUpdateName: {func(ctx context.Context, c *opclient.Client) (protocol.SerializerState, error) {
			return c.Skip(ctx, "t", "why")
		}, protocol.TokenRequest{Reason: "why", Identity: "me"}},
		protocol.CancelAllUpdateName: {func(ctx context.Context, c *opclient.Client) (protocol.SerializerState, error) {
			return c.CancelAll(ctx, "t", "why")
		}, protocol.TokenRequest{Reason: "why", Identity: "me"}},
		protocol.SetPolicyUpdateName: {func(ctx context.Context, c *opclient.Client) (protocol.SerializerState, error) {
			return c.SetPolicy(ctx, "t", protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure, MaxQueued: &bound})
		}, protocol.PolicyRequest{OnFailure: protocol.HoldOnFailure, MaxQueued: &bound, Identity: "me"}},
	} {
		t.Run(update, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ids := map[string]bool{}
				answers := []error{refuse(protocol.ErrTypeContinuingAsNew), refuse(protocol.ErrTypeBusy)}
				f := &fake{}
				f.update = func(o client.UpdateWorkflowOptions) (any, error) {
					ids[o.UpdateID] = true
					require.Equal(t, update, o.UpdateName)
					require.Equal(t, []any{test.want}, o.Args)
					if len(answers) > 0 {
						answer := answers[0]
						answers = answers[1:]
						return nil, answer
					}
					return protocol.SerializerState{Token: "t", Queued: 2}, nil
				}
				state, err := test.verb(t.Context(), opclient.New(f, opclient.Options{TaskQueue: "q", Identity: "me"}))
				require.NoError(t, err)
				require.Equal(t, 2, state.Queued)
				require.Len(t, ids, 1)
				require.Equal(t, "start or use token:t on q UseExisting", f.calls[0])
			})
		})
	}
}

func TestTokenVerbsRefuseBeforeTheySend(t *testing.T) {
	t.Parallel()
	c := opclient.New(&fake{}, opclient.Options{})
	_, err := c.Hold(t.Context(), "", time.Time{}, "")
	require.ErrorContains(t, err, "dependencyToken: is missing")
	_, err = c.Release(t.Context(), "t", string(make([]byte, 1001)))
	require.ErrorContains(t, err, "reason")
	_, err = c.SetPolicy(t.Context(), "t", protocol.PolicyRequest{OnFailure: "stop"})
	require.ErrorContains(t, err, "onFailure")
}

func TestTokenVerbsSayThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	f := &fake{update: func(client.UpdateWorkflowOptions) (any, error) { return nil, context.DeadlineExceeded }}
	_, err := opclient.New(f, opclient.Options{}).Hold(t.Context(), "t", time.Time{}, "")
	var unattended *opclient.NoWorkerError
	require.ErrorAs(t, err, &unattended)
	require.True(t, unattended.Pending)
}
