package protocol

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// SPEC 8.4
func TestExplainSaysWhyAndWhatIsNext(t *testing.T) {
	t.Parallel()
	day := day
	hold := &Hold{On: day, Identity: "ops@host", Reason: "maintenance"}
	for _, tc := range []struct {
		name      string
		situation Situation
		why, next string
		on        *time.Time
		allowed   []Action
	}{
		{
			"queued behind a paused head",
			Situation{
				Record:  Record{Position: 3, StatusCode: WaitingForResources, BlockedBy: "a0", BlockedSince: at(0)},
				Blocker: &Record{Operation: Operation{ID: "a0"}, StateCode: Suspended, StatusCode: Waiting, SuspendReason: SuspendPaused},
			},
			`it is Ready (WaitingForResources): it is number 3 in the queue of its token, behind operation "a0", which has been the head since 2030-01-31T08:00:00Z and is Waiting: it is paused`,
			"it starts when all before it are Completed", nil,
			[]Action{ActionPostpone, ActionCancel},
		},
		{
			"queued and postponed",
			Situation{Record: Record{
				Operation: Operation{PostponeUntil: at(time.Hour)}, Position: 1, StateCode: Suspended, StatusCode: Waiting, SuspendReason: SuspendPostponed,
				LastAction: &Taken{Action: ActionPostpone, On: day, Identity: "ops@host", Reason: "bank holiday"},
			}},
			"it is Suspended (Waiting): it is number 1 in the queue of its token, postponed until 2030-01-31T09:00:00Z\n" +
				"the last action was postpone, asked for at 2030-01-31T08:00:00Z by ops@host: bank holiday",
			"it becomes Ready by itself", at(time.Hour),
			[]Action{ActionPostpone, ActionResume, ActionCancel},
		},
		{
			"queued under a held token",
			Situation{Record: Record{Position: 1, StatusCode: WaitingForResources}, Hold: hold},
			"it is Ready (WaitingForResources): it is number 1 in the queue of its token\n" +
				"its token is held, asked for at 2030-01-31T08:00:00Z by ops@host: maintenance",
			"it stays where it is until its token is released", nil, nil,
		},
		{
			"held with an end",
			Situation{Record: Record{Position: 1, StatusCode: WaitingForResources}, Hold: &Hold{On: day, Until: at(time.Hour)}},
			"its token is held until 2030-01-31T09:00:00Z", "its token is released by itself", at(time.Hour), nil,
		},
		{
			"behind a failure",
			Situation{Record: Record{Position: 1, StatusCode: WaitingForResources}, Failure: &FailureHold{On: day, OperationID: "a0"}},
			`its token is held since operation "a0" failed at 2030-01-31T08:00:00Z: rerun or skip that operation, or release the token`,
			"it stays where it is until its token's failure is dealt with", nil, nil,
		},
		{
			"waits for a worker",
			Situation{Record: Record{StatusCode: WaitingForResources, Operation: Operation{Deadline: at(time.Hour)}}},
			"it is Ready (WaitingForResources): it waits for a worker to take it\nit ends Canceled if it has not started by its deadline 2030-01-31T09:00:00Z",
			"a worker takes it", nil, nil,
		},
		{
			"runs",
			Situation{Record: Record{StateCode: Locked, StatusCode: InProgress, HostID: "worker-1", N: 1, Operation: Operation{Deadline: at(time.Hour)}}},
			"it is Locked (InProgress) by worker worker-1", "it ends when its handler does", nil,
			[]Action{ActionPostpone, ActionPause, ActionCancel},
		},
		{
			"asks for a person",
			Situation{Record: Record{StateCode: Suspended, StatusCode: Waiting, SuspendReason: SuspendError, ErrorCode: "E7", Message: "no such account"}},
			"it is Suspended (Waiting): its handler asked for a person: E7 no such account", "it waits until it is resumed", nil, nil,
		},
		{
			"retries",
			Situation{
				Record:      Record{StateCode: Suspended, StatusCode: Waiting, SuspendReason: SuspendRetrying, Message: "503"},
				NextAttempt: at(time.Minute),
			},
			"its handler is called again: 503", "its handler is called again", at(time.Minute), nil,
		},
		{
			"is being cancelled",
			Situation{Record: Record{StateCode: Locked, StatusCode: Canceling}},
			"it is Locked (Canceling)", "it ends once its handler has stopped, or its lock is broken", nil,
			[]Action{ActionCancel},
		},
		{
			"failed",
			Situation{Record: Record{StateCode: Completed, StatusCode: Failed, ErrorCode: "503", Message: "down"}},
			"it is Completed (Failed): 503 down", "nothing: it is Completed and never changes again", nil,
			[]Action{ActionDelete, ActionRerun},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			explained := Explain(tc.situation)
			require.Contains(t, strings.Join(explained.Why, "\n"), tc.why)
			require.Equal(t, tc.next, explained.Next)
			require.Equal(t, tc.on, explained.NextOn)
			if tc.allowed != nil {
				require.Equal(t, tc.allowed, explained.Allowed)
			}
		})
	}
}
