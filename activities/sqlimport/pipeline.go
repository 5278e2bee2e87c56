package sqlimport

import (
	"context"
	"errors"
	"io"

	"github.com/seriatim-go/seriatim/activities/csvfile"
)

// batch is a part of the file, parsed and transformed.
type batch struct {
	rows    [][]any
	sources []source // of the rows
	rejects []reject // in the order of the file
	parsed  int64    // records that are well-formed
	behind  csvfile.Position
	bytes   int64 // of the file, read so far
	last    bool
	err     error // ends the reading
}

// source is the record that a row came from.
type source struct {
	line   int
	fields []string
}

// records parses (3) and transforms (4) one part of the file while the one before
// it is imported (5). It ends with the last part, with an error, or with ctx.
func records(ctx context.Context, reader *csvfile.Reader, t transformer, size int) <-chan batch {
	parts := make(chan batch, 1)
	go func() {
		defer close(parts)
		for {
			b := next(reader, t, size)
			select {
			case parts <- b:
			case <-ctx.Done():
				return
			}
			if b.last || b.err != nil {
				return
			}
		}
	}()
	return parts
}

// next reads so many records.
func next(reader *csvfile.Reader, t transformer, size int) (b batch) {
	b.rows, b.sources = make([][]any, 0, size), make([]source, 0, size)
	for range size {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			b.last = true
			break
		}
		if err != nil {
			b.err = err
			return b
		}
		b.add(t, record)
	}
	b.behind, b.bytes = reader.Position(), reader.BytesRead()
	return b
}

func (b *batch) add(t transformer, record csvfile.Record) {
	from := source{record.Line, record.Fields}
	if record.Problem != "" {
		b.rejects = append(b.rejects, reject{from, record.Problem})
		return
	}
	b.parsed++
	row, problem := t.row(record.Fields)
	if problem != "" {
		b.rejects = append(b.rejects, reject{from, problem})
		return
	}
	b.rows, b.sources = append(b.rows, row), append(b.sources, from)
}
