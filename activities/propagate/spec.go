package propagate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seriatim-go/seriatim/activities/internal/tables"
	"github.com/seriatim-go/seriatim/activities/sqldb"
)

// Bounds of a propagation.
const (
	defaultBatchSize = 1000
	maxBatchSize     = 10_000
)

// spec is the data of an operation of type activity.propagation.
type spec struct {
	// Campaign is what the activities belong to.
	Campaign string `json:"campaign"`
	// Activity are the columns of each record beside campaign and member, with one
	// value for all: a string, a number, true, false or null.
	Activity map[string]json.RawMessage `json:"activity"`
	Members  people                     `json:"members"`
	// Exclusions are members that get no activity; absent is none.
	Exclusions *people `json:"exclusions"`
	Target     target  `json:"target"`
	// BatchSize is how many members are written at a time, 1..10,000; default 1,000.
	BatchSize int `json:"batchSize"`
}

// people are members, from a database or from a file.
type people struct {
	// Connection and Query select one column, the member.
	Connection string `json:"connection"`
	Query      string `json:"query"`
	// File and Column are of a file of separated values.
	File   string `json:"file"`
	Column string `json:"column"`
	// Encoding and Separator of the file are found out by default.
	Encoding  string `json:"encoding"`
	Separator string `json:"separator"`
}

// target is the table of the activities. It has a unique key of the campaign's and
// the member's column.
type target struct {
	Connection string `json:"connection"`
	Table      string `json:"table"`
	// Campaign and Member are its columns; default "campaign" and "member".
	Campaign string `json:"campaign"`
	Member   string `json:"member"`
}

func (s spec) completed() spec {
	s.Target.Campaign = cmp.Or(s.Target.Campaign, "campaign")
	s.Target.Member = cmp.Or(s.Target.Member, "member")
	s.BatchSize = cmp.Or(s.BatchSize, defaultBatchSize)
	return s
}

// check names each field that is wrong.
func (s spec) check() error {
	problems := []error{s.Members.check("members")}
	bad := func(field, value, problem string) {
		problems = append(problems, tables.Refuse(field, value, problem))
	}
	if s.Campaign == "" {
		bad("campaign", "", "is missing: name what the activities belong to")
	}
	if s.Target.Table == "" {
		bad("target.table", "", "is missing: name the table of the activities")
	}
	if s.Target.Campaign == s.Target.Member {
		bad("target.member", s.Target.Member, "is the campaign's column")
	}
	for _, name := range []string{s.Target.Campaign, s.Target.Member} {
		if value, there := s.Activity[name]; there {
			bad("activity."+name, string(value), "is set by the propagation")
		}
	}
	if s.BatchSize < 1 || s.BatchSize > maxBatchSize {
		bad("batchSize", fmt.Sprint(s.BatchSize), fmt.Sprintf("is not in 1..%d", maxBatchSize))
	}
	if s.Exclusions != nil {
		problems = append(problems, s.Exclusions.check("exclusions"))
	}
	_, _, err := s.constants()
	return errors.Join(append(problems, err)...)
}

// check refuses what is neither a query nor a file.
func (p people) check(field string) error {
	switch {
	case (p.Query == "") == (p.File == ""):
		return tables.Refuse(field, "", "needs either connection and query, or file and column")
	case p.File != "" && p.Column == "":
		return tables.Refuse(field+".column", "", "is missing: name the file's column of members")
	case p.File != "" && p.Connection != "":
		return tables.Refuse(field+".connection", p.Connection, "has no meaning with a file")
	case p.File != "":
		return nil
	}
	query := p.statement()
	word := strings.ToUpper(strings.FieldsFunc(query+" .", func(r rune) bool { return strings.ContainsRune(" \t\r\n(", r) })[0])
	switch {
	case word != "SELECT" && word != "WITH":
		return tables.Refuse(field+".query", p.Query, "is not a SELECT")
	case strings.Contains(query, ";"):
		return tables.Refuse(field+".query", p.Query, `has a ";": one statement is run`)
	}
	return nil
}

// statement is the query without what may end it.
func (p people) statement() string {
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(p.Query), ";"))
}

// constants are the activity's columns in the order of their names, and their
// values.
func (s spec) constants() (names []string, values []any, err error) {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(s.Activity)) {
		value, err := scalar(s.Activity[name])
		if err != nil {
			problems = append(problems, tables.Refuse("activity."+name, string(s.Activity[name]), err.Error()))
		}
		names, values = append(names, name), append(values, value)
	}
	return names, values, errors.Join(problems...)
}

func scalar(raw json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	switch value := value.(type) {
	case nil, string, bool:
		return value, nil
	case json.Number:
		return sqldb.Number(value), nil
	}
	return nil, errors.New("is not a string, a number, true, false or null")
}
