package opclient

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/seriatim-go/seriatim/protocol"
)

// JSONLines reads one operation a line. Make one with ReadJSONLines.
type JSONLines struct {
	reader *bufio.Reader
	line   int
	err    error
}

// ReadJSONLines reads operations from r, one JSON object a line; blank lines are
// skipped. It is strict: a line that is no operation, has a field that is not
// one of an operation (SPEC 1.3), breaks a limit, or is longer than 256 KiB
// yields an Item with Err set, and reading goes on. After the last item, ask
// Err.
func ReadJSONLines(r io.Reader) *JSONLines {
	return &JSONLines{reader: bufio.NewReaderSize(r, 64<<10)}
}

// Err is the failure that ended reading, nil at the end of the input.
func (j *JSONLines) Err() error { return j.err }

// All yields the operations, with the numbers of their lines from 1.
func (j *JSONLines) All() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for {
			line, tooLong, err := j.next()
			if err != nil && !errors.Is(err, io.EOF) {
				j.err = fmt.Errorf("read line %d: %w", j.line, err)
				return
			}
			if item, ok := j.item(line, tooLong); ok && !yield(item) {
				return
			}
			if err != nil {
				return
			}
		}
	}
}

// next reads a line, keeping no more of it than an operation may have.
func (j *JSONLines) next() (line []byte, tooLong bool, err error) {
	j.line++
	for {
		part, err := j.reader.ReadSlice('\n')
		if !tooLong {
			line = append(line, part...)
		}
		if len(bytes.TrimRight(line, "\r\n")) > protocol.MaxOperationBytes {
			line, tooLong = nil, true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

// item reads a line as an operation; ok is false for a blank one.
func (j *JSONLines) item(line []byte, tooLong bool) (item Item, ok bool) {
	item.Line = j.line
	if tooLong {
		item.Err = &protocol.FieldError{
			Field: "operation", Problem: fmt.Sprintf("has more than %d bytes", protocol.MaxOperationBytes),
		}
		return item, true
	}
	if j.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return item, false
	}
	var unknown []string
	item.Operation, unknown, item.Err = protocol.DecodeOperation(line)
	item.Err = errors.Join(item.Err, protocol.RefuseUnknown(unknown))
	return item, true
}
