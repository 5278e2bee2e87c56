package opclient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

func refuse(errType string) error {
	return temporal.NewNonRetryableApplicationError("wrapped", errType, nil, protocol.Refusal{Message: "refused: " + errType})
}

func TestCancelAsksTheOperationItself(t *testing.T) {
	t.Parallel()
	f := &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{protocol.OperationWorkflowID("a"): running}),
		update: func(o client.UpdateWorkflowOptions) (any, error) {
			require.Equal(t, protocol.OperationWorkflowID("a"), o.WorkflowID)
			require.Equal(t, []any{protocol.ActionRequest{Reason: "why", Identity: "me"}}, o.Args)
			return record("a", protocol.Canceling), nil
		},
	}
	r, err := opclient.New(f, opclient.Options{Identity: "me"}).Cancel(t.Context(), "a", "", "why")
	require.NoError(t, err)
	require.Equal(t, protocol.Canceling, r.StatusCode)
}

// An operation that moves while it is asked for is followed, and every repeat
// carries the same update id.
func TestPostponeFollowsAnOperationThatMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		workflowID := protocol.OperationWorkflowID("a")
		answers := []error{refuse(protocol.ErrTypeContinuingAsNew), refuse(protocol.ErrTypeOperationStarted)}
		started := false
		ids := map[string]bool{}
		f := &fake{
			describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
				if !started {
					return nil, errGone
				}
				return execution(id, running, nil), nil
			},
			update: func(o client.UpdateWorkflowOptions) (any, error) {
				ids[o.UpdateID] = true
				if o.WorkflowID == workflowID {
					return record("a", protocol.Waiting), nil
				}
				require.Equal(t, "a", o.Args[0].(protocol.PostponeRequest).OperationID)
				answer := answers[0]
				answers = answers[1:]
				started = len(answers) == 0
				return nil, answer
			},
		}
		r, err := opclient.New(f, opclient.Options{}).Postpone(t.Context(), "a", "t", time.Now().Add(time.Hour), "")
		require.NoError(t, err)
		require.Equal(t, protocol.Waiting, r.StatusCode)
		require.Len(t, ids, 1)
	})
}

// SPEC 3.1: an operation is found wherever it is while it moves, and what was
// not taken for now is sent again with the same update id.
func TestEveryVerbFollowsAnOperationThatMoves(t *testing.T) {
	t.Parallel()
	for update, verb := range map[string]func(context.Context, *opclient.Client) (protocol.Record, error){
		protocol.CancelUpdateName: func(ctx context.Context, c *opclient.Client) (protocol.Record, error) {
			return c.Cancel(ctx, "a", "", "why")
		},
		protocol.PauseUpdateName: func(ctx context.Context, c *opclient.Client) (protocol.Record, error) {
			return c.Pause(ctx, "a", "", "why")
		},
		protocol.ResumeUpdateName: func(ctx context.Context, c *opclient.Client) (protocol.Record, error) {
			return c.Resume(ctx, "a", "", "why")
		},
	} {
		t.Run(update, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { followsAnOperationThatMoves(t, update, verb) })
		})
	}
}

// followsAnOperationThatMoves plays: it queues in the second of two tokens, its
// serializer is busy, ends its run, has just started it; it is busy itself.
func followsAnOperationThatMoves(t *testing.T, name string, verb func(context.Context, *opclient.Client) (protocol.Record, error)) {
	queued := record("a", protocol.WaitingForResources)
	answers := []error{
		refuse(protocol.ErrTypeBusy), refuse(protocol.ErrTypeContinuingAsNew), refuse(protocol.ErrTypeOperationStarted),
		refuse(protocol.ErrTypeBusy), serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT, "10 updates"),
		serviceerror.NewWorkflowNotReady("unexpected workflow task failure"), serviceerror.NewUnavailable("workflow update was aborted"),
	}
	sent, ids := 0, map[string]bool{}
	f := &fake{
		describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			if sent < 3 {
				return nil, errGone
			}
			return execution(id, running, nil), nil
		},
		list: tokens("t1", "t2"),
		query: func(_ context.Context, workflowID, _ string, _ []any) (any, error) {
			if workflowID == target("t1") {
				return protocol.FindReply{}, nil
			}
			return protocol.FindReply{Found: true, Record: &queued}, nil
		},
		update: func(o client.UpdateWorkflowOptions) (any, error) {
			require.Equal(t, name, o.UpdateName)
			ids[o.UpdateID] = true
			request := protocol.ActionRequest{Reason: "why", Identity: "me"}
			wanted := protocol.OperationWorkflowID("a")
			if sent < 3 {
				request.OperationID, wanted = "a", target("t2")
			}
			require.Equal(t, wanted, o.WorkflowID)
			require.Equal(t, []any{request}, o.Args)
			if sent++; sent <= len(answers) {
				return nil, answers[sent-1]
			}
			return record("a", protocol.Canceling), nil
		},
	}
	r, err := verb(t.Context(), opclient.New(f, opclient.Options{Identity: "me"}))
	require.NoError(t, err)
	require.Equal(t, protocol.Canceling, r.StatusCode)
	require.Len(t, ids, 1)
}

func TestCancelSaysThatTheWorkflowStaysBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{update: func(client.UpdateWorkflowOptions) (any, error) { return nil, refuse(protocol.ErrTypeBusy) }}
		begin := time.Now()
		_, err := opclient.New(f, opclient.Options{}).Cancel(t.Context(), "a", "t", "")
		require.ErrorIs(t, err, opclient.ErrBusy)
		require.ErrorContains(t, err, "try again")
		require.Less(t, time.Since(begin), time.Minute)
	})
}

func TestCancelAnswersTheRefusal(t *testing.T) {
	t.Parallel()
	f := &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{protocol.OperationWorkflowID("a"): running}),
		update:   func(client.UpdateWorkflowOptions) (any, error) { return nil, refuse(protocol.ErrTypeInvalidTransition) },
	}
	_, err := opclient.New(f, opclient.Options{}).Cancel(t.Context(), "a", "", "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition)
}

// SPEC 3.1: nothing but delete and rerun is left for a completed operation.
func TestCancelRefusesACompletedOperation(t *testing.T) {
	t.Parallel()
	f := &fake{describe: there(map[string]enumspb.WorkflowExecutionStatus{
		protocol.OperationWorkflowID("a"): enumspb.WORKFLOW_EXECUTION_STATUS_FAILED,
	})}
	_, err := opclient.New(f, opclient.Options{}).Cancel(t.Context(), "a", "", "")
	require.ErrorIs(t, err, opclient.ErrInvalidTransition)
	require.ErrorContains(t, err, "80044F00")
	require.ErrorContains(t, err, "allowed: delete, rerun")
}

func TestCancelSaysThatNothingIsKnown(t *testing.T) {
	t.Parallel()
	f := &fake{
		query:  finds(protocol.FindReply{}),
		update: func(client.UpdateWorkflowOptions) (any, error) { return nil, refuse(protocol.ErrTypeOperationNotFound) },
	}
	_, err := opclient.New(f, opclient.Options{}).Cancel(t.Context(), "a", "t", "")
	require.ErrorIs(t, err, opclient.ErrNotFound)
}

// A workflow task that was lost is begun again after 10 s.
func TestCancelAsksAgainWhereWorkersPollAndNoneAnswers(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string]int{"once": 1, "for ever": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ids := map[string]bool{}
				f := &fake{pollers: 1}
				f.update = func(o client.UpdateWorkflowOptions) (any, error) {
					ids[o.UpdateID] = true
					time.Sleep(10 * time.Second)
					if answers--; answers >= 0 {
						return nil, context.DeadlineExceeded
					}
					return record("a", protocol.Canceled), nil
				}
				begin := time.Now()
				_, err := opclient.New(f, opclient.Options{}).Cancel(t.Context(), "a", "t", "")
				var silent *opclient.NoWorkerError
				require.Equal(t, name == "for ever", errors.As(err, &silent), err)
				require.Len(t, ids, 1)
				require.LessOrEqual(t, time.Since(begin), 31*time.Second)
			})
		})
	}
}

func TestCancelSaysThatNoWorkerAnswers(t *testing.T) {
	t.Parallel()
	f := &fake{update: func(client.UpdateWorkflowOptions) (any, error) { return nil, context.DeadlineExceeded }}
	_, err := opclient.New(f, opclient.Options{}).Cancel(t.Context(), "a", "t", "")
	var unattended *opclient.NoWorkerError
	require.ErrorAs(t, err, &unattended)
	require.True(t, unattended.Pending)
	require.ErrorContains(t, err, "may still be carried out")
}
