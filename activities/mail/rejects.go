package mail

import (
	"encoding/json"
	"os"

	"github.com/seriatim-go/seriatim/activities/files"
)

// rejects is the file of all rejections, one JSON object a line. A line is written
// before the checkpoint that counts it, and what is behind the checkpoint's length
// is written again.
type rejects struct {
	file *os.File // nil for none
	size int64
}

// openRejects opens the file and cuts it to the length that the checkpoint knows.
func openRejects(folder files.Folder, name string, size int64) (rejects, error) {
	file, err := folder.Write("data.rejectedFile", name)
	if err != nil {
		return rejects{}, err
	}
	if err := file.Truncate(size); err != nil {
		_ = file.Close()
		return rejects{}, err
	}
	return rejects{file, size}, nil
}

// add writes one line.
func (r *rejects) add(p place, code int, reason string) error {
	if r.file == nil {
		return nil
	}
	line, err := json.Marshal(struct {
		At int `json:"at"`
		rejection
	}{p.at, rejection{p.shown(), code, reason}})
	if err != nil {
		return err
	}
	n, err := r.file.WriteAt(append(line, '\n'), r.size)
	r.size += int64(n)
	return err
}

func (r *rejects) close() {
	if r.file != nil {
		_ = r.file.Close()
	}
}
