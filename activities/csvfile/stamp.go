package csvfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"time"
)

// Stamp tells a file from what it was before, so that a Position is not used in
// another one.
type Stamp struct {
	Size     int64  `json:"size"`
	Modified string `json:"modified"`
	Begin    string `json:"begin"` // of its first 64 KiB
}

// StampOf is the file's stamp as it is now.
func StampOf(file *os.File) (Stamp, error) {
	info, err := file.Stat()
	if err != nil {
		return Stamp{}, err
	}
	begin := make([]byte, sampleBytes)
	n, err := file.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Stamp{}, err
	}
	sum := sha256.Sum256(begin[:n])
	return Stamp{info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano), hex.EncodeToString(sum[:8])}, nil
}
