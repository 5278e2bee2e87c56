package harness

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantile(t *testing.T) {
	t.Parallel()
	times := []time.Duration{5, 1, 4, 2, 3}
	require.Equal(t, time.Duration(3), Quantile(times, 0.5))
	require.Equal(t, time.Duration(5), Quantile(times, 0.99))
	require.Equal(t, time.Duration(5), Quantile(times, 1))
	require.Zero(t, Quantile(nil, 0.5))
	require.Equal(t, []time.Duration{5, 1, 4, 2, 3}, times, "it sorts a copy")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("usage is read from /proc, which this system does not have")
	}
	require.Positive(t, Memory(os.Getpid()))
	require.Positive(t, PeakMemory(os.Getpid()))
	require.Zero(t, Memory(-1), "a process that is not there takes nothing")
	require.Zero(t, CPU(-1))
	require.Positive(t, Descriptors(os.Getpid()))
	require.Zero(t, Descriptors(-1))
}
