package sqlimport

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/csvfile"
	"github.com/seriatim-go/seriatim/activities/internal/shortage"
	"github.com/seriatim-go/seriatim/activities/internal/tables"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// position is the checkpoint: all that an attempt needs to go on, written with
// each batch.
type position struct {
	File    csvfile.Position `json:"file"`
	Stamp   csvfile.Stamp    `json:"stamp"`
	Rejects rejected         `json:"rejects"`
	Counts  Result           `json:"counts"`
	Done    bool             `json:"done,omitempty"`
}

// rejected is how far the file of rejects is.
type rejected struct {
	Part  string `json:"part,omitempty"`
	Bytes int64  `json:"bytes,omitempty"`
}

func (p position) begun() bool { return p.Stamp != csvfile.Stamp{} }

var errChanged = errors.New("the file has changed since its import began")

// run imports batch after batch until the file's end.
func (i *importing) run(ctx context.Context, reader *csvfile.Reader) (protocol.Outcome, error) {
	reading, stop := context.WithCancel(ctx)
	parts := records(reading, reader, newTransformer(i.spec, reader), i.spec.BatchSize)
	defer func() {
		stop()
		for range parts { // the file stays open until nobody reads it
		}
	}()
	for {
		began := time.Now()
		b, more := <-parts
		switch {
		case !more: // it has an end of its own, so somebody stopped it
			return protocol.Outcome{}, context.Cause(ctx)
		case b.err != nil:
			return protocol.Outcome{}, fileError(i.spec.File, b.err)
		}
		if err := i.write(ctx, reader.Header(), b, began); err != nil {
			return protocol.Outcome{}, err
		}
		i.report(b)
		switch {
		case i.tooMany():
			return i.giveUp()
		case b.last:
			return i.finish()
		}
	}
}

// write imports one batch: rows, rejects and checkpoint, or nothing.
func (i *importing) write(ctx context.Context, header []string, b batch, began time.Time) error {
	if now, err := csvfile.StampOf(i.file); err != nil || now != i.stamp {
		return errors.Join(errChanged, err)
	}
	var after position
	err := i.lock.Commit(ctx, func(tx *sql.Tx) (any, error) {
		written, err := i.db.Rows(ctx, tx, i.insert, b.rows)
		if err != nil {
			return nil, duplicateIn(b, tables.Explain(err, fmt.Sprintf("table %q, key %q", i.spec.Table, i.spec.Key)))
		}
		after, err = i.after(header, b, written)
		after.Counts.Seconds = tables.Seconds(after.Counts.Seconds, began)
		return after, err
	})
	if err == nil {
		i.at = after
		i.rejects.keep(after.Rejects)
	}
	return err
}

// after is the position behind the batch, whose rejects it writes.
func (i *importing) after(header []string, b batch, written sqldb.Written) (position, error) {
	list := b.rejects
	for _, refused := range written.Refused {
		list = append(list, reject{b.sources[refused.Row], refused.Problem})
	}
	slices.SortStableFunc(list, func(x, y reject) int { return cmp.Compare(x.line, y.line) })
	now, err := i.rejects.write(header, list)
	if err != nil {
		return position{}, &localError{fmt.Errorf("%s: %w", rejectsField, err)}
	}
	c := i.at.Counts
	c.Encoding, c.Separator = b.behind.Encoding, b.behind.Separator
	c.Parsed += b.parsed
	c.Transformed += int64(len(b.rows))
	c.Imported += int64(written.Inserted)
	c.Updated += int64(written.Updated)
	c.Skipped += int64(written.Skipped)
	c.Rejected += int64(len(list))
	return position{File: b.behind, Stamp: i.stamp, Rejects: now, Counts: c, Done: b.last}, nil
}

// report shows how far the stages are. The checkpoint that counts is the
// database's; this one is for people.
func (i *importing) report(b batch) {
	c := i.at.Counts
	_ = i.request.Report(activities.Progress{
		Checkpoint: i.at, Done: b.bytes, Total: i.stamp.Size,
		Note: fmt.Sprintf("3 parse: %d records, 4 transform: %d, 5 import: %d new, %d updated, %d skipped; %d rejected",
			c.Parsed, c.Transformed, c.Imported, c.Updated, c.Skipped, c.Rejected),
	})
}

func (i *importing) tooMany() bool {
	return i.spec.MaxRejects != nil && i.at.Counts.Rejected > *i.spec.MaxRejects
}

// finish gives the file of rejects its name.
func (i *importing) finish() (protocol.Outcome, error) {
	if i.tooMany() {
		return i.giveUp()
	}
	name, err := i.rejects.publish(i.at.Rejects)
	if err != nil {
		return protocol.Outcome{}, err
	}
	result := i.at.Counts
	result.RejectsFile = name
	return protocol.Success(result), nil
}

// giveUp ends an import of which too little fits. What it did stays.
func (i *importing) giveUp() (protocol.Outcome, error) {
	name, err := i.rejects.publish(i.at.Rejects)
	if err != nil {
		return protocol.Outcome{}, err
	}
	c := i.at.Counts
	return protocol.Failure("TooManyRejects", fmt.Sprintf(
		"data.maxRejects: %d records are rejected, the limit is %d; %d rows are imported and %d updated up to line %d; the rejects are in %q",
		c.Rejected, *i.spec.MaxRejects, c.Imported, c.Updated, i.at.File.Lines, name)), nil
}

// localError is an error of this machine: another attempt may fare better.
type localError struct{ error }

// Outcome tries again.
func (e *localError) Outcome() protocol.Outcome {
	if shortage.Is(e.error) {
		return shortage.Retry(e)
	}
	return protocol.Retry("FileUnavailable", e.Error())
}

// lineError is a row that fails the operation, by its line.
type lineError struct {
	line int
	*sqldb.DuplicateError
}

func duplicateIn(b batch, err error) error {
	var duplicate *sqldb.DuplicateError
	if errors.As(err, &duplicate) {
		return &lineError{b.sources[duplicate.Row].line, duplicate}
	}
	return err
}

// fileError is what is wrong with the file's content, as the field that names it.
func fileError(name string, err error) error {
	var onDisk *os.PathError
	if errors.As(err, &onDisk) {
		return &localError{fmt.Errorf("data.file: %q: %w", name, onDisk.Err)}
	}
	return tables.Refuse("file", name, err.Error())
}

// outcomeOf is how the attempt ends on an error.
func (i *importing) outcomeOf(ctx context.Context, err error) protocol.Outcome {
	var duplicate *lineError
	switch {
	case ctx.Err() != nil: // whatever else it says
	case errors.As(err, &duplicate):
		return i.failDuplicate(duplicate)
	case errors.Is(err, errChanged):
		return protocol.Failure("FileChanged", fmt.Sprintf("data.file: %q: %v: %d records of the former one are imported, and the rest is not",
			i.spec.File, err, i.at.Counts.Imported)).
			WithFriendly("The file was replaced or appended to while it was imported. Submit the new one as a new operation.")
	}
	return tables.Outcome(ctx, err, "ImportInterrupted", friendly)
}

func (i *importing) failDuplicate(e *lineError) protocol.Outcome {
	message := fmt.Sprintf("data.file: %q, line %d: %s; its batch is not imported, the %d rows before it are (up to line %d)",
		i.spec.File, e.line, e.Problem, i.at.Counts.Imported, i.at.File.Lines)
	if name, err := i.rejects.publish(i.at.Rejects); err == nil && name != "" {
		message += fmt.Sprintf("; the rejects are in %q", name)
	}
	return protocol.Failure("Duplicate", message).
		WithFriendly("A record of the file is in the table already. Choose a key and onDuplicate skip or update to import the rest.")
}
