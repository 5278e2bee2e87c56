package mail

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddressesAreReadOneWay(t *testing.T) {
	t.Parallel()
	for address, wanted := range map[string]string{
		"a@b.example":                          "a@b.example",
		" a@b.example\n":                       "a@b.example",
		"A.b+c@B.Example":                      "A.b+c@b.example",
		"a@bücher.example":                     "a@xn--bcher-kva.example",
		"a@localhost":                          "a@localhost",
		"o'hara@b.example":                     "o'hara@b.example",
		strings.Repeat("a", 64) + "@b.example": strings.Repeat("a", 64) + "@b.example",
	} {
		got, err := parseRecipient(address)
		require.NoError(t, err, address)
		require.Equal(t, wanted, got)
	}
	for address, problem := range map[string]string{
		"":                                     "is not an address",
		"a":                                    "is not an address",
		"@b.example":                           "is not an address",
		"a@":                                   "is not an address",
		"a@b":                                  "has a domain that is none",
		"a@b..example":                         "is not an address",
		"a@b.example>":                         "has a domain that is none",
		"a@[127.0.0.1]":                        "has a domain that is none",
		"a b@c.example":                        "before the @",
		"A <a@b.example>":                      "before the @",
		`"a b"@c.example`:                      "before the @",
		"a@b@c.example":                        "before the @",
		".a@b.example":                         "is not an address",
		"ä@b.example":                          "is not ASCII",
		"a\r\nRCPT TO:<x@y.z>@b.example":       "before the @",
		"a\r\nx@b.example":                     "is not an address",
		"a@b.example\r\nDATA":                  "has a domain that is none",
		"a\x00@b.example":                      "is not an address",
		strings.Repeat("a", 65) + "@b.example": "more than 64 bytes",
		"a@" + strings.Repeat(strings.Repeat("b", 60)+".", 5) + "example": "more than 254 bytes",
	} {
		_, err := parseRecipient(address)
		require.ErrorContains(t, err, problem, "%q", address)
	}
}

func TestSendersMayHaveAName(t *testing.T) {
	t.Parallel()
	for sender, wanted := range map[string]string{
		"a@B.example":                        "<a@b.example>",
		"A B <a@b.example>":                  `"A B" <a@b.example>`,
		"=?utf-8?q?Zo=C3=AB?= <z@b.example>": "=?utf-8?q?Zo=C3=AB?= <z@b.example>",
	} {
		got, err := parseSender(sender)
		require.NoError(t, err, sender)
		require.Equal(t, wanted, got.String())
	}
	for sender, problem := range map[string]string{
		"":                                     "is not an address",
		"a@b.example, c@d.example":             "is not an address",
		"A <a@b>":                              "has a domain that is none",
		"=?utf-8?q?A=0D=0ABcc?= <a@b.example>": "control character",
		strings.Repeat("n", 257) + " <a@b.example>": "more than 256 bytes",
	} {
		_, err := parseSender(sender)
		require.ErrorContains(t, err, problem, sender)
	}
}

// The sender's own name for a mailbox, and the list's, are told apart by their
// domain in any spelling, but not by what stands before it.
func TestKeysAreOfTheMailbox(t *testing.T) {
	t.Parallel()
	same, err := parseRecipient("Anna@BÜCHER.example")
	require.NoError(t, err)
	again, err := parseRecipient("Anna@xn--bcher-kva.EXAMPLE")
	require.NoError(t, err)
	require.Equal(t, keyOf(same), keyOf(again))
	require.NotEqual(t, keyOf("anna@b.example"), keyOf("Anna@b.example"))
}
