package codec

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/seriatim-go/seriatim/protocol"
)

const canary = "canary-3f9a"

func key(id string) Key { return Key{ID: id, Secret: bytes.Repeat([]byte(id[:1]), SecretBytes)} }

func made(t *testing.T, keys ...Key) *Codec {
	t.Helper()
	c, err := New(keys...)
	require.NoError(t, err)
	return c
}

func plainPayload(t *testing.T) *commonpb.Payload {
	t.Helper()
	payload, err := converter.GetDefaultDataConverter().ToPayload(map[string]string{"secret": canary})
	require.NoError(t, err)
	return payload
}

func one(t *testing.T, change func([]*commonpb.Payload) ([]*commonpb.Payload, error), payload *commonpb.Payload) *commonpb.Payload {
	t.Helper()
	changed, err := change([]*commonpb.Payload{payload})
	require.NoError(t, err)
	require.Len(t, changed, 1)
	return changed[0]
}

func TestWhatIsSealedShowsNothingAndComesBack(t *testing.T) {
	t.Parallel()
	c, plain := made(t, key("a")), plainPayload(t)
	sealed := one(t, c.Encode, plain)
	onWire, err := proto.Marshal(sealed)
	require.NoError(t, err)
	require.NotContains(t, string(onWire), canary)
	require.NotContains(t, string(onWire), "json/plain", "nor what it is")
	require.True(t, proto.Equal(plain, one(t, c.Decode, sealed)))
	require.NotEqual(t, sealed.GetData(), one(t, c.Encode, plain).GetData(), "each has a nonce of its own")
}

// A request that is sent again is encoded again.
func TestWhatIsSealedStaysAsItIs(t *testing.T) {
	t.Parallel()
	c := made(t, key("a"))
	sealed := one(t, c.Encode, plainPayload(t))
	require.True(t, proto.Equal(sealed, one(t, c.Encode, sealed)))
}

func TestKeysAreChangedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	plain := plainPayload(t)
	old, both, fresh := made(t, key("a")), made(t, key("b"), key("a")), made(t, key("b"))
	for name, sealed := range map[string]*commonpb.Payload{"the old one": one(t, old.Encode, plain), "the new one": one(t, both.Encode, plain)} {
		require.True(t, proto.Equal(plain, one(t, both.Decode, sealed)), name)
	}
	under := one(t, old.Encode, plain)
	require.True(t, proto.Equal(under, one(t, fresh.Decode, under)), "left as it is, with its key's id")
	require.True(t, proto.Equal(plain, one(t, fresh.Decode, plain)), "what was never sealed is read")
}

// It loses its key's id: nobody is waited for who could read it.
func TestWhatWasDamagedIsRefusedByWhoeverReadsIt(t *testing.T) {
	t.Parallel()
	c := made(t, key("a"))
	sealed := one(t, c.Encode, plainPayload(t))
	flipped := bytes.Clone(sealed.GetData())
	flipped[len(flipped)-1] ^= 1
	for name, data := range map[string][]byte{"a bit": flipped, "no nonce": {1, 2, 3}, "nothing": nil} {
		read := one(t, c.Decode, &commonpb.Payload{Metadata: sealed.GetMetadata(), Data: data})
		require.Equal(t, protocol.EncryptedEncoding, encoding(read), name)
		require.NotContains(t, read.GetMetadata(), protocol.EncryptionKeyIDMetadata, name)
	}
}

// The message of a failure is hidden once, shown once, and hidden again where the
// failure is passed on.
func TestAFailureIsHiddenOnceAndShownOnce(t *testing.T) {
	t.Parallel()
	failure := &failurepb.Failure{Message: canary, StackTrace: "at " + canary}
	for range 2 {
		require.NoError(t, hide(nil, failure))
		require.NoError(t, hide(nil, failure), "a request that is sent again")
		require.NotContains(t, failure.GetMessage()+failure.GetStackTrace(), canary)
		require.NoError(t, show(nil, failure))
		require.Equal(t, canary, failure.GetMessage())
		require.Nil(t, failure.GetEncodedAttributes())
	}
}

func TestKeysThatAreWrongAreNamedWithoutTheirSecret(t *testing.T) {
	t.Parallel()
	secret := base64.StdEncoding.EncodeToString(key("a").Secret)
	for name, c := range map[string]struct {
		content, problem string // "" is none
	}{
		"two keys and a remark": {"# keys\n\nb " + secret + "\na\t" + secret + "\r\n", ""},
		"nothing":               {"# none\n", "there is no key"},
		"no secret":             {"a\n", "line 1: has 1 words"},
		"no base64":             {"x " + secret + "\na " + canary + "!\n", `line 2: key "a": the secret is not base64`},
		"a short secret":        {"a Y2FuYXJ5\n", `key "a": the secret has 6 bytes, not 32`},
		"an id twice":           {"a " + secret + "\na " + secret, `key "a": is there twice`},
		"a long id":             {strings.Repeat("a", 65) + " " + secret, "an id has 1..64 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "keys")
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))
			_, err := Read(path)
			if c.problem == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.problem)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), canary)
			require.NotContains(t, err.Error(), secret)
		})
	}
	_, err := Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
