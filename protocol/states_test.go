package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var allStatuses = []StatusCode{
	WaitingForResources, Waiting, InProgress, Pausing, Canceling, Succeeded, Failed, Canceled,
}

var allActions = []Action{ActionPostpone, ActionPostponeToPast, ActionPause, ActionResume, ActionCancel, ActionDelete, ActionRerun}

// SPEC 2.1
func TestStatesAndStatusesAreTheOriginals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status   StatusCode
		code     int
		name     string
		state    string
		terminal bool
	}{
		{WaitingForResources, 0, "WaitingForResources", "Ready", false},
		{Waiting, 10, "Waiting", "Suspended", false},
		{InProgress, 20, "InProgress", "Locked", false},
		{Pausing, 21, "Pausing", "Locked", false},
		{Canceling, 22, "Canceling", "Locked", false},
		{Succeeded, 30, "Succeeded", "Completed", true},
		{Failed, 31, "Failed", "Completed", true},
		{Canceled, 32, "Canceled", "Completed", true},
	} {
		require.Equal(t, tc.code, int(tc.status))
		require.Equal(t, tc.name, tc.status.String())
		require.Equal(t, tc.state, tc.status.State().String())
		require.Equal(t, tc.terminal, tc.status.Terminal())
		for _, written := range []string{tc.name, strings.ToLower(tc.name), strings.ToUpper(tc.name)} {
			parsed, err := ParseStatus(written)
			require.NoError(t, err)
			require.Equal(t, tc.status, parsed)
		}
	}
	_, err := ParseStatus("Done")
	require.ErrorContains(t, err, `status "Done" is not one of [WaitingForResources Waiting InProgress Pausing Canceling Succeeded Failed Canceled]`)
	require.Equal(t, "StatusCode(7)", StatusCode(7).String())
	require.Equal(t, "StateCode(4)", StateCode(4).String())
	require.Equal(t, "StateCode(-1)", StateCode(-1).String())
}

// actionTable is SPEC 3.1 and 3.2 once more: the status that follows, or the code
// of the refusal. pause and postpone while Pausing, and cancel while Canceling,
// are a repeat of the request that is pending, or another one instead.
var actionTable = map[Action]map[StatusCode]string{
	ActionPostpone: {
		WaitingForResources: "Waiting", Waiting: "Waiting", InProgress: "Pausing", Pausing: "Pausing",
		Canceling: "80044167", Succeeded: "80044167", Failed: "80044167", Canceled: "80044167",
	},
	ActionPostponeToPast: {
		WaitingForResources: "WaitingForResources", Waiting: "WaitingForResources",
		InProgress: "80044166", Pausing: "80044166", Canceling: "80044166", Succeeded: "80044166", Failed: "80044166", Canceled: "80044166",
	},
	ActionPause: {
		InProgress: "Pausing", Pausing: "Pausing",
		WaitingForResources: "80044F01", Waiting: "80044F01", Canceling: "80044F01", Succeeded: "80044F01", Failed: "80044F01", Canceled: "80044F01",
	},
	ActionResume: {
		Waiting:             "WaitingForResources",
		WaitingForResources: "80044166", InProgress: "80044166", Pausing: "80044166", Canceling: "80044166",
		Succeeded: "80044166", Failed: "80044166", Canceled: "80044166",
	},
	ActionCancel: {
		WaitingForResources: "Canceled", Waiting: "Canceled", InProgress: "Canceling", Pausing: "Canceling", Canceling: "Canceling",
		Succeeded: "80044F00", Failed: "80044F00", Canceled: "80044F00",
	},
	ActionDelete: {
		Succeeded: "Succeeded", Failed: "Failed", Canceled: "Canceled",
		WaitingForResources: "8004416A", Waiting: "8004416A", InProgress: "8004416A", Pausing: "8004416A", Canceling: "8004416A",
	},
	ActionRerun: {
		Failed: "Failed", Canceled: "Canceled",
		WaitingForResources: "80044162", Waiting: "80044162", InProgress: "80044162", Pausing: "80044162", Canceling: "80044162", Succeeded: "80044162",
	},
}

// SPEC 3.1, 3.2, 3.3
func TestActionsAreTakenAndRefusedAsTheTableSays(t *testing.T) {
	t.Parallel()
	for _, action := range allActions {
		for _, status := range allStatuses {
			t.Run(fmt.Sprintf("%s while %s", action, status), func(t *testing.T) {
				t.Parallel()
				want := actionTable[action][status]
				require.NotEmpty(t, want)
				next, err := Transition("a1", status, action)
				require.Equal(t, err, CheckAction("a1", status, action))
				if action != ActionPostponeToPast {
					require.Equal(t, err == nil, slices.Contains(AllowedActions(status), action))
				}
				if err == nil {
					require.Equal(t, want, next.String())
					return
				}
				require.Equal(t, status, next)
				var refusal *Refusal
				require.ErrorAs(t, err, &refusal)
				require.Equal(t, Code(want), refusal.Code)
				require.Equal(t, ErrTypeInvalidTransition, refusal.Type)
				require.Equal(t, "a1", refusal.OperationID)
				require.Equal(t, AllowedActions(status), refusal.Allowed)
				message := err.Error()
				for _, part := range []string{`operation "a1" is ` + status.String(), string(action), want, refusal.Code.Name(), joinActions(refusal.Allowed)} {
					require.Contains(t, message, part)
				}
			})
		}
	}
}

// A caller that changes its copy must not change the rules.
func TestAllowedActionsAreACopy(t *testing.T) {
	t.Parallel()
	AllowedActions(Succeeded)[0] = ActionRerun
	require.Equal(t, []Action{ActionDelete}, AllowedActions(Succeeded))
	require.Empty(t, AllowedActions(StatusCode(99)))
}

// The table in docs/ is made from the rules: go test ./protocol -update.
func TestDocumentedTransitionsAreTheRules(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "transitions.md")
	table := transitionsTable()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(table), 0o644))
	}
	documented, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(documented), table)
}

// transitionsTable is each action in each status: what it leads to, or the code
// with which it is refused.
func transitionsTable() string {
	var b strings.Builder
	b.WriteString("# Every action in every status\n\nMade from the rules in package `protocol`; a test compares it. Rows are the actions of\n" +
		"[3.1](semantics.md#3.1), columns the statuses of [2.1](semantics.md#2.1). A cell is the status that follows,\n" +
		"or the code of the refusal ([3.3](semantics.md#3.3)). delete removes the record, rerun makes a new operation;\n" +
		"both leave the status as it is.\n\n| asked to |")
	for _, status := range allStatuses {
		fmt.Fprintf(&b, " %d %s |", status, status)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(allStatuses)) + "\n")
	for _, action := range allActions {
		fmt.Fprintf(&b, "| %s |", action)
		for _, status := range allStatuses {
			next, err := Transition("a1", status, action)
			cell := next.String()
			if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
				cell = fmt.Sprintf("refused: %s %s", refusal.Code, refusal.Code.Name())
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// SPEC 3.1, 5.3
func TestPostponementToThePastIsAnotherRowOfTheTable(t *testing.T) {
	t.Parallel()
	require.Equal(t, ActionPostpone, PostponeAction(day.Add(1), day))
	require.Equal(t, ActionPostponeToPast, PostponeAction(day, day))
	require.Equal(t, ActionPostponeToPast, PostponeAction(day.Add(-1), day))
}

// SPEC 3.3
func TestCodesAreTheOriginals(t *testing.T) {
	t.Parallel()
	want := map[Code]string{
		"80044162": "InvalidStateChange", "80044163": "InvalidStateChangeUnexpected", "80044164": "MissingId",
		"80044165": "InvalidStateChangeToComplete", "80044166": "InvalidStateChangeToReady", "80044167": "InvalidStateChangeToSuspended",
		"80044168": "CannotUpdateNonrecurring", "80044169": "CannotUpdateRecurring", "8004416A": "CannotDeleteUnlessCompleted",
		"80044182": "DepthTooHigh", "80044303": "TypeNotRecognised", "80044304": "PayloadUnreadable",
		"80044F00": "CannotCancel", "80044F01": "CannotPause", "80044F02": "CannotDeleteOrCancel",
		"80040246": "InvalidRecurrence", "8004D2A0": "DailyOnly", "8004D2A1": "IntervalRange", "8004D2A2": "RollupIntervalTooShort",
	}
	require.Equal(t, want, codeNames)
	for code, name := range want {
		require.Equal(t, name, code.Name())
	}
	require.Empty(t, Code("E7").Name(), "a handler's own")
}

func TestRefusalSaysWhatIsAllowed(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no (80044F01 CannotPause); allowed: postpone, cancel",
		(&Refusal{Type: ErrTypeInvalidTransition, Code: CodeCannotPause, Message: "no", Allowed: []Action{ActionPostpone, ActionCancel}}).Error())
	require.Equal(t, "no; allowed: nothing", (&Refusal{Type: ErrTypeInvalidTransition, Message: "no"}).Error())
	require.Equal(t, "full", (&Refusal{Type: ErrTypeQueueFull, Message: "full"}).Error())
}

func TestRefusalIsKnownByItsType(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("submit %q: %w", "a1", &Refusal{Type: ErrTypeQueueFull, Message: "full"})
	require.ErrorIs(t, err, &Refusal{Type: ErrTypeQueueFull})
	require.NotErrorIs(t, err, &Refusal{Type: ErrTypeDuplicateID})
	require.NotErrorIs(t, err, errors.New("full"))
}

func TestFieldErrorNamesFieldValueAndProblem(t *testing.T) {
	t.Parallel()
	require.EqualError(t, &FieldError{Field: "priority", Value: "9", Problem: "is not in 1..5"}, "priority: is not in 1..5 (got 9)")
	require.EqualError(t, &FieldError{Field: "id", Problem: "is given twice"}, "id: is given twice")
}

// A state is a number on the wire (SPEC 2.1).
func TestStatesAreNumbersOnTheWire(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(OperationClosed{ID: "a", Status: Canceled})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"a","status":32}`, string(encoded))
}
