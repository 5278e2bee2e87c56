package mail

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/activities"
)

// Bounds of what a checkpoint carries: it has at most 64 KiB.
const (
	maxListed   = 100 // rejections, each of at most some 500 bytes
	maxDoubts   = 20
	maxDeferred = 500
)

// checkpoint is how far the mailing is.
type checkpoint struct {
	// Started is when the first attempt began, the date of all messages.
	Started time.Time `json:"started"`
	// Next is the entry of the list to go on with, and Digest stands for those
	// before it: a list that changed would be gone through wrongly.
	Next   int    `json:"next"`
	Digest []byte `json:"digest,omitempty"`
	// Deferred are entries before Next whose server said "later", and Round is how
	// often the mailing waited for such.
	Deferred []int `json:"deferred,omitempty"`
	Round    int   `json:"round,omitempty"`
	// InFlight is how many messages of each part may have been sent that are not
	// counted here, the next ones of it. 0 is what an attempt leaves that stopped by
	// itself.
	InFlight [parts]int `json:"inFlight"`
	// RejectedBytes is the length of the file of rejections.
	RejectedBytes int64 `json:"rejectedBytes,omitempty"`

	counts
}

// part is one of the two parts of an attempt's work.
type part int

const (
	deferredPart part = iota
	listPart
	parts = 2
)

// counts are what a checkpoint carries for the result.
type counts struct {
	Sent          int         `json:"sent"`
	Rejected      []rejection `json:"rejected"`
	RejectedCount int         `json:"rejectedCount"`
	Duplicates    int         `json:"duplicates"`
	Suppressed    int         `json:"suppressed"`
	InDoubt       []doubt     `json:"inDoubt"`
	InDoubtCount  int         `json:"inDoubtCount"`
}

// rejection is a recipient who does not get the message.
type rejection struct {
	To string `json:"to"`
	// Code is SMTP's, 0 where this handler refused it.
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// doubt is a message that may have gone out twice.
type doubt struct {
	To        string `json:"to"`
	MessageID string `json:"messageId"`
}

func (c *counts) skip(p place) {
	if p.suppressed {
		c.Suppressed++
	} else {
		c.Duplicates++
	}
}

func (c *counts) reject(to string, code int, reason string) {
	c.RejectedCount++
	if len(c.Rejected) < maxListed {
		if len(to) > maxAddressBytes {
			to = to[:maxAddressBytes] + "…"
		}
		c.Rejected = append(c.Rejected, rejection{to, code, reason})
	}
}

func (c *counts) doubted(to, id string) {
	c.InDoubtCount++
	if len(c.InDoubt) < maxDoubts {
		c.InDoubt = append(c.InDoubt, doubt{to, id})
	}
}

// land takes an entry out of the deferred ones.
func (c *checkpoint) land(at int) {
	c.Deferred = slices.DeleteFunc(c.Deferred, func(deferred int) bool { return deferred == at })
}

// lease is how long a word of the server that the attempt holds its operation is
// relied on. It is well under any heartbeat that a type of this handler should
// have: an attempt loses its lock a heartbeat after its last word.
const lease = time.Second

// leaseTries bounds how often a lease is asked for that ran out on the way, as on
// a machine that is stopped and goes on again.
const leaseTries = 5

// errNoLease is that the server answers too slowly to send by.
var errNoLease = errors.New("the server takes longer to keep a checkpoint than it is good for")

// lock is what an attempt knows of its hold on the operation.
type lock struct {
	request activities.Request
	now     func() time.Time
	since   time.Time // the server's last word was asked for then; zero for never
}

// commit has the server keep the progress and say that the lock is held.
func (l *lock) commit(ctx context.Context, p activities.Progress) error {
	asked := l.now()
	err := l.request.Commit(ctx, p)
	if err == nil {
		l.since = asked
	}
	return err
}

// held says that the server's last word is fresh. Both clocks count: the
// monotonic one stands still while a machine sleeps, the wall's may be set.
func (l *lock) held() bool {
	now := l.now()
	wall := now.Round(0).Sub(l.since.Round(0))
	return !l.since.IsZero() && now.Sub(l.since) < lease && wall < lease && wall > -lease
}
