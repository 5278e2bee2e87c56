package sqlimport

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/protocol"
)

// reject is a record that is not imported, and why.
type reject struct {
	source
	reason string
}

// rejects writes the file of rejects. Each attempt writes a part file of its own,
// which begins with what the attempts before it committed: a handler that was
// stopped and wakes can only write to its own. The last one becomes the file, by
// one rename.
type rejects struct {
	folder files.Folder
	name   string // of the file
	part   string // of this attempt
	file   *os.File
	bytes  int64
}

const rejectsField = "data.rejects"

// openRejects goes on behind the bytes that an earlier attempt's part had when
// its last batch was committed.
func openRejects(folder files.Folder, name, operationID string, fence protocol.Fence, before rejected) (*rejects, error) {
	if err := folder.Check(rejectsField, name); err != nil {
		return nil, err
	}
	r := &rejects{folder: folder, name: name, part: partPrefix(name, operationID) + fence.String() + partSuffix}
	if before.Bytes == 0 {
		return r, nil
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	if r.part != before.Part {
		if err := r.copyFrom(before); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	r.bytes = before.Bytes
	return r, nil
}

const partSuffix = ".part"

// partPrefix is of one operation: its id may have any character.
func partPrefix(name, operationID string) string {
	sum := sha256.Sum256([]byte(operationID))
	return name + "." + hex.EncodeToString(sum[:4]) + "-"
}

func (r *rejects) open() (err error) {
	if r.file == nil {
		r.file, err = r.folder.Write(rejectsField, r.part)
	}
	return err
}

func (r *rejects) copyFrom(before rejected) error {
	earlier, err := r.folder.Read(rejectsField, before.Part)
	if err != nil {
		return fmt.Errorf("the rejects of an earlier attempt: %w", err)
	}
	defer func() { _ = earlier.Close() }()
	n, err := io.CopyN(r.file, earlier, before.Bytes)
	if err != nil {
		return fmt.Errorf("the rejects of an earlier attempt: %q has %d of %d bytes: %w", before.Part, n, before.Bytes, err)
	}
	return r.file.Sync()
}

// write appends the records behind what is committed, and waits until they are on
// the disk. They count as soon as the transaction that names their end does.
func (r *rejects) write(header []string, list []reject) (rejected, error) {
	if len(list) == 0 {
		return r.committed(), nil
	}
	if err := r.open(); err != nil {
		return rejected{}, err
	}
	var text bytes.Buffer
	writer := csv.NewWriter(&text)
	if r.bytes == 0 {
		_ = writer.Write(append([]string{"line", "reason"}, header...))
	}
	for _, one := range list {
		_ = writer.Write(append([]string{strconv.Itoa(one.line), one.reason}, one.fields...))
	}
	writer.Flush() // a buffer takes everything
	if err := r.file.Truncate(r.bytes); err != nil {
		return rejected{}, err
	}
	if _, err := r.file.WriteAt(text.Bytes(), r.bytes); err != nil {
		return rejected{}, err
	}
	return rejected{Part: r.part, Bytes: r.bytes + int64(text.Len())}, r.file.Sync()
}

// committed is what the next transaction says if there is nothing to add.
func (r *rejects) committed() rejected {
	if r.bytes == 0 {
		return rejected{}
	}
	return rejected{Part: r.part, Bytes: r.bytes}
}

// keep takes what was written as committed.
func (r *rejects) keep(now rejected) { r.bytes = now.Bytes }

// publish gives the part that was committed last the file's name, which it
// answers, and removes the others; "" is no rejects. It may be repeated.
func (r *rejects) publish(last rejected) (string, error) {
	name := ""
	if last.Bytes > 0 {
		name = r.name
		if err := r.truncate(last); err != nil {
			return "", err
		}
		err := r.folder.Rename(rejectsField, last.Part, r.name)
		if err != nil && !isGone(err) { // it was renamed before
			return "", err
		}
	}
	return name, r.clean()
}

// truncate drops what was written behind the last commit.
func (r *rejects) truncate(last rejected) error {
	file, err := r.folder.Read(rejectsField, last.Part)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = file.Close()
	if file, err = r.folder.Write(rejectsField, last.Part); err != nil {
		return err
	}
	return errors.Join(file.Truncate(last.Bytes), file.Close())
}

// isGone says that the refusal is of a file that is not there.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// clean removes the parts of this operation's attempts.
func (r *rejects) clean() error {
	folder := path.Dir(r.name)
	names, err := r.folder.List(rejectsField, folder)
	if err != nil {
		return err
	}
	prefix := strings.TrimSuffix(r.part, partSuffix)
	prefix = path.Base(prefix[:strings.LastIndex(prefix, "-")+1])
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, partSuffix) {
			if err := r.folder.Remove(rejectsField, path.Join(folder, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
