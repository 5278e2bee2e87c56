package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// diagnosis is what the doctor finds, by check.
func diagnosis(t *testing.T, namespace string, args ...string) (found map[string]string, hints map[string]string, code int) {
	t.Helper()
	stdout, stderr, code := starterIn(t, namespace, append([]string{"doctor", "-o", "json"}, args...)...)
	var findings []struct{ Check, Status, Message, Hint string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &findings), stdout+stderr)
	found, hints = map[string]string{}, map[string]string{}
	for _, f := range findings {
		require.NotEmpty(t, f.Message, f.Check)
		found[f.Check], hints[f.Check] = f.Status, f.Hint
	}
	return found, hints, code
}

func TestDoctorFindsAHealthyServerHealthy(t *testing.T) {
	t.Parallel()
	queue := unique(t)
	settings := fmt.Sprintf(crashConfig, queue, "http://127.0.0.1:1")
	startProcess(t, shared, settings)
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))
	healthy := map[string]string{
		"config": "ok", "connection": "ok", "server": "ok", "namespace": "ok", "clock": "ok", "search attributes": "ok", "encryption": "ok", "service": "ok",
		"workers": "ok", "handlers": "ok", "engine": "ok", "limits": "ok", "web ui": "ok",
	}
	require.Eventually(t, func() bool {
		found, _, code := diagnosis(t, shared.Namespace(), "--config", file, "--strict")
		return code == 0 && fmt.Sprint(found) == fmt.Sprint(healthy)
	}, patience, time.Second)
	stdout, stderr, code := starterIn(t, shared.Namespace(), "doctor", "--config", file)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "1 worker: ")
	require.Contains(t, stdout, "temporal-go 1.", "since when and with what")
	require.Contains(t, stdout, "history.transferProcessorMaxPollRPS")

	_, stderr, code = starterIn(t, shared.Namespace(), "service", "stop", "--task-queue", queue, "--reason", "stocktaking")
	require.Zero(t, code, stderr)
	stdout, _, code = starterIn(t, shared.Namespace(), "doctor", "--config", file)
	require.Zero(t, code, "a stop is a warning")
	require.Contains(t, stdout, "stocktaking")
}

func TestDoctorSaysThatNoWorkerIsThere(t *testing.T) {
	t.Parallel()
	found, hints, code := diagnosis(t, shared.Namespace(), "--task-queue", unique(t))
	require.Equal(t, 9, code)
	require.Equal(t, "fail", found["workers"])
	require.Equal(t, "fail", found["engine"])
	require.Contains(t, hints["workers"], "./worker")
	require.Equal(t, "ok", found["search attributes"])
}

func TestDoctorNamesWhatANamespaceLacks(t *testing.T) {
	t.Parallel()
	namespace := "seriatim-test-" + uuid.NewString()
	found, hints, code := diagnosis(t, namespace)
	require.Equal(t, 9, code)
	require.Equal(t, "fail", found["namespace"])
	require.Contains(t, hints["namespace"], "starter setup --create-namespace")

	require.NoError(t, embedded.Namespace(t.Context(), shared.Address(), namespace))
	require.Eventually(t, func() bool {
		found, hints, _ = diagnosis(t, namespace)
		return found["search attributes"] == "warn"
	}, patience, time.Second)
	require.Contains(t, hints["search attributes"], "starter setup")
	_, stderr, code := starterIn(t, namespace, "setup")
	require.Zero(t, code, stderr)
	found, _, _ = diagnosis(t, namespace)
	require.Equal(t, "ok", found["search attributes"])
}

func TestDoctorSaysThatNothingAnswers(t *testing.T) {
	t.Parallel()
	found, hints, code := diagnosis(t, "default", "--address", "127.0.0.1:1", "--client-connect-timeout", "2s")
	require.Equal(t, 9, code)
	require.Equal(t, map[string]string{"connection": "ok", "server": "fail"}, found)
	require.Contains(t, hints["server"], "--address")
}
