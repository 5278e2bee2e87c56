package mail

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/internal/sqlbench"
	"github.com/seriatim-go/seriatim/protocol"
)

// room is where a test's lists are: a folder, and the database "crm".
type room struct {
	*mailbox.Server
	activities.Handler
	*sqlbench.Bench
	t *testing.T
}

func newRoom(t *testing.T, o mailbox.Options) *room {
	t.Helper()
	r := &room{Server: serve(t, o), Bench: sqlbench.Open(t, sqldb.SQLite, sqlbench.NewSQLite(t)), t: t}
	var err error
	r.Handler, err = New(Options{Connections: []Connection{to(r.Server)}, Files: r.Files, Databases: r.Databases})
	require.NoError(t, err)
	return r
}

// mail sends a mailing with these fields, as JSON.
func (r *room) mail(fields string, stopAfter ...int) protocol.Outcome {
	r.t.Helper()
	data := `{"connection":"news","subject":"Dear {{.name}}","text":"{{.city}}",` + fields + `}`
	o := protocol.Operation{ID: "mailing-1", Data: json.RawMessage(data)}
	attempts := handlertest.Run(r.t, r.Handler, o, stopAfter...)
	return attempts[len(attempts)-1].Outcome
}

func TestListsComeFromFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ content, fields string }{
		"a.csv":   {"to,name,city\na@b.example,Anna,Ulm\nc@d.example,Carl,\"Bonn, am Rhein\"\n", `"recipientsFile":{"file":"a.csv"}`},
		"b.csv":   {"\uFEFFcity;e-mail;who;name\r\nUlm;a@b.example;Anna;Anna\r\n\"Bonn, am Rhein\";c@d.example;Carl;Carl\r\n", `"recipientsFile":{"file":"b.csv","separator":";","to":"e-mail","name":"who"}`},
		"c.jsonl": {`{"to":"a@b.example","name":"Anna","values":{"city":"Ulm"}}` + "\n\n" + `{"to":"c@d.example","name":"Carl","values":{"city":"Bonn, am Rhein"}}`, `"recipientsFile":{"file":"c.jsonl"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, mailbox.Options{})
			r.Save(t, name, c.content)
			require.Equal(t, 2, succeeded(t, r.mail(c.fields, 2)).Sent, "also where it was stopped behind the first")
			require.Len(t, r.Messages(), 2)
			require.Equal(t, "Dear Carl", subject(t, r.Messages()[1]))
			require.Contains(t, text(t, string(r.Messages()[1].Body)), "Bonn, am Rhein")
		})
	}
}

func TestListsComeFromDatabases(t *testing.T) {
	t.Parallel()
	r := newRoom(t, mailbox.Options{})
	for _, statement := range []string{
		"CREATE TABLE people (id INTEGER PRIMARY KEY, mail TEXT, name TEXT, city TEXT, number INTEGER, ratio REAL)",
		"INSERT INTO people VALUES (1, 'a@b.example', 'Anna', 'Ulm', 12345678901, 1234567.5), (2, 'c@d.example', 'Carl', NULL, 2, 2), (3, 'e@f.example', 'Eva', 'Essen', 3, 3)",
	} {
		r.Do(t, statement)
	}
	got := succeeded(t, r.mail(`"headers":{"X-N":"{{.number}} {{.ratio}}"},"recipientsQuery":{"connection":"crm","query":"SELECT * FROM people ORDER BY id","to":"mail"}`, 2))
	require.Equal(t, []int{2, 1, 3}, []int{got.Sent, got.RejectedCount, got.Recipients})
	require.Contains(t, got.Rejected[0].Reason, `no entry for key "city"`, "what is NULL is missing")
	require.Equal(t, "12345678901 1234567.5", r.Messages()[0].Header.Get("X-N"))
}

// SPEC 6.1: what a list can never be is a failure before something was sent, and a
// person's after it.
func TestListsThatCannotBeReadSaySo(t *testing.T) {
	t.Parallel()
	r := newRoom(t, mailbox.Options{})
	r.Save(t, "empty.csv", "")
	r.Save(t, "a.csv", "to,name\n")
	r.Save(t, "a.txt", "")
	for fields, wanted := range map[string]string{
		`"recipients":[{"to":"a@b.example"}],"recipientsFile":{"file":"a.csv"}`:            `80044304 data.recipients: come from more than one place`,
		`"recipientsFile":{"file":"../a.csv"}`:                                             `80044304 data.recipientsFile.file: `,
		`"recipientsFile":{"file":"a.txt"}`:                                                `80044304 data.recipientsFile.file: does not end in .csv or .jsonl (got "a.txt")`,
		`"recipientsFile":{"file":"a.csv","separator":"ab"}`:                               `80044304 data.recipientsFile.separator: is not one character`,
		`"recipientsFile":{"file":"a.csv","too":"x"}`:                                      `80044304 data.recipientsFile: unknown field "too"`,
		`"recipientsFile":{"file":"absent.csv"}`:                                           `80044304 data.recipientsFile.file: is not there below files.root (got "absent.csv")`,
		`"recipientsFile":{"file":"empty.csv"}`:                                            `80044304 data.recipientsFile.file: has no first row`,
		`"recipientsFile":{"file":"a.csv","to":"mail"}`:                                    `80044304 data.recipientsFile.to: is not one of the columns, which are [to, name] (got "mail")`,
		`"recipients":[{"to":"a@b.example"}],"suppressFile":{"file":"x.csv"}`:              `80044304 data.suppressFile.file: is not there`,
		`"recipients":[{"to":"a@b.example"}],"rejectedFile":"/x"`:                          `80044304 data.rejectedFile: is absolute`,
		`"recipientsQuery":{"connection":"cmr","query":"SELECT 1 ORDER BY 1"}`:             `80044304 data.recipientsQuery.connection: is not in the worker's configuration`,
		`"recipientsQuery":{"connection":"crm","query":"SELECT 1"}`:                        `80044304 data.recipientsQuery.query: has no ORDER BY`,
		`"recipientsQuery":{"connection":"crm","query":"SELECT 1 ORDER BY 1"}`:             `80044304 data.recipientsQuery.to: is not one of the columns`,
		`"recipientsQuery":{"connection":"crm","query":"SELECT x ORDER BY 1"}`:             `DatabaseRefused sql connection "crm": `,
		`"recipientsQuery":{"connection":"crm","query":"CREATE TABLE x (y); -- ORDER BY"}`: `DatabaseRefused sql connection "crm": `,
	} {
		outcome := r.mail(fields)
		require.Equal(t, protocol.OutcomeFailed, outcome.Kind, fields)
		require.Contains(t, outcome.Code+" "+outcome.Message, wanted, fields)
		require.NotEmpty(t, outcome.FriendlyMessage)
		require.NotContains(t, outcome.Message, r.Folder)
	}
	require.Zero(t, r.Connections())
}

func TestAListThatWentAwayWaitsForAPerson(t *testing.T) {
	t.Parallel()
	r := newRoom(t, mailbox.Options{})
	r.Save(t, "a.csv", "to,name,city\na@b.example,A,X\nc@d.example,C,X\n")
	o := protocol.Operation{ID: "m", Data: json.RawMessage(`{"connection":"news","subject":"s","text":"t","recipientsFile":{"file":"a.csv"}}`)}
	attempts := handlertest.Run(t, activities.HandlerFunc(r.Handle), o, 2)
	left := attempts[0].Checkpoint
	require.NoError(t, os.Remove(filepath.Join(r.Folder, "a.csv")))
	outcome := resume(t, r.Handler, o, left)[0].Outcome
	require.Equal(t, protocol.OutcomeSuspended, outcome.Kind)
	require.Equal(t, "ListUnreadable", outcome.Code)
	require.Contains(t, outcome.Message, "is not there below files.root")
	require.Contains(t, outcome.Message, "1 entries were gone through before")
}

func TestMalformedRowsAreReported(t *testing.T) {
	t.Parallel()
	r := newRoom(t, mailbox.Options{})
	r.Save(t, "a.csv", "to,name,city\na@b.example,A,X\nc@d.example,C\ne@f.example,E,\"X\"y\ng@h.example,G,X\n")
	r.Save(t, "b.jsonl", `{"to":"i@b.example","name":"I","values":{"city":"X"}}`+"\n{\n"+`{"too":"x"}`+"\n"+strings.Repeat("x", 10)+"\n"+`{"to":"k@b.example","name":"K","values":{"city":"X"}}`)
	got := succeeded(t, r.mail(`"recipientsFile":{"file":"a.csv"}`))
	require.Equal(t, []int{2, 2}, []int{got.Sent, got.RejectedCount})
	require.Equal(t, rejection{"line 3", 0, "cannot be read: wrong number of fields"}, got.Rejected[0])
	require.Equal(t, "line 4", got.Rejected[1].To)
	got = succeeded(t, r.mail(`"recipientsFile":{"file":"b.jsonl"}`))
	require.Equal(t, []int{2, 3}, []int{got.Sent, got.RejectedCount})
	require.Contains(t, got.Rejected[1].Reason, `unknown field "too"`)
}

func TestSuppressedAddressesOfAFileGetNothing(t *testing.T) {
	t.Parallel()
	r := newRoom(t, mailbox.Options{})
	r.Save(t, "out.csv", "mail\na@B.example\nnobody\n")
	got := succeeded(t, r.mail(`"recipients":[{"to":"a@b.example"},{"to":"c@d.example","name":"C","values":{"city":"X"}}],
		"suppressFile":{"file":"out.csv","to":"mail"},"suppress":["x@y.example"]`))
	require.Equal(t, []int{1, 1, 0}, []int{got.Sent, got.Suppressed, got.RejectedCount})
	require.Equal(t, "c@d.example", r.Messages()[0].To)
}

// The file has each rejection once, also where attempts were stopped and a worker
// was killed between a line and its checkpoint.
func TestAllRejectionsGoToAFile(t *testing.T) {
	t.Parallel()
	const n = 250
	r := newRoom(t, mailbox.Options{Answer: func(stage mailbox.Stage, address string) error {
		if stage == mailbox.Rcpt && !strings.HasPrefix(address, "ok") {
			return mailbox.Refusal(550, "no such user")
		}
		return nil
	}})
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"to":"r%03d@b.example"}`, i))
	}
	fields := `"recipients":[{"to":"ok@b.example"},{"to":"nobody"},` + strings.Join(list, ",") + `],"rejectedFile":"out/rejected.jsonl"`
	data := `{"connection":"news","subject":"s","text":"t",` + fields + `}`
	o := protocol.Operation{ID: "m", Data: json.RawMessage(data)}
	attempts := handlertest.Run(t, r.Handler, o, 40)
	earlier := attempts[0].Reports[20].Checkpoint // the rest was lost with its worker
	attempts = resume(t, r.Handler, o, earlier, 30)
	got := succeeded(t, attempts[len(attempts)-1].Outcome)
	require.Equal(t, []int{1, n + 1, maxListed}, []int{got.Sent, got.RejectedCount, len(got.Rejected)})
	content, err := os.ReadFile(filepath.Join(r.Folder, "out", "rejected.jsonl"))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	require.Len(t, lines, n+1)
	for i, line := range lines {
		var entry struct {
			At   int
			To   string
			Code int
		}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		require.Equal(t, i+1, entry.At)
	}
	require.Contains(t, lines[0], `{"at":1,"to":"nobody","code":0,"reason":"is not an address of the form name@domain"}`)
	require.Contains(t, lines[n], `"to":"r249@b.example","code":550`)
}

func TestAbsentValuesAreNotWritten(t *testing.T) {
	t.Parallel()
	var v values
	require.NoError(t, json.Unmarshal([]byte(`{"a":null,"b":{"c":null,"d":1},"e":[null,{"f":null,"g":2},3],"h":""}`), &v))
	require.Equal(t, values{
		"b": map[string]any{"d": json.Number("1")}, "e": []any{map[string]any{"g": json.Number("2")}, json.Number("3")}, "h": "",
	}, v)
}
