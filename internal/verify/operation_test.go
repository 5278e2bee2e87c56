package verify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// A local attempt is a call from its workflow task's start to its marker; one that
// the worker had no handler for is none.
func TestALocalAttemptIsACallOfTheHandler(t *testing.T) {
	t.Parallel()
	began := time.Date(2030, 1, 31, 8, 0, 0, 0, time.UTC)
	ended := began.Add(time.Second)
	task := &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, EventTime: timestamppb.New(began)}
	marker := func(name, failure string) *historypb.HistoryEvent {
		a := &historypb.MarkerRecordedEventAttributes{MarkerName: name}
		if failure != "" {
			a.Failure = &failurepb.Failure{FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
				ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: failure},
			}}
		}
		return &historypb.HistoryEvent{
			EventType: enumspb.EVENT_TYPE_MARKER_RECORDED, EventTime: timestamppb.New(ended),
			Attributes: &historypb.HistoryEvent_MarkerRecordedEventAttributes{MarkerRecordedEventAttributes: a},
		}
	}
	for name, c := range map[string]struct {
		event *historypb.HistoryEvent
		calls []Call
	}{
		"one that succeeded":    {marker(protocol.LocalMarker, ""), []Call{{Scheduled: began, Closed: ended}}},
		"one that failed":       {marker(protocol.LocalMarker, protocol.ErrTypeRetry), []Call{{Scheduled: began, Closed: ended}}},
		"one without a handler": {marker(protocol.LocalMarker, protocol.ErrTypeNoLocalHandler), nil},
		"another marker":        {marker("SideEffect", ""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l life
			l.read(task)
			l.read(c.event)
			require.Equal(t, c.calls, l.x.Calls)
		})
	}
}
