package mail

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/protocol"
)

// columns say which column of a row is what. All columns are values by their own
// names as well.
type columns struct {
	// To is the address's column, "to" by default, Name that of the name, "name" by
	// default if there is one.
	To   string `json:"to"`
	Name string `json:"name"`
}

// fileOfPeople is a list in a file below files.root.
type fileOfPeople struct {
	// File ends in .csv, with a first row that names the columns, or in .jsonl, with
	// one {"to","name","values"} a line.
	File string `json:"file"`
	// Separator is between the columns of a CSV file; default a comma.
	Separator string `json:"separator"`
	columns
}

// maxLineBytes bounds a line of a .jsonl file.
const maxLineBytes = 1 << 20

// setLists reads where the recipients come from, and those who are not to get
// anything.
func (h *handler) setLists(j *job, d data) error {
	var problems []error
	given := 0
	if len(d.Recipients) > 0 {
		given++
		j.list = inline(d.Recipients)
	}
	if d.RecipientsFile != nil {
		given++
		j.list = d.RecipientsFile.list(h.files, "data.recipientsFile")
		problems = append(problems, d.RecipientsFile.check(h.files, "recipientsFile"))
	}
	if d.RecipientsQuery != nil {
		given++
		list, err := d.RecipientsQuery.list(h.databases)
		j.list = list
		problems = append(problems, err)
	}
	switch {
	case given == 0:
		problems = append(problems, wrong("recipients", "", "are missing, and so are data.recipientsFile and data.recipientsQuery"))
	case given > 1:
		problems = append(problems, wrong("recipients", "", "come from more than one place: give one of recipients, recipientsFile and recipientsQuery"))
	}
	if d.SuppressFile != nil {
		j.unwanted = d.SuppressFile.list(h.files, "data.suppressFile")
		problems = append(problems, d.SuppressFile.check(h.files, "suppressFile"))
	}
	return errors.Join(problems...)
}

// readUnwanted adds the addresses of the file to those that get nothing. An entry
// that is no address is nobody's.
func (j *job) readUnwanted(ctx context.Context) error {
	if j.unwanted == nil {
		return nil
	}
	for r, err := range j.unwanted(ctx) {
		if err != nil {
			return err
		}
		if address, err := parseRecipient(r.To); err == nil {
			j.suppress[keyOf(address)] = true
		}
	}
	return nil
}

// check refuses a description that no file can fit.
func (f *fileOfPeople) check(folder files.Folder, field string) error {
	problems := []error{folder.Check("data."+field+".file", f.File)}
	if ending := path.Ext(f.File); ending != ".csv" && ending != ".jsonl" {
		problems = append(problems, wrong(field+".file", f.File, "does not end in .csv or .jsonl"))
	}
	if f.Separator != "" && (utf8.RuneCountInString(f.Separator) != 1 || strings.ContainsAny(f.Separator, "\"\r\n")) {
		problems = append(problems, wrong(field+".separator", f.Separator, "is not one character between columns"))
	}
	return errors.Join(problems...)
}

// list reads the file from its beginning each time.
func (f *fileOfPeople) list(folder files.Folder, field string) list {
	return func(context.Context) iter.Seq2[recipient, error] {
		return func(yield func(recipient, error) bool) {
			file, err := folder.Read(field+".file", f.File)
			if err != nil {
				yield(recipient{}, err)
				return
			}
			defer func() { _ = file.Close() }()
			if path.Ext(f.File) == ".jsonl" {
				err = eachLine(file, yield)
			} else {
				err = f.eachRow(file, field, yield)
			}
			if err != nil {
				yield(recipient{}, err)
			}
		}
	}
}

// eachLine reads a .jsonl file; the error is nil where yield wants no more.
func eachLine(file io.Reader, yield func(recipient, error) bool) error {
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLineBytes)
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var r recipient
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			r = recipient{To: fmt.Sprintf("line %d", number), problem: fmt.Sprintf("cannot be read: %.150v", err)}
		}
		if !yield(r, nil) {
			return nil
		}
	}
	return lines.Err()
}

// eachRow reads a .csv file; the error is nil where yield wants no more.
func (f *fileOfPeople) eachRow(file io.Reader, field string, yield func(recipient, error) bool) error {
	rows := csv.NewReader(skipMark(file))
	rows.Comma, _ = utf8.DecodeRuneInString(cmp.Or(f.Separator, ","))
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return &protocol.FieldError{Field: field + ".file", Value: fmt.Sprintf("%q", f.File), Problem: "has no first row with the columns' names"}
	} else if err != nil {
		return &protocol.FieldError{Field: field + ".file", Value: fmt.Sprintf("%q", f.File), Problem: err.Error()}
	}
	if err := f.find(header, field); err != nil {
		return err
	}
	for {
		row, err := rows.Read()
		var malformed *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &malformed):
			if !yield(recipient{To: fmt.Sprintf("line %d", malformed.Line), problem: "cannot be read: " + malformed.Err.Error()}, nil) {
				return nil
			}
			continue
		case err != nil:
			return err
		}
		cells := make(map[string]any, len(row))
		for i, cell := range row {
			cells[header[i]] = cell
		}
		if !yield(f.recipient(cells), nil) {
			return nil
		}
	}
}

// skipMark drops the byte order mark with which some programs begin a file.
func skipMark(file io.Reader) io.Reader {
	buffered := bufio.NewReader(file)
	if mark, _ := buffered.Peek(3); string(mark) == "\uFEFF" {
		_, _ = buffered.Discard(3)
	}
	return buffered
}

// find checks that the columns are there.
func (c columns) find(names []string, field string) error {
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	for _, wanted := range []struct{ field, name string }{{"to", cmp.Or(c.To, "to")}, {"name", c.Name}} {
		if wanted.name != "" && !there[wanted.name] {
			return &protocol.FieldError{
				Field: field + "." + wanted.field, Value: fmt.Sprintf("%q", wanted.name),
				Problem: "is not one of the columns, which are [" + strings.Join(names, ", ") + "]",
			}
		}
	}
	return nil
}

// recipient is the one of a row.
func (c columns) recipient(cells map[string]any) recipient {
	text := func(name string) string {
		if value, ok := cells[name]; ok && value != nil {
			return fmt.Sprint(value)
		}
		return ""
	}
	return recipient{To: text(cmp.Or(c.To, "to")), Name: text(cmp.Or(c.Name, "name")), Values: withoutNulls(cells)}
}
