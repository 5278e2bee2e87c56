package csvfile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// sample is the begin of the file's text.
func (r *Reader) sample() (string, error) {
	s, err := newSource(r.file, r.at.Encoding, 0)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(s.text, sampleBytes))
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return string(text), nil
}

// findSeparator is the one that was asked for, else the one with which the first
// record has the most of the columns that are needed, and of those with which it
// has the most fields.
func findSeparator(sample string, o Options) (string, error) {
	if o.Separator != "" && o.Separator != Auto {
		if !slices.Contains(Separators, o.Separator) {
			return "", fmt.Errorf("the separator %q is not one of %q", o.Separator, Separators)
		}
		return o.Separator, nil
	}
	best, found, most := ",", -1, -1
	for _, candidate := range Separators[1:] {
		fields := firstRecord(sample, candidate)
		has := 0
		for _, name := range fields {
			if slices.Contains(o.Columns, strings.TrimSpace(name)) {
				has++
			}
		}
		if has > found || has == found && len(fields) > most {
			best, found, most = candidate, has, len(fields)
		}
	}
	return best, nil
}

func firstRecord(sample, separator string) []string {
	reader := csv.NewReader(strings.NewReader(sample))
	reader.Comma, _ = utf8.DecodeRuneInString(separator)
	fields, err := reader.Read()
	if err != nil {
		return nil
	}
	return fields
}
