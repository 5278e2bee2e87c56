package propagate

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/internal/sqlbench"
	"github.com/seriatim-go/seriatim/protocol"
)

func TestMain(m *testing.M) {
	pageSize = 40
	os.Exit(m.Run())
}

// bench is a folder and a database with 100 people and a table of activities.
type bench struct{ *sqlbench.Bench }

func newBench(t *testing.T, on *sqlbench.Bench) *bench {
	t.Helper()
	on.Do(t, `CREATE TABLE people (id INTEGER, email TEXT, stop BOOLEAN)`)
	for i := range 100 {
		on.Do(t, fmt.Sprintf(`INSERT INTO people VALUES (%d, 'p%d@example.com', %t)`, i, i, i%10 == 0))
	}
	on.Do(t, `CREATE TABLE calls (campaign TEXT, member TEXT, subject TEXT NOT NULL, priority INTEGER CHECK (priority < 10), due DATE, UNIQUE (campaign, member))`)
	return &bench{on}
}

func (b *bench) count(t *testing.T, where string) (n int64) {
	t.Helper()
	require.NoError(t, b.DB.QueryRowContext(t.Context(), `SELECT count(*) FROM `+where).Scan(&n))
	return n
}

const (
	everyone = `"members":{"connection":"crm","query":"SELECT email FROM people"}`
	stopped  = `"exclusions":{"connection":"crm","query":"SELECT email FROM people WHERE stop"}`
	toCalls  = `"target":{"connection":"crm","table":"calls"}`
	aCall    = `"activity":{"subject":"Call \"them\"","priority":3,"due":null}`
)

// spring is an operation for the campaign "spring" with what else its data says.
func spring(more ...string) protocol.Operation {
	data := `{"campaign":"spring",` + strings.Join(more, ",") + `}`
	return protocol.Operation{ID: uuid.NewString(), OperationType: "activity.propagation", Data: json.RawMessage(data)}
}

func (b *bench) handler() activities.Handler { return Handler(b.Files, b.Databases) }

func (b *bench) run(t *testing.T, o protocol.Operation) protocol.Outcome {
	t.Helper()
	return handlertest.Run(t, b.handler(), o)[0].Outcome
}

func (b *bench) succeed(t *testing.T, o protocol.Operation) Result {
	t.Helper()
	return resultOf(t, b.run(t, o))
}

func resultOf(t *testing.T, outcome protocol.Outcome) (r Result) {
	t.Helper()
	require.Equal(t, protocol.OutcomeSucceeded, outcome.Kind, outcome.Message)
	require.NoError(t, json.Unmarshal(outcome.Result, &r))
	r.Seconds = 0
	return r
}

// claims are what holds on each database.
var claims = map[string]func(t *testing.T, b *bench){
	"each member gets one activity, those excluded none":  eachGetsOne,
	"a repeat makes none again":                           repeatMakesNone,
	"members and exclusions may come from files":          filesToo,
	"a stopped propagation goes on behind its last batch": stoppedGoesOn,
	"an attempt that lost its lock makes none":            zombieMakesNone,
	"a query reads only":                                  queryReadsOnly,
	"what is wrong is refused by name":                    wrongIsRefused,
	"an activity that is refused names its member":        refusedNamesMember,
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	sqlbench.OnSQLite(t, claims, newBench)
}

func TestOnPostgres(t *testing.T) {
	t.Parallel()
	sqlbench.OnPostgres(t, claims, newBench)
}

func eachGetsOne(t *testing.T, b *bench) {
	b.Do(t, `INSERT INTO people SELECT id, email, stop FROM people`) // twice in the list
	b.Do(t, `INSERT INTO people VALUES (0, NULL, FALSE), (0, '', FALSE)`)
	b.Do(t, `INSERT INTO calls VALUES ('spring', 'p1@example.com', 'by hand', 1, NULL), ('autumn', 'p2@example.com', 'other', 1, NULL)`)
	r := b.succeed(t, spring(everyone, stopped, toCalls, aCall, `"batchSize":7`))
	require.Equal(t, Result{Members: 100, Created: 89, Existing: 1, Excluded: 10}, r)
	require.Equal(t, int64(89), b.count(t, `calls WHERE campaign = 'spring' AND subject = 'Call "them"' AND priority = 3 AND due IS NULL`))
	require.Equal(t, int64(1), b.count(t, `calls WHERE subject = 'by hand'`), "what is there stays")
	require.Zero(t, b.count(t, `calls JOIN people ON email = member WHERE stop`))
}

func repeatMakesNone(t *testing.T, b *bench) {
	o := spring(everyone, toCalls, aCall)
	first := b.succeed(t, o)
	require.Equal(t, first, b.succeed(t, o), "the same operation answers again")
	require.Equal(t, Result{Members: 100, Existing: 100}, b.succeed(t, spring(everyone, toCalls, aCall)), "another one finds them there")
	require.Equal(t, int64(100), b.count(t, `calls`))
}

func filesToo(t *testing.T, b *bench) {
	b.Save(t, "all.csv", "Name;Mail\nA;a@example.com\nB; b@example.com\nC;\nD;d@example.com\nA;a@example.com\n")
	b.Save(t, "stop.csv", "mail\nd@example.com\n")
	files := []string{`"members":{"file":"all.csv","column":"Mail"}`, `"exclusions":{"file":"stop.csv","column":"mail"}`, toCalls, aCall}
	require.Equal(t, Result{Members: 4, Created: 2, Existing: 1, Excluded: 1}, b.succeed(t, spring(append(files, `"batchSize":2`)...)))

	o := spring(append(files, `"batchSize":1`)...)
	attempts := handlertest.Run(t, handlerFunc(b, func(n int) {
		if n == 2 {
			b.Save(t, "all.csv", "Name;Mail\nE;e@example.com\n")
		}
	}), o, 2)
	require.Equal(t, "FileChanged", attempts[1].Outcome.Code, attempts[1].Outcome.Message)
	require.Contains(t, attempts[1].Outcome.Message, `data.members.file: has changed since the operation began (got "all.csv")`)

	b.Save(t, "all.csv", "Name;Mail\nA;a@example.com\nB\n")
	outcome := b.run(t, spring(files...))
	require.Contains(t, outcome.Message, `data.members.file: line 3: has 1 fields where there are 2 columns`)
}

// SPEC 6.4, 6.5
func stoppedGoesOn(t *testing.T, b *bench) {
	attempts := handlertest.Run(t, b.handler(), spring(everyone, stopped, toCalls, aCall, `"batchSize":9`), 3, 0, 2)
	require.Len(t, attempts, 4)
	require.Equal(t, Result{Members: 100, Created: 90, Excluded: 10}, resultOf(t, attempts[3].Outcome), "the counts are those of all attempts")
	reports := attempts[3].Reports
	require.Equal(t, "100 members: 90 created, 0 existing, 10 excluded", reports[len(reports)-1].Note)
}

func queryReadsOnly(t *testing.T, b *bench) {
	b.Do(t, `CREATE TABLE log (x INTEGER)`)
	for _, query := range []string{
		`DELETE FROM people`,
		`SELECT email FROM people; DELETE FROM people`,
		`SELECT email FROM people) AS m; DELETE FROM people; SELECT * FROM (SELECT 1`,
		`WITH gone AS (DELETE FROM people RETURNING email) SELECT email FROM gone`,
		`SELECT email FROM people /*`,
		`PRAGMA query_only=OFF`,
	} {
		encoded, err := json.Marshal(query)
		require.NoError(t, err)
		outcome := b.run(t, spring(fmt.Sprintf(`"members":{"connection":"crm","query":%s}`, encoded), toCalls, aCall))
		require.Equal(t, string(protocol.CodePayloadUnreadable), outcome.Code, "%s: %s", query, outcome.Message)
		require.Contains(t, outcome.Message, "data.members.query: ")
	}
	require.Equal(t, int64(100), b.count(t, `people`))
	require.Equal(t, int64(1), b.succeed(t, spring(`"members":{"connection":"crm","query":" (SELECT email FROM people WHERE id = 5) ; "}`, toCalls, aCall)).Created)
}

func wrongIsRefused(t *testing.T, b *bench) {
	for name, c := range map[string]struct {
		operation protocol.Operation
		problem   string
	}{
		"no campaign":              {protocol.Operation{ID: "a", Data: json.RawMessage(`{` + everyone + `,` + toCalls + `}`)}, `data.campaign: is missing`},
		"an unknown field":         {spring(everyone, toCalls, `"subject":"x"`), `data.subject: unknown field`},
		"no members":               {spring(toCalls), `data.members: needs either connection and query, or file and column`},
		"two kinds of members":     {spring(`"members":{"connection":"crm","query":"SELECT 1","file":"x"}`, toCalls), `data.members: needs either`},
		"a file without a column":  {spring(`"members":{"file":"x"}`, toCalls), `data.members.column: is missing`},
		"a file outside":           {spring(`"members":{"file":"../x","column":"a"}`, toCalls), `data.members.file: is not the name of a file below files.root (got "../x")`},
		"an unknown connection":    {spring(`"members":{"connection":"erp","query":"SELECT 1"}`, toCalls), `data.members.connection: is not in the worker's configuration under sql.connections, which has [crm] (got "erp")`},
		"an unknown target":        {spring(everyone, `"target":{"connection":"erp","table":"calls"}`), `data.target.connection: is not in the worker's configuration`},
		"an unknown table":         {spring(everyone, `"target":{"connection":"crm","table":"cals"}`), `data.target.table: is not in the database of connection "crm" (got "cals")`},
		"an unknown column":        {spring(everyone, toCalls, `"activity":{"subjet":"x"}`), `data.activity.subjet: is not a column of table "calls", which has campaign, member, subject, priority, due (got "subjet")`},
		"a column of a member":     {spring(everyone, `"target":{"connection":"crm","table":"calls","member":"person"}`), `data.target.member: is not a column of table "calls"`},
		"a member in the activity": {spring(everyone, toCalls, `"activity":{"member":"x"}`), `data.activity.member: is set by the propagation`},
		"a list as a value":        {spring(everyone, toCalls, `"activity":{"subject":[1]}`), `data.activity.subject: is not a string, a number, true, false or null (got "[1]")`},
		"two columns":              {spring(`"members":{"connection":"crm","query":"SELECT id, email FROM people"}`, toCalls, aCall), `data.members.query: selects 2 columns where the member alone is expected (got "id, email")`},
		"a query with a mistake":   {spring(`"members":{"connection":"crm","query":"SELECT mail FROM people"}`, toCalls, aCall), `data.members.query: connection "crm": `},
		"a batch size":             {spring(everyone, toCalls, `"batchSize":10001`), `data.batchSize: is not in 1..10000`},
	} {
		outcome := b.run(t, c.operation)
		require.Equal(t, string(protocol.CodePayloadUnreadable), outcome.Code, name)
		require.Contains(t, outcome.Message, c.problem, name)
	}
	b.Do(t, `CREATE TABLE loose (campaign TEXT, member TEXT)`)
	outcome := b.run(t, spring(everyone, `"target":{"connection":"crm","table":"loose"}`))
	require.Equal(t, "DatabaseRefused", outcome.Code)
	require.Contains(t, outcome.Message, `table "loose" needs a unique key of ("campaign", "member"): `)
}

func refusedNamesMember(t *testing.T, b *bench) {
	outcome := b.run(t, spring(everyone, toCalls, `"activity":{"subject":"x","priority":11}`))
	require.Equal(t, "ActivityRefused", outcome.Code)
	require.Contains(t, outcome.Message, `member "p0@example.com": `)
	require.Zero(t, b.count(t, `calls`))
}
