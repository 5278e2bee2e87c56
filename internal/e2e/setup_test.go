package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
)

// starterIn runs the starter against a namespace of the shared server.
func starterIn(t *testing.T, namespace string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	command := exec.Command(program(t, "starter"), args...)
	command.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+shared.Address(), "TEMPORAL_NAMESPACE="+namespace)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return out.String(), problems.String(), command.ProcessState.ExitCode()
}

// setupStates counts what became of the parts of a setup.
func setupStates(t *testing.T, stdout string) map[string]int {
	t.Helper()
	var steps []struct{ Name, State string }
	require.NoError(t, json.Unmarshal([]byte(stdout), &steps), stdout)
	states := map[string]int{}
	for _, step := range steps {
		states[step.State]++
	}
	return states
}

// A namespace is set up from nothing, and again without any change; all that a
// workflow sets can be used at once.
func TestStarterSetsANamespaceUp(t *testing.T) {
	t.Parallel()
	namespace := "seriatim-test-" + uuid.NewString()
	all := len(protocol.SearchAttributes())
	_, stderr, code := starterIn(t, namespace, "setup")
	require.Equal(t, 9, code, stderr)
	require.Contains(t, stderr, "--create-namespace")

	stdout, stderr, code := starterIn(t, namespace, "setup", "--create-namespace", "--dry-run", "-o", "json")
	require.Zero(t, code, stderr)
	require.Equal(t, map[string]int{"missing": all + 1}, setupStates(t, stdout))

	stdout, stderr, code = starterIn(t, namespace, "setup", "--create-namespace", "--retention", "48h", "-o", "json")
	require.Zero(t, code, stderr)
	require.Equal(t, map[string]int{"created": all + 1}, setupStates(t, stdout))
	c, err := client.DialContext(t.Context(), client.Options{HostPort: shared.Address(), Namespace: namespace})
	require.NoError(t, err)
	defer c.Close()
	described, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	require.NoError(t, err)
	require.Equal(t, "48h0m0s", described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration().String())
	_, err = c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: namespace, Query: "DependencyToken = 'a' AND QueueDepth = 1"})
	require.NoError(t, err)

	stdout, stderr, code = starterIn(t, namespace, "setup", "--create-namespace", "-o", "json")
	require.Zero(t, code, stderr)
	require.Equal(t, map[string]int{"present": all + 1}, setupStates(t, stdout))
}

// An attribute that somebody uses for something else is left alone and named.
func TestStarterRefusesASearchAttributeOfAnotherType(t *testing.T) {
	t.Parallel()
	namespace := "seriatim-test-" + uuid.NewString()
	require.NoError(t, embedded.Namespace(t.Context(), shared.Address(), namespace))
	require.NoError(t, embedded.SearchAttributes(t.Context(), shared.Address(), namespace,
		map[string]enumspb.IndexedValueType{protocol.QueueDepthAttribute: enumspb.INDEXED_VALUE_TYPE_KEYWORD}))
	stdout, stderr, code := starterIn(t, namespace, "setup", "-o", "json")
	require.Equal(t, 9, code, stderr)
	require.Contains(t, stderr, "QueueDepth is Keyword, not Int")
	require.Equal(t, map[string]int{"present": 1}, setupStates(t, stdout), "the namespace")
}
