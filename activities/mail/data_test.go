package mail

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seriatim-go/seriatim/activities/handlertest"
	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 3.3, 9.3: data that is no mailing is refused by field and value, and
// nothing is sent.
func TestWrongDataNamesFieldAndValue(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	connection := to(s)
	connection.From = ""
	h := newHandler(t, connection)
	good := `{"connection":"news","from":"a@b.example","subject":"s","text":"t","recipients":[{"to":"x@y.example"}]}`
	for name, c := range map[string]struct{ change, problem string }{
		"an unknown field":                  {`{"subjct":"x"}`, `data.subjct: unknown field "subjct" (got "x")`},
		"an unknown field of a recipient":   {`{"recipients":[{"too":"x"}]}`, `data.recipients: unknown field "too"`},
		"a number for a subject":            {`{"subject":5}`, `data.subject: is a JSON number where a string is expected (got 5)`},
		"values that are no object":         {`{"recipients":[{"to":"x@y.example","values":[1]}]}`, `data.recipients: `},
		"an unknown connection":             {`{"connection":"nws"}`, `data.connection: is not in the worker's configuration under smtp.connections, which has [news] (got "nws")`},
		"a sender that is none":             {`{"from":"x"}`, `data.from: is not an address, nor a name with an address in angle brackets (got "x")`},
		"no sender at all":                  {`{"from":""}`, `data.from: is missing, and the connection has none`},
		"a replyTo that is none":            {`{"replyTo":"x"}`, `data.replyTo: is not an address`},
		"no subject":                        {`{"subject":" "}`, `data.subject: is empty`},
		"neither text nor html":             {`{"text":""}`, `data.text: is missing, and so is data.html`},
		"a template that is none":           {`{"text":"{{"}`, `data.text: is not a template`},
		"a function that is not allowed":    {`{"html":"{{printf .a}}"}`, `data.html: uses printf`},
		"a subject that is too long":        {`{"subject":"` + strings.Repeat("x", 999) + `"}`, `data.subject: has 999 bytes, the limit is 998`},
		"a header of the frame":             {`{"headers":{"bcc":"x@y.example"}}`, `data.headers.bcc: is not one that an operation may set`},
		"another content type":              {`{"headers":{"Content-Type":"text/evil"}}`, `data.headers.Content-Type: is not one`},
		"a header that is none":             {`{"headers":{"X-A: b\r\nBcc":"x"}}`, `is not a header name`},
		"a header in two spellings":         {`{"headers":{"X-a":"1","x-A":"2"}}`, `is there twice in different spellings`},
		"nobody to send to":                 {`{"recipients":[]}`, `data.recipients: are missing`},
		"a suppressed address that is none": {`{"suppress":["ok@y.example","x"]}`, `data.suppress[1]: is not an address of the form name@domain (got "x")`},
		"no message between checkpoints":    {`{"checkpointEvery":0}`, `data.checkpointEvery: is not in 1..1000 (got "0")`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			merged := map[string]json.RawMessage{}
			require.NoError(t, json.Unmarshal([]byte(good), &merged))
			require.NoError(t, json.Unmarshal([]byte(c.change), &merged))
			outcome := send(t, h, merged)
			require.Equal(t, protocol.OutcomeFailed, outcome.Kind)
			require.Equal(t, string(protocol.CodePayloadUnreadable), outcome.Code)
			require.Contains(t, outcome.Message, c.problem)
			require.NotEmpty(t, outcome.FriendlyMessage)
		})
	}
	t.Cleanup(func() { require.Zero(t, s.Connections()) })
}

func TestEveryWrongFieldIsNamed(t *testing.T) {
	t.Parallel()
	outcome := send(t, newHandler(t), data{Connection: "a", ReplyTo: "b", Text: "{{"})
	for _, field := range []string{"connection", "replyTo", "subject", "text", "recipients"} {
		require.Contains(t, outcome.Message, "data."+field+": ")
	}
}

// A recipient that the mailing cannot be made for is reported, and the others get
// theirs. No value begins a header.
func TestRecipientsAreRefusedOneByOne(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	d := mailing(0)
	d.Subject, d.Headers = "For {{.who}}", map[string]string{"X-Who": "{{.who}}{{.x}}"}
	d.Text = "Dear {{.who}}"
	ok := func(who string) values { return values{"who": who, "x": ""} }
	d.Recipients = []recipient{
		{To: "a@b.example", Values: ok("A")},
		{To: "nobody", Values: ok("B")},
		{To: "c@b.example", Values: values{}},
		{To: "d@b.example", Values: ok("D\r\nBcc: all@b.example")},
		{To: "e@b.example", Values: values{"who": "E", "x": "\n\nbody"}},
		{To: "f@b.example", Name: "F\r\nBcc: all@b.example", Values: ok("F")},
		{To: "g@b.example\r\nRCPT TO:<all@b.example>", Values: ok("G")},
		{To: "A@B.example", Values: ok("again, in other letters")},
		{To: "a@B.EXAMPLE", Values: ok("again")},
		{To: "gone@b.example", Values: ok("H")},
		{To: "z@b.example", Values: ok("Z: \"x\" <y>\u2028")},
	}
	d.Suppress = []string{"gone@B.example"}
	r := succeeded(t, send(t, newHandler(t, to(s)), d))
	require.Equal(t, 3, r.Sent, "the local part is not ours to fold")
	require.Equal(t, []any{11, 1, 1, 6}, []any{r.Recipients, r.Duplicates, r.Suppressed, r.RejectedCount})
	for i, wanted := range []rejection{
		{"nobody", 0, "is not an address"},
		{"c@b.example", 0, `subject: subject:1:6: executing "subject" at <.who>: map has no entry for key "who"`},
		{"d@b.example", 0, "subject: has a line break"},
		{"e@b.example", 0, "headers.X-Who: has a line break"},
		{"f@b.example", 0, "name: has a name with a control character"},
		{"g@b.example\r\nRCPT TO:<all@b.example>", 0, "before the @"},
	} {
		require.Equal(t, wanted.To, r.Rejected[i].To)
		require.Contains(t, r.Rejected[i].Reason, wanted.Reason)
	}
	var got []string
	for _, m := range s.Messages() {
		got = append(got, m.To)
		require.NotContains(t, m.Header, "Bcc")
	}
	require.Equal(t, []string{"a@b.example", "A@b.example", "z@b.example"}, got)
}

func TestADryRunSendsNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, mailbox.Options{})
	d := mailing(2500)
	d.DryRun, d.HTML = true, "<p>{{.n}}</p>"+strings.Repeat("x", 5000)
	d.Headers = map[string]string{"X-N": "{{.n}}"}
	d.Recipients = append(d.Recipients, recipient{To: "x"}, d.Recipients[7])
	d.Suppress = []string{"r001@inbox.example"}
	attempts := handlertest.Run(t, newHandler(t, to(s)), operation(t, d), 2)
	require.Equal(t, protocol.OutcomeCanceled, attempts[0].Outcome.Kind, "it stops when it is asked to")
	var answer rehearsal
	require.NoError(t, json.Unmarshal(attempts[1].Outcome.Result, &answer))
	require.Zero(t, s.Connections())
	require.Equal(t, []int{2502, 2499, 1, 1, 1},
		[]int{answer.Recipients, answer.WouldSend, answer.RejectedCount, answer.Duplicates, answer.Suppressed})
	require.True(t, answer.DryRun)
	require.Len(t, answer.Samples, 3)
	require.Equal(t, "r002@inbox.example", answer.Samples[1].To)
	require.Equal(t, "Number 2", answer.Samples[1].Subject)
	require.Equal(t, map[string]string{"X-N": "2"}, answer.Samples[1].Headers)
	require.Contains(t, answer.Samples[1].HTML, "… (5008 bytes)")
}
