package opclient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// heartbeating is an operation whose handler's heartbeats are at hand one after
// another; after the last one it has succeeded. An error is the server's answer.
func heartbeating(beats ...any) *fake {
	status := protocol.InProgress
	return &fake{
		describe: func(id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
			if len(beats) == 0 {
				status = protocol.Succeeded
				return execution(id, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil), nil
			}
			beat := beats[0]
			beats = beats[1:]
			if err, ok := beat.(error); ok {
				return nil, err
			}
			there := execution(id, running, nil)
			details, err := converter.GetDefaultDataConverter().ToPayloads(beat)
			there.PendingActivities = []*workflowpb.PendingActivityInfo{
				{ActivityType: &commonpb.ActivityType{Name: protocol.ReadCheckpointActivity}},
				{
					ActivityType: &commonpb.ActivityType{Name: "x"}, State: enumspb.PENDING_ACTIVITY_STATE_STARTED, Attempt: 1,
					HeartbeatDetails: details, LastHeartbeatTime: timestamppb.New(time.Unix(7, 0)),
				},
			}
			return there, err
		},
		query: func(context.Context, string, string, []any) (any, error) { return record("a", status), nil },
	}
}

// What a running handler told of itself is shown; what says nothing, or is no
// heartbeat of ours, is no progress.
func TestGetTellsTheProgress(t *testing.T) {
	t.Parallel()
	percent, at := 40, time.Unix(7, 0).UTC()
	for name, c := range map[string]struct {
		beat any
		want *protocol.Progress
	}{
		"told":              {protocol.Heartbeat{Done: 2, Total: 5, Note: "b"}, &protocol.Progress{Done: 2, Total: 5, Percent: &percent, Note: "b", ReportedOn: &at}},
		"a checkpoint only": {protocol.Heartbeat{Checkpoint: []byte("7")}, nil},
		"of another form":   {[]string{"done", "2"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := opclient.New(heartbeating(c.beat), opclient.Options{}).Get(t.Context(), "a", "")
			require.NoError(t, err)
			require.Equal(t, c.want, found.Progress)
		})
	}
	explained, err := opclient.New(heartbeating(protocol.Heartbeat{Done: 2, Total: 5}), opclient.Options{}).Why(t.Context(), "a", "")
	require.NoError(t, err)
	require.Contains(t, explained.Why, "its handler told how far it is at 1970-01-01T00:00:07Z: 2 of 5 (40 %)")
}

// Not more often than the server's index can bear, through a server that is away
// for a while, and to the end.
func TestWatchFollowsToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := heartbeating(protocol.Heartbeat{Done: 1, Total: 2}, serviceerror.NewUnavailable("away"), protocol.Heartbeat{Done: 2, Total: 2})
		var seen []string
		begin := time.Now()
		found, err := opclient.New(f, opclient.Options{}).Watch(t.Context(), "a", "", time.Millisecond, func(found opclient.Found) error {
			require.LessOrEqual(t, time.Duration(len(seen))*opclient.LeastWatch, time.Since(begin))
			text := found.StatusCode.String()
			if found.Progress != nil {
				text += " " + found.Progress.String()
			}
			seen = append(seen, text)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, protocol.Succeeded, found.StatusCode)
		require.Equal(t, []string{"InProgress 1 of 2 (50 %)", "InProgress 2 of 2 (100 %)", "Succeeded"}, seen)
	})
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	synctest.Test(t, func(t *testing.T) {
		c := opclient.New(heartbeating(1, 2, 3), opclient.Options{})
		_, err := c.Watch(t.Context(), "a", "", time.Hour, func(opclient.Found) error { return enough })
		require.ErrorIs(t, err, enough, "when its caller has seen enough")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = c.Watch(ctx, "a", "", time.Hour, func(opclient.Found) error { return nil })
		require.Equal(t, context.DeadlineExceeded, err, "with its ctx")
		_, err = c.Watch(t.Context(), "", "", time.Hour, nil)
		require.ErrorContains(t, err, "id")
	})
}

// A token that has not read the submission yet may say so for a moment.
func TestWatchIsPatientWithAnUnreadSubmission(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := &fake{query: finds(protocol.FindReply{})}
		_, err := opclient.New(f, opclient.Options{}).Watch(t.Context(), "a", "t", 0, nil)
		require.ErrorIs(t, err, opclient.ErrNotFound)
		require.Greater(t, time.Since(begin), 2*time.Second)
	})
}
