package sqlimport

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/activities/csvfile"
	"github.com/seriatim-go/seriatim/activities/internal/tables"
	"github.com/seriatim-go/seriatim/activities/sqldb"
)

// Bounds of an import.
const (
	defaultBatchSize = 1000
	maxBatchSize     = 10_000
	maxColumns       = 500
)

// spec is the data of an operation of type import.
type spec struct {
	// File is read, below files.root.
	File string `json:"file"`
	// Connection and Table are where the rows go; the table is there already, and
	// its schema may stand before it with a dot.
	Connection string `json:"connection"`
	Table      string `json:"table"`
	// Columns say which column of the file goes where.
	Columns []column `json:"columns"`
	// Key are columns of the table that are a unique key of it.
	Key []string `json:"key"`
	// OnDuplicate is skip, update or fail, which is the default.
	OnDuplicate sqldb.OnDuplicate `json:"onDuplicate"`
	// Encoding and Separator are found out by default.
	Encoding  string `json:"encoding"`
	Separator string `json:"separator"`
	// Header false says that the first line is data; columns are then "1", "2", ….
	Header *bool `json:"header"`
	// BatchSize is how many records are written at a time, 1..10,000; default 1,000.
	BatchSize int `json:"batchSize"`
	// Rejects is the file for what is not imported; default <file>.rejects.csv.
	Rejects string `json:"rejects"`
	// MaxRejects fails the operation when there are more; without it there is no
	// limit.
	MaxRejects *int64 `json:"maxRejects"`
}

// column is one column of the file and of the table.
type column struct {
	From string `json:"from"`
	// To is the table's; default From.
	To string `json:"to"`
	// Type is text, integer, number, boolean, date or datetime; default text.
	Type string `json:"type"`
	// Format says how the file writes it; what it can be depends on the type.
	Format string `json:"format"`
	// Required rejects a record in which it is empty.
	Required bool `json:"required"`
}

// completed fills in the defaults.
func (s spec) completed() spec {
	s.Columns = slices.Clone(s.Columns)
	for i := range s.Columns {
		c := &s.Columns[i]
		c.To = cmp.Or(c.To, c.From)
		c.Type = cmp.Or(c.Type, "text")
	}
	s.OnDuplicate = cmp.Or(s.OnDuplicate, sqldb.Fail)
	s.BatchSize = cmp.Or(s.BatchSize, defaultBatchSize)
	s.Rejects = cmp.Or(s.Rejects, s.File+".rejects.csv")
	if strings.EqualFold(s.Separator, "tab") {
		s.Separator = "\t"
	}
	return s
}

// check names each field that is wrong. Whether there are such a file, table and
// columns is seen when they are opened.
func (s spec) check() error {
	var problems []error
	bad := func(field, value, problem string) {
		problems = append(problems, tables.Refuse(field, value, problem))
	}
	if s.Table == "" {
		bad("table", "", "is missing: name the table that the rows go to")
	}
	if n := len(s.Columns); n == 0 || n > maxColumns {
		bad("columns", fmt.Sprint(n), fmt.Sprintf("has to have 1..%d entries", maxColumns))
	}
	problems = append(problems, s.checkColumns(), s.checkKey())
	if s.Encoding != "" && !slices.Contains(csvfile.Encodings, strings.ToLower(s.Encoding)) {
		bad("encoding", s.Encoding, "is not one of "+strings.Join(csvfile.Encodings, ", "))
	}
	if s.Separator != "" && !slices.Contains(csvfile.Separators, s.Separator) {
		bad("separator", s.Separator, fmt.Sprintf("is not one of %q", csvfile.Separators))
	}
	if s.BatchSize < 1 || s.BatchSize > maxBatchSize {
		bad("batchSize", fmt.Sprint(s.BatchSize), fmt.Sprintf("is not in 1..%d", maxBatchSize))
	}
	if s.Rejects == s.File {
		bad("rejects", s.Rejects, "is the file that is imported")
	}
	if s.MaxRejects != nil && *s.MaxRejects < 0 {
		bad("maxRejects", fmt.Sprint(*s.MaxRejects), "is negative")
	}
	return errors.Join(problems...)
}

func (s spec) checkColumns() error {
	var problems []error
	seen := make(map[string]bool)
	for i, c := range s.Columns {
		field := fmt.Sprintf("columns[%d].", i)
		switch {
		case c.From == "":
			problems = append(problems, tables.Refuse(field+"from", "", "is missing: name a column of the file"))
		case seen[c.To]:
			problems = append(problems, tables.Refuse(field+"to", c.To, "is written by another column already"))
		}
		seen[c.To] = true
		if _, problem := parserOf(c); problem != nil {
			problem.Field = "data." + field + problem.Field
			problems = append(problems, problem)
		}
	}
	return errors.Join(problems...)
}

func (s spec) checkKey() error {
	var problems []error
	switch s.OnDuplicate {
	case sqldb.Fail:
	case sqldb.Skip, sqldb.Update:
		if len(s.Key) == 0 {
			problems = append(problems, tables.Refuse("key", "", fmt.Sprintf("is missing: onDuplicate %q needs the columns of a unique key", s.OnDuplicate)))
		}
	default:
		problems = append(problems, tables.Refuse("onDuplicate", string(s.OnDuplicate), "is not one of skip, update, fail"))
	}
	for i, key := range s.Key {
		if !slices.ContainsFunc(s.Columns, func(c column) bool { return c.To == key }) {
			problems = append(problems, tables.Refuse(fmt.Sprintf("key[%d]", i), key, "is not one of the columns' \"to\""))
		}
	}
	return errors.Join(problems...)
}

// froms are the columns of the file.
func (s spec) froms() []string {
	froms := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		froms[i] = c.From
	}
	return froms
}
