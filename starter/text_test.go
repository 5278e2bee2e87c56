package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"a", "\x1b[31mred", "\u202eevil", "a\nb", "\xff", "é😀", `back\slash`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		require.Negative(t, strings.IndexFunc(printable(text), func(r rune) bool { return !unicode.IsPrint(r) }))
	})
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Müller & Söhne": "Müller & Söhne", "\x1b[31m": `\x1b[31m`, "\u202eevil": `\u202eevil`, "\xff": `\xff`, "a\tb": `a\tb`,
	} {
		require.Equal(t, want, printable(text))
	}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                               "",
		`{"n":1.50}`:                     `{"n":1.50}`,
		`{"body":"\u003cp\u003e\u0007"}`: `{"body":"<p>\u0007"}`,
		`{"body":"\\u003c"}`:             `{"body":"\\u003c"}`,
	} {
		require.Equal(t, want, payload(json.RawMessage(raw)))
	}
	long := payload(json.RawMessage(`"` + strings.Repeat("é", 2000) + `"`))
	require.True(t, utf8.ValidString(long))
	require.Less(t, len(long), 1100)
	require.Contains(t, long, "… (4002 bytes; -o json shows them all)")
}

func TestTable(t *testing.T) {
	t.Parallel()
	rows := &table{header: []string{"STATUS", "ID", "NAME"}, rows: [][]string{{"Failed", "é", ""}, {"Waiting", "long-id", ""}}}
	var b strings.Builder
	rows.write(&b, false)
	require.Equal(t, "STATUS   ID\nFailed   é\nWaiting  long-id\n", b.String())
	b.Reset()
	rows.write(&b, true)
	require.Contains(t, b.String(), "\x1b[31mFailed\x1b[0m   é\n")
}

func TestParseInstant(t *testing.T) {
	t.Parallel()
	at, err := parseInstant("until", "2030-01-31T09:00:00+01:00")
	require.NoError(t, err)
	require.Equal(t, "2030-01-31T08:00:00Z", instant(&at))
	at, err = parseInstant("until", "2h")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), at, time.Minute)
	at, err = parseInstant("until", "now")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
}
