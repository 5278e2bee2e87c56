package harness

import (
	"fmt"
	"io"
	"time"
)

// Progress says how far a program is.
type Progress struct{ Out io.Writer }

// Say writes one line, with the time of the day before it.
func (p Progress) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
