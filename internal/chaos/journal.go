package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// journal is a log of JSON lines that survives the process that writes it: each
// line is on disk before write returns.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

func openJournal(path string) (*journal, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{file: file}, nil
}

func (j *journal) write(line any) error {
	encoded, err := json.Marshal(line)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(encoded, '\n')); err != nil {
		return err
	}
	return j.file.Sync()
}

func (j *journal) close() { _ = j.file.Close() }

// readJournal reads what was written. A last line without an end was cut by the
// death of its writer, who then did not go on.
func readJournal[T any](path string) (lines []T, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for number := 1; ; number++ {
		line, rest, complete := bytes.Cut(content, []byte("\n"))
		if !complete {
			return lines, nil
		}
		var read T
		if err := json.Unmarshal(line, &read); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		lines, content = append(lines, read), rest
	}
}
