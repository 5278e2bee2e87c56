package verify

import (
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/protocol"
)

// judgeOrder compares an operation that was started to run with the one before.
func (c *Checker) judgeOrder(s Start) {
	if c.head != nil && s.Sequence <= c.head.Sequence && !c.isInPlace(s) && !s.Recovered {
		c.broken(Reordered, fmt.Sprintf("%s was started after %s", name(s.Ref), name(c.head.Ref)), *c.head, s)
	}
	if s.Held != "" {
		c.broken(WhileHeld, fmt.Sprintf("%s was started while its token was held: %s", name(s.Ref), s.Held), s)
	}
}

// judgeLock looks at who held the token's lock, and when.
func (c *Checker) judgeLock(s Start) {
	if h := c.head; h != nil {
		switch closed := h.Execution.Closed; {
		case closed.IsZero():
			c.broken(Overlapped, fmt.Sprintf("%s began while %s had not closed", name(s.Ref), name(h.Ref)), *h, s)
		case s.begins().Add(c.skew).Before(closed):
			c.broken(Overlapped, fmt.Sprintf("%s began %v before %s closed", name(s.Ref), closed.Sub(s.begins()), name(h.Ref)), *h, s)
		}
	}
	c.judgeCalls(s)
	c.standsApart(s)
}

func (c *Checker) judgeCalls(s Start) {
	for i, call := range s.Execution.Calls {
		if i > 0 {
			c.judgeCallBefore(s, s.Execution.Calls[i-1], call)
		}
		if early := call.NotBefore.Sub(call.Scheduled); early > c.skew {
			c.broken(Early, fmt.Sprintf("the handler of %s was scheduled %v before it was due, at %s", name(s.Ref), early, call.NotBefore.Format(time.RFC3339Nano)), s)
		}
		if s.Gated && call.Scheduled.Add(c.skew).Before(s.Turn) {
			c.broken(Overlapped, fmt.Sprintf("the handler of %s was scheduled %v before its turn came", name(s.Ref), s.Turn.Sub(call.Scheduled)), s)
		}
		if call.Held {
			c.broken(WhileHeld, fmt.Sprintf("the handler of %s was scheduled at %s, when it knew its token to be held", name(s.Ref), call.Scheduled.Format(time.RFC3339Nano)), s)
		}
	}
}

// judgeCallBefore compares two calls of one operation's handler: both are in one
// history, or in two that follow each other.
func (c *Checker) judgeCallBefore(s Start, before, call Call) {
	if before.Closed.IsZero() || call.Scheduled.Add(c.skew).Before(before.Closed) {
		c.broken(Overlapped, fmt.Sprintf("the handler of %s was called again at %s, before the call of %s had ended",
			name(s.Ref), call.Scheduled.Format(time.RFC3339Nano), before.Scheduled.Format(time.RFC3339Nano)), s)
	}
}

// Ahead looks at one that was started ahead and still waits for its turn.
func (c *Checker) Ahead(s Start) {
	if len(s.Execution.Calls) > 0 {
		c.broken(Overlapped, fmt.Sprintf("the handler of %s was scheduled before its turn came", name(s.Ref)), s)
	}
}

// standsApart tells of a handler that may have run on after its lock was gone.
func (c *Checker) standsApart(s Start) {
	x := s.Execution
	n := len(x.Calls)
	cutOff := n > 0 && x.Calls[n-1].Closed.IsZero() && !x.Closed.IsZero()
	switch {
	case x.Status == Terminated || x.Status == TimedOut:
		c.report.Counts.Terminated++
		c.apart(WasTerminated, fmt.Sprintf("%s was %s; a handler of it may have run on", name(s.Ref), x.Status), s)
	case x.LockBroken:
		c.report.Counts.LockBroken++
		c.apart(LockBroken, fmt.Sprintf("the handler of %s did not stop in time; its lock was broken, and it may have run on", name(s.Ref)), s)
	case cutOff:
		c.broken(LockLeft, fmt.Sprintf("%s closed while its handler was running", name(s.Ref)), s)
	}
}

// judgeRecord looks at one that ended while it queued.
func (c *Checker) judgeRecord(s Start) {
	if len(s.Execution.Calls) > 0 {
		c.broken(RanAfterEnd, fmt.Sprintf("%s had ended while it queued, and its handler was scheduled", name(s.Ref)), s)
	}
}

func (c *Checker) broken(kind Kind, message string, operations ...Start) {
	c.found(Finding{Kind: kind, Message: message, Operations: participants(operations)})
}

func (c *Checker) found(f Finding) {
	c.report.Violations++
	if len(c.report.Broken) < maxFindings {
		c.report.Broken = append(c.report.Broken, f)
	}
}

func (c *Checker) apart(kind Kind, message string, s Start) {
	if len(c.report.Apart) < maxFindings {
		c.report.Apart = append(c.report.Apart, Finding{Kind: kind, Message: message, Operations: participants([]Start{s})})
	}
}

func participants(starts []Start) (list []Participant) {
	for _, s := range starts {
		list = append(list, Participant{
			Ref: s.Ref, WorkflowID: protocol.OperationWorkflowID(s.ID), RunID: s.Execution.RunID,
			Serializer: s.Serializer, Event: s.Event, Began: s.Execution.Began, Closed: s.Execution.Closed,
		})
	}
	return list
}
