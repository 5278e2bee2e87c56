package sqlimport

import (
	"cmp"
	"fmt"
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/seriatim-go/seriatim/activities/csvfile"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// parser reads one field that is not empty; problem says why it cannot.
type parser func(text string) (value any, problem string)

// parserOf is the parser of a column's type and format. The error has the field
// of the column that is wrong.
func parserOf(c column) (parser, *protocol.FieldError) {
	switch c.Type {
	case "text":
		return textParser(c.Format)
	case "integer":
		return numberParser(c.Format, parseInteger)
	case "number":
		return numberParser(c.Format, parseNumber)
	case "boolean":
		return booleanParser(c.Format)
	case "date":
		return timeParser(c.Format, "2006-01-02", []string{"2006-01-02"})
	case "datetime":
		return timeParser(c.Format, "2006-01-02T15:04:05.999999Z07:00",
			[]string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"})
	}
	return nil, formatError("type", c.Type, "is not one of text, integer, number, boolean, date, datetime")
}

func formatError(field, value, problem string) *protocol.FieldError {
	return &protocol.FieldError{Field: field, Value: fmt.Sprintf("%q", value), Problem: problem}
}

func textParser(format string) (parser, *protocol.FieldError) {
	switch format {
	case "":
		return func(text string) (any, string) { return text, "" }, nil
	case "email":
		return parseEmail, nil
	}
	return nil, formatError("format", format, `of a text is "email" or absent`)
}

// parseEmail takes an address of its own, without a name before it.
func parseEmail(text string) (any, string) {
	text = strings.TrimSpace(text)
	address, err := mail.ParseAddress(text)
	if err != nil || address.Address != text || len(text) > 254 {
		return nil, "is not an e-mail address"
	}
	if _, host, _ := strings.Cut(text, "@"); !strings.Contains(host, ".") {
		return nil, "is not an e-mail address: its domain has no dot"
	}
	return text, ""
}

// numberParser reads numbers with a point, or with the format "," with a comma
// and thousands apart: 1.234,5 and 1 234,5.
func numberParser(format string, parse parser) (parser, *protocol.FieldError) {
	switch format {
	case "", ".":
		return func(text string) (any, string) { return parse(strings.TrimSpace(text)) }, nil
	case ",":
		return func(text string) (any, string) {
			plain, ok := fromComma(strings.TrimSpace(text))
			if !ok {
				return nil, "is not a number with a decimal comma"
			}
			return parse(plain)
		}, nil
	}
	return nil, formatError("format", format, `of a number is "." or ","`)
}

var (
	commaForm   = regexp.MustCompile(`^[+-]?(\d+|\d{1,3}([. \x{a0}\x{202f}']\d{3})+)(,\d+)?$`)
	commaToDot  = strings.NewReplacer(".", "", " ", "", "\u00a0", "", "\u202f", "", "'", "", ",", ".")
	decimalForm = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$`)
)

func fromComma(text string) (string, bool) {
	return commaToDot.Replace(text), commaForm.MatchString(text)
}

func parseInteger(text string) (any, string) {
	whole, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, "is not a whole number of 64 bits"
	}
	return whole, ""
}

func parseNumber(text string) (any, string) {
	if !decimalForm.MatchString(text) {
		return nil, "is not a number"
	}
	return sqldb.Number(text), ""
}

// booleanParser reads the usual words, or the two of the format "yes/no".
func booleanParser(format string) (parser, *protocol.FieldError) {
	words := map[string]bool{
		"true": true, "t": true, "yes": true, "y": true, "1": true,
		"false": false, "f": false, "no": false, "n": false, "0": false,
	}
	if format != "" {
		yes, no, found := strings.Cut(strings.ToLower(format), "/")
		if !found || yes == "" || no == "" || yes == no {
			return nil, formatError("format", format, `of a boolean is two words: "yes/no"`)
		}
		words = map[string]bool{yes: true, no: false}
	}
	return func(text string) (any, string) {
		value, known := words[strings.ToLower(strings.TrimSpace(text))]
		if !known {
			return nil, "is not true or false"
		}
		return value, ""
	}, nil
}

// layoutOf turns DD.MM.YYYY HH:mm:ss into Go's form.
var layoutOf = strings.NewReplacer("YYYY", "2006", "YY", "06", "MM", "01", "DD", "02", "M", "1", "D", "2",
	"HH", "15", "mm", "04", "ss", "05")

// timeParser reads dates of the format, or of the forms of ISO 8601; out is how
// they are written to the database.
func timeParser(format, out string, layouts []string) (parser, *protocol.FieldError) {
	if format != "" {
		layout := layoutOf.Replace(format)
		if layout == format || !strings.Contains(layout, "06") {
			return nil, formatError("format", format, "of a date is made of YYYY, MM, DD, HH, mm, ss and what stands between them")
		}
		layouts = []string{layout}
	}
	return func(text string) (any, string) {
		text = strings.TrimSpace(text)
		for _, layout := range layouts {
			if at, err := time.Parse(layout, text); err == nil {
				return at.Format(out), ""
			}
		}
		return nil, "is not a date of the form " + cmp.Or(format, "of ISO 8601")
	}, nil
}

// transformer turns records of the file into rows of the table.
type transformer struct {
	columns []column
	parsers []parser
	at      []int // the places of the columns in a record
}

func newTransformer(s spec, reader *csvfile.Reader) transformer {
	t := transformer{columns: s.Columns}
	for _, c := range s.Columns {
		parse, _ := parserOf(c) // checked with the data
		t.parsers = append(t.parsers, parse)
		t.at = append(t.at, reader.Index(c.From))
	}
	return t
}

// row is the record as a row, or what is wrong with it: the first mistake, by the
// name of its column and with its value.
func (t transformer) row(fields []string) (row []any, problem string) {
	row = make([]any, len(t.columns))
	for i, c := range t.columns {
		text := fields[t.at[i]]
		if strings.TrimSpace(text) == "" {
			if c.Required {
				return nil, c.From + ": is empty"
			}
			continue
		}
		value, problem := t.parsers[i](text)
		if problem != "" {
			return nil, fmt.Sprintf("%s: %s (got %s)", c.From, problem, shown(text))
		}
		row[i] = value
	}
	return row, ""
}

func shown(text string) string {
	if len(text) > 64 {
		text = strings.ToValidUTF8(text[:64], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}
