package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Auto has an option found out.
const Auto = "auto"

// Encodings of a file.
const (
	utf8Name    = "utf-8"
	utf16leName = "utf-16le"
	utf16beName = "utf-16be"
	windowsName = "windows-1252"
)

// Encodings and Separators are what Options may say, beside "".
var (
	Encodings  = []string{Auto, utf8Name, utf16leName, utf16beName, windowsName}
	Separators = []string{Auto, ",", ";", "\t", "|"}
)

// decoders are the encodings that are not UTF-8.
var decoders = map[string]encoding.Encoding{
	utf16leName: unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	utf16beName: unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	windowsName: charmap.Windows1252,
}

// marks are the byte-order marks by encoding.
var marks = map[string]string{utf8Name: "\xEF\xBB\xBF", utf16leName: "\xFF\xFE", utf16beName: "\xFE\xFF"}

const (
	sampleBytes = 64 << 10
	// sourceAhead is how much the parser reads before it needs it.
	sourceAhead = 16 << 10
)

// findEncoding is the encoding that was asked for, else what the mark says, else
// what the bytes can be: UTF-16 has a NUL in nearly each second one, UTF-8 is
// hardly ever anything else, and the rest is Windows-1252. For that the whole file
// is read once: its first letter with an accent may be the last one.
func findEncoding(file io.ReadSeeker, asked string) (string, error) {
	asked = strings.ToLower(asked)
	if asked != "" && asked != Auto {
		if !slices.Contains(Encodings, asked) {
			return "", fmt.Errorf("the encoding %q is not one of %s", asked, strings.Join(Encodings, ", "))
		}
		return asked, nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	reader := bufio.NewReaderSize(file, sampleBytes)
	sample, err := reader.Peek(sampleBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	for _, name := range []string{utf8Name, utf16leName, utf16beName} {
		if bytes.HasPrefix(sample, []byte(marks[name])) {
			return name, nil
		}
	}
	if name := wide(sample); name != "" {
		return name, nil
	}
	valid, err := isUTF8(reader)
	if err == nil && !valid {
		return windowsName, nil
	}
	return utf8Name, err
}

// wide says which UTF-16 the bytes look like.
func wide(sample []byte) string {
	var zeros [2]int
	for i, b := range sample {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch enough := max(1, len(sample)/2*2/5); { // two fifths of the pairs: also Greek has spaces and separators
	case zeros[1] >= enough && zeros[0] < zeros[1]/4:
		return utf16leName
	case zeros[0] >= enough && zeros[1] < zeros[0]/4:
		return utf16beName
	}
	return ""
}

func isUTF8(reader *bufio.Reader) (bool, error) {
	buffer, kept := make([]byte, sampleBytes), 0
	for {
		n, err := reader.Read(buffer[kept:])
		whole := wholeRunes(buffer[:kept+n])
		if !utf8.Valid(buffer[:whole]) {
			return false, nil
		}
		kept = copy(buffer, buffer[whole:kept+n])
		switch {
		case errors.Is(err, io.EOF):
			return kept == 0, nil
		case err != nil:
			return false, err
		}
	}
}

// wholeRunes is how many bytes there are before a character whose end is still to
// be read.
func wholeRunes(b []byte) int {
	for back := 1; back <= min(3, len(b)); back++ {
		if at := len(b) - back; utf8.RuneStart(b[at]) {
			if !utf8.FullRune(b[at:]) {
				return at
			}
			break
		}
	}
	return len(b)
}

// readable says that each character of the field was one of the encoding.
func readable(field, encoding string) bool {
	if encoding == utf8Name {
		return utf8.ValidString(field)
	}
	return !strings.ContainsRune(field, utf8.RuneError)
}

// source is a file's text as UTF-8, from a place on.
type source struct {
	text  io.Reader
	raw   int64 // of the file
	read  int64 // of the text
	limit int64 // of the text
}

var errTooLong = errors.New("the record is too long")

// newSource stands at that byte of the text, behind the byte-order mark.
func newSource(file io.ReadSeeker, encoding string, offset int64) (*source, error) {
	begin, err := behindMark(file, encoding)
	if err != nil {
		return nil, err
	}
	s := &source{limit: sampleBytes}
	if decoder := decoders[encoding]; decoder != nil {
		s.raw = begin
		s.text = decoder.NewDecoder().Reader(counted{file, &s.raw})
		_, err = io.CopyN(io.Discard, s.text, offset)
		return s, err
	}
	s.raw, err = file.Seek(begin+offset, io.SeekStart)
	s.text = counted{file, &s.raw}
	return s, err
}

// behindMark stands behind the byte-order mark, if there is one.
func behindMark(file io.ReadSeeker, encoding string) (int64, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	mark := marks[encoding]
	begin := make([]byte, len(mark))
	n, err := io.ReadFull(file, begin)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	if string(begin[:n]) != mark {
		mark = ""
	}
	return file.Seek(int64(len(mark)), io.SeekStart)
}

// Read reads no further than the limit, which the reader of records moves on.
func (s *source) Read(p []byte) (int, error) {
	if s.read >= s.limit {
		return 0, errTooLong
	}
	n, err := s.text.Read(p)
	s.read += int64(n)
	return n, err
}

type counted struct {
	io.Reader
	n *int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	return n, err
}
