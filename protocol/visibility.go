package protocol

import (
	"strings"
	"unicode"
)

// QuoteForQuery writes a value into a visibility query, so that whatever it
// holds stays a value: a string in single quotes, in which a quote is doubled
// and a backslash escapes. No value enters a query in another way.
func QuoteForQuery(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value) + "'"
}

// IsExactInQuery says whether the server compares the value as it is. It trims
// quotes from both ends, and on SQL databases compares backslashes, double
// quotes and control characters in an escaped form; a query for such a value
// finds nothing, so the caller has to compare by itself.
func IsExactInQuery(value string) bool {
	return strings.Trim(value, "'") == value && !strings.ContainsAny(value, `\"`) && strings.IndexFunc(value, unicode.IsControl) < 0
}
