package opclient_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// attempts is a server's side of one pending activity.
type attempts struct {
	workflowservice.WorkflowServiceClient
	err   error
	calls []string
	let   func()
}

func (a *attempts) PauseActivity(_ context.Context, r *workflowservice.PauseActivityRequest, _ ...grpc.CallOption) (*workflowservice.PauseActivityResponse, error) {
	a.calls = append(a.calls, "pause "+r.Namespace+" "+r.GetId()+" "+r.Execution.RunId+" "+r.Identity+" "+r.Reason)
	return nil, a.err
}

func (a *attempts) UnpauseActivity(_ context.Context, r *workflowservice.UnpauseActivityRequest, _ ...grpc.CallOption) (*workflowservice.UnpauseActivityResponse, error) {
	a.calls = append(a.calls, "unpause "+r.GetId())
	if r.ResetAttempts || r.ResetHeartbeat {
		a.calls = append(a.calls, "reset")
	}
	a.let()
	return nil, nil
}

// retrying is an operation whose handler waits for its next attempt.
func retrying(service *attempts, state enumspb.PendingActivityState) *fake {
	handler := &workflowpb.PendingActivityInfo{
		ActivityId: "5", ActivityType: &commonpb.ActivityType{Name: "x"}, State: state, Attempt: 3,
		NextAttemptScheduleTime: timestamppb.New(time.Now().Add(time.Hour)),
	}
	service.let = func() { handler.State = enumspb.PENDING_ACTIVITY_STATE_STARTED }
	return &fake{
		service: service,
		describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			there := execution(id, running, nil)
			there.PendingActivities = []*workflowpb.PendingActivityInfo{
				{ActivityType: &commonpb.ActivityType{Name: protocol.ReadCheckpointActivity}}, handler,
			}
			return there, nil
		},
		query: func(context.Context, string, string, []any) (any, error) {
			return record("a", protocol.InProgress), nil
		},
		update: func(client.UpdateWorkflowOptions) (any, error) {
			return nil, refuse(protocol.ErrTypeInvalidTransition)
		},
	}
}

// SPEC 3.1, 2.2: resume on retrying schedules it at once, with its attempts and
// heartbeat kept.
func TestResumeBringsTheNextAttemptForward(t *testing.T) {
	t.Parallel()
	service := &attempts{}
	f := retrying(service, enumspb.PENDING_ACTIVITY_STATE_SCHEDULED)
	r, err := opclient.New(f, opclient.Options{Namespace: "n", Identity: "me"}).Resume(t.Context(), "a", "", "now")
	require.NoError(t, err)
	require.Equal(t, []string{"pause n 5 run me now", "unpause 5"}, service.calls)
	require.Equal(t, protocol.InProgress, r.StatusCode)
	require.Equal(t, 2, r.RetryCount)
}

func TestResumeLetsGoWhatAPersonPausedAtTheServer(t *testing.T) {
	t.Parallel()
	service := &attempts{}
	c := opclient.New(retrying(service, enumspb.PENDING_ACTIVITY_STATE_PAUSED), opclient.Options{})
	found, err := c.Get(t.Context(), "a", "")
	require.NoError(t, err)
	require.Equal(t, protocol.SuspendPaused, found.SuspendReason)
	_, err = c.Resume(t.Context(), "a", "", "")
	require.NoError(t, err)
	require.Equal(t, []string{"unpause 5"}, service.calls)
}

// SPEC 8.3, 9.1: the workflow is not asked, and its type forbids it all the same.
func TestResumeBringsNoAttemptForwardWhereTheTypeForbidsIt(t *testing.T) {
	t.Parallel()
	service := &attempts{}
	f := retrying(service, enumspb.PENDING_ACTIVITY_STATE_SCHEDULED)
	describe := f.describe
	f.describe = func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		there, err := describe(id)
		there.WorkflowExecutionInfo.Memo = &commonpb.Memo{Fields: payloads(map[string]any{protocol.RestrictionsMemo: protocol.Restrictions{protocol.NoControl}})}
		return there, err
	}
	_, err := opclient.New(f, opclient.Options{}).Resume(t.Context(), "a", "", "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition)
	require.ErrorContains(t, err, "may not be cancelled, paused or resumed")
	require.Empty(t, service.calls)
}

func TestResumeAsksTheWorkflowWhereTheHandlerRuns(t *testing.T) {
	t.Parallel()
	service := &attempts{}
	_, err := opclient.New(retrying(service, enumspb.PENDING_ACTIVITY_STATE_STARTED), opclient.Options{}).Resume(t.Context(), "a", "", "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition)
	require.Empty(t, service.calls)
}

func TestResumeSaysWhatTheServerCannotDo(t *testing.T) {
	t.Parallel()
	service := &attempts{err: serviceerror.NewUnimplemented("no such method")}
	_, err := opclient.New(retrying(service, enumspb.PENDING_ACTIVITY_STATE_SCHEDULED), opclient.Options{}).Resume(t.Context(), "a", "", "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition)
	require.ErrorContains(t, err, "80044166")
	require.ErrorContains(t, err, "this Temporal server cannot bring an attempt forward")
}

func TestResumeSaysThatTheNamespaceMayBeAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := &attempts{err: errGone}
		_, err := opclient.New(retrying(service, enumspb.PENDING_ACTIVITY_STATE_SCHEDULED), opclient.Options{Namespace: "n"}).Resume(t.Context(), "a", "", "")
		require.ErrorContains(t, err, `Options.Namespace "n"`)
	})
}
