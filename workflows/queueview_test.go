package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/protocol"
)

func TestListIsPaged(t *testing.T) {
	t.Parallel()
	q := NewQueue(testToken, day)
	for i := range 700 {
		q.Submit(json.RawMessage(fmt.Sprintf(`{"id":"%d","operationType":"a","data":{"secret":1}}`, i)), day)
	}
	for _, tc := range []struct {
		offset, limit int
		first         string
		want          int
	}{
		{0, 0, "0", 100}, {0, 1, "0", 1}, {0, 500, "0", 500}, {650, 100, "650", 50}, {699, 500, "699", 1}, {700, 5, "", 0}, {1 << 40, 5, "", 0},
	} {
		reply, err := q.List(protocol.ListRequest{Offset: tc.offset, Limit: tc.limit}, day)
		require.NoError(t, err)
		require.Equal(t, 700, reply.Total)
		require.Len(t, reply.Operations, tc.want)
		require.NotNil(t, reply.Operations, "an empty list on the wire, not null")
		if tc.want > 0 {
			require.Equal(t, tc.first, reply.Operations[0].ID)
			require.Equal(t, tc.offset+1, reply.Operations[0].Position)
			require.Nil(t, reply.Operations[0].Data)
		}
	}
	for _, bad := range []protocol.ListRequest{{Limit: 501}, {Limit: -1}, {Offset: -1}} {
		_, err := q.List(bad, day)
		require.Error(t, err)
	}
	found := q.Find("699", day)
	require.JSONEq(t, `{"secret":1}`, string(found.Record.Data))
	require.Equal(t, 700, found.Record.Position)
}

func FuzzCut(f *testing.F) {
	f.Add("", 3)
	f.Add("🚀🚀", 7)
	f.Add(strings.Repeat("ü", 300), 400)
	f.Add("\x80\x80\x80\x80\x80", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < len("…") || limit > 1<<20 {
			t.Skip("no limit of ours")
		}
		short := cut(text, limit)
		require.LessOrEqual(t, len(short), limit)
		if len(text) <= limit {
			require.Equal(t, text, short)
			return
		}
		head, marked := strings.CutSuffix(short, "…")
		require.True(t, marked)
		require.True(t, strings.HasPrefix(text, head))
		if utf8.ValidString(text) {
			require.True(t, utf8.ValidString(short))
			require.Greater(t, len(short), limit-utf8.UTFMax, "no shorter than it must be")
		}
	})
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "*b* _i_ `c`", "# h", "[x](javascript:alert(1))", "<script>", "a|b", `\*`, "http://x.org", "1. a", "&lt;", "🚀", "\xff\xdf"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		escaped := escape(text)
		var plain strings.Builder
		for i := 0; i < len(escaped); i++ {
			if escaped[i] == '\\' {
				i++
				require.Less(t, i, len(escaped), "nothing is left to escape what follows")
			} else {
				require.NotContains(t, "*_{}[]()<>#+-.!|~&:`", string(rune(escaped[i])), "stands unescaped")
			}
			plain.WriteByte(escaped[i])
		}
		require.Equal(t, string([]rune(text)), plain.String(), "and nothing else is changed")
	})
}
