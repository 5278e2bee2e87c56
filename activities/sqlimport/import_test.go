package sqlimport

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/internal/sqlbench"
	"github.com/seriatim-go/seriatim/protocol"
)

// bench is a folder and a database with the table people.
type bench struct{ *sqlbench.Bench }

const peopleTable = `CREATE TABLE people (
	email VARCHAR(40) PRIMARY KEY, name TEXT NOT NULL, born DATE, points INTEGER CHECK (points < 1000), pay NUMERIC(10,2), active BOOLEAN)`

// people maps the columns of peopleFile.
const people = `"table":"people","columns":[{"from":"E-Mail","to":"email","format":"email","required":true},
	{"from":"Name","to":"name"},{"from":"Born","to":"born","type":"date","format":"DD.MM.YYYY"},
	{"from":"Points","to":"points","type":"integer"},{"from":"Pay","to":"pay","type":"number","format":","},
	{"from":"Active","to":"active","type":"boolean","format":"ja/nein"}]`

const peopleHeader = "E-Mail;Name;Born;Points;Pay;Active\n"

func newBench(t *testing.T, on *sqlbench.Bench) *bench {
	t.Helper()
	on.Do(t, peopleTable)
	return &bench{on}
}

func (b *bench) read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(b.Folder, name))
	require.NoError(t, err)
	return string(content)
}

// list is what a query answers, a row a text.
func (b *bench) list(t *testing.T, query string) (list []string) {
	t.Helper()
	rows, err := b.DB.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		list = append(list, text)
	}
	require.NoError(t, rows.Err())
	return list
}

// operation has the file, the connection, and what else the data says.
func operation(file string, more ...string) protocol.Operation {
	data := fmt.Sprintf(`{"file":%q,"connection":"crm",%s}`, file, strings.Join(more, ","))
	return protocol.Operation{ID: uuid.NewString(), OperationType: "import", Data: json.RawMessage(data)}
}

func (b *bench) handler() activities.Handler { return Handler(b.Files, b.Databases) }

// run is one attempt that is not disturbed.
func (b *bench) run(t *testing.T, o protocol.Operation) protocol.Outcome {
	t.Helper()
	attempts := handlertest.Run(t, b.handler(), o)
	return attempts[0].Outcome
}

// succeed runs the operation and reads its result.
func (b *bench) succeed(t *testing.T, o protocol.Operation) (r Result) {
	t.Helper()
	outcome := b.run(t, o)
	require.Equal(t, protocol.OutcomeSucceeded, outcome.Kind, outcome.Message)
	require.NoError(t, json.Unmarshal(outcome.Result, &r))
	r.Seconds = 0
	return r
}

// onlyFiles says that nothing but these is left in the folder.
func (b *bench) onlyFiles(t *testing.T, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(b.Folder)
	require.NoError(t, err)
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	require.ElementsMatch(t, names, found)
}

// claims are what holds on each database.
var claims = map[string]func(t *testing.T, b *bench){
	"a file is imported with its types":                   typesAreKept,
	"each rejected record is written with its reason":     rejectsAreWritten,
	"skip leaves what is there, also of the same file":    skipLeaves,
	"update writes over what is there, the last one last": updateWritesOver,
	"fail ends at the first duplicate":                    failEnds,
	"a stopped import goes on behind its last batch":      stoppedGoesOn,
	"a finished import answers again":                     finishedAnswersAgain,
	"a changed file is refused":                           changedIsRefused,
	"too many rejects end it":                             tooManyEnd,
	"what is not there is refused by name":                missingIsRefused,
	"a stopped handler that wakes writes nothing":         zombieWritesNothing,
	"rejects are written once by however many attempts":   rejectsOnce,
	"an id is for one operation":                          idIsForOne,
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	sqlbench.OnSQLite(t, claims, newBench)
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	sqlbench.OnPostgres(t, claims, newBench)
}

func typesAreKept(t *testing.T, b *bench) {
	b.Save(t, "in.csv", "\xEF\xBB\xBF"+peopleHeader+"ada@example.com;Ada;10.12.1815;7;1.234,50;ja\nzoë@example.com;\"Zoë\nvan Dam\";;;;nein\n")
	require.Equal(t, Result{Parsed: 2, Transformed: 2, Imported: 2, Encoding: "utf-8", Separator: ";"}, b.succeed(t, operation("in.csv", people)))
	require.Equal(t, []string{"ada@example.com Ada 7 1", "zoë@example.com Zoë\nvan Dam - 1"},
		b.list(t, `SELECT email || ' ' || name || ' ' || COALESCE(CAST(points AS TEXT), '-') || ' ' || CAST(count(*) AS TEXT) FROM people GROUP BY email, name, points ORDER BY email`))
	require.Equal(t, []string{"1"}, b.list(t, `SELECT CAST(count(*) AS TEXT) FROM people WHERE born = '1815-12-10' AND pay = 1234.5 AND active`))
	b.onlyFiles(t, "in.csv")
}

func rejectsAreWritten(t *testing.T, b *bench) {
	b.Save(t, "in.csv", peopleHeader+
		"a@example.com;A;;1;;\n"+ // line 2
		"not an address;B;;1;;\n"+
		"c@example.com;C;31.02.2020;1;;\n"+
		"d@example.com;D;;one;;\n"+
		";E;;1;;\n"+
		"f@example.com;F;;1\n"+
		"g@example.com;G;;5000;;\n"+ // the table's check
		"\"h\"x@example.com;H;;1;;\n"+
		"i@example.com;;;1;;\n"+ // NOT NULL
		strings.Repeat("j", 40)+"@example.com;J;;1;;\n"+ // VARCHAR(40) in PostgreSQL
		"k@example.com;K;;1;;\n")
	r := b.succeed(t, operation("in.csv", people, `"batchSize":3`, `"rejects":"out/bad.csv"`))
	reasons := b.read(t, "out/bad.csv")
	long := strings.Contains(reasons, "11,") // SQLite has no lengths
	require.Equal(t, b.DB.IsPostgres(), long)
	require.Equal(t, "out/bad.csv", r.RejectsFile)
	require.Equal(t, int64(9), r.Parsed)
	require.Equal(t, r.Parsed+2, r.Imported+r.Rejected)
	require.Equal(t, int64(len(strings.Split(strings.TrimSpace(reasons), "\n"))-1), r.Rejected)
	require.True(t, strings.HasPrefix(reasons, "line,reason,E-Mail,Name,Born,Points,Pay,Active\n"), reasons)
	for _, line := range []string{
		`3,"E-Mail: is not an e-mail address (got ""not an address"")",not an address,B,,1,,`,
		`4,"Born: is not a date of the form DD.MM.YYYY (got ""31.02.2020"")",c@example.com,C,31.02.2020,1,,`,
		`5,"Points: is not a whole number of 64 bits (got ""one"")",d@example.com,D,,one,,`,
		`6,E-Mail: is empty,,E,,1,,`,
		`7,has 4 fields where there are 6 columns,f@example.com,F,,1`,
		`9,"has a quoted field that does not end where its quote does (line 9, byte 3)"`,
	} {
		require.Contains(t, reasons, line+"\n")
	}
	require.Regexp(t, `\n8,[^\n]*(?i:check)[^\n]*,g@example.com`, reasons)
	require.Regexp(t, `\n10,[^\n]*(?i:null)[^\n]*,i@example.com`, reasons)
	require.Equal(t, []string{"a@example.com", "k@example.com"}, b.list(t, `SELECT email FROM people WHERE length(email) < 20 ORDER BY email`))
}

func skipLeaves(t *testing.T, b *bench) {
	b.Do(t, `INSERT INTO people (email, name) VALUES ('a@example.com', 'old')`)
	b.Save(t, "in.csv", peopleHeader+"a@example.com;new;;;;\nb@example.com;B1;;;;\nb@example.com;B2;;;;\n")
	r := b.succeed(t, operation("in.csv", people, `"key":["email"]`, `"onDuplicate":"skip"`))
	require.Equal(t, Result{Parsed: 3, Transformed: 3, Imported: 1, Skipped: 2, Encoding: "utf-8", Separator: ";"}, r)
	require.Equal(t, []string{"old", "B1"}, b.list(t, `SELECT name FROM people ORDER BY email`))
}

func updateWritesOver(t *testing.T, b *bench) {
	b.Do(t, `INSERT INTO people (email, name, points) VALUES ('a@example.com', 'old', 5)`)
	b.Save(t, "in.csv", peopleHeader+"a@example.com;new;;;;\nb@example.com;B1;;1;;\nb@example.com;B2;;2;;\nb@example.com;B3;;5000;;\n")
	r := b.succeed(t, operation("in.csv", people, `"key":["email"]`, `"onDuplicate":"update"`))
	r.RejectsFile = ""
	require.Equal(t, Result{Parsed: 4, Transformed: 4, Imported: 1, Updated: 2, Rejected: 1, Encoding: "utf-8", Separator: ";"}, r)
	require.Equal(t, []string{"new -", "B2 2"}, b.list(t, `SELECT name || ' ' || COALESCE(CAST(points AS TEXT), '-') FROM people ORDER BY email`))
}

func failEnds(t *testing.T, b *bench) {
	b.Save(t, "in.csv", peopleHeader+"a@example.com;A;;;;\nwrong;A;;;;\nc@example.com;C;;;;\na@example.com;again;;;;\n")
	outcome := b.run(t, operation("in.csv", people, `"batchSize":2`))
	require.Equal(t, "Duplicate", outcome.Code, outcome.Message)
	require.Contains(t, outcome.Message, `data.file: "in.csv", line 5: `)
	require.Contains(t, outcome.Message, `the 1 rows before it are (up to line 3); the rejects are in "in.csv.rejects.csv"`)
	require.Equal(t, []string{"A"}, b.list(t, `SELECT name FROM people`), "whole batches only")
	b.onlyFiles(t, "in.csv", "in.csv.rejects.csv")
}

// manyPeople has n records, of which each tenth is malformed.
func manyPeople(n int) string {
	var text strings.Builder
	text.WriteString(peopleHeader)
	for i := range n {
		if i%10 == 3 {
			fmt.Fprintf(&text, "nobody-%d;N%d;;;;\n", i, i)
		} else {
			fmt.Fprintf(&text, "p%d@example.com;\"P\n%d\";;%d;;\n", i, i, i%900)
		}
	}
	return text.String()
}

// SPEC 6.4, 6.5
func stoppedGoesOn(t *testing.T, b *bench) {
	b.Save(t, "in.csv", manyPeople(100))
	o := operation("in.csv", people, `"batchSize":7`)
	attempts := handlertest.Run(t, b.handler(), o, 0, 1, 4, 2)
	require.Len(t, attempts, 5)
	for _, stopped := range attempts[:4] {
		require.Equal(t, protocol.OutcomeCanceled, stopped.Outcome.Kind, stopped.Outcome.Message)
	}
	var r Result
	require.NoError(t, json.Unmarshal(attempts[4].Outcome.Result, &r))
	require.Equal(t, []int64{100, 90, 90, 10}, []int64{r.Parsed, r.Transformed, r.Imported, r.Rejected})
	require.Equal(t, []string{"90"}, b.list(t, `SELECT CAST(count(*) AS TEXT) FROM people`))
	reports := attempts[4].Reports
	last := reports[len(reports)-1]
	require.Equal(t, last.Total, last.Done)
	require.Equal(t, "3 parse: 100 records, 4 transform: 90, 5 import: 90 new, 0 updated, 0 skipped; 10 rejected", last.Note)
}

func finishedAnswersAgain(t *testing.T, b *bench) {
	b.Save(t, "in.csv", manyPeople(20))
	o := operation("in.csv", people)
	first := b.succeed(t, o)
	require.NoError(t, os.Remove(filepath.Join(b.Folder, "in.csv")))
	require.Equal(t, first, b.succeed(t, o), "its first answer may have been lost")
	require.Equal(t, []string{"18"}, b.list(t, `SELECT CAST(count(*) AS TEXT) FROM people`))
}

func changedIsRefused(t *testing.T, b *bench) {
	b.Save(t, "in.csv", manyPeople(50))
	h := &pausing{handler: b.handler(), between: map[int]func(){1: func() {
		b.Save(t, "in.csv", manyPeople(60))
	}}}
	outcome := h.run(t, operation("in.csv", people, `"batchSize":5`), protocol.Fence{N: 1, Attempt: 1})
	require.Equal(t, "FileChanged", outcome.Code, outcome.Message)
	require.Contains(t, outcome.Message, `data.file: "in.csv": the file has changed since its import began`)

	b.Save(t, "in.csv", manyPeople(50))
	o := operation("in.csv", people, `"batchSize":5`, `"key":["email"]`, `"onDuplicate":"skip"`)
	h = &pausing{handler: b.handler(), stopAfter: 2}
	require.Equal(t, protocol.OutcomeCanceled, h.run(t, o, protocol.Fence{N: 1, Attempt: 1}).Kind)
	b.Save(t, "in.csv", manyPeople(51))
	h = &pausing{handler: b.handler()}
	require.Equal(t, "FileChanged", h.run(t, o, protocol.Fence{N: 1, Attempt: 2}).Code)
}

func tooManyEnd(t *testing.T, b *bench) {
	b.Save(t, "in.csv", manyPeople(100))
	o := operation("in.csv", people, `"maxRejects":2`, `"batchSize":10`)
	for range 2 { // its first answer may have been lost
		outcome := b.run(t, o)
		require.Equal(t, "TooManyRejects", outcome.Code, outcome.Message)
		require.Contains(t, outcome.Message, `data.maxRejects: 3 records are rejected, the limit is 2; 27 rows are imported and 0 updated`)
		require.Equal(t, 4, strings.Count(b.read(t, "in.csv.rejects.csv"), "\n"))
	}
}

func missingIsRefused(t *testing.T, b *bench) {
	b.Save(t, "in.csv", peopleHeader)
	for name, c := range map[string]struct {
		operation protocol.Operation
		problem   string
	}{
		"an unknown field":        {operation("in.csv", people, `"tabel":"x"`), `data.tabel: unknown field "tabel"`},
		"a file":                  {operation("out.csv", people), `data.file: is not there below files.root (got "out.csv")`},
		"a file outside":          {operation("../in.csv", people), `data.file: is not the name of a file below files.root (got "../in.csv")`},
		"rejects outside":         {operation("in.csv", people, `"rejects":"/tmp/x"`), `data.rejects: is absolute`},
		"rejects over the file":   {operation("in.csv", people, `"rejects":"in.csv"`), `data.rejects: is the file that is imported (got "in.csv")`},
		"a table":                 {operation("in.csv", `"table":"persons"`, `"columns":[{"from":"Name"}]`), `data.table: is not in the database of connection "crm" (got "persons")`},
		"a column of the table":   {operation("in.csv", `"table":"people"`, `"columns":[{"from":"Name"}]`), `data.columns[0].to: is not a column of table "people", which has email, name, born, points, pay, active (got "Name")`},
		"a column of the file":    {operation("in.csv", `"table":"people"`, `"columns":[{"from":"Nickname","to":"name"}]`), `data.file: the file has no column "Nickname"`},
		"a key that is none":      {operation("in.csv", people, `"onDuplicate":"skip"`, `"key":["mail"]`), `data.key[0]: is not one of the columns' "to" (got "mail")`},
		"no key":                  {operation("in.csv", people, `"onDuplicate":"update"`), `data.key: is missing: onDuplicate "update" needs`},
		"another way":             {operation("in.csv", people, `"onDuplicate":"merge"`), `data.onDuplicate: is not one of skip, update, fail (got "merge")`},
		"no columns":              {operation("in.csv", `"table":"people"`), `data.columns: has to have 1..500 entries`},
		"a column without a from": {operation("in.csv", `"table":"people"`, `"columns":[{"to":"name"}]`), `data.columns[0].from: is missing`},
		"a column twice":          {operation("in.csv", `"table":"people"`, `"columns":[{"from":"a","to":"x"},{"from":"b","to":"x"}]`), `data.columns[1].to: is written by another column already (got "x")`},
		"a type":                  {operation("in.csv", `"table":"people"`, `"columns":[{"from":"a","type":"money"}]`), `data.columns[0].type: is not one of text, integer, number, boolean, date, datetime (got "money")`},
		"a format":                {operation("in.csv", `"table":"people"`, `"columns":[{"from":"a","type":"date","format":"daily"}]`), `data.columns[0].format: of a date is made of`},
		"an encoding":             {operation("in.csv", people, `"encoding":"ebcdic"`), `data.encoding: is not one of`},
		"a separator":             {operation("in.csv", people, `"separator":"/"`), `data.separator: is not one of`},
		"a batch size":            {operation("in.csv", people, `"batchSize":10001`), `data.batchSize: is not in 1..10000`},
	} {
		outcome := b.run(t, c.operation)
		require.Equal(t, string(protocol.CodePayloadUnreadable), outcome.Code, name)
		require.Contains(t, outcome.Message, c.problem, name)
	}
	o := operation("in.csv", people)
	o.Data = json.RawMessage(strings.Replace(string(o.Data), `"crm"`, `"erp"`, 1))
	require.Contains(t, b.run(t, o).Message, `data.connection: is not in the worker's configuration under sql.connections, which has [crm] (got "erp")`)

	b.Save(t, "in.csv", peopleHeader+"a@example.com;A;;;;\n")
	outcome := b.run(t, operation("in.csv", people, `"onDuplicate":"skip"`, `"key":["name"]`))
	require.Equal(t, "DatabaseRefused", outcome.Code)
	require.Contains(t, outcome.Message, `table "people", key ["name"]: `)
}

func idIsForOne(t *testing.T, b *bench) {
	b.Save(t, "in.csv", manyPeople(5))
	o := operation("in.csv", people)
	b.succeed(t, o)
	other := operation("in.csv", people, `"batchSize":10`)
	other.ID = o.ID
	require.Equal(t, "CheckpointOfOtherData", b.run(t, other).Code)
}
