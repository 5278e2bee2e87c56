// Package csvfile reads separated values as people and programs write them:
// UTF-8, UTF-16 or Windows-1252, with a byte-order mark or without, separated by
// comma, semicolon, tab or bar, with quoted fields that hold line breaks. It reads
// record by record, so that memory does not grow with the file, and can go on at a
// record that was reached before.
package csvfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxRecordBytes is how long one record may be. A longer one is nearly always a
// quote that nobody closed, which would take in the rest of the file.
const MaxRecordBytes = 1 << 20

// Options say how the file is written; what is "" or "auto" is found out.
type Options struct {
	// Encoding is auto, utf-8, utf-16le, utf-16be or windows-1252.
	Encoding string
	// Separator is auto, or one of , ; | and tab.
	Separator string
	// NoHeader says that the first record is data; its columns are "1", "2", ….
	NoHeader bool
	// Columns are those that the header must have.
	Columns []string
}

// Position is how far a file was read, and how.
type Position struct {
	Encoding  string `json:"encoding"`
	Separator string `json:"separator"`
	// Offset is in bytes of the text as UTF-8, behind the byte-order mark.
	Offset int64 `json:"offset"`
	// Lines are those before the offset.
	Lines int `json:"lines"`
}

// Record is one record of the file.
type Record struct {
	// Line is where it begins, from 1.
	Line int
	// Fields are its fields; of a malformed one those before the mistake.
	Fields []string
	// Problem says why it cannot be used; "" if it can.
	Problem string
}

// Reader reads the records of one file.
type Reader struct {
	file   io.ReadSeeker
	source *source
	csv    *csv.Reader
	header []string
	at     Position
	base   Position // where csv began
}

// Open finds out how the file is written, reads its header, and stands before the
// first record. A header without the columns, one that has one of them twice, and
// an encoding or separator that is none are errors that name it; others come from
// the file.
func Open(file io.ReadSeeker, o Options) (*Reader, error) {
	encoding, err := findEncoding(file, o.Encoding)
	if err != nil {
		return nil, err
	}
	r := &Reader{file: file, at: Position{Encoding: encoding}}
	sample, err := r.sample()
	if err != nil {
		return nil, err
	}
	if r.at.Separator, err = findSeparator(sample, o); err != nil {
		return nil, err
	}
	if err := r.seek(Position{Encoding: encoding, Separator: r.at.Separator}); err != nil {
		return nil, err
	}
	return r, r.readHeader(o)
}

// readHeader reads the names of the columns; without them the columns are
// numbered and the file is at its begin again.
func (r *Reader) readHeader(o Options) error {
	start := r.at
	first, err := r.Next()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty")
	case err != nil:
		return err
	case first.Problem != "":
		return fmt.Errorf("line %d: %s", first.Line, first.Problem)
	}
	r.header = make([]string, len(first.Fields))
	for i, name := range first.Fields {
		if r.header[i] = strings.TrimSpace(name); o.NoHeader {
			r.header[i] = fmt.Sprint(i + 1)
		}
	}
	if o.NoHeader {
		err = r.seek(start)
	}
	return errors.Join(err, r.checkColumns(o.Columns))
}

func (r *Reader) checkColumns(columns []string) error {
	var missing, twice []string
	for _, wanted := range columns {
		switch n := count(r.header, wanted); {
		case n == 0:
			missing = append(missing, wanted)
		case n > 1:
			twice = append(twice, wanted)
		}
	}
	switch {
	case missing != nil:
		return fmt.Errorf("the file has no column %s; with separator %q it has %s", quoted(missing), r.at.Separator, quoted(r.header))
	case twice != nil:
		return fmt.Errorf("the file has the column %s more than once", quoted(twice))
	}
	return nil
}

func count(names []string, wanted string) (n int) {
	for _, name := range names {
		if name == wanted {
			n++
		}
	}
	return n
}

// quoted lists names, at most 50 of them.
func quoted(names []string) string {
	list := make([]string, 0, len(names))
	for i, name := range names {
		if i == 50 {
			list = append(list, "…")
			break
		}
		if len(name) > 100 {
			name = strings.ToValidUTF8(name[:100], "") + "…"
		}
		list = append(list, fmt.Sprintf("%q", name))
	}
	return strings.Join(list, ", ")
}

// Header are the names of the columns, in the file's order.
func (r *Reader) Header() []string { return r.header }

// Index is the place of a column in a record's fields.
func (r *Reader) Index(column string) int {
	for i, name := range r.header {
		if name == column {
			return i
		}
	}
	return -1
}

// Position is behind the last record that was read.
func (r *Reader) Position() Position { return r.at }

// BytesRead is how much of the file was read, a buffer ahead of the records.
func (r *Reader) BytesRead() int64 { return r.source.raw }

// Resume goes on behind a record, at a Position of this file.
func (r *Reader) Resume(p Position) error { return r.seek(p) }

// seek begins to read at that place.
func (r *Reader) seek(p Position) error {
	source, err := newSource(r.file, p.Encoding, p.Offset)
	if err != nil {
		return err
	}
	separator, _ := utf8.DecodeRuneInString(p.Separator)
	r.source, r.at, r.base = source, p, p
	r.csv = csv.NewReader(source)
	r.csv.Comma, r.csv.FieldsPerRecord = separator, -1
	return nil
}

// Next is the next record, whether it can be used or not. The error is io.EOF at
// the end; another one ends the reading.
func (r *Reader) Next() (Record, error) {
	r.source.limit = r.csv.InputOffset() + MaxRecordBytes + sourceAhead
	fields, err := r.csv.Read()
	record := Record{Fields: fields}
	var malformed *csv.ParseError
	switch {
	case errors.Is(err, errTooLong):
		return record, fmt.Errorf("line %d: begins a record of more than %d bytes: is there a quote that is not closed?", r.at.Lines+1, MaxRecordBytes)
	case errors.As(err, &malformed):
		record.Line, record.Problem = r.base.Lines+malformed.StartLine, problemOf(malformed)
		r.at.Lines = r.base.Lines + malformed.Line
	case err != nil:
		return record, err
	default:
		record.Line, r.at.Lines = r.linesOf(fields)
		record.Problem = r.check(fields)
	}
	r.at.Offset = r.base.Offset + r.csv.InputOffset()
	return record, nil
}

// linesOf is the line on which a record begins, and the one on which it ends.
func (r *Reader) linesOf(fields []string) (first, last int) {
	first, _ = r.csv.FieldPos(0)
	last, _ = r.csv.FieldPos(len(fields) - 1)
	last += strings.Count(fields[len(fields)-1], "\n")
	return r.base.Lines + first, r.base.Lines + last
}

// check says what is wrong with a record that is well-formed.
func (r *Reader) check(fields []string) string {
	if r.header != nil && len(fields) != len(r.header) {
		return fmt.Sprintf("has %d fields where there are %d columns", len(fields), len(r.header))
	}
	for i, field := range fields {
		if !readable(field, r.at.Encoding) {
			return fmt.Sprintf("%s: has a character that is not %s", r.columnName(i), r.at.Encoding)
		}
		if strings.ContainsRune(field, 0) {
			return r.columnName(i) + ": has a NUL"
		}
	}
	return ""
}

func (r *Reader) columnName(i int) string {
	if i < len(r.header) {
		return r.header[i]
	}
	return fmt.Sprintf("field %d", i+1)
}

func problemOf(e *csv.ParseError) string {
	switch {
	case errors.Is(e.Err, csv.ErrBareQuote):
		return fmt.Sprintf("has a quote in a field that does not begin with one (line %d, byte %d)", e.Line, e.Column)
	case errors.Is(e.Err, csv.ErrQuote):
		return fmt.Sprintf("has a quoted field that does not end where its quote does (line %d, byte %d)", e.Line, e.Column)
	}
	return e.Err.Error()
}
