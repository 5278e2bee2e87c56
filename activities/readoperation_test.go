package activities

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/seriatim-go/seriatim/protocol"
)

// encoded are values as Temporal carries them.
func encoded(t *testing.T, values ...any) *commonpb.Payloads {
	t.Helper()
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(values...)
	require.NoError(t, err)
	return payloads
}

func startedWith(t *testing.T, arguments ...any) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: encoded(t, arguments...)},
	}}
}

func scheduled(activity string) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityType: &commonpb.ActivityType{Name: activity}},
	}}
}

func marked(name string) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_MarkerRecordedEventAttributes{
		MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{MarkerName: name},
	}}
}

// SPEC 2.2: n only grows, over a rerun of an operation that left no record too.
func TestHandlersOfARunAreCounted(t *testing.T) {
	t.Parallel()
	local := map[string]any{"type": map[string]any{"binding": map[string]any{"execution": "local"}}}
	carried := map[string]any{"life": map[string]any{"record": map[string]any{"n": 4}}}
	for name, c := range map[string]struct {
		events []*historypb.HistoryEvent
		n      int64
	}{
		"none of no events":                {nil, 0},
		"none of one that never ran":       {[]*historypb.HistoryEvent{startedWith(t, "o")}, 0},
		"each one that was scheduled":      {[]*historypb.HistoryEvent{startedWith(t, "o"), scheduled("send"), scheduled("send")}, 2},
		"a local attempt":                  {[]*historypb.HistoryEvent{startedWith(t, "o", local), marked(protocol.LocalMarker)}, 1},
		"a local attempt that was lost":    {[]*historypb.HistoryEvent{startedWith(t, "o", local)}, 1},
		"a local attempt and another":      {[]*historypb.HistoryEvent{startedWith(t, "o", local), marked(protocol.LocalMarker), scheduled("send")}, 2},
		"but no other marker":              {[]*historypb.HistoryEvent{startedWith(t, "o"), marked("SideEffect")}, 0},
		"but the engine's own are no such": {[]*historypb.HistoryEvent{startedWith(t, "o"), scheduled("send"), scheduled(protocol.ReadCheckpointActivity)}, 1},
		"after those of earlier runs":      {[]*historypb.HistoryEvent{startedWith(t, "o", carried), scheduled("send")}, 5},
		"an argument of another form is 0": {[]*historypb.HistoryEvent{startedWith(t, "o", "system"), scheduled("send")}, 1},
		"an input of nothing is 0":         {[]*historypb.HistoryEvent{startedWith(t), scheduled("send")}, 1},
		"a first event of another kind":    {[]*historypb.HistoryEvent{scheduled("send")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.n, timesScheduled(c.events))
		})
	}
}

// SPEC 3.2, 6.5: what a handler whose lock is broken leaves.
func TestLastHeartbeatIsThatOfTheLastHandler(t *testing.T) {
	t.Parallel()
	pending := func(activity string, minute int, details ...any) *workflowpb.PendingActivityInfo {
		info := &workflowpb.PendingActivityInfo{
			ActivityType:  &commonpb.ActivityType{Name: activity},
			ScheduledTime: timestamppb.New(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC)),
		}
		if len(details) > 0 {
			info.HeartbeatDetails = encoded(t, details...)
		}
		return info
	}
	beat := func(row string) protocol.Heartbeat {
		return protocol.Heartbeat{Checkpoint: json.RawMessage(row), Done: 3}
	}
	for name, c := range map[string]struct {
		activities []*workflowpb.PendingActivityInfo
		wanted     protocol.Heartbeat
	}{
		"none of no handler":               {nil, protocol.Heartbeat{}},
		"none of one that is silent":       {[]*workflowpb.PendingActivityInfo{pending("send", 1)}, protocol.Heartbeat{}},
		"the handler's":                    {[]*workflowpb.PendingActivityInfo{pending("send", 1, beat("3"))}, beat("3")},
		"not that of an earlier one":       {[]*workflowpb.PendingActivityInfo{pending("send", 2, beat("4")), pending("send", 1, beat("3"))}, beat("4")},
		"not even where the last has none": {[]*workflowpb.PendingActivityInfo{pending("send", 1, beat("3")), pending("send", 2)}, protocol.Heartbeat{}},
		"not that of the engine":           {[]*workflowpb.PendingActivityInfo{pending("send", 1, beat("3")), pending(protocol.ReadCheckpointActivity, 2, beat("4"))}, beat("3")},
		"none where it cannot be read":     {[]*workflowpb.PendingActivityInfo{pending("send", 1, "40 %")}, protocol.Heartbeat{}},
		"none where a part cannot be read": {[]*workflowpb.PendingActivityInfo{pending("send", 1, map[string]any{"checkpoint": 1, "note": 2})}, protocol.Heartbeat{}},
		"a checkpoint over the limit is none": {
			[]*workflowpb.PendingActivityInfo{pending("send", 1, beat(`"`+strings.Repeat("x", 1<<16)+`"`))}, protocol.Heartbeat{Done: 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.wanted, lastHeartbeat(c.activities))
		})
	}
}
