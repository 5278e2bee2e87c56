// Package files is the files that operations name: below one configured folder,
// and nothing outside it, whatever a name or a link says (SPEC 9.3).
package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/seriatim-go/seriatim/protocol"
)

// Folder is the configured folder. Its zero value is none: each file is refused
// with the setting that is missing.
type Folder struct{ root *os.Root }

// Open opens the folder; "" is none. The error names the setting.
func Open(root string) (Folder, error) {
	if root == "" {
		return Folder{}, nil
	}
	opened, err := os.OpenRoot(root)
	if err != nil {
		return Folder{}, fmt.Errorf("files.root: %w", err)
	}
	return Folder{root: opened}, nil
}

// Close closes the folder.
func (f Folder) Close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// Check refuses a name that is not one of a file below the folder. The error is a
// *protocol.FieldError for that field of an operation's data.
func (f Folder) Check(field, name string) error {
	problem := ""
	switch {
	case f.root == nil:
		problem = "names a file, and the worker's configuration has no files.root: set it to the folder of such files"
	case name == "":
		problem = "is missing: name a file below files.root"
	case path.IsAbs(name) || filepath.IsAbs(name):
		problem = "is absolute: name a file below files.root"
	case strings.ContainsAny(name, "\\\x00"):
		problem = `has a "\" or a NUL: separate folders with "/"`
	case !filepath.IsLocal(name) || path.Clean(name) == ".":
		problem = "is not the name of a file below files.root"
	default:
		return nil
	}
	return refusal(field, name, problem)
}

// Read opens a file for reading. A name that is refused, a file that is not there
// and a link that leads outside are a *protocol.FieldError; other errors may pass.
func (f Folder) Read(field, name string) (*os.File, error) {
	if err := f.Check(field, name); err != nil {
		return nil, err
	}
	info, err := f.root.Stat(name)
	switch {
	case err != nil:
		return nil, explain(field, name, err)
	case !info.Mode().IsRegular(): // a pipe would not even open
		return nil, refusal(field, name, "is not a file")
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, explain(field, name, err)
	}
	return file, nil
}

// Write opens a file for reading and writing, as it is or empty, and makes the
// folders above it. Errors are those of Read.
func (f Folder) Write(field, name string) (*os.File, error) {
	if err := f.Check(field, name); err != nil {
		return nil, err
	}
	if folder := path.Dir(name); folder != "." {
		if err := f.root.MkdirAll(folder, 0o755); err != nil {
			return nil, explain(field, name, err)
		}
	}
	file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, explain(field, name, err)
	}
	return file, nil
}

// Rename gives a file another name, whose file is replaced at once.
func (f Folder) Rename(field, from, to string) error {
	for _, name := range []string{from, to} {
		if err := f.Check(field, name); err != nil {
			return err
		}
	}
	return explain(field, to, f.root.Rename(from, to))
}

// List are the names of what is in a folder below the root, "." for itself.
func (f Folder) List(field, name string) ([]string, error) {
	if name != "." {
		if err := f.Check(field, name); err != nil {
			return nil, err
		}
	}
	entries, err := fs.ReadDir(f.root.FS(), path.Clean(name))
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names, explain(field, name, err)
}

// Remove removes a file; one that is not there is no error.
func (f Folder) Remove(field, name string) error {
	if err := f.Check(field, name); err != nil {
		return err
	}
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain(field, name, err)
	}
	return nil
}

// explain tells what the name causes from what may pass. The folder's own place
// is not shown.
func explain(field, name string, err error) error {
	var at *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return gone{refusal(field, name, "is not there below files.root"), fs.ErrNotExist}
	case errors.Is(err, fs.ErrPermission):
		return refusal(field, name, "may not be opened by the worker")
	case errors.As(err, &at) && strings.Contains(at.Err.Error(), "escapes from parent"):
		return refusal(field, name, "leads outside of files.root")
	case errors.As(err, &at):
		return fmt.Errorf("%s: %q: %w", field, name, at.Err)
	}
	return fmt.Errorf("%s: %q: %w", field, name, err)
}

// gone is a refusal that errors.Is finds to be fs.ErrNotExist.
type gone struct{ refusal, cause error }

func (g gone) Error() string   { return g.refusal.Error() }
func (g gone) Unwrap() []error { return []error{g.refusal, g.cause} }

func refusal(field, name, problem string) error {
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	value := ""
	if name != "" {
		value = fmt.Sprintf("%q", name)
	}
	return &protocol.FieldError{Field: field, Value: value, Problem: problem}
}
