package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// idCase is a line of testdata/ids.json: what a client must map a token to.
type idCase struct {
	About      string `json:"about"`
	Token      string `json:"token"`
	WorkflowID string `json:"workflowId"`
}

func idCases() []idCase {
	hex64 := strings.Repeat("0123456789abcdef", 4)
	cases := []idCase{
		{About: "plain", Token: "customer-42"},
		{About: "white space and case are kept", Token: " Customer 42 "},
		{About: "slashes", Token: "a/page/1"},
		{About: "looks like a workflow id", Token: "token:x"},
		{About: "quotes", Token: `x' OR WorkflowType="Y`},
		{About: "right-to-left mark", Token: "a\u200fb"},
		{About: "emoji", Token: "🚀"},
		{About: "200 bytes", Token: strings.Repeat("a", 200)},
		{About: "201 bytes", Token: strings.Repeat("a", 201)},
		{About: "200 bytes of emoji", Token: strings.Repeat("🚀", 50)},
		{About: "204 bytes of emoji", Token: strings.Repeat("🚀", 51)},
		{About: "the cut falls inside an emoji", Token: "ab" + strings.Repeat("🚀", 60)},
		{About: "looks like a hashed key", Token: "a~" + hex64},
		{About: "nothing but a hashed key's end", Token: "~" + hex64},
		{About: "upper-case digits are no hashed key", Token: "a~" + strings.ToUpper(hex64)},
		{About: "63 digits are no hashed key", Token: "a~" + hex64[1:]},
		{About: "65 digits are no hashed key", Token: "a~" + hex64 + "0"},
		{About: "256 characters", Token: strings.Repeat("ü", 256)},
	}
	for i, c := range cases {
		cases[i].WorkflowID = SerializerWorkflowID(c.Token)
	}
	return cases
}

func TestWorkflowIDsAreWhatTheGoldenFileSays(t *testing.T) {
	t.Parallel()
	encoded, err := json.MarshalIndent(idCases(), "", "  ")
	require.NoError(t, err)
	golden := goldenFile(t, "ids.json", append(encoded, '\n'))
	require.Equal(t, string(golden), string(encoded)+"\n")

	byID := make(map[string]string)
	for _, c := range idCases() {
		require.Empty(t, byID[c.WorkflowID], "%s: another token has this id", c.About)
		byID[c.WorkflowID] = c.Token
	}
	payload, err := os.ReadFile(filepath.Join("testdata", "ids.json"))
	require.NoError(t, err)
	var read []idCase
	require.NoError(t, json.Unmarshal(payload, &read))
	require.Equal(t, idCases(), read)
}

// drawToken also draws tokens that try to be taken for another one's key.
func drawToken(t *rapid.T, label string) string {
	hex64 := rapid.StringMatching(`[0-9a-f]{64}`)
	plain := rapid.OneOf(
		rapid.String(),
		rapid.StringN(190, 256, -1),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.SampledFrom([]string{"a", "ü", "€", "🚀"}).Draw(t, "character"), rapid.IntRange(0, 256).Draw(t, "times"))
		}),
	)
	return rapid.OneOf(
		plain,
		rapid.Custom(func(t *rapid.T) string { return plain.Draw(t, "head") + "~" + hex64.Draw(t, "hash") }),
		rapid.Custom(func(t *rapid.T) string { return TokenKey(plain.Draw(t, "of")) }),
		rapid.Custom(func(t *rapid.T) string { return TokenKey(TokenKey(plain.Draw(t, "of"))) }),
	).Draw(t, label)
}

func checkKey(t require.TestingT, token string) {
	key := TokenKey(token)
	require.LessOrEqual(t, len(SerializerWorkflowID(token)), 255)
	if utf8.ValidString(token) {
		require.True(t, utf8.ValidString(key), "cut on a rune boundary")
	}
	if key == token {
		return
	}
	head := key[:len(key)-65]
	sum := sha256.Sum256([]byte(token))
	require.Equal(t, head+"~"+hex.EncodeToString(sum[:]), key)
	require.True(t, strings.HasPrefix(token, head))
	require.LessOrEqual(t, len(head), 120)
	if utf8.ValidString(token) {
		require.Greater(t, len(head), min(len(token), 120)-utf8.UTFMax, "no shorter than it must be")
	}
}

func TestTokenKeyIsTotalAndBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { checkKey(t, drawToken(t, "token")) })
}

// Two tokens never share a serializer.
func TestTokenKeyIsInjective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawToken(t, "a"), drawToken(t, "b")
		require.Equal(t, a == b, TokenKey(a) == TokenKey(b))
		for _, near := range []string{TokenKey(a), a + "a", " " + a, strings.ToUpper(a)} {
			require.Equal(t, a == near, TokenKey(a) == TokenKey(near), "and not with %q", near)
		}
	})
}

func TestTokenOfKeyUndoesTokenKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		token := drawToken(t, "token")
		key, isSerializer := SerializerKey(SerializerWorkflowID(token))
		require.Equal(t, token != "", isSerializer)
		require.Equal(t, TokenKey(token), key)
		back, ok := TokenOfKey(key)
		require.Equal(t, token != "" && key == token, ok)
		if ok {
			require.Equal(t, token, back)
		}
	})
}

func TestOnlyASerializersIDHasAKey(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "token", "token:", "token/a", "operation:a", "Token:a", " token:a"} {
		_, ok := SerializerKey(id)
		require.False(t, ok, id)
	}
	for _, id := range []string{"", "operation", "operation:", "operation/a", "token:a", "Operation:a", "occurrence:a", "occurrence:0:a", "occurrence:1:", "operation:occurrence:1:a"} {
		_, ok := OperationID(id)
		require.False(t, ok, id)
	}
}

func TestOperationIDUndoesOperationWorkflowID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 128, 128).Draw(t, "id")
		require.LessOrEqual(t, len(OperationWorkflowID(id)), 255)
		back, ok := OperationID(OperationWorkflowID(id))
		require.True(t, ok)
		require.Equal(t, id, back)
	})
}

// SPEC 1.2: an id that the system chose is within the limit for ids.
func TestDefaultOperationID(t *testing.T) {
	t.Parallel()
	require.Equal(t, "e3b0c44298fc-7", DefaultOperationID("", 7))
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawToken(t, "a"), drawToken(t, "b")
		m, n := rapid.Int64Min(0).Draw(t, "m"), rapid.Int64Min(0).Draw(t, "n")
		require.NoError(t, ValidateID(DefaultOperationID(a, m)))
		require.Equal(t, a == b && m == n, DefaultOperationID(a, m) == DefaultOperationID(b, n))
	})
	require.NoError(t, ValidateID(DefaultOperationID("x", math.MaxInt64)))
}

func FuzzTokenKey(f *testing.F) {
	for _, c := range idCases() {
		f.Add(c.Token, TokenKey(c.Token))
	}
	f.Add("", "\x80")
	f.Add(strings.Repeat("\x80", 300), strings.Repeat("a", 119)+"\xff"+strings.Repeat("é", 60))
	f.Fuzz(func(t *testing.T, a, b string) {
		checkKey(t, a)
		checkKey(t, b)
		require.Equal(t, a == b, TokenKey(a) == TokenKey(b))
		if back, ok := TokenOfKey(TokenKey(a)); ok {
			require.Equal(t, a, back)
		}
	})
}
