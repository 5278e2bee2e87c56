package protocol

import (
	"fmt"
	"math/bits"
	"time"
)

// Progress is how far a handler says that its work is, as its last heartbeat
// told it.
type Progress struct {
	// Done of Total units of work are done, in the handler's own units; Total is 0
	// where it is not known.
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"`
	// Percent of the work is done, 0..100, rounded down; absent where Total does
	// not tell.
	Percent *int `json:"percent,omitempty"`
	// Note is for people.
	Note string `json:"note,omitempty"`
	// ReportedOn is when the server heard of it.
	ReportedOn *time.Time `json:"reportedOn,omitempty"`
}

// Progress is what a heartbeat tells people; nil where it tells nothing, as one
// that only shows that the handler is alive. A note over its limit, as another
// language may send it, is cut.
func (h Heartbeat) Progress(reportedOn *time.Time) *Progress {
	if h.Done == 0 && h.Total == 0 && h.Note == "" {
		return nil
	}
	return &Progress{
		Done: h.Done, Total: h.Total, Percent: percent(h.Done, h.Total),
		Note: cutAtRune(h.Note, MaxNoteBytes), ReportedOn: reportedOn,
	}
}

// percent is nil for what is no part of a whole.
func percent(done, total int64) *int {
	if done < 0 || total <= 0 || done > total {
		return nil
	}
	high, low := bits.Mul64(uint64(done), 100)
	part, _ := bits.Div64(high, low, uint64(total))
	rounded := int(part)
	return &rounded
}

// String is the progress in a few words, such as "40 of 100 (40 %), invoices".
func (p Progress) String() string {
	text := fmt.Sprintf("%d done", p.Done)
	switch {
	case p.Percent != nil:
		text = fmt.Sprintf("%d of %d (%d %%)", p.Done, p.Total, *p.Percent)
	case p.Total > 0:
		text = fmt.Sprintf("%d of %d", p.Done, p.Total)
	case p.Done == 0 && p.Note != "":
		return p.Note
	}
	if p.Note != "" {
		text += ", " + p.Note
	}
	return text
}

// sentence says the same, and when that was.
func (p Progress) sentence() string {
	text := "its handler told how far it is"
	if p.ReportedOn != nil {
		text += " at " + stamp(*p.ReportedOn)
	}
	return text + ": " + p.String()
}
