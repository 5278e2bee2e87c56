package protocol

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// SPEC 3.3, 8.3, 9.1
func TestRestrictionsRefuseWhateverTheState(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		restrictions Restrictions
		status       StatusCode
		action       Action
		code         Code
		allowed      []Action
	}{
		{"L is not cancelled while it waits", Restrictions{NoControl}, WaitingForResources, ActionCancel, CodeCannotCancel, []Action{ActionPostpone}},
		{"L is not cancelled while it runs", Restrictions{NoControl}, InProgress, ActionCancel, CodeCannotCancel, []Action{ActionPostpone}},
		{"L is not paused", Restrictions{NoControl}, InProgress, ActionPause, CodeCannotPause, []Action{ActionPostpone}},
		{"L is not resumed", Restrictions{NoControl}, Waiting, ActionResume, CodeInvalidStateChangeToReady, []Action{ActionPostpone}},
		{"L is deleted", Restrictions{NoControl}, Failed, ActionDelete, "", nil},
		{"L is postponed", Restrictions{NoControl}, Waiting, ActionPostpone, "", nil},
		{"L is run again", Restrictions{NoControl}, Failed, ActionRerun, "", nil},
		{"R is not cancelled", Restrictions{NoCancelOrDelete}, Waiting, ActionCancel, CodeCannotDeleteOrCancel, []Action{ActionPostpone, ActionResume}},
		{"R is not deleted", Restrictions{NoCancelOrDelete}, Failed, ActionDelete, CodeCannotDeleteOrCancel, []Action{ActionRerun}},
		{"R is paused", Restrictions{NoCancelOrDelete}, InProgress, ActionPause, "", nil},
		{"R is not deleted while it runs", Restrictions{NoCancelOrDelete}, InProgress, ActionDelete, CodeCannotDeleteOrCancel, []Action{ActionPostpone, ActionPause}},
		{"D is cancelled and paused", Restrictions{NoToken}, InProgress, ActionPause, "", nil},
		{"what cannot stop is not paused", Restrictions{NoPause}, InProgress, ActionPause, CodeCannotPause, []Action{ActionCancel}},
		{"what cannot stop is not postponed while it runs", Restrictions{NoPause}, InProgress, ActionPostpone, CodeInvalidStateChangeToSuspended, []Action{ActionCancel}},
		{"what cannot stop is postponed before it runs", Restrictions{NoPause}, WaitingForResources, ActionPostpone, "", nil},
		{"what cannot stop is cancelled", Restrictions{NoPause}, InProgress, ActionCancel, "", nil},
		{"both forbid it", Restrictions{NoPause, NoControl}, InProgress, ActionCancel, CodeCannotCancel, []Action{}},
		{"the state's refusal offers no more either", Restrictions{NoControl}, WaitingForResources, ActionDelete, CodeCannotDeleteUnlessCompleted, []Action{ActionPostpone}},
		{"an end is told before a restriction", Restrictions{NoControl}, Succeeded, ActionCancel, CodeCannotCancel, []Action{ActionDelete}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := CheckRestricted("a1", tc.status, tc.restrictions, tc.action)
			if tc.code == "" {
				require.NoError(t, err)
				require.Contains(t, AllowedTo(tc.status, tc.restrictions), tc.action)
				return
			}
			var refusal *Refusal
			require.True(t, errors.As(err, &refusal))
			require.Equal(t, ErrTypeInvalidTransition, refusal.Type)
			require.Equal(t, tc.code, refusal.Code)
			require.Equal(t, tc.allowed, refusal.Allowed)
			require.Contains(t, refusal.Message, `"a1"`)
		})
	}
}

func TestWithoutRestrictionsNothingChanges(t *testing.T) {
	t.Parallel()
	for _, entry := range statusNames {
		require.Equal(t, AllowedActions(entry.code), AllowedTo(entry.code, nil))
		for _, action := range slices.Concat(actions, []Action{ActionPostponeToPast}) {
			require.Equal(t, CheckAction("a1", entry.code, action), CheckRestricted("a1", entry.code, nil, action))
		}
	}
}

func TestEveryRestrictionIsListed(t *testing.T) {
	t.Parallel()
	for _, one := range AllRestrictions {
		require.True(t, Restrictions{one}.Has(one))
		require.Equal(t, one == NoToken || one == NoPause, Restrictions{one}.MayCancel(), one)
	}
	require.True(t, Restrictions(nil).MayCancel())
}
