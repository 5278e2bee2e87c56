package workflows

import (
	"encoding/json"
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
		Type:   &catalogue.Type{Key: "test.record", Binding: catalogue.Binding{Activity: "record"}},
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

func gated(l *Life)                     { l.Record.Gated, l.Record.BlockedBy = true, "A0" }
func atDepth(depth int) func(*Life)     { return func(l *Life) { l.Record.Depth = depth } }
func withVerdict(v Verdict) func(*Life) { return func(l *Life) { l.Verdict = &v } }
func withoutType(l *Life)               { l.Type = nil }
func withToken(l *Life)                 { l.Record.DependencyToken = testToken }
func ofType(t catalogue.Type) func(*Life) {
	return func(l *Life) { l.Type = &t; l.describe() }
}

// original is a type of the original service that nothing runs; bound one that
// something does.
func original(key protocol.TypeRef) catalogue.Type {
	t, found := catalogue.Original(key)
	if !found {
		panic(key)
	}
	return t
}

func bound(key string, change ...func(*catalogue.Type)) catalogue.Type {
	t := catalogue.Type{Key: key, Binding: catalogue.Binding{Activity: "record"}}
	for _, c := range change {
		c(&t)
	}
	return t.WithDefaults()
}

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
		{"an original type that nothing runs ends it", ofType(original("bulk.email")), StepEnd, protocol.Failed, "", "80044303", `operationType "test.record" is known as 2 "Bulk Email", and nothing runs it`},
		{"a token ends it where its type takes none", all(ofType(bound("import")), withToken), StepEnd, protocol.Failed, "", "TokenNotAllowed", `dependencyToken: operations of type "import" take none (got "customer-42")`},
		{"it runs without a token where its type takes none", ofType(bound("import")), StepRun, protocol.WaitingForResources, "", "", ""},
		{"a workflow runs at depth 16", all(ofType(bound("workflow")), atDepth(16)), StepRun, protocol.WaitingForResources, "", "", ""},
		{"a workflow ends at depth 17", all(ofType(bound("workflow")), atDepth(17)), StepEnd, protocol.Failed, "", "80044182", "depth: 17 is over the limit 16"},
		{"a verdict ends it", withVerdict(canceled), StepEnd, protocol.Canceled, "", "80044F00", "canceled while it queued"},
		{"a verdict comes first", all(withVerdict(canceled), withoutType, atDepth(9), dueIn(-time.Hour), postponedFor(time.Hour)), StepEnd, protocol.Canceled, "", "80044F00", "canceled while it queued"},
		{"a deadline does not end what has started", all(dueIn(0), started), StepRun, protocol.WaitingForResources, "", "", ""},
		{"paused, it waits", waiting(protocol.SuspendPaused, started), StepWait, protocol.Waiting, protocol.SuspendPaused, "", ""},
		{"paused, it waits though its time has come", waiting(protocol.SuspendPaused, started, postponedFor(-time.Hour)), StepWait, protocol.Waiting, protocol.SuspendPaused, "", ""},
		{"asking for a person, it waits", waiting(protocol.SuspendError, started), StepWait, protocol.Waiting, protocol.SuspendError, "", ""},
		{"retried, it waits", all(started, retriedIn(time.Second)), StepWait, protocol.Waiting, protocol.SuspendRetrying, "", ""},
		{"retried, it runs at that time", waiting(protocol.SuspendRetrying, started, retriedIn(0)), StepRun, protocol.WaitingForResources, "", "", ""},
		{"under a held token it is Ready and waits", held, StepWait, protocol.WaitingForResources, "", "", ""},
		{"behind its gate it is Ready and waits", gated, StepWait, protocol.WaitingForResources, "", "", ""},
		{"behind its gate it stays postponed", all(gated, postponedFor(time.Hour)), StepWait, protocol.Waiting, protocol.SuspendPostponed, "", ""},
		{"behind its gate it waits though its deadline is over", all(gated, dueIn(-time.Minute)), StepWait, protocol.WaitingForResources, "", "", ""},
		{"behind its gate it waits though nothing runs it", all(gated, withoutType), StepWait, protocol.WaitingForResources, "", "", ""},
		{"behind its gate it waits though it is too deep", all(gated, atDepth(9)), StepWait, protocol.WaitingForResources, "", "", ""},
		{"under a held token it stays postponed", all(held, postponedFor(time.Hour)), StepWait, protocol.Waiting, protocol.SuspendPostponed, "", ""},
		{"a deadline ends it under a held token", all(held, dueIn(0)), StepEnd, protocol.Canceled, "", "", "deadline"},
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

// SPEC 5.1, 8.6
func TestAWaitEndsAtTheEarlierOfItsTimeAndItsDeadline(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		life func(*Life)
		want *time.Time
	}{
		{"postponed", waiting(protocol.SuspendPostponed, postponedFor(time.Hour)), after(time.Hour)},
		{"a deadline before its time", waiting(protocol.SuspendPostponed, postponedFor(time.Hour), dueIn(time.Minute)), after(time.Minute)},
		{"a deadline after its time", waiting(protocol.SuspendPostponed, postponedFor(time.Hour), dueIn(2*time.Hour)), after(time.Hour)},
		{"a deadline that it has met", waiting(protocol.SuspendPostponed, postponedFor(time.Hour), dueIn(time.Minute), started), after(time.Hour)},
		{"paused", waiting(protocol.SuspendPaused, postponedFor(-time.Hour), started), nil},
		{"asks for a person", waiting(protocol.SuspendError, started), nil},
		{"retries", waiting(protocol.SuspendRetrying, retriedIn(time.Minute), started), after(time.Minute)},
		{"held, with a deadline", all(held, dueIn(time.Minute)), after(time.Minute)},
		{"held", held, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			until, ends := aLife(tc.life).WaitUntil()
			require.Equal(t, tc.want != nil, ends)
			if ends {
				require.Equal(t, *tc.want, until)
			}
		})
	}
}

func waiting(reason protocol.SuspendReason, more ...func(*Life)) func(*Life) {
	return all(append(more, in(protocol.Waiting), func(l *Life) { l.Record.SuspendReason = reason })...)
}

func started(l *Life) { l.Record.N = 1 }
func held(l *Life)    { l.Hold = &protocol.Hold{On: day} }
func retriedIn(d time.Duration) func(*Life) {
	return func(l *Life) { l.RetryOn = after(d) }
}

func after(d time.Duration) *time.Time {
	at := day.Add(d)
	return &at
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

// asks are the actions of SPEC 3.1 that an operation itself carries out.
var asks = map[protocol.Action]func(*Life){
	protocol.ActionCancel:         func(l *Life) { l.Cancel(askedFor(protocol.ActionCancel)) },
	protocol.ActionPause:          func(l *Life) { l.Pause(askedFor(protocol.ActionPause)) },
	protocol.ActionResume:         func(l *Life) { l.Resume(askedFor(protocol.ActionResume)) },
	protocol.ActionPostpone:       func(l *Life) { l.Postpone(day.Add(time.Hour), askedFor(protocol.ActionPostpone)) },
	protocol.ActionPostponeToPast: func(l *Life) { l.Postpone(day.Add(-time.Hour), askedFor(protocol.ActionPostpone)) },
}

func askedFor(action protocol.Action) protocol.Taken {
	return protocol.Taken{Action: action, On: day.Add(time.Minute), Identity: "ops@host", Reason: "no longer needed"}
}

// SPEC 3.1, 3.2, 5.3: what the table takes, an operation does, and it keeps who
// asked; what it refuses changes nothing.
func TestEveryActionInEveryState(t *testing.T) {
	t.Parallel()
	for action, ask := range asks {
		for _, status := range lifeStatuses {
			t.Run(string(action)+" while "+status.String(), func(t *testing.T) {
				t.Parallel()
				l := aLife(in(status), started)
				if status == protocol.Pausing {
					l.Stop = &Stop{Until: after(2 * time.Hour)}
				}
				before := l.Record
				next, refused := protocol.Transition("A", status, action)
				require.Equal(t, refused, l.Check(action))
				require.Equal(t, before, l.Record, "a check changes nothing")
				if refused != nil {
					return
				}
				ask(l)
				r := l.Record
				require.Equal(t, next, r.StatusCode)
				require.Equal(t, next.State(), r.StateCode)
				if action == protocol.ActionCancel && status == protocol.Canceling {
					require.Equal(t, before, r, "a repeat changes nothing")
					return
				}
				require.Equal(t, "ops@host", r.LastAction.Identity)
				require.Equal(t, next.Terminal(), r.CompletedOn != nil)
				require.Equal(t, next == protocol.Pausing, l.Stop != nil)
			})
		}
	}
}

// SPEC 3.2: a repeat of a pending pause changes nothing; another request while
// Pausing replaces it.
func TestTheLastRequestWhilePausingCounts(t *testing.T) {
	t.Parallel()
	l := aLife(in(protocol.InProgress), started)
	asks[protocol.ActionPause](l)
	paused := l.Record
	asks[protocol.ActionPause](l)
	require.Equal(t, paused, l.Record)
	asks[protocol.ActionPostpone](l)
	require.Equal(t, day.Add(time.Hour), *l.Stop.Until)
	l.Stopped(protocol.FailureDetails{}, day.Add(2*time.Minute))
	require.Equal(t, protocol.SuspendPostponed, l.Record.SuspendReason)
	require.Equal(t, day.Add(time.Hour), *l.Record.PostponeUntil)
	require.Equal(t, StepWait, l.Next(day.Add(time.Hour-1)))
	require.Equal(t, StepRun, l.Next(day.Add(time.Hour)))
}

// SPEC 3.1: what ends an operation says when it did, and why.
func TestCancelSaysWhereItWas(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		life func(*Life)
		want string
	}{
		"before it started": {all(), "canceled before it started: no longer needed"},
		"while it waited":   {waiting(protocol.SuspendPaused, started), "canceled while it waited: no longer needed"},
	} {
		l := aLife(tc.life)
		asks[protocol.ActionCancel](l)
		require.Equal(t, tc.want, l.Record.Message, name)
		require.Equal(t, StepEnd, l.Next(day))
	}
	l := aLife(in(protocol.InProgress), started)
	asks[protocol.ActionCancel](l)
	l.Stopped(protocol.FailureDetails{}, day)
	require.Equal(t, "canceled while it ran: no longer needed", l.Record.Message)
	l = aLife(in(protocol.Canceling), started, func(l *Life) { l.Type.Binding.CancelTimeoutSeconds = 30 })
	l.LockBroken(day)
	require.Equal(t, protocol.Canceled, l.Record.StatusCode)
	require.Contains(t, l.Record.Message, "did not stop within 30 s")
}

// SPEC 2.3, 3.1, 3.2, 6.1: how a handler ends, in each state in which it may.
func TestWhatBecomesOfAHandlersEnd(t *testing.T) {
	t.Parallel()
	now := day.Add(time.Minute)
	details := protocol.FailureDetails{Code: "E7", FriendlyMessage: "Sorry.", Checkpoint: json.RawMessage(`{"line":40}`), Held: heldBy("worker-1")}
	ends := map[string]func(*Life){
		"stopped":           func(l *Life) { l.Stopped(details, now) },
		"asks for a person": func(l *Life) { l.AskedForPerson("no such account", details, now) },
		"retried":           func(l *Life) { l.Retried("not yet", details, now) },
	}
	for _, tc := range []struct {
		end    string
		while  protocol.StatusCode
		status protocol.StatusCode
		reason protocol.SuspendReason
	}{
		{"stopped", protocol.InProgress, protocol.Canceled, ""},
		{"stopped", protocol.Pausing, protocol.Waiting, protocol.SuspendPaused},
		{"stopped", protocol.Canceling, protocol.Canceled, ""},
		{"asks for a person", protocol.InProgress, protocol.Waiting, protocol.SuspendError},
		{"asks for a person", protocol.Pausing, protocol.Waiting, protocol.SuspendError},
		{"asks for a person", protocol.Canceling, protocol.Canceled, ""},
		{"retried", protocol.InProgress, protocol.Waiting, protocol.SuspendRetrying},
		{"retried", protocol.Pausing, protocol.Waiting, protocol.SuspendPaused},
		{"retried", protocol.Canceling, protocol.Canceled, ""},
	} {
		t.Run(tc.end+" while "+tc.while.String(), func(t *testing.T) {
			t.Parallel()
			l := aLife(in(tc.while), started)
			if tc.while == protocol.Pausing {
				l.Stop = &Stop{}
			}
			ends[tc.end](l)
			require.Equal(t, []any{tc.status, tc.reason}, []any{l.Record.StatusCode, l.Record.SuspendReason})
			require.JSONEq(t, `{"line":40}`, string(l.Checkpoint), "it goes on from there")
			requireHeld(t, l.Record)
			if tc.reason == protocol.SuspendError || tc.reason == protocol.SuspendRetrying {
				require.Equal(t, "E7", l.Record.ErrorCode)
				require.Equal(t, StepWait, l.Next(now))
				asks[protocol.ActionResume](l)
				require.Equal(t, StepRun, l.Next(now), "resume schedules it again at once")
				l.Scheduled(now)
				require.Empty(t, l.Record.ErrorCode, "what is over does not stay")
			}
		})
	}
}

// SPEC 6.1: after or at, and never at once: nothing else bounds such retries.
func TestARetryThatDoesNotCountWaits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		details protocol.FailureDetails
		want    time.Time
	}{
		{protocol.FailureDetails{}, day.Add(time.Second)},
		{protocol.FailureDetails{AfterSeconds: 90}, day.Add(90 * time.Second)},
		{protocol.FailureDetails{At: after(time.Hour)}, day.Add(time.Hour)},
		{protocol.FailureDetails{At: after(-time.Hour)}, day.Add(time.Second)},
	} {
		l := aLife(in(protocol.InProgress), started)
		l.Retried("not yet", tc.details, day)
		require.Equal(t, StepWait, l.Next(tc.want.Add(-1)))
		require.Equal(t, StepRun, l.Next(tc.want))
	}
}

// SPEC 6.2: a local attempt counts as one of the type's, and the wait is as between
// any two.
func TestALocalAttemptThatFailedIsFollowedByOthers(t *testing.T) {
	t.Parallel()
	details := protocol.FailureDetails{Checkpoint: json.RawMessage(`7`)}
	locally := func(attempts int32, change ...func(*Life)) *Life {
		l := aLife(append([]func(*Life){in(protocol.InProgress), started}, change...)...)
		l.Type.Binding.Retry = catalogue.Retry{MaxAttempts: attempts, InitialSeconds: 0.2}
		return l
	}
	l := locally(3)
	l.LocalFailed(failedAttempt{"Busy", "busy", details}, day)
	require.Equal(t, []any{protocol.Waiting, protocol.SuspendRetrying, "Busy"}, []any{l.Record.StatusCode, l.Record.SuspendReason, l.Record.ErrorCode})
	require.Equal(t, []any{int32(1), 1, "7"}, []any{l.Tried, l.Record.RetryCount, string(l.Checkpoint)})
	require.Equal(t, StepWait, l.Next(day.Add(200*time.Millisecond-1)))
	require.Equal(t, StepRun, l.Next(day.Add(200*time.Millisecond)))

	l = locally(3)
	details.AfterSeconds = 90
	l.LocalFailed(failedAttempt{"Busy", "busy", details}, day)
	require.Equal(t, StepWait, l.Next(day.Add(90*time.Second-1)), "as the handler asked")

	l = locally(1)
	l.LocalFailed(failedAttempt{"Busy", "busy", details}, day)
	require.Equal(t, []any{protocol.Failed, "Busy"}, []any{l.Record.StatusCode, l.Record.ErrorCode}, "it was the only one")

	l = locally(3, in(protocol.Canceling))
	l.LocalFailed(failedAttempt{"Busy", "busy", details}, day)
	require.Equal(t, protocol.Canceled, l.Record.StatusCode)
}

// SPEC 3.1: postponing what is Suspended reschedules it, earlier or later.
func TestAPostponementReplacesTheWaitForARetry(t *testing.T) {
	t.Parallel()
	for _, until := range []time.Duration{time.Minute, 3 * time.Hour} {
		l := aLife(in(protocol.InProgress), started)
		l.Retried("not yet", protocol.FailureDetails{AfterSeconds: 7200}, day)
		l.Postpone(day.Add(until), protocol.Taken{Action: protocol.ActionPostpone, On: day})
		require.Equal(t, StepWait, l.Next(day.Add(until-1)))
		require.Equal(t, StepRun, l.Next(day.Add(until)))
	}
}

// SPEC 1.2, 6.5: seconds and retries add up over the calls; the start is the
// first; a checkpoint that is too large is not taken.
func TestWhatCallsLeaveBehindAddsUp(t *testing.T) {
	t.Parallel()
	l := aLife()
	for range 3 {
		l.Scheduled(day)
		asks[protocol.ActionPause](l)
		l.Stopped(protocol.FailureDetails{Checkpoint: json.RawMessage(`1`), Held: heldBy("worker-1")}, day)
		asks[protocol.ActionResume](l)
	}
	require.Equal(t, 3.69, l.Record.ExecutionTimeSpan)
	require.Equal(t, 6, l.Record.RetryCount)
	require.Equal(t, int64(3), l.Record.N)
	l.KeepCheckpoint(make(json.RawMessage, protocol.MaxCheckpointBytes+1))
	l.KeepCheckpoint(nil)
	require.Equal(t, `1`, string(l.Checkpoint))
	l.KeepCheckpoint(json.RawMessage(`null`))
	require.Nil(t, l.Checkpoint)
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
		{"canceled", func(l *Life) { l.Stopped(protocol.FailureDetails{Held: heldBy("worker-1")}, now) }, protocol.Canceled, "", "canceled while it ran"},
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
		if rapid.Bool().Draw(t, "is behind a gate") {
			gated(l)
		}
		var ended *protocol.Record
		locked := func() bool { return l.Record.StateCode == protocol.Locked }
		conclude := func(t *rapid.T) {
			if !locked() {
				t.Skip("not running")
			}
			switch rapid.IntRange(0, 4).Draw(t, "end") {
			case 2:
				l.AskedForPerson("y", protocol.FailureDetails{}, now)
			case 3:
				l.Retried("y", protocol.FailureDetails{AfterSeconds: 300}, now)
			case 0:
				l.Succeeded(protocol.HandlerResult{}, now)
			case 1:
				l.Failed("x", "y", protocol.FailureDetails{}, now)
			default:
				l.Stopped(protocol.FailureDetails{}, now)
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
					until, ends := l.WaitUntil()
					require.True(t, !ends || until.After(now), "it waits for something to come")
				case StepRun:
					require.Nil(t, ended)
					require.False(t, l.Record.PostponeUntil != nil && now.Before(*l.Record.PostponeUntil))
					require.False(t, l.Record.N == 0 && l.Record.Deadline != nil && !now.Before(*l.Record.Deadline))
					require.Nil(t, l.Hold)
					require.False(t, l.Record.Gated)
					n := l.Record.N
					require.Equal(t, n+1, l.Scheduled(now).N)
				case StepEnd:
					require.True(t, l.Record.StatusCode.Terminal())
				}
			},
			"ask": func(t *rapid.T) {
				action := rapid.SampledFrom([]protocol.Action{
					protocol.ActionCancel, protocol.ActionPause, protocol.ActionResume, protocol.ActionPostpone, protocol.ActionPostponeToPast,
				}).Draw(t, "action")
				next, refused := protocol.Transition("A", l.Record.StatusCode, action)
				if refused != nil {
					return
				}
				asked := protocol.Taken{Action: action, On: now}
				minutes := time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute
				switch action {
				case protocol.ActionCancel:
					l.Cancel(asked)
				case protocol.ActionPause:
					l.Pause(asked)
				case protocol.ActionResume:
					l.Resume(asked)
				case protocol.ActionPostpone:
					l.Postpone(now.Add(minutes), asked)
				default:
					l.Postpone(now.Add(-minutes), asked)
				}
				require.Equal(t, next, l.Record.StatusCode)
			},
			"hold":    func(*rapid.T) { l.TokenHeld(&protocol.Hold{On: now}) },
			"release": func(*rapid.T) { l.TokenHeld(nil) },
			"turn":    func(*rapid.T) { l.TurnCame(protocol.Turn{}) },
			"the end in its queue": func(t *rapid.T) {
				wasGated := l.Record.Gated
				l.TurnCame(protocol.Turn{Canceled: true, Message: "the token was cancelled"})
				if wasGated {
					require.Equal(t, StepEnd, l.Next(now))
					require.Equal(t, protocol.Canceled, l.Record.StatusCode)
				}
			},
			"conclude": conclude,
		})
	})
}
