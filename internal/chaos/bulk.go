package main

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/activities/mail"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/activities/sqlimport"
	"github.com/seriatim-go/seriatim/internal/mailbox"
	"github.com/seriatim-go/seriatim/protocol"
)

// Imports and mailings: work of many parts, rows or recipients, of which each is to
// arrive. A part carries the name of its operation's content and a number from 1.

const (
	importBatch    = 8 // rows in a transaction: a small one, so that kills hit many
	bulkDatabase   = "rows"
	bulkConnection = "mailbox"
	bulkDomain     = "bulk.example"
)

// bulkName is the name of an operation's content.
func bulkName(id string, version int) string { return fmt.Sprintf("%s-%d", id, version) }

// versionOf is the version in an operation's name.
func versionOf(o protocol.Operation) int {
	n, _ := strconv.Atoi(o.Name[strings.LastIndex(o.Name, "-")+1:])
	return n
}

// bulkData is what an operation of importType or mailType carries.
func (p planned) bulkData() any {
	name := bulkName(p.ID, p.Work.Version)
	if p.Type == importType {
		return map[string]any{
			"file": name + ".csv", "connection": bulkDatabase, "table": "rows", "batchSize": importBatch,
			"columns": []map[string]any{{"from": "content"}, {"from": "number", "type": "integer"}},
		}
	}
	recipients := make([]map[string]string, p.Work.Parts)
	for i := range recipients {
		recipients[i] = map[string]string{"to": fmt.Sprintf("%s.%d@%s", name, i+1, bulkDomain)}
	}
	return map[string]any{"connection": bulkConnection, "subject": name, "text": "chaos\n", "recipients": recipients}
}

// bulk is where parts arrive.
type bulk struct {
	folder  string // of the files
	rows    string // the database
	mailbox *mailbox.Server
}

func startBulk(folder string) (*bulk, error) {
	b := &bulk{folder: filepath.Join(folder, "files"), rows: filepath.Join(folder, "rows.db")}
	if err := os.Mkdir(b.folder, 0o700); err != nil {
		return nil, err
	}
	// No key: what is written twice is there twice.
	err := b.inRows(func(db *sql.DB) error {
		_, err := db.Exec(`CREATE TABLE rows (content TEXT NOT NULL, number INTEGER NOT NULL)`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", b.rows, err)
	}
	b.mailbox, err = mailbox.Start(mailbox.Options{Work: mailWork})
	return b, err
}

func (b *bulk) close() { _ = b.mailbox.Close() }

func (b *bulk) inRows(do func(*sql.DB) error) error {
	db, err := sql.Open(sqldb.SQLite, b.rows) // its driver has the same name
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// write writes the files of all imports of a plan.
func (b *bulk) write(p plan) error {
	for _, steps := range p.Steps {
		for _, s := range steps {
			for _, o := range s.Operations {
				if o.Type != importType {
					continue
				}
				if err := b.writeFile(bulkName(o.ID, o.Work.Version), o.Work.Parts); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (b *bulk) writeFile(name string, rows int) error {
	path := filepath.Join(b.folder, name+".csv")
	if _, err := os.Stat(path); err == nil {
		return nil // a repeat's; one that changes while it is read is another thing
	}
	records := [][]string{{"content", "number"}}
	for n := range rows {
		records = append(records, []string{name, strconv.Itoa(n + 1)})
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(csv.NewWriter(file).WriteAll(records), file.Close())
}

// arrived are how often each part of a content arrived.
type arrived map[string]map[int]int

func (a arrived) add(name string, number, times int) {
	if a[name] == nil {
		a[name] = make(map[int]int)
	}
	a[name][number] += times
}

// count is how many parts arrived, and how many of them again.
func (a arrived) count() (parts, again int) {
	for _, numbers := range a {
		for _, times := range numbers {
			parts, again = parts+times, again+times-1
		}
	}
	return parts, again
}

// readBulk reads what arrived, and which attempt the database took last.
func (e *evidence) readBulk(b *bulk) error {
	e.rows, e.messages = make(arrived), make(arrived)
	e.checkpoints = make(map[string]protocol.Fence)
	for _, m := range b.mailbox.Messages() {
		name, number, _ := strings.Cut(strings.TrimSuffix(m.To, "@"+bulkDomain), ".")
		n, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("a message to %q", m.To)
		}
		e.messages.add(name, n, 1)
	}
	return b.inRows(func(db *sql.DB) error { return errors.Join(e.readRows(db), e.readCheckpoints(db)) })
}

func (e *evidence) readRows(db *sql.DB) error {
	return scan(db, `SELECT content, number, COUNT(*) FROM rows GROUP BY content, number`, func(rows *sql.Rows) error {
		var name string
		var number, times int
		err := rows.Scan(&name, &number, &times)
		e.rows.add(name, number, times)
		return err
	})
}

func (e *evidence) readCheckpoints(db *sql.DB) error {
	var there int
	err := db.QueryRow(`SELECT COUNT(*) FROM sqlite_master WHERE name = 'seriatim_checkpoints'`).Scan(&there)
	if err != nil || there == 0 {
		return err // the first import makes it
	}
	return scan(db, `SELECT operation_id, sequence, n, attempt FROM seriatim_checkpoints`, func(rows *sql.Rows) error {
		var id string
		var f protocol.Fence
		err := rows.Scan(&id, &f.Sequence, &f.N, &f.Attempt)
		e.checkpoints[id] = f
		return err
	})
}

func scan(db *sql.DB, query string, row func(*sql.Rows) error) error {
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bulkHandlers are the product's own.
func bulkHandlers(f workerFlags) (activities.Handlers, error) {
	folder, err := files.Open(f.files)
	if err != nil {
		return nil, err
	}
	databases, err := sqldb.Open(sqldb.Connection{Name: bulkDatabase, Driver: sqldb.SQLite, DSN: f.rows})
	if err != nil {
		return nil, err
	}
	mailing, err := mail.New(mail.Options{Connections: []mail.Connection{
		{Name: bulkConnection, Host: "127.0.0.1", Port: f.smtpPort, TLS: mail.None, From: "chaos@" + bulkDomain},
	}})
	if err != nil {
		return nil, err
	}
	return activities.Handlers{
		sqlimport.Activity: sqlimport.Handler(folder, databases),
		mail.Activity:      mailing,
	}, nil
}

// inDoubtOf is how many messages a mailing's result has in doubt.
func inDoubtOf(payloads *commonpb.Payloads) int {
	var answer protocol.HandlerResult
	var result struct {
		InDoubtCount int `json:"inDoubtCount"`
	}
	_ = converter.GetDefaultDataConverter().FromPayloads(payloads, &answer)
	_ = json.Unmarshal(answer.Result, &result) // other handlers have other results
	return result.InDoubtCount
}
