package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// all reads the file's records, each as "line: fields" or "line! problem".
func all(t testing.TB, content string, o Options) ([]string, *Reader, error) {
	t.Helper()
	r, err := Open(strings.NewReader(content), o)
	if err != nil {
		return nil, nil, err
	}
	list, err := rest(r)
	return list, r, err
}

func rest(r *Reader) (list []string, err error) {
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		if record.Problem != "" {
			list = append(list, fmt.Sprintf("%d! %s", record.Line, record.Problem))
		} else {
			list = append(list, fmt.Sprintf("%d: %s", record.Line, strings.Join(record.Fields, "/")))
		}
	}
}

func encoded(t testing.TB, name, text string) string {
	t.Helper()
	out, err := decoders[name].NewEncoder().String(text)
	require.NoError(t, err)
	return out
}

func TestDialects(t *testing.T) {
	t.Parallel()
	const text = "name;city\nJörg;Köln\nZoë;\"a;b\"\n"
	want := []string{"2: Jörg/Köln", "3: Zoë/a;b"}
	for name, c := range map[string]struct {
		content             string
		encoding, separator string
		want                []string
	}{
		"UTF-8":                           {text, "utf-8", ";", want},
		"UTF-8 with a mark":               {"\xEF\xBB\xBF" + text, "utf-8", ";", want},
		"Windows-1252":                    {encoded(t, windowsName, text), "windows-1252", ";", want},
		"UTF-16 little endian and a mark": {"\xFF\xFE" + encoded(t, utf16leName, text), "utf-16le", ";", want},
		"UTF-16 little endian":            {encoded(t, utf16leName, text), "utf-16le", ";", want},
		"UTF-16 big endian and a mark":    {"\xFE\xFF" + encoded(t, utf16beName, text), "utf-16be", ";", want},
		"UTF-16 big endian":               {encoded(t, utf16beName, text), "utf-16be", ";", want},
		"commas":                          {"name,city\na,b\n", "utf-8", ",", []string{"2: a/b"}},
		"tabs":                            {"name\tcity\na,x\tb\n", "utf-8", "\t", []string{"2: a,x/b"}},
		"bars":                            {"name|city\na|b\n", "utf-8", "|", []string{"2: a/b"}},
		"commas in a header of semicolons": {
			"name;city;a,b,c,d\na;b;c\n", "utf-8", ";", []string{"2: a/b/c"},
		},
		"a quoted header":           {"\"name\",\"city\"\na,b\n", "utf-8", ",", []string{"2: a/b"}},
		"spaces around names":       {" name , city\na,b\n", "utf-8", ",", []string{"2: a/b"}},
		"line breaks of Windows":    {"name,city\r\na,b\r\nc,d\r\n", "utf-8", ",", []string{"2: a/b", "3: c/d"}},
		"no line break at the end":  {"name,city\na,b", "utf-8", ",", []string{"2: a/b"}},
		"empty lines":               {"name,city\n\na,b\n\n\nc,d\n", "utf-8", ",", []string{"3: a/b", "6: c/d"}},
		"line breaks in quotes":     {"name,city\n\"a\nb\n\",c\nd,e\n", "utf-8", ",", []string{"2: a\nb\n/c", "5: d/e"}},
		"quotes in quotes":          {"name,city\n\"a \"\"b\"\"\",c\n", "utf-8", ",", []string{"2: a \"b\"/c"}},
		"a letter late in the file": {"name,city\n" + strings.Repeat("a,b\n", 40_000) + "\xE4,b\n", "windows-1252", ",", nil},
		"a character over a boundary": {
			"name,city\n" + strings.Repeat("a", sampleBytes-11) + "é,b\n", "utf-8", ",", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, r, err := all(t, c.content, Options{Columns: []string{"name", "city"}})
			require.NoError(t, err)
			require.Equal(t, c.encoding, r.Position().Encoding)
			require.Equal(t, c.separator, r.Position().Separator)
			if c.want != nil {
				require.Equal(t, c.want, list)
			}
		})
	}
}

// A record that is malformed costs itself only, and is named by its line.
func TestMalformedRecordsAreNamedByTheirLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"too few fields":           {"a,b\n1\n2,3\n", []string{"2! has 1 fields where there are 2 columns", "3: 2/3"}},
		"too many fields":          {"a,b\n1,2,3\n2,3\n", []string{"2! has 3 fields where there are 2 columns", "3: 2/3"}},
		"a quote in the middle":    {"a,b\n1\"x,2\n2,3\n", []string{"2! has a quote in a field that does not begin with one (line 2, byte 2)", "3: 2/3"}},
		"text behind a quote":      {"a,b\n\"1\"x,2\n2,3\n", []string{"2! has a quoted field that does not end where its quote does (line 2, byte 3)", "3: 2/3"}},
		"after quoted line breaks": {"a,b\n\"1\n2\"x,2\n2,3\n", []string{"2! has a quoted field that does not end where its quote does (line 3, byte 2)", "4: 2/3"}},
		"a byte that is not UTF-8": {"a,b\n1,\xFF\n2,3\n", []string{"2! b: has a character that is not utf-8", "3: 2/3"}},
		"a NUL":                    {"a,b\n1,x\x00y\n2,3\n", []string{"2! b: has a NUL", "3: 2/3"}},
		"a quote that never ends":  {"a,b\n2,3\n\"1,2\n3,4\n", []string{"2: 2/3", "3! has a quoted field that does not end where its quote does (line 4, byte 5)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, _, err := all(t, c.content, Options{Encoding: "utf-8"})
			require.NoError(t, err)
			require.Equal(t, c.want, list)
		})
	}
}

func TestAQuoteThatNeverEndsDoesNotTakeTheMemory(t *testing.T) {
	t.Parallel()
	content := "a,b\n1,2\n\"3,4\n" + strings.Repeat("5,6\n", MaxRecordBytes)
	r, err := Open(strings.NewReader(content), Options{Encoding: "utf-8", Separator: ","})
	require.NoError(t, err)
	list, err := rest(r)
	require.Equal(t, []string{"2: 1/2"}, list)
	require.ErrorContains(t, err, "line 3: begins a record of more than 1048576 bytes")
	require.Less(t, r.BytesRead(), int64(2*MaxRecordBytes))
}

func TestFilesThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		options Options
		problem string
	}{
		"empty":                 {"", Options{}, "the file is empty"},
		"a mark alone":          {"\xEF\xBB\xBF", Options{}, "the file is empty"},
		"a missing column":      {"a,b\n", Options{Columns: []string{"a", "c"}}, `the file has no column "c"; with separator "," it has "a", "b"`},
		"a column twice":        {"a,b,a\n", Options{Columns: []string{"a"}}, `the file has the column "a" more than once`},
		"an unknown encoding":   {"a\n", Options{Encoding: "ebcdic"}, `the encoding "ebcdic" is not one of`},
		"an unknown separator":  {"a\n", Options{Separator: "/"}, `the separator "/" is not one of`},
		"a malformed header":    {"a\"b,c\n", Options{}, "line 1: has a quote"},
		"a number out of range": {"a,b\n", Options{NoHeader: true, Columns: []string{"3"}}, `the file has no column "3"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := all(t, c.content, c.options)
			require.ErrorContains(t, err, c.problem)
		})
	}
}

func TestWithoutAHeaderColumnsAreNumbered(t *testing.T) {
	t.Parallel()
	list, r, err := all(t, "x;y\nz;\n", Options{NoHeader: true, Columns: []string{"2"}})
	require.NoError(t, err)
	require.Equal(t, []string{"1: x/y", "2: z/"}, list)
	require.Equal(t, 1, r.Index("2"))
}

// SPEC 6.5: a reader that goes on at a position reads what the first one would
// have read, wherever that is and however the file is written.
func TestResumedReadersReadTheSame(t *testing.T) {
	t.Parallel()
	fields := rapid.SampledFrom([]string{"", "a", "ä", "x;y", "two\nlines", "\r\n", `"quoted"`, "€", "  ", strings.Repeat("long", 2000)})
	breaks := rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"})
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		text.WriteString("a;b" + breaks.Draw(t, "break"))
		for range rapid.IntRange(0, 12).Draw(t, "records") {
			for n := range rapid.IntRange(1, 3).Draw(t, "fields") {
				if n > 0 {
					text.WriteString(";")
				}
				field := fields.Draw(t, "field")
				if rapid.Bool().Draw(t, "quoted") {
					field = `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
				}
				text.WriteString(field)
			}
			text.WriteString(breaks.Draw(t, "break"))
		}
		content := []byte(text.String())
		name := rapid.SampledFrom([]string{utf8Name, utf16leName, utf16beName, windowsName}).Draw(t, "encoding")
		if decoder := decoders[name]; decoder != nil {
			var err error
			content, err = decoder.NewEncoder().Bytes(content)
			require.NoError(t, err)
		}
		if rapid.Bool().Draw(t, "mark") {
			content = append([]byte(marks[name]), content...)
		}
		options := Options{Encoding: name, Separator: ";"}
		whole, err := Open(bytes.NewReader(content), options)
		require.NoError(t, err)
		for {
			at := whole.Position()
			resumed, err := Open(bytes.NewReader(content), options)
			require.NoError(t, err)
			require.NoError(t, resumed.Resume(at))
			expected, expectedErr := whole.Next()
			got, gotErr := resumed.Next()
			// The place within a line is counted from where the reading began.
			require.Equal(t, expected, got)
			require.Equal(t, expectedErr, gotErr)
			require.Equal(t, whole.Position(), resumed.Position())
			if expectedErr != nil {
				require.ErrorIs(t, expectedErr, io.EOF)
				return
			}
		}
	})
}
