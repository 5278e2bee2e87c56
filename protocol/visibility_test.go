package protocol

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unquote reads a quoted value to its closing quote, as a query's parser does.
func unquote(quoted string, backslashEscapes bool) (value, rest string) {
	var b strings.Builder
	for i := 1; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '\\' && backslashEscapes:
			i++
			b.WriteByte(quoted[i])
		case c == '\'' && strings.HasPrefix(quoted[i+1:], "'"):
			i++
			b.WriteByte(c)
		case c == '\'':
			return b.String(), quoted[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "not closed"
}

func checkQuoted(t *testing.T, value string) {
	t.Helper()
	quoted := QuoteForQuery(value)
	require.Equal(t, byte('\''), quoted[0])
	read, rest := unquote(quoted, true)
	require.Empty(t, rest, "nothing escapes from the quotes")
	require.Equal(t, value, read)
	_, rest = unquote(quoted, false)
	require.Empty(t, rest, "even where a backslash is a character like any other")
}

func TestValuesStayValuesInAQuery(t *testing.T) {
	t.Parallel()
	require.Equal(t, `'customer-42'`, QuoteForQuery("customer-42"))
	require.Equal(t, `'x'' OR WorkflowType=''Y'`, QuoteForQuery("x' OR WorkflowType='Y"))
	for _, value := range []string{"", "'", "''", `\`, `\'`, `'\`, `\\'`, `"`, "`", "--", ";", "%", "🚀", "\x00", `\' OR 1=1 --`} {
		checkQuoted(t, value)
	}
}

func TestValuesThatTheServerDoesNotCompareAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, exact := range []string{"", "customer-42", "a'b", "🚀", "a b", "%", "x' OR y='z"} {
		require.True(t, IsExactInQuery(exact), exact)
	}
	for _, other := range []string{"'", "'a", "a'", `a\b`, `a"b`, "a\nb", "\u0085"} {
		require.False(t, IsExactInQuery(other), other)
	}
}

func FuzzQuoteForQuery(f *testing.F) {
	for _, seed := range []string{"", "x' OR WorkflowType='Y", `\`, `\'`, `'\''`} {
		f.Add(seed)
	}
	f.Fuzz(checkQuoted)
}
