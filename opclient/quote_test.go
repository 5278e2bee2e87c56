package opclient

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scanString reads a single-quoted string as the server's tokenizer does: a
// quote is written twice or after a backslash. It answers the value and what
// follows the string.
func scanString(text string) (value, rest string, ok bool) {
	escapes := map[byte]byte{'0': 0, 'b': '\b', 'n': '\n', 'r': '\r', 't': '\t', 'Z': 26}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			if escaped, known := escapes[text[i]]; known {
				b.WriteByte(escaped)
			} else {
				b.WriteByte(text[i])
			}
		case text[i] == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
			b.WriteByte('\'')
		case text[i] == '\'':
			return b.String(), text[i+1:], true
		default:
			b.WriteByte(text[i])
		}
	}
	return "", "", false
}

func FuzzQuoteKeepsAValueAValue(f *testing.F) {
	for _, seed := range []string{"", "a", "x' OR WorkflowType='Y", `\`, `\'`, `''`, `a\\'b`, "\x00\n", "Müller & Söhne", "'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		text := quote(value)
		require.Equal(t, byte('\''), text[0])
		read, rest, ok := scanString(text)
		require.True(t, ok, "unterminated: %s", text)
		require.Empty(t, rest, "%q ends before its end: %s", value, text)
		require.Equal(t, value, read)
	})
}

func TestExact(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"a", "customer-42", "it's", "Müller & Söhne/7", ""} {
		require.True(t, exact(value), value)
	}
	for _, value := range []string{"'a", "a'", `a\b`, `say "hi"`, "a\tb"} {
		require.False(t, exact(value), value)
	}
}
