package main

import (
	"fmt"
	"net/smtp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/mail"
	"github.com/seriatim-go/seriatim/activities/sqlimport"
	"github.com/seriatim-go/seriatim/protocol"
)

// What is planned is what the product's handlers take, and what they do is what
// is counted.
func TestWhatArrivesIsCounted(t *testing.T) {
	t.Parallel()
	b, err := startBulk(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(b.close)
	imported := planned{ID: "a", Type: importType, Work: work{Version: 1, Parts: 20}}
	mailed := planned{ID: "b", Type: mailType, Work: work{Version: 2, Parts: 3}}
	require.NoError(t, b.write(plan{Steps: [submitters][]step{{{Operations: []planned{imported, mailed}}}}}))
	handlers, err := bulkHandlers(workerFlags{files: b.folder, rows: b.rows, smtpPort: b.mailbox.Port()})
	require.NoError(t, err)
	fence := protocol.Fence{Sequence: 4, N: 1, Attempt: 2}
	for name, p := range map[string]planned{sqlimport.Activity: imported, mail.Activity: mailed} {
		o := p.operation(origin)
		require.NoError(t, o.Validate())
		require.Equal(t, p.Work.Version, versionOf(o))
		outcome := handlers[name].Handle(t.Context(), activities.Request{Operation: o, Fence: fence, CreatedOn: time.Now()})
		require.Equal(t, protocol.OutcomeSucceeded, outcome.Kind, outcome.Message)
	}
	message := []byte("Subject: again\r\n\r\n")
	require.NoError(t, smtp.SendMail(fmt.Sprintf("127.0.0.1:%d", b.mailbox.Port()), nil, "x@"+bulkDomain, []string{"b-2.3@" + bulkDomain}, message))

	var e evidence
	require.NoError(t, e.readBulk(b))
	require.Len(t, e.rows["a-1"], 20)
	parts, again := e.rows.count()
	require.Equal(t, []int{20, 0}, []int{parts, again})
	require.Equal(t, arrived{"b-2": {1: 1, 2: 1, 3: 2}}, e.messages)
	parts, again = e.messages.count()
	require.Equal(t, []int{4, 1}, []int{parts, again})
	require.Equal(t, map[string]protocol.Fence{"a": fence}, e.checkpoints)
}

func TestALocalAttemptIsReadFromItsMarker(t *testing.T) {
	t.Parallel()
	marker := func(id int64, name string, failure *failurepb.Failure) *historypb.HistoryEvent {
		return &historypb.HistoryEvent{
			EventId: id, EventType: enumspb.EVENT_TYPE_MARKER_RECORDED,
			Attributes: &historypb.HistoryEvent_MarkerRecordedEventAttributes{MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{
				MarkerName: name, Failure: failure,
			}},
		}
	}
	timeout := &failurepb.Failure{Cause: &failurepb.Failure{FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{}}}}
	var x execution
	reading := newReading(&x)
	reading.read(marker(5, "SideEffect", nil))
	require.Empty(t, x.calls)
	reading.read(marker(6, localMarker, timeout))
	require.Len(t, x.calls, 1)
	require.True(t, x.timedOut)
	reading.read(&historypb.HistoryEvent{
		EventId: 7, EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
		Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: localActivity},
		}},
	})
	require.Len(t, x.calls, 2)
	require.False(t, x.doubled)
	require.Equal(t, 1, x.locals)

	again := execution{}
	reading = newReading(&again)
	reading.read(marker(5, localMarker, nil))
	reading.read(marker(9, localMarker, nil))
	require.True(t, again.doubled, "it had succeeded")
}
