package workflows

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// aLife is that of an operation that was accepted at day.
func aLife(change ...func(*Life)) *Life {
	created := day
	l := &Life{
		Record: protocol.Record{Operation: op("A"), CreatedOn: &created, ModifiedOn: &created, Sequence: 7},
		Type:   &catalogue.Type{Key: "test.record"},
	}
	for _, c := range change {
		c(l)
	}
	return l
}

func in(status protocol.StatusCode) func(*Life) {
	return func(l *Life) { l.Record.StatusCode, l.Record.StateCode = status, status.State() }
}

func postponedFor(d time.Duration) func(*Life) {
	return func(l *Life) { until := day.Add(d); l.Record.PostponeUntil = &until }
}

func dueIn(d time.Duration) func(*Life) {
	return func(l *Life) { deadline := day.Add(d); l.Record.Deadline = &deadline }
}

func atDepth(depth int) func(*Life)     { return func(l *Life) { l.Record.Depth = depth } }
func withVerdict(v Verdict) func(*Life) { return func(l *Life) { l.Verdict = &v } }
func withoutType(l *Life)               { l.Type = nil }
func all(changes ...func(*Life)) func(*Life) {
	return func(l *Life) {
		for _, c := range changes {
			c(l)
		}
	}
}

// SPEC 2.1, 3.1, 5.1, 5.2, 6.6, 8.3, 8.6
func TestWhatAnOperationDoesNext(t *testing.T) {
	t.Parallel()
	canceled := Verdict{Status: protocol.Canceled, Code: "80044F00", Message: "canceled while it queued", FriendlyMessage: "Sorry."}
	for _, tc := range []struct {
		name    string
		life    func(*Life)
		step    Step
		status  protocol.StatusCode
		reason  protocol.SuspendReason
		code    string
		message string
	}{
		{"it runs", all(), StepRun, protocol.WaitingForResources, "", "", ""},
		{"it waits until its time", postponedFor(time.Nanosecond), StepWait, protocol.Waiting, protocol.SuspendPostponed, "", ""},
		{"it runs at its time", postponedFor(0), StepRun, protocol.WaitingForResources, "", "", ""},
		{"it runs after its time", postponedFor(-time.Hour), StepRun, protocol.WaitingForResources, "", "", ""},
		{"it is Ready once its time has come", all(in(protocol.Waiting), postponedFor(0)), StepRun, protocol.WaitingForResources, "", "", ""},
		{"it runs before its deadline", dueIn(time.Nanosecond), StepRun, protocol.WaitingForResources, "", "", ""},
		{"it ends at its deadline", dueIn(0), StepEnd, protocol.Canceled, "", "", "not started by its deadline 2030-01-31T08:00:00Z"},
		{"it ends after its deadline", dueIn(-time.Hour), StepEnd, protocol.Canceled, "", "", "deadline"},
		{"its deadline ends a postponement", all(postponedFor(time.Hour), dueIn(0)), StepEnd, protocol.Canceled, "", "", "deadline"},
		{"it waits though its deadline is before its time", all(postponedFor(time.Hour), dueIn(time.Minute)), StepWait, protocol.Waiting, protocol.SuspendPostponed, "", ""},
		{"it runs at the limit of depth", atDepth(8), StepRun, protocol.WaitingForResources, "", "", ""},
		{"it ends beyond the limit of depth", atDepth(9), StepEnd, protocol.Failed, "", "80044182", "depth: 9 is over the limit 8"},
		{"depth counts before a postponement", all(atDepth(9), postponedFor(time.Hour)), StepEnd, protocol.Failed, "", "80044182", "depth"},
		{"an unknown type ends it", withoutType, StepEnd, protocol.Failed, "", "80044303", `operationType "test.record" is not in the catalogue`},
		{"an unknown type ends it though it is postponed", all(withoutType, postponedFor(time.Hour)), StepEnd, protocol.Failed, "", "80044303", "operationType"},
		{"a verdict ends it", withVerdict(canceled), StepEnd, protocol.Canceled, "", "80044F00", "canceled while it queued"},
		{"a verdict comes first", all(withVerdict(canceled), withoutType, atDepth(9), dueIn(-time.Hour), postponedFor(time.Hour)), StepEnd, protocol.Canceled, "", "80044F00", "canceled while it queued"},
		{"what succeeded stays so", all(in(protocol.Succeeded), withVerdict(canceled), dueIn(-time.Hour)), StepEnd, protocol.Succeeded, "", "", ""},
		{"what failed stays so", all(in(protocol.Failed), postponedFor(time.Hour)), StepEnd, protocol.Failed, "", "", ""},
		{"what was cancelled stays so", in(protocol.Canceled), StepEnd, protocol.Canceled, "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := aLife(tc.life)
			before := l.Record
			require.Equal(t, tc.step, l.Next(day))
			r := l.Record
			require.Equal(t, tc.status, r.StatusCode)
			require.Equal(t, tc.status.State(), r.StateCode)
			require.Equal(t, tc.reason, r.SuspendReason)
			require.Equal(t, tc.code, r.ErrorCode)
			require.Contains(t, r.Message, tc.message)
			if before.StatusCode.Terminal() {
				require.Equal(t, before, r, "it never changes again")
			} else if tc.step == StepEnd {
				require.Equal(t, day, *r.CompletedOn)
			} else {
				require.Nil(t, r.CompletedOn)
			}
			again := *l
			require.Equal(t, tc.step, l.Next(day), "asked again, it says the same")
			require.Equal(t, again.Record, l.Record)
		})
	}
}

// SPEC 8.3: it names what to add.
func TestUnknownTypeTellsWhatToAdd(t *testing.T) {
	t.Parallel()
	l := aLife(withoutType)
	l.Next(day)
	require.Contains(t, l.Record.FriendlyMessage, `"test.record"`)
	require.Contains(t, l.Record.FriendlyMessage, "config.yaml")
}

func TestAWaitEndsAtTheEarlierOfItsTimeAndItsDeadline(t *testing.T) {
	t.Parallel()
	require.Equal(t, day.Add(time.Hour), aLife(postponedFor(time.Hour)).WaitUntil())
	require.Equal(t, day.Add(time.Minute), aLife(postponedFor(time.Hour), dueIn(time.Minute)).WaitUntil())
	require.Equal(t, day.Add(time.Hour), aLife(postponedFor(time.Hour), dueIn(2*time.Hour)).WaitUntil())
}

// SPEC 2.2: n counts every scheduling, and only grows.
func TestEachScheduleIsOneMore(t *testing.T) {
	t.Parallel()
	l := aLife()
	for n := range int64(3) {
		fence := l.Scheduled(day.Add(time.Second))
		require.Equal(t, protocol.Fence{Sequence: 7, N: n + 1}, fence)
		require.Equal(t, protocol.InProgress, l.Record.StatusCode)
		require.Equal(t, protocol.Locked, l.Record.StateCode)
	}
	require.Equal(t, day.Add(time.Second), *l.Record.ModifiedOn)
}

var lifeStatuses = []protocol.StatusCode{
	protocol.WaitingForResources, protocol.Waiting, protocol.InProgress, protocol.Pausing, protocol.Canceling,
	protocol.Succeeded, protocol.Failed, protocol.Canceled,
}

// SPEC 3.1, 3.2
func TestCancelEndsWhatWaitsAndAsksWhatRuns(t *testing.T) {
	t.Parallel()
	want := map[protocol.StatusCode]protocol.StatusCode{
		protocol.WaitingForResources: protocol.Canceled, protocol.Waiting: protocol.Canceled,
		protocol.InProgress: protocol.Canceling, protocol.Pausing: protocol.Canceling, protocol.Canceling: protocol.Canceling,
		protocol.Succeeded: protocol.Succeeded, protocol.Failed: protocol.Failed, protocol.Canceled: protocol.Canceled,
	}
	for _, status := range lifeStatuses {
		t.Run(status.String(), func(t *testing.T) {
			t.Parallel()
			l := aLife(in(status))
			before := l.Record
			l.Cancel("no longer needed", day.Add(time.Minute))
			require.Equal(t, want[status], l.Record.StatusCode)
			require.Equal(t, want[status].State(), l.Record.StateCode)
			if want[status] == status {
				require.Equal(t, before, l.Record, "nothing changed")
				return
			}
			require.Equal(t, day.Add(time.Minute), *l.Record.ModifiedOn)
			if want[status].Terminal() {
				require.Equal(t, "canceled before it started: no longer needed", l.Record.Message)
				require.Equal(t, day.Add(time.Minute), *l.Record.CompletedOn)
				require.Equal(t, StepEnd, l.Next(day))
			}
		})
	}
	l := aLife()
	l.Cancel("", day)
	require.Equal(t, "canceled before it started", l.Record.Message)
}

// SPEC 3.1, 5.3: earlier or later; in the past it is Ready.
func TestPostponeMovesTheTime(t *testing.T) {
	t.Parallel()
	for _, status := range []protocol.StatusCode{protocol.WaitingForResources, protocol.Waiting} {
		for _, minutes := range []time.Duration{-1, 0, 1, 30, 90} {
			l := aLife(in(status))
			if status == protocol.Waiting {
				postponedFor(time.Hour)(l)
				l.Record.SuspendReason = protocol.SuspendPostponed
			}
			until := day.Add(minutes * time.Minute).In(time.FixedZone("", 3600))
			l.Postpone(until, day)
			if minutes <= 0 {
				require.Equal(t, protocol.WaitingForResources, l.Record.StatusCode)
				require.Nil(t, l.Record.PostponeUntil)
				require.Empty(t, l.Record.SuspendReason)
				require.Equal(t, StepRun, l.Next(day))
				continue
			}
			require.Equal(t, protocol.Waiting, l.Record.StatusCode)
			require.Equal(t, protocol.SuspendPostponed, l.Record.SuspendReason)
			require.Equal(t, day.Add(minutes*time.Minute), *l.Record.PostponeUntil, "in UTC")
			require.Equal(t, StepWait, l.Next(day))
			require.Equal(t, StepWait, l.Next(until.Add(-time.Nanosecond)), "never before its time")
			require.Equal(t, StepRun, l.Next(until))
		}
	}
}

// SPEC 3.1: any other request is refused and names what is allowed.
func TestActionsThatAnOperationTakes(t *testing.T) {
	t.Parallel()
	takes := map[protocol.Action][]protocol.StatusCode{
		protocol.ActionCancel:   {protocol.WaitingForResources, protocol.Waiting, protocol.InProgress, protocol.Pausing, protocol.Canceling},
		protocol.ActionPostpone: {protocol.WaitingForResources, protocol.Waiting}, // not while it runs, in this version
	}
	for action, statuses := range takes {
		for _, status := range lifeStatuses {
			l := aLife(in(status))
			before := l.Record
			err := l.Check(action)
			require.Equal(t, before, l.Record, "a check changes nothing")
			if slices.Contains(statuses, status) {
				require.NoError(t, err, "%s while %s", action, status)
				continue
			}
			var refusal *protocol.Refusal
			require.ErrorAs(t, err, &refusal, "%s while %s", action, status)
			require.Equal(t, protocol.ErrTypeInvalidTransition, refusal.Type)
			require.Equal(t, "A", refusal.OperationID)
			require.NotEmpty(t, refusal.Code)
			require.NotContains(t, refusal.Allowed, action)
			for _, allowed := range refusal.Allowed {
				require.Contains(t, takes[allowed], status, "what is named as allowed would be taken")
			}
		}
	}
	for _, status := range []protocol.StatusCode{protocol.InProgress, protocol.Pausing} {
		var refusal *protocol.Refusal
		require.ErrorAs(t, aLife(in(status)).Check(protocol.ActionPostpone), &refusal)
		require.Equal(t, []protocol.Action{protocol.ActionCancel}, refusal.Allowed)
	}
}

func heldBy(host string) *protocol.Held {
	return &protocol.Held{HostID: host, StartedOn: day.In(time.FixedZone("", 3600)), Seconds: 1.23456, Retries: 2}
}

func requireHeld(t *testing.T, r protocol.Record) {
	t.Helper()
	require.Equal(t, "worker-1", r.HostID)
	require.Equal(t, day, *r.StartedOn, "in UTC")
	require.Equal(t, 1.23, r.ExecutionTimeSpan, "two decimals")
	require.Equal(t, 2, r.RetryCount)
}

// SPEC 1.2, 6.1, 6.3
func TestAnOperationEndsAsItsHandlerSays(t *testing.T) {
	t.Parallel()
	now := day.Add(time.Minute)
	for _, tc := range []struct {
		name    string
		end     func(*Life)
		status  protocol.StatusCode
		code    string
		message string
	}{
		{"succeeded", func(l *Life) {
			l.Succeeded(protocol.HandlerResult{Result: json.RawMessage(`{"n":1}`), Held: heldBy("worker-1")}, now)
		}, protocol.Succeeded, "", ""},
		{"failed", func(l *Life) {
			l.Failed("Fail", "503", protocol.FailureDetails{Code: "E7", FriendlyMessage: "Sorry.", Held: heldBy("worker-1")}, now)
		}, protocol.Failed, "E7", "503"},
		{"failed without details", func(l *Life) {
			l.Failed("ConnectionRefused", "no route", protocol.FailureDetails{Held: heldBy("worker-1")}, now)
		}, protocol.Failed, "ConnectionRefused", "no route"},
		{"canceled", func(l *Life) { l.Canceled(protocol.FailureDetails{Held: heldBy("worker-1")}, now) }, protocol.Canceled, "", "canceled while it ran"},
		{"with a result at its limit", func(l *Life) {
			l.Succeeded(protocol.HandlerResult{Result: make(json.RawMessage, 256<<10), Held: heldBy("worker-1")}, now)
		}, protocol.Succeeded, "", ""},
		{"with a result over its limit", func(l *Life) {
			l.Succeeded(protocol.HandlerResult{Result: make(json.RawMessage, 256<<10+1), Held: heldBy("worker-1")}, now)
		}, protocol.Failed, "ResultTooLarge", "result: has 262145 bytes, the limit is 262144"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for _, while := range []protocol.StatusCode{protocol.InProgress, protocol.Canceling} { // SPEC 3.2: the handler finished first
				l := aLife(in(while))
				tc.end(l)
				r := l.Record
				require.Equal(t, []any{tc.status, tc.code, tc.message, now}, []any{r.StatusCode, r.ErrorCode, r.Message, *r.CompletedOn})
				requireHeld(t, r)
				require.Equal(t, tc.status == protocol.Succeeded, r.Result != nil)
				require.Equal(t, StepEnd, l.Next(now))
			}
		})
	}
}

// A worker in another language may not say who held it.
func TestAnEndWithoutAHolderIsAnEnd(t *testing.T) {
	t.Parallel()
	l := aLife(in(protocol.InProgress))
	l.Succeeded(protocol.HandlerResult{}, day)
	require.Equal(t, protocol.Succeeded, l.Record.StatusCode)
	require.Nil(t, l.Record.StartedOn)
	require.Empty(t, l.Record.HostID)
}

// SPEC 1.2: what a handler says is kept to 100,000 bytes.
func TestMessagesOfAHandlerAreBounded(t *testing.T) {
	t.Parallel()
	l := aLife(in(protocol.InProgress))
	l.Failed("x", strings.Repeat("🚀", 30_000), protocol.FailureDetails{FriendlyMessage: strings.Repeat("€", 40_000)}, day)
	for _, message := range []string{l.Record.Message, l.Record.FriendlyMessage} {
		require.LessOrEqual(t, len(message), 100_000)
		require.Greater(t, len(message), 99_990)
		require.True(t, strings.HasSuffix(message, "…"))
		require.Equal(t, message, strings.ToValidUTF8(message, "?"))
	}
}

// SPEC 2.1: whatever happens to it, a Completed operation never changes again,
// exactly one state holds, and it never starts before its time (5.1).
func TestLifeKeepsItsPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := day
		l := aLife(atDepth(rapid.IntRange(0, 9).Draw(t, "depth")))
		if rapid.Bool().Draw(t, "has a deadline") {
			dueIn(time.Duration(rapid.IntRange(-5, 30).Draw(t, "deadline")) * time.Minute)(l)
		}
		var ended *protocol.Record
		locked := func() bool { return l.Record.StateCode == protocol.Locked }
		conclude := func(t *rapid.T) {
			if !locked() {
				t.Skip("not running")
			}
			switch rapid.IntRange(0, 2).Draw(t, "end") {
			case 0:
				l.Succeeded(protocol.HandlerResult{}, now)
			case 1:
				l.Failed("x", "y", protocol.FailureDetails{}, now)
			default:
				l.Canceled(protocol.FailureDetails{}, now)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				r := l.Record
				require.Equal(t, r.StatusCode.State(), r.StateCode)
				require.Equal(t, r.StateCode == protocol.Suspended, r.SuspendReason != "")
				require.Equal(t, r.StatusCode.Terminal(), r.CompletedOn != nil)
				require.False(t, r.ModifiedOn.Before(*r.CreatedOn) || r.ModifiedOn.After(now))
				if ended != nil {
					require.Equal(t, *ended, r)
				} else if r.StatusCode.Terminal() {
					ended = &r
				}
			},
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
			},
			"next": func(t *rapid.T) {
				if locked() {
					t.Skip("its handler runs")
				}
				switch l.Next(now) {
				case StepWait:
					require.True(t, l.WaitUntil().After(now), "it waits for something to come")
				case StepRun:
					require.Nil(t, ended)
					require.False(t, l.Record.PostponeUntil != nil && now.Before(*l.Record.PostponeUntil))
					require.False(t, l.Record.Deadline != nil && !now.Before(*l.Record.Deadline))
					n := l.N
					require.Equal(t, n+1, l.Scheduled(now).N)
				case StepEnd:
					require.True(t, l.Record.StatusCode.Terminal())
				}
			},
			"cancel": func(t *rapid.T) {
				if l.Check(protocol.ActionCancel) == nil {
					l.Cancel("", now)
					require.Contains(t, []protocol.StatusCode{protocol.Canceled, protocol.Canceling}, l.Record.StatusCode)
				}
			},
			"postpone": func(t *rapid.T) {
				if l.Check(protocol.ActionPostpone) == nil {
					l.Postpone(now.Add(time.Duration(rapid.IntRange(-10, 20).Draw(t, "minutes"))*time.Minute), now)
					require.Contains(t, []protocol.StateCode{protocol.Ready, protocol.Suspended}, l.Record.StateCode)
				}
			},
			"conclude": conclude,
		})
	})
}
