package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func contentHash(content int) string {
	sum := sha256.Sum256(fmt.Append(nil, content))
	return hex.EncodeToString(sum[:])
}

func TestSeenRemembersTheLastThousand(t *testing.T) {
	t.Parallel()
	var seen Seen
	for i := range 2500 {
		id := fmt.Sprint(i)
		found, _ := seen.Find(id, contentHash(i))
		require.False(t, found)
		seen.Add(id, contentHash(i))
		if i%97 != 0 && i != 999 && i != 1000 && i != 1001 {
			continue
		}
		oldest := max(0, i-999)
		for _, kept := range []int{oldest, (oldest + i) / 2, i} {
			found, same := seen.Find(fmt.Sprint(kept), contentHash(kept))
			require.True(t, found && same, "%d after %d", kept, i)
			found, same = seen.Find(fmt.Sprint(kept), contentHash(kept+1))
			require.True(t, found && !same, "other content")
		}
		if oldest > 0 {
			found, _ := seen.Find(fmt.Sprint(oldest-1), contentHash(oldest-1))
			require.False(t, found, "%d after %d", oldest-1, i)
		}
		require.LessOrEqual(t, len(seen.Ring), 16_000)
	}
}

// The ring is carried from run to run.
func TestSeenSurvivesAHandOver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var seen Seen
		n := rapid.OneOf(rapid.IntRange(0, 1100), rapid.IntRange(1001, 2200)).Draw(t, "accepted")
		handOver := rapid.OneOf(rapid.IntRange(0, n), rapid.IntRange(min(n, 1001), n)).Draw(t, "hand-over")
		for i := range n {
			if i == handOver {
				encoded, err := json.Marshal(seen)
				require.NoError(t, err)
				require.Less(t, len(encoded), 22_000)
				seen = Seen{}
				require.NoError(t, json.Unmarshal(encoded, &seen))
			}
			seen.Add(fmt.Sprint(i), contentHash(i))
		}
		for i := range n {
			found, same := seen.Find(fmt.Sprint(i), contentHash(i))
			require.Equal(t, i >= n-1000, found, "%d of %d", i, n)
			require.Equal(t, found, same)
		}
	})
}

// Where only the id is known, the id alone decides.
func TestSeenFindsAnIDWithoutItsContent(t *testing.T) {
	t.Parallel()
	var seen Seen
	seen.Add("a", contentHash(1))
	found, same := seen.Find("a", "")
	require.True(t, found)
	require.False(t, same)
	found, _ = seen.Find("A", contentHash(1))
	require.False(t, found)
	seen.Add("short", "abc")
	found, same = seen.Find("short", "abc")
	require.True(t, found && same)
}
