package opclient_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

func readAll(r io.Reader) ([]opclient.Item, error) {
	lines := opclient.ReadJSONLines(r)
	var items []opclient.Item
	for item := range lines.All() {
		items = append(items, item)
	}
	return items, lines.Err()
}

// SPEC 1.3: a field that is not known is refused by name; the rest goes on.
func TestJSONLinesRefuseByLineAndName(t *testing.T) {
	t.Parallel()
	input := "\ufeff" + `{"id":"a","operationType":"x"}` + "\r\n\n   \n" +
		`{"id":"b","operationType":"x","tokn":"t","Id":"c"}` + "\n" +
		`nonsense` + "\n" +
		`{"operationType":"x","data":"` + strings.Repeat("x", protocol.MaxOperationBytes) + `"}` + "\n" +
		`{"id":"d","operationType":"x","priority":9,"statusCode":30}` + "\n" +
		`{"id":"e","operationType":100001}`
	items, err := readAll(iotest.OneByteReader(strings.NewReader(input)))
	require.NoError(t, err)
	require.Len(t, items, 6)
	require.NoError(t, items[0].Err)
	require.Equal(t, "a", items[0].Operation.ID)
	for at, want := range map[int]string{1: "Id, tokn", 2: "not a JSON object", 3: "more than 262144 bytes", 4: "priority"} {
		require.ErrorContains(t, items[at].Err, want)
	}
	require.ErrorContains(t, items[4].Err, "statusCode")
	require.Equal(t, []int{1, 4, 5, 6, 7, 8}, linesOf(items))
	require.Equal(t, protocol.TypeRef("100001"), items[5].Operation.OperationType)
}

func linesOf(items []opclient.Item) (lines []int) {
	for _, item := range items {
		lines = append(lines, item.Line)
	}
	return lines
}

func TestJSONLinesTellAReadFailure(t *testing.T) {
	t.Parallel()
	broken := io.MultiReader(strings.NewReader(`{"id":"a","operationType":"x"}`+"\n"), iotest.ErrReader(errors.New("cable cut")))
	items, err := readAll(broken)
	require.Len(t, items, 1)
	require.ErrorContains(t, err, "read line 2: cable cut")
}
