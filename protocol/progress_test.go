package protocol

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProgressInWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		beat Heartbeat
		want string
	}{
		"a part of the whole":            {Heartbeat{Done: 40, Total: 100, Note: "invoices"}, "40 of 100 (40 %), invoices"},
		"rounded down":                   {Heartbeat{Done: 199, Total: 200}, "199 of 200 (99 %)"},
		"exactly":                        {Heartbeat{Done: 29, Total: 100}, "29 of 100 (29 %)"},
		"all":                            {Heartbeat{Done: 7, Total: 7}, "7 of 7 (100 %)"},
		"nothing yet":                    {Heartbeat{Total: 7}, "0 of 7 (0 %)"},
		"of an unknown number":           {Heartbeat{Done: 40}, "40 done"},
		"a note alone":                   {Heartbeat{Note: "reads the list"}, "reads the list"},
		"more than all has no part":      {Heartbeat{Done: 8, Total: 7}, "8 of 7"},
		"less than nothing has no part":  {Heartbeat{Done: -1, Total: 7}, "-1 of 7"},
		"as large as numbers are":        {Heartbeat{Done: math.MaxInt64 / 2, Total: math.MaxInt64}, "4611686018427387903 of 9223372036854775807 (49 %)"},
		"a note over its limit is cut":   {Heartbeat{Note: strings.Repeat("x", MaxNoteBytes-1) + "é"}, strings.Repeat("x", MaxNoteBytes-1)},
		"a checkpoint is not for people": {Heartbeat{Done: 1, Checkpoint: []byte(`{"row":7}`)}, "1 done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.beat.Progress(nil).String())
		})
	}
}

func TestHeartbeatThatTellsNothingIsNoProgress(t *testing.T) {
	t.Parallel()
	require.Nil(t, Heartbeat{Checkpoint: []byte("7"), Seconds: 3}.Progress(at(0)))
}
