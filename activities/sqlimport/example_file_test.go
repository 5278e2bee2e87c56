package sqlimport

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/internal/sqlbench"
)

// The example is imported as docs/handlers-import.md says, and what is wrong in it
// is rejected as examples/README.md says.
func TestExampleContacts(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/handlers-import.md")
	require.NoError(t, err)
	table := regexp.MustCompile("(?s)```sql\n(CREATE TABLE contacts.*?)```").FindSubmatch(document)
	data := regexp.MustCompile("(?s)```json\n(\\{\"file\":\"contacts.csv\".*?)```").FindSubmatch(document)
	require.NotNil(t, table)
	require.NotNil(t, data)
	b := newBench(t, sqlbench.Open(t, sqldb.SQLite, sqlbench.NewSQLite(t)))
	b.Do(t, string(table[1]))
	content, err := os.ReadFile("../../examples/contacts.csv")
	require.NoError(t, err)
	b.Save(t, "contacts.csv", string(content))
	o := operation("contacts.csv", `"table":""`)
	o.Data = data[1]
	r := b.succeed(t, o)
	require.Equal(t, Result{
		Parsed: 1188, Transformed: 1117, Imported: 1105, Updated: 12, Rejected: 83,
		RejectsFile: "contacts.csv.rejects.csv", Encoding: "utf-8", Separator: ";",
	}, r)
	rejects := b.read(t, r.RejectsFile)
	for reason, n := range map[string]int{
		"E-Mail: is not an e-mail address": 24, "Born: is not a date": 20, "Monthly pay: is not a number": 16,
		"E-Mail: is empty": 11, "fields where there are 7 columns": 7, "has a quote in a field": 5,
	} {
		require.Equal(t, n, strings.Count(rejects, reason), reason)
	}
}
