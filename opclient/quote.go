package opclient

import (
	"strings"
	"unicode"
)

// quote writes a value into a visibility query, so that whatever it holds stays
// a value: a string in single quotes, in which a quote is doubled and a
// backslash escapes. It is the only place where a value enters a query.
func quote(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value) + "'"
}

// exact says whether the server compares the value as it is. It trims quotes
// from both ends, and on SQL databases compares backslashes, double quotes and
// control characters in an escaped form; such values are compared by the client.
func exact(value string) bool {
	return strings.Trim(value, "'") == value && !strings.ContainsAny(value, `\"`) && strings.IndexFunc(value, unicode.IsControl) < 0
}
