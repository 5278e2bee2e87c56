// Package propagate is the handler of activity.propagation: it writes one activity
// record for each member of a campaign's lists, none for those who are excluded,
// and none twice.
//
//   - propagate.go: the handler, and what it answers
//   - spec.go: the operation's data
//   - members.go: members from a query or from a file, page by page
//
// What makes it safe to repeat is a unique key of campaign and member in the
// target; batches and their checkpoint are one transaction (package fenced), so
// that the counts are right too, whichever attempt did what (SPEC 2.2, 6.5).
package propagate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/fenced"
	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/activities/internal/tables"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// Activity is the name under which the handler is usually registered.
const Activity = "activity.propagation"

// Result is what a propagation that succeeded returns.
type Result struct {
	// Members were read: of a query each once, of a file each record.
	Members int64 `json:"members"`
	// Created members have an activity now, Existing ones had it before, Excluded
	// ones get none.
	Created  int64 `json:"created"`
	Existing int64 `json:"existing"`
	Excluded int64 `json:"excluded"`
	// Seconds is how long all attempts worked, waits excluded.
	Seconds float64 `json:"seconds"`
}

// Handler is the handler of activity.propagation. Its operations name files of the
// folder and databases (SPEC 9.3); a query of theirs cannot write.
//
//   - A database that cannot be reached is a Retry, one that another transaction
//     holds is one that does not count.
//   - A table, column, query or file that cannot be used is Failed with 80044304.
//   - An activity that the table does not take fails the operation and names the
//     member: the others have the same values.
func Handler(folder files.Folder, databases *sqldb.Databases) activities.Handler {
	h := handler{folder, databases}
	return activities.Typed(h.handle)
}

// friendly is what is said where the data cannot be worked with.
const friendly = "The activities cannot be made as it was asked for. Correct the operation's data and submit it as a new operation."

type handler struct {
	folder    files.Folder
	databases *sqldb.Databases
}

func (h handler) handle(ctx context.Context, r activities.Request, data spec) protocol.Outcome {
	data = data.completed()
	db, err := h.databases.Get("data.target.connection", data.Target.Connection)
	if err := errors.Join(data.check(), err); err != nil {
		return tables.Unreadable(err, friendly)
	}
	p := &propagation{handler: h, request: r, spec: data, db: db}
	if err := p.attempt(ctx); err != nil {
		return tables.Outcome(ctx, err, "PropagationInterrupted", friendly)
	}
	return protocol.Success(p.at.Counts)
}

// position is the checkpoint, written with each batch.
type position struct {
	Place  place  `json:"place"`
	Counts Result `json:"counts"`
	Done   bool   `json:"done,omitempty"`
}

// propagation is one attempt.
type propagation struct {
	handler
	request  activities.Request
	spec     spec
	db       *sqldb.DB
	insert   sqldb.Insert
	values   []any // of each activity, behind campaign and member
	excluded map[string]bool
	lock     *fenced.Lock
	at       position
}

// attempt goes on where the last batch left it.
func (p *propagation) attempt(ctx context.Context) (err error) {
	if err := p.table(ctx); err != nil {
		return err
	}
	work := fenced.Work{OperationID: p.request.Operation.ID, Fence: p.request.Fence, Subject: tables.Subject(Activity, p.spec)}
	if p.lock, err = fenced.Claim(ctx, p.db, work, &p.at); err != nil || p.at.Done {
		return err
	}
	if p.excluded, err = p.exclusions(ctx); err != nil {
		return err
	}
	from, err := p.open(ctx, "members", p.spec.Members, p.at.Place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	for !p.at.Done {
		if err := p.batch(ctx, from); err != nil {
			return err
		}
	}
	return nil
}

// table finds the columns that are written. The error names those that are not
// there.
func (p *propagation) table(ctx context.Context) error {
	t := p.spec.Target
	constants, values, err := p.spec.constants()
	if err != nil {
		return err
	}
	p.values = values
	wanted := []tables.Wanted{{Field: "target.campaign", Name: t.Campaign}, {Field: "target.member", Name: t.Member}}
	for _, name := range constants {
		wanted = append(wanted, tables.Wanted{Field: "activity." + name, Name: name})
	}
	p.insert = sqldb.Insert{Table: t.Table, Key: []string{t.Campaign, t.Member}, OnDuplicate: sqldb.Skip}
	p.insert.Columns, err = tables.Columns(ctx, p.db, "target.table", t.Table, wanted)
	return err
}

// exclusions are read whole, about 100 bytes each: a member is compared exactly.
func (p *propagation) exclusions(ctx context.Context) (map[string]bool, error) {
	excluded := make(map[string]bool)
	if p.spec.Exclusions == nil {
		return excluded, nil
	}
	from, err := p.open(ctx, "exclusions", *p.spec.Exclusions, place{})
	if err != nil {
		return nil, err
	}
	for {
		page, err := from.next(ctx, pageSize)
		if err != nil || len(page) == 0 {
			return excluded, errors.Join(err, from.close())
		}
		for _, member := range page {
			excluded[member] = true
		}
	}
}

// batch writes the activities of the next members.
func (p *propagation) batch(ctx context.Context, from members) error {
	began := time.Now()
	page, err := from.next(ctx, p.spec.BatchSize)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, member := range page {
		if !p.excluded[member] {
			rows = append(rows, append([]any{p.spec.Campaign, member}, p.values...))
		}
	}
	after := position{Place: from.place(), Counts: p.at.Counts, Done: len(page) < p.spec.BatchSize}
	err = p.lock.Commit(ctx, func(tx *sql.Tx) (any, error) {
		written, err := p.db.Rows(ctx, tx, p.insert, rows)
		if err != nil {
			// A unique key is what the table lacks most often.
			return nil, tables.Explain(err, fmt.Sprintf("table %q needs a unique key of (%s)", p.insert.Table, sqldb.QuoteAll(p.insert.Key)))
		}
		if len(written.Refused) > 0 {
			first := written.Refused[0]
			return nil, &refusedError{fmt.Sprint(rows[first.Row][1]), first.Problem}
		}
		c := &after.Counts
		c.Members += int64(len(page))
		c.Excluded += int64(len(page) - len(rows))
		c.Created += int64(written.Inserted)
		c.Existing += int64(written.Skipped)
		c.Seconds = tables.Seconds(c.Seconds, began)
		return after, nil
	})
	if err == nil {
		p.at = after
		p.report()
	}
	return err
}

// report shows how far it is. The checkpoint that counts is the database's.
func (p *propagation) report() {
	c := p.at.Counts
	_ = p.request.Report(activities.Progress{
		Checkpoint: p.at, Done: c.Members,
		Note: fmt.Sprintf("%d members: %d created, %d existing, %d excluded", c.Members, c.Created, c.Existing, c.Excluded),
	})
}

// refusedError is an activity that the table does not take.
type refusedError struct{ member, problem string }

// Error names the member.
func (e *refusedError) Error() string { return fmt.Sprintf("member %q: %s", e.member, e.problem) }

// Outcome fails the operation.
func (e *refusedError) Outcome() protocol.Outcome {
	return protocol.Failure("ActivityRefused", e.Error())
}
