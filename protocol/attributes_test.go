package protocol

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAttributeNames(t *testing.T) {
	t.Parallel()
	var none AttributeNames
	require.Equal(t, "OperationStatus", none.Of(OperationStatusAttribute))
	require.Equal(t, "OperationStatus", none.InQuery(OperationStatusAttribute))
	require.Equal(t, SearchAttributes(), none.Types())
	require.NoError(t, none.Validate())

	names := AttributeNames{OperationStatusAttribute: "Group", QueueDepthAttribute: "acme-depth_2"}
	require.NoError(t, names.Validate())
	require.Equal(t, "Group", names.Of(OperationStatusAttribute))
	require.Equal(t, "`Group`", names.InQuery(OperationStatusAttribute))
	require.Equal(t, "OperationType", names.InQuery(OperationTypeAttribute))
	require.Equal(t, "Int", names.Types()["acme-depth_2"])
	require.Len(t, names.Types(), 8)
	require.NotContains(t, names.Types(), OperationStatusAttribute)
	require.NoError(t, AttributeNames{OperationStatusAttribute: "OperationType", OperationTypeAttribute: "OperationStatus"}.Validate(), "two may change places")
}

func TestAttributeNamesRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		names AttributeNames
		says  string
	}{
		"empty":               {AttributeNames{OperationStatusAttribute: ""}, `search attribute OperationStatus: "" is not a name`},
		"with a blank":        {AttributeNames{OperationStatusAttribute: "my status"}, `"my status" is not a name`},
		"with a backtick":     {AttributeNames{OperationStatusAttribute: "a`b"}, `is not a name`},
		"begins with a digit": {AttributeNames{OperationStatusAttribute: "1a"}, `"1a" is not a name`},
		"too long":            {AttributeNames{OperationStatusAttribute: strings.Repeat("a", 101)}, "1..100"},
		"a system name":       {AttributeNames{OperationStatusAttribute: "ExecutionStatus"}, `"ExecutionStatus" is a name of Temporal's own`},
		"a reserved one":      {AttributeNames{OperationStatusAttribute: "TemporalStatus"}, `"TemporalStatus" is a name of Temporal's own`},
		"the same twice":      {AttributeNames{OperationStatusAttribute: "A", OperationTypeAttribute: "A"}, `search attribute OperationStatus: "A" is the name of OperationType too`},
		"another's default":   {AttributeNames{OperationStatusAttribute: "QueueDepth"}, `"QueueDepth" is the name of QueueDepth too`},
		"not one of ours":     {AttributeNames{"Status": "A"}, "search attribute Status: is not a search attribute of Seriatim"},
	} {
		require.ErrorContains(t, test.names.Validate(), test.says, name)
	}
}
