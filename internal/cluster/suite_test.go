package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const events = `
{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA/inside","Output":"    a_test.go:3: wrong\n"}
{"Action":"fail","Test":"TestA/inside"}
{"Action":"fail","Test":"TestA","Elapsed":1.5}
{"Action":"pass","Test":"TestB"}
{"Action":"output","Test":"TestC","Output":"=== RUN   TestC\n"}
{"Action":"output","Test":"TestC","Output":"    c_test.go:27: needs: a server of its own\n"}
{"Action":"skip","Test":"TestC"}
{"Action":"fail","Package":"x"}
`

func TestTestsAreCountedOnceAndFailuresQuoted(t *testing.T) {
	t.Parallel()
	counted := newTally()
	var out bytes.Buffer
	require.NoError(t, counted.read(strings.NewReader(events), &out))
	require.Equal(t, 1, counted.passed)
	require.Equal(t, 1, counted.failed)
	require.Equal(t, map[string]string{"TestC": "needs: a server of its own"}, counted.skipped)
	require.Contains(t, out.String(), "FAIL TestA (1.5 s)\na_test.go:3: wrong\n")
	counted.print(&out, time.Minute)
	require.Contains(t, out.String(), "left out, needs: a server of its own: TestC\n")
	require.Contains(t, out.String(), "2 ran, 1 passed, 1 failed, 1 left out, in 1m0s\n")
}

func TestWhatIsNoEventIsAnError(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, newTally().read(strings.NewReader("{"), &bytes.Buffer{}), "read the test events")
}

// SPEC 4.1: what the receiver takes for a broken promise.
func TestReceiverSeesWhatIsOutOfOrder(t *testing.T) {
	t.Parallel()
	submitted := map[string][]string{"a": {"1", "2"}}
	for name, c := range map[string]struct {
		arrived []string
		broken  []string
		problem string
	}{
		"in order":    {[]string{"1", "2"}, nil, ""},
		"overtaken":   {[]string{"2", "1"}, nil, "token a: submitted [1 2], received [2 1]"},
		"lost":        {[]string{"1"}, nil, "received [1]"},
		"twice":       {[]string{"1", "2", "1"}, nil, "received [1 2 1]"},
		"two at once": {[]string{"1", "2"}, []string{"2 overlaps"}, "1 overlaps, the first: 2 overlaps"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := (&receiver{arrived: map[string][]string{"a": c.arrived}, broken: c.broken}).check(submitted)
			if c.problem == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.problem)
			}
		})
	}
}
