package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
	_ "modernc.org/sqlite" // the driver of the demo's database

	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// The campaign: a file of contacts is imported, each active contact gets an
// activity, and each of those a message. One token keeps the three in order.
const (
	campaignToken = "campaign-spring-2027"
	campaignName  = "spring-2027"
	contactsFile  = "contacts.csv"
	// contactRecords are in examples/contacts.csv, good and bad ones.
	contactRecords = 1200
	// goneAddress is refused by the mail server, as an address that is no more.
	goneAddress = "renee.novak4@example.net"
)

const schema = `
CREATE TABLE contacts (
  email TEXT PRIMARY KEY, name TEXT NOT NULL, city TEXT, born DATE, pay NUMERIC(10,2), active BOOLEAN, note TEXT);
CREATE TABLE activities (
  campaign TEXT NOT NULL, member TEXT NOT NULL, subject TEXT NOT NULL, UNIQUE (campaign, member));`

const importData = `{"file":"contacts.csv","connection":"crm","table":"contacts",
 "columns":[
  {"from":"E-Mail","to":"email","format":"email","required":true},
  {"from":"Name","to":"name","required":true},
  {"from":"City","to":"city"},
  {"from":"Born","to":"born","type":"date","format":"DD.MM.YYYY"},
  {"from":"Monthly pay","to":"pay","type":"number","format":","},
  {"from":"Active","to":"active","type":"boolean","format":"ja/nein"},
  {"from":"Note","to":"note"}],
 "key":["email"],"onDuplicate":"update","batchSize":100}`

const propagationData = `{"campaign":"spring-2027","activity":{"subject":"Invitation to the spring fair"},
 "members":{"connection":"crm","query":"SELECT email FROM contacts"},
 "exclusions":{"connection":"crm","query":"SELECT email FROM contacts WHERE active IS NOT TRUE"},
 "target":{"connection":"crm","table":"activities"},"batchSize":100}`

const mailData = `{"connection":"news","checkpointEvery":10,
 "subject":"{{.name}}, the spring fair","text":"Dear {{.name}},\n\nwe shall be in {{if .city}}{{.city}}{{else}}your town{{end}} in May.\n",
 "recipientsQuery":{"connection":"crm","to":"email",
  "query":"SELECT c.email, c.name, coalesce(c.city, '') AS city FROM activities a JOIN contacts c ON c.email = a.member WHERE a.campaign = 'spring-2027' ORDER BY c.email"}}`

// campaign is what the second act works with.
type campaign struct {
	*site
	out        io.Writer
	screen     *screen
	operations []protocol.Operation
	found      []opclient.Found
}

// campaignConfig is the part of the worker's configuration that the campaign needs.
func (s *site) campaignConfig() string {
	return fmt.Sprintf(`
files: {root: %q}
sql: {connections: [{name: crm, driver: sqlite, dsn: %q}]}
smtp: {connections: [{name: news, host: %s, port: %d, tls: starttls, caFile: %q, from: Spring Fair <fair@example.com>}]}
`, s.path("files"), s.path("crm.db"), s.mail.Host(), s.mail.Port(), s.path("authority.pem"))
}

// campaignTypes are the operation types of the campaign.
const campaignTypes = `
  - {key: import, activity: import, heartbeat: 10s, dependencyToken: allowed}
  - {key: activity.propagation, activity: activity.propagation, heartbeat: 10s, dependencyToken: allowed}
  - {key: bulk.email, activity: bulk.email, heartbeat: 10s, dependencyToken: allowed}
`

func (s *site) path(name string) string { return filepath.Join(s.folder, name) }

// prepareCampaign makes the folder, the database and the mail server.
func (s *site) prepareCampaign(ctx context.Context) (err error) {
	contacts, err := os.ReadFile(filepath.Join("examples", contactsFile))
	if err != nil {
		return err
	}
	if err := os.Mkdir(s.path("files"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.path("files"), contactsFile), contacts, 0o600); err != nil {
		return err
	}
	if s.database, err = sql.Open("sqlite", s.path("crm.db")); err != nil {
		return err
	}
	if _, err := s.database.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("the demo's database: %w", err)
	}
	refuse := func(stage mailbox.Stage, address string) error {
		if stage == mailbox.Rcpt && address == goneAddress {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	if s.mail, err = mailbox.Start(mailbox.Options{TLS: mailbox.StartTLS, Answer: refuse}); err != nil {
		return fmt.Errorf("the demo's mail server: %w", err)
	}
	return os.WriteFile(s.path("authority.pem"), s.mail.Authority(), 0o600)
}

// runCampaign submits the three operations, follows them, and checks what they say
// against what the database and the mail server have.
func runCampaign(ctx context.Context, s *site, out io.Writer) error {
	c := &campaign{site: s, out: out, screen: newScreen(out)}
	for _, o := range []protocol.Operation{
		{ID: "spring-import", Name: "import the contacts", OperationType: "import", Data: json.RawMessage(importData)},
		{ID: "spring-activities", Name: "an activity for each", OperationType: "activity.propagation", Data: json.RawMessage(propagationData)},
		{ID: "spring-mail", Name: "a message to each", OperationType: "bulk.email", Data: json.RawMessage(mailData)},
	} {
		o.DependencyToken = campaignToken
		if _, err := s.client.Submit(ctx, o); err != nil {
			return fmt.Errorf("submit %s: %w", o.ID, err)
		}
		c.operations = append(c.operations, o)
	}
	_, _ = fmt.Fprintf(out, "\nA campaign on one token: import %s, one activity for each active contact,\none message for each activity.\n\n", contactsFile)
	if err := c.follow(ctx); err != nil {
		return err
	}
	return c.conclude(ctx)
}

// follow shows the three until the last one has completed.
func (c *campaign) follow(ctx context.Context) error {
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		text, done := c.table(ctx)
		if done {
			c.screen.last = time.Time{} // whatever was shown a moment ago
		}
		c.screen.show(text)
		if done {
			return nil
		}
		select {
		case <-ticker.C:
		case err := <-c.ended:
			c.ended <- nil
			return fmt.Errorf("the worker ended (%v); it wrote:\n%s", err, c.workerLog())
		case <-ctx.Done():
			return fmt.Errorf("the campaign was not done: %w", ctx.Err())
		}
	}
}

func (c *campaign) table(ctx context.Context) (text string, done bool) {
	var b strings.Builder
	c.found = c.found[:0]
	for _, o := range c.operations {
		found, err := c.client.Get(ctx, o.ID, campaignToken)
		if err != nil {
			fmt.Fprintf(&b, "  %-22s not seen by a worker yet\n", o.Name)
			continue
		}
		c.found = append(c.found, found)
		fmt.Fprintf(&b, "  %-22s %s\n", o.Name, standing(found))
	}
	return b.String(), len(c.found) == len(c.operations) && c.found[len(c.found)-1].StatusCode.Terminal()
}

// standing says in a few words how far an operation is.
func standing(f opclient.Found) string {
	p := f.Progress
	switch {
	case f.StatusCode.Terminal():
		return fmt.Sprintf("%s in %.1f s", f.StatusCode, f.ExecutionTimeSpan)
	case f.BlockedBy != "":
		return "waits behind " + f.BlockedBy
	case p != nil && p.Total > 0:
		return fmt.Sprintf("%s %d of %d", bar(int(p.Done), int(p.Total), 30), p.Done, p.Total)
	case p != nil && p.Done > 0:
		return fmt.Sprintf("%d done", p.Done)
	}
	return f.StatusCode.String()
}

// results are what the three handlers say that they did.
type results struct {
	imported struct{ Imported, Updated, Rejected int }
	spread   struct{ Members, Created, Excluded int }
	mailed   struct{ Recipients, Sent, RejectedCount int }
}

func (c *campaign) conclude(ctx context.Context) error {
	var r results
	into := []any{&r.imported, &r.spread, &r.mailed}
	for i, found := range c.found {
		if found.StatusCode != protocol.Succeeded {
			return fmt.Errorf("%s is %s: %s", found.ID, found.StatusCode, firstLine(found.Message))
		}
		if err := json.Unmarshal(found.Result, into[i]); err != nil {
			return fmt.Errorf("the result of %s: %w", found.ID, err)
		}
	}
	seen, err := c.look(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(c.out, `
Imported    %d contacts, %d of them written over by a later record; %d records rejected with line and reason
Activities  %d for %d contacts, %d excluded
Messages    %d of %d sent by SMTP with TLS, %d address refused by the mail server
`, r.imported.Imported, r.imported.Updated, r.imported.Rejected, r.spread.Created, r.spread.Members, r.spread.Excluded, r.mailed.Sent, r.mailed.Recipients, r.mailed.RejectedCount)
	broken := compareCampaign(r, seen)
	_, _ = fmt.Fprintf(c.out, "Counts      checked against the database's and the mail server's own records: %d differ\n", len(broken))
	if len(broken) > 0 {
		return fmt.Errorf("%d counts differ, the first: %s", len(broken), broken[0])
	}
	return nil
}

// seen is what the database, the file of rejects and the mail server have.
type seen struct {
	contacts, inactive, activities, members int
	rejects                                 int
	messages, recipients                    int
	toGone                                  int
	strangers                               int // recipients without an activity
}

func (c *campaign) look(ctx context.Context) (s seen, err error) {
	for query, into := range map[string]*int{
		"SELECT count(*) FROM contacts":                          &s.contacts,
		"SELECT count(*) FROM contacts WHERE active IS NOT TRUE": &s.inactive,
		"SELECT count(*) FROM activities":                        &s.activities,
		"SELECT count(DISTINCT member) FROM activities":          &s.members,
	} {
		if err := c.database.QueryRowContext(ctx, query).Scan(into); err != nil {
			return s, fmt.Errorf("%s: %w", query, err)
		}
	}
	rejects, err := os.ReadFile(filepath.Join(c.path("files"), contactsFile+".rejects.csv"))
	if err != nil {
		return s, err
	}
	reader := csv.NewReader(bytes.NewReader(rejects))
	reader.FieldsPerRecord = -1 // that is what was wrong with some
	lines, err := reader.ReadAll()
	if err != nil {
		return s, fmt.Errorf("the file of rejects: %w", err)
	}
	s.rejects = len(lines) - 1
	for recipient, messages := range c.mail.ByRecipient() {
		s.recipients++
		s.messages += len(messages)
		if recipient == goneAddress {
			s.toGone++
		}
		var n int
		if err := c.database.QueryRowContext(ctx, "SELECT count(*) FROM activities WHERE member = ?", recipient).Scan(&n); err != nil {
			return s, err
		}
		if n != 1 {
			s.strangers++
		}
	}
	return s, nil
}

// compareCampaign says which counts differ.
func compareCampaign(r results, s seen) (broken []string) {
	for _, pair := range []struct {
		what      string
		said, saw int
	}{
		{"records that were imported, written over or rejected, and those of the file", r.imported.Imported + r.imported.Updated + r.imported.Rejected, contactRecords},
		{"contacts imported, and rows", r.imported.Imported, s.contacts},
		{"records rejected, and lines of the file of rejects", r.imported.Rejected, s.rejects},
		{"members, and rows", r.spread.Members, s.contacts},
		{"members excluded, and contacts that are not active", r.spread.Excluded, s.inactive},
		{"activities created, and rows", r.spread.Created, s.activities},
		{"activities, and members with one", s.activities, s.members},
		{"recipients, and activities", r.mailed.Recipients, s.activities},
		{"messages sent, and messages that arrived", r.mailed.Sent, s.messages},
		{"messages that arrived, and recipients with one", s.messages, s.recipients},
		{"recipients that were refused, and those without a message", r.mailed.RejectedCount, s.activities - s.recipients},
		{"messages to the refused address", 0, s.toGone},
		{"messages to somebody without an activity", 0, s.strangers},
	} {
		if pair.said != pair.saw {
			broken = append(broken, fmt.Sprintf("%s: %d and %d", pair.what, pair.said, pair.saw))
		}
	}
	return broken
}
