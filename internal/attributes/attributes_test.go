package attributes

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/seriatim-go/seriatim/protocol"
)

func TestCompareNamesWhatIsMissingOrOfAnotherType(t *testing.T) {
	t.Parallel()
	all := protocol.SearchAttributes()
	s := Compare(all, nil)
	require.True(t, s.Complete())
	require.Equal(t, Names(nil), s.Present)

	delete(all, protocol.CorrelationIDAttribute)
	delete(all, protocol.DependencyTokenAttribute)
	all[protocol.QueueDepthAttribute] = "Text"
	s = Compare(all, nil)
	require.False(t, s.Complete())
	require.Equal(t, []string{protocol.CorrelationIDAttribute, protocol.DependencyTokenAttribute}, s.Missing)
	require.Len(t, s.Wrong, 1)
	require.Equal(t, "QueueDepth is Text, not Int", s.Wrong[0].String())

	require.Equal(t, "temporal operator search-attribute create --namespace orders --name CorrelationId --type Keyword --name DependencyToken --type Keyword",
		CreateCommand("orders", nil, s.Missing))
	require.Equal(t, "tcld namespace search-attributes add --namespace orders.a1b2c --search-attribute PostponeUntil=Datetime",
		CloudCommand("orders.a1b2c", nil, []string{protocol.PostponeUntilAttribute}))
}

func TestCompareByTheNamespacesNames(t *testing.T) {
	t.Parallel()
	names := protocol.AttributeNames{protocol.OperationStatusAttribute: "AcmeStatus", protocol.QueueDepthAttribute: "AcmeDepth"}
	found := protocol.SearchAttributes()
	found[protocol.OperationStatusAttribute] = "Text" // another's
	found["AcmeDepth"] = "Int"
	s := Compare(found, names)
	require.Equal(t, []string{"AcmeStatus"}, s.Missing)
	require.Empty(t, s.Wrong)
	require.Equal(t, "temporal operator search-attribute create --namespace orders --name AcmeStatus --type Keyword", CreateCommand("orders", names, s.Missing))
	require.Equal(t, "tcld namespace search-attributes add --namespace orders.a1b2c --search-attribute AcmeStatus=Keyword", CloudCommand("orders.a1b2c", names, s.Missing))
}

func TestDenied(t *testing.T) {
	t.Parallel()
	require.True(t, Denied(fmt.Errorf("add: %w", serviceerror.NewPermissionDenied("no", ""))))
	require.True(t, Denied(serviceerror.NewUnimplemented("no")))
	require.False(t, Denied(serviceerror.NewUnavailable("away")))
	require.False(t, Denied(nil))
}
