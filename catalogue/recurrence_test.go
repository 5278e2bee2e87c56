package catalogue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/catalogue"
	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 7.7
func TestSomeTypesRestrictTheirRecurrence(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		number  int
		pattern string
		code    protocol.Code
	}{
		{8, "FREQ=DAILY", ""},
		{13, "FREQ=DAILY;INTERVAL=365;BYHOUR=2", ""},
		{13, "FREQ=DAILY;INTERVAL=366", protocol.CodeIntervalRange},
		{8, "FREQ=HOURLY", protocol.CodeDailyOnly},
		{8, "FREQ=WEEKLY", protocol.CodeDailyOnly},
		{13, "FREQ=DAILY;BYHOUR=2,14", protocol.CodeDailyOnly},
		{57, "FREQ=HOURLY", ""},
		{57, "FREQ=MINUTELY;INTERVAL=60", ""},
		{57, "FREQ=DAILY;BYHOUR=1,2,3", ""},
		{57, "FREQ=MINUTELY;BYMINUTE=0", ""},
		{57, "FREQ=MINUTELY;INTERVAL=59", protocol.CodeRollupIntervalTooShort},
		{57, "FREQ=HOURLY;BYMINUTE=0,30", protocol.CodeRollupIntervalTooShort},
		{57, "FREQ=MINUTELY", protocol.CodeRollupIntervalTooShort},
		{58, "FREQ=MINUTELY", ""},
		{0, "FREQ=MINUTELY", ""},
	} {
		rule, err := protocol.ParseRecurrence(tc.pattern)
		require.NoError(t, err)
		err = catalogue.CheckRecurrence(tc.number, rule)
		require.Equal(t, tc.code, protocol.CodeOf(err), "type %d %s: %v", tc.number, tc.pattern, err)
		if tc.code != "" {
			require.ErrorContains(t, err, string(tc.code))
		}
	}
}

// SPEC 7.7: by number, whether or not the catalogue has the type.
func TestARecurringOperationIsCheckedByItsNumber(t *testing.T) {
	t.Parallel()
	cat, err := catalogue.New(catalogue.Type{Key: "own", Number: 100_013, Binding: catalogue.Binding{Activity: "own"}})
	require.NoError(t, err)
	for ref, refused := range map[protocol.TypeRef]bool{"13": true, "8": true, "100013": false, "own": false, "013": false, "other": false} {
		err := cat.CheckRecurring(protocol.Operation{OperationType: ref, RecurrencePattern: "FREQ=HOURLY"})
		require.Equal(t, refused, err != nil, ref)
		require.NoError(t, cat.CheckRecurring(protocol.Operation{OperationType: ref}))
	}
	var none *catalogue.Catalogue
	require.Error(t, none.CheckRecurring(protocol.Operation{OperationType: "13", RecurrencePattern: "FREQ=HOURLY"}))
}
