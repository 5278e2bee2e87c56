package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// steady are samples of a run in which only operations grow.
func steady(n int) []sample {
	samples := make([]sample, n)
	for i := range samples {
		samples[i] = sample{
			WorkerRSS: 70 + i%5, WorkerHeap: 20 + 7*(i%3), Goroutines: 300 + 11*(i%4), WorkerFDs: 30 + i%3,
			ServerFDs: 60 + i%2, Operations: 40 * i, Database: 15 + 4*(i%2),
		}
	}
	return samples
}

func TestEachMeasureTurnsRed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(i int, s *sample)
		want  string // "" is green
	}{
		"nothing grows":                          {func(int, *sample) {}, ""},
		"RSS grows":                              {func(i int, s *sample) { s.WorkerRSS += 2 * i }, "worker RSS, MiB grows"},
		"the heap grows":                         {func(i int, s *sample) { s.WorkerHeap += 3 * i }, "worker heap, MiB grows"},
		"a goroutine for each operation":         {func(i int, s *sample) { s.Goroutines += s.Operations }, "goroutines of the worker grows"},
		"a descriptor of the worker each second": {func(i int, s *sample) { s.WorkerFDs += 4 * i }, "descriptors of the worker grows"},
		"descriptors of the server":              {func(i int, s *sample) { s.ServerFDs += 4 * i }, "descriptors of the server grows"},
		"retention deletes nothing":              {func(i int, s *sample) { s.Database = 7 + i/2 }, "database, MiB grows"},
		"it grows only while it warms up":        {func(i int, s *sample) { s.WorkerRSS += 10 * min(i, 10) }, ""},
		"a few wild samples":                     {func(i int, s *sample) { s.Goroutines += 5000 * (i % 9 / 8) }, ""},
		"retention deletes as much as comes":     {func(i int, s *sample) { s.Database = min(3*i, 18) }, ""},
		"memory is given back":                   {func(i int, s *sample) { s.WorkerRSS -= i }, ""},
		"nothing is done any more":               {func(i int, s *sample) { s.Operations = min(s.Operations, 800) }, "no operation was done"},
		"nothing was measured":                   {func(i int, s *sample) { s.WorkerHeap = 0 }, "worker heap, MiB: nothing was measured"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			samples := steady(36)
			for i := range samples {
				test.spoil(i, &samples[i])
			}
			v := judge(samples)
			if test.want == "" {
				require.Empty(t, v.Problems)
				return
			}
			require.Len(t, v.Problems, 1, "%v", v.Problems)
			require.Contains(t, v.Problems[0], test.want)
		})
	}
	require.NotEmpty(t, judge(steady(8)).Problems, "too few samples")
}

func TestWhatIsOutOfBoundsIsRefusedByName(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"--duration 59s":                  "--duration 59s: at least 1m",
		"--retention 9s":                  "--retention 9s: 10s to a quarter of the duration",
		"--duration 1m --retention 16s":   "--retention 16s: 10s to a quarter of the duration",
		"--every 999ms":                   "--every 999ms: 1s to a twelfth of the duration",
		"--every 16s":                     "--every 16s: 1s to a twelfth of the duration",
		"--duration 2m --retention 30s x": `argument "x": there are none`,
	} {
		var said bytes.Buffer
		require.Equal(t, 2, run(t.Context(), strings.Fields(line), io.Discard, &said, func() {}), line)
		require.Contains(t, said.String(), want, line)
	}
}
