// Package sqlimport is the handler of import: it reads a file of separated values
// and writes its records into a table, in three stages that run at a time: parse
// (3), transform (4) and import (5).
//
//   - import.go: the handler, and what it answers
//   - spec.go: the operation's data
//   - pipeline.go, transform.go: stages 3 and 4
//   - run.go: stage 5, batch by batch, and where another attempt goes on
//   - rejects.go: the file of what is not imported
//
// Each batch is one transaction with its checkpoint (package fenced), so that no
// record is imported twice and none is left out, whenever the worker is killed,
// stopped or cut off (SPEC 2.2, 6.5).
package sqlimport

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/csvfile"
	"github.com/seriatim-go/seriatim/activities/fenced"
	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/activities/internal/tables"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// Activity is the name under which the handler is usually registered.
const Activity = "import"

// Result is what an import that succeeded returns. Rejected are all records that
// are not imported, whichever stage turned them down.
type Result struct {
	// Parsed records are well-formed, Transformed ones have values of the columns'
	// types.
	Parsed      int64 `json:"parsed"`
	Transformed int64 `json:"transformed"`
	// Imported rows are new, Updated ones were written over, Skipped ones left.
	Imported int64 `json:"imported"`
	Updated  int64 `json:"updated"`
	Skipped  int64 `json:"skipped"`
	Rejected int64 `json:"rejected"`
	// RejectsFile is below files.root; absent if nothing was rejected.
	RejectsFile string `json:"rejectsFile,omitempty"`
	// Encoding and Separator are those of the file.
	Encoding  string `json:"encoding"`
	Separator string `json:"separator"`
	// Seconds is how long all attempts worked, waits excluded.
	Seconds float64 `json:"seconds"`
}

// Handler is the handler of import. Its operations name files of the folder and
// databases; SPEC 9.3.
//
//   - A database that cannot be reached is a Retry, one that another transaction
//     holds is one that does not count.
//   - A file, table or column that is not there is Failed with 80044304.
//   - A record that is malformed, that has a value of another type, or that the
//     database does not take is written to the file of rejects.
//   - With onDuplicate "fail" a key that is there fails the operation: its batch is
//     not written, those before it are.
func Handler(folder files.Folder, databases *sqldb.Databases) activities.Handler {
	h := handler{folder, databases}
	return activities.Typed(h.handle)
}

// friendly is what is said where the data or the file cannot be worked with.
const friendly = "The file cannot be imported as it was asked for. Correct the operation's data or the file, and submit it as a new operation."

type handler struct {
	folder    files.Folder
	databases *sqldb.Databases
}

func (h handler) handle(ctx context.Context, r activities.Request, data spec) protocol.Outcome {
	data = data.completed()
	db, err := h.databases.Get("data.connection", data.Connection)
	if err := errors.Join(data.check(), h.folder.Check("data.file", data.File), h.folder.Check(rejectsField, data.Rejects), err); err != nil {
		return tables.Unreadable(err, friendly)
	}
	i := &importing{request: r, spec: data, db: db}
	outcome, err := i.attempt(ctx, h.folder)
	if err != nil {
		return i.outcomeOf(ctx, err)
	}
	return outcome
}

// importing is one attempt.
type importing struct {
	request activities.Request
	spec    spec
	db      *sqldb.DB
	insert  sqldb.Insert
	file    *os.File
	stamp   csvfile.Stamp
	lock    *fenced.Lock
	rejects *rejects
	at      position
}

// attempt goes on where the last batch left it.
func (i *importing) attempt(ctx context.Context, folder files.Folder) (outcome protocol.Outcome, err error) {
	if i.insert, err = i.table(ctx); err != nil {
		return outcome, err
	}
	work := fenced.Work{OperationID: i.request.Operation.ID, Fence: i.request.Fence, Subject: tables.Subject(Activity, i.spec)}
	if i.lock, err = fenced.Claim(ctx, i.db, work, &i.at); err != nil {
		return outcome, err
	}
	ended, before := i.at.Done || i.tooMany(), i.at.Rejects
	if ended { // and the attempt that did it could not say so
		before = rejected{}
	}
	i.rejects, err = openRejects(folder, i.spec.Rejects, work.OperationID, work.Fence, before)
	if err != nil {
		return outcome, err
	}
	defer func() { err = errors.Join(err, i.rejects.close()) }()
	if ended {
		return i.finish()
	}
	return i.read(ctx, folder)
}

// read opens the file, behind the records that are imported already.
func (i *importing) read(ctx context.Context, folder files.Folder) (outcome protocol.Outcome, err error) {
	if i.file, err = folder.Read("data.file", i.spec.File); err != nil {
		return outcome, err
	}
	defer func() { err = errors.Join(err, i.file.Close()) }()
	if i.stamp, err = csvfile.StampOf(i.file); err != nil {
		return outcome, err
	}
	if i.at.begun() && i.at.Stamp != i.stamp {
		return outcome, errChanged
	}
	reader, err := i.open()
	if err != nil {
		return outcome, err
	}
	return i.run(ctx, reader)
}

// open finds out how the file is written, or goes on as an attempt before found.
func (i *importing) open() (*csvfile.Reader, error) {
	options := csvfile.Options{
		Encoding: i.spec.Encoding, Separator: i.spec.Separator, Columns: i.spec.froms(),
		NoHeader: i.spec.Header != nil && !*i.spec.Header,
	}
	if i.at.begun() {
		options.Encoding, options.Separator = i.at.File.Encoding, i.at.File.Separator
	}
	reader, err := csvfile.Open(i.file, options)
	if err != nil {
		return nil, fileError(i.spec.File, err)
	}
	if i.at.begun() {
		return reader, reader.Resume(i.at.File)
	}
	return reader, nil
}

// table finds the columns that are written. The error names those that are not
// there.
func (i *importing) table(ctx context.Context) (insert sqldb.Insert, err error) {
	var wanted []tables.Wanted
	for n, c := range i.spec.Columns {
		wanted = append(wanted, tables.Wanted{Field: fmt.Sprintf("columns[%d].to", n), Name: c.To})
	}
	insert = sqldb.Insert{Table: i.spec.Table, Key: i.spec.Key, OnDuplicate: i.spec.OnDuplicate}
	insert.Columns, err = tables.Columns(ctx, i.db, "table", i.spec.Table, wanted)
	return insert, err
}
