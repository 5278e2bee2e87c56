package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seriatim-go/seriatim/protocol"
)

// printable makes text that others wrote safe to show on a terminal, in one
// line: what does not print, such as a control or a direction character, is
// escaped.
func printable(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unprintable(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// printableLines keeps line breaks and indents what follows them.
func printableLines(text, indent string) string {
	lines := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = printable(strings.TrimRight(line, "\r"))
	}
	return strings.Join(lines, "\n"+indent)
}

// longestValue is how much of a payload is shown to a person, in bytes.
const longestValue = 1000

// unescaped undoes what encoding/json does for browsers. A backslash that is
// escaped itself begins nothing.
var unescaped = strings.NewReplacer(`\\`, `\\`, `\u003c`, "<", `\u003e`, ">", `\u0026`, "&")

// payload is one as people read it; of a long one it is the beginning.
func payload(raw json.RawMessage) string {
	text := unescaped.Replace(string(raw))
	if len(text) <= longestValue {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes; -o json shows them all)", strings.ToValidUTF8(text[:longestValue], ""), len(raw))
}

// instant is a time as people and scripts read it, empty for none.
func instant(at *time.Time) string {
	if at == nil || at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// pair is one line of a description.
type pair struct{ name, value string }

// writePairs writes a description, names aligned, empty values left out.
func writePairs(w io.Writer, pairs []pair) {
	const width = 16
	for _, p := range pairs {
		if p.value != "" {
			fmt.Fprintf(w, "%-*s%s\n", width, p.name, printableLines(p.value, strings.Repeat(" ", width)))
		}
	}
}

// counted is a count in a sentence.
type counted struct {
	count int
	name  string
}

// countsAfter is the counts that are not 0, each after a comma.
func countsAfter(counts []counted) string {
	var b strings.Builder
	for _, c := range counts {
		if c.count > 0 {
			fmt.Fprintf(&b, ", %d %s", c.count, c.name)
		}
	}
	return b.String()
}

// table is text in aligned columns.
type table struct {
	header []string
	rows   [][]string
	// status is the column that is coloured, -1 for none.
	status int
}

// write leaves out columns in which nothing stands.
func (t *table) write(w io.Writer, colored bool) {
	widths := make([]int, len(t.header))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, title := range t.header {
		if widths[i] > 0 || len(t.rows) == 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(title))
		}
	}
	t.line(w, t.header, widths, false)
	for _, row := range t.rows {
		t.line(w, row, widths, colored)
	}
}

func (t *table) line(w io.Writer, row []string, widths []int, colored bool) {
	var b strings.Builder
	for i, cell := range row {
		if widths[i] == 0 {
			continue
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
		if colored && i == t.status {
			cell = paint(cell)
		}
		b.WriteString(cell + pad)
	}
	fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
}

// paint colours a status.
func paint(status string) string {
	color := map[string]string{
		protocol.Succeeded.String(): "32", protocol.Failed.String(): "31", protocol.Canceled.String(): "33",
		protocol.InProgress.String(): "36", protocol.Waiting.String(): "35",
	}[status]
	if color == "" {
		return status
	}
	return "\x1b[" + color + "m" + status + "\x1b[0m"
}
