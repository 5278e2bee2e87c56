package opclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

const running = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING

// there describes the workflows that exist.
func there(status map[string]enumspb.WorkflowExecutionStatus) func(string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return func(workflowID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		s, ok := status[workflowID]
		if !ok {
			return nil, errGone
		}
		return execution(workflowID, s, nil), nil
	}
}

// finds answers the query find.
func finds(reply protocol.FindReply) func(context.Context, string, string, []any) (any, error) {
	return func(context.Context, string, string, []any) (any, error) { return reply, nil }
}

func record(id string, status protocol.StatusCode) protocol.Record {
	return protocol.Record{Operation: protocol.Operation{ID: id, OperationType: "x"}, StatusCode: status, StateCode: status.State()}
}

func TestGetAsksTheOperationItself(t *testing.T) {
	t.Parallel()
	f := &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{protocol.OperationWorkflowID("a"): running}),
		query: func(_ context.Context, workflowID, name string, _ []any) (any, error) {
			require.Equal(t, protocol.OperationWorkflowID("a"), workflowID)
			require.Equal(t, protocol.OperationQueryName, name)
			return record("a", protocol.InProgress), nil
		},
	}
	found, err := opclient.New(f, opclient.Options{}).Get(t.Context(), "a", "")
	require.NoError(t, err)
	require.Equal(t, opclient.FromQuery, found.Source)
	require.Equal(t, protocol.InProgress, found.StatusCode)
}

func TestGetDoesWithoutAWorker(t *testing.T) {
	t.Parallel()
	submitted := protocol.Operation{ID: "a", OperationType: "x", Data: json.RawMessage(`{"n":1}`)}
	f := &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{protocol.OperationWorkflowID("a"): running}),
		query: func(context.Context, string, string, []any) (any, error) {
			return nil, serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down")
		},
		input: submitted,
	}
	found, err := opclient.New(f, opclient.Options{}).Get(t.Context(), "a", "")
	require.NoError(t, err)
	require.Equal(t, opclient.FromDescribe, found.Source)
	require.Equal(t, submitted, found.Operation)
	require.Equal(t, protocol.WaitingForResources, found.StatusCode, "no worker has begun with it")
}

func TestGetTellsAFailureWithoutAWorker(t *testing.T) {
	t.Parallel()
	f := &fake{
		describe: there(map[string]enumspb.WorkflowExecutionStatus{
			protocol.OperationWorkflowID("a"): enumspb.WORKFLOW_EXECUTION_STATUS_FAILED,
		}),
		query: func(context.Context, string, string, []any) (any, error) {
			return nil, serviceerror.NewDeadlineExceeded("late")
		},
		input: protocol.Operation{ID: "a", OperationType: "x"},
	}
	failed := record("a", protocol.Failed)
	failed.ErrorCode, failed.Message = "404", "not there"
	f.closed = temporal.NewNonRetryableApplicationError("404: not there", protocol.ErrTypeOperationFailed, nil, failed)
	found, err := opclient.New(f, opclient.Options{}).Get(t.Context(), "a", "")
	require.NoError(t, err)
	require.Equal(t, protocol.Failed, found.StatusCode)
}

func TestGetFindsAQueuedOperation(t *testing.T) {
	t.Parallel()
	queued := record("b", protocol.WaitingForResources)
	queued.Position = 2
	for name, token := range map[string]string{"by its token": "t", "in all queues": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{query: finds(protocol.FindReply{Found: true, Record: &queued})}
			f.list = func(string) (infos []*workflowpb.WorkflowExecutionInfo, _ error) {
				for i := range 3 {
					id := protocol.SerializerWorkflowID(fmt.Sprint("t", i))
					infos = append(infos, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
				}
				return infos, nil
			}
			var notices []string
			c := opclient.New(f, opclient.Options{Notice: func(s string) { notices = append(notices, s) }})
			found, err := c.Get(t.Context(), "b", token)
			require.NoError(t, err)
			require.Equal(t, opclient.FromQueue, found.Source)
			require.Equal(t, 2, found.Position)
			require.Equal(t, token == "", len(notices) == 1)
		})
	}
}

func TestGetSaysWhyThereIsNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		query func(context.Context, string, string, []any) (any, error)
		want  error
		says  string
	}{
		"never submitted": {finds(protocol.FindReply{}), opclient.ErrNotFound, "is not in the queue of its token"},
		"forgotten":       {finds(protocol.FindReply{Seen: true}), opclient.ErrNotFound, "no longer retained"},
		"refused": {
			finds(protocol.FindReply{Reject: &protocol.Reject{Type: protocol.ErrTypeInvalidOperation, Reason: "priority: too high"}}),
			opclient.ErrInvalidOperation, "priority: too high",
		},
		"no serializer": {func(context.Context, string, string, []any) (any, error) { return nil, errGone }, opclient.ErrNotFound, "its token has no queue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := opclient.New(&fake{query: test.query}, opclient.Options{}).Get(t.Context(), "b", "t")
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestGetSaysThatNoWorkerAnswers(t *testing.T) {
	t.Parallel()
	f := &fake{query: func(context.Context, string, string, []any) (any, error) {
		return nil, serviceerror.NewFailedPrecondition("no poller")
	}}
	_, err := opclient.New(f, opclient.Options{}).Get(t.Context(), "b", "t")
	var unattended *opclient.NoWorkerError
	require.ErrorAs(t, err, &unattended)
	require.ErrorContains(t, err, `no worker polls task queue "operations"`)
	require.NotErrorIs(t, err, opclient.ErrNotFound)
}

func TestWaitFollowsAnOperationOutOfItsQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		started := begin.Add(10 * time.Second)
		workflowID := protocol.OperationWorkflowID("b")
		queued := record("b", protocol.WaitingForResources)
		f := &fake{
			describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
				if id != workflowID || time.Now().Before(started) {
					return nil, errGone
				}
				return execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil), nil
			},
			query: func(_ context.Context, _, name string, _ []any) (any, error) {
				if name == protocol.FindQueryName {
					return protocol.FindReply{Found: true, Record: &queued}, nil
				}
				return record("b", protocol.Succeeded), nil
			},
		}
		found, err := opclient.New(f, opclient.Options{}).Wait(t.Context(), "b", "t")
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode)
		require.Less(t, time.Since(begin), 15*time.Second)
		require.Less(t, len(f.calls), 20, "polled too often: %v", f.calls)
	})
}

func TestWaitGoesOnWithoutAWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var notices int
		f := &fake{query: func(context.Context, string, string, []any) (any, error) {
			return nil, serviceerror.NewFailedPrecondition("no poller")
		}}
		_, err := opclient.New(f, opclient.Options{Notice: func(string) { notices++ }}).Wait(ctx, "b", "t")
		require.True(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
		require.Equal(t, 1, notices)
	})
}

// A proxy that cuts a long poll now and then, or a server that is away for long,
// does not end a wait.
func TestWaitGoesOnWhereTheServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cut := serviceerror.NewInternal("server closed the stream without sending trailers")
		var notices []string
		looks, polls, away := 0, 0, time.Now().Add(10*time.Minute)
		f := &fake{
			describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
				if looks++; looks == 1 {
					return nil, cut
				}
				if time.Now().Before(away) {
					return nil, serviceerror.NewUnavailable("connection refused")
				}
				return execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil), nil
			},
			cut: func() error {
				if polls++; polls > 3 {
					return nil
				}
				time.Sleep(time.Hour)
				return cut
			},
			query: func(context.Context, string, string, []any) (any, error) { return record("b", protocol.Succeeded), nil },
		}
		c := opclient.New(f, opclient.Options{Notice: func(text string) { notices = append(notices, text) }})
		found, err := c.Wait(t.Context(), "b", "")
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode)
		require.Equal(t, 4, polls)
		require.Len(t, notices, 1)
		require.Contains(t, notices[0], "does not answer")

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		away = time.Now().Add(time.Hour)
		_, err = c.Wait(ctx, "b", "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// A serializer that has not read its submissions yet is no reason to give up.
func TestHandleWaitsForASerializerToRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		read := begin.Add(20 * time.Second)
		f := &fake{
			signal: func(string, any) error { return nil },
			describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
				if id != protocol.OperationWorkflowID("b") || time.Now().Before(read) {
					return nil, errGone
				}
				return execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil), nil
			},
			query: func(_ context.Context, _, name string, _ []any) (any, error) {
				if name == protocol.FindQueryName {
					return protocol.FindReply{}, nil
				}
				return record("b", protocol.Succeeded), nil
			},
		}
		c := opclient.New(f, opclient.Options{})
		handle, err := c.Submit(t.Context(), protocol.Operation{ID: "b", OperationType: "x", DependencyToken: "t"})
		require.NoError(t, err)
		found, err := handle.Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode)

		begin, read = time.Now(), time.Now().Add(time.Hour)
		_, err = c.Wait(t.Context(), "b", "t")
		require.ErrorIs(t, err, opclient.ErrNotFound)
		require.Less(t, time.Since(begin), 10*time.Second)
	})
}
