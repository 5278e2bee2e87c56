package protocol

import (
	"fmt"
	"time"
)

// Situation is an operation with what is around it.
type Situation struct {
	Record Record
	// Hold and Failure are what holds its token, if anything.
	Hold    *Hold
	Failure *FailureHold
	// Blocker is the operation at the head of its token, where it queues behind
	// one; its state is as far as it is known.
	Blocker *Record
	// NextAttempt is when the engine tries again, where it waits for that.
	NextAttempt *time.Time
	// Progress is how far its handler says that it is, where it said so.
	Progress *Progress
	// Stop keeps its type's handlers from starting, if anything does.
	Stop *Stop
}

// Explanation says in words why an operation is where it is (SPEC 8.4).
type Explanation struct {
	// Why are sentences: first what state it is in and what it waits for, then who
	// asked for what.
	Why []string `json:"why"`
	// Next is what happens next if nobody does anything, and NextOn when, where
	// that is known.
	Next   string     `json:"next"`
	NextOn *time.Time `json:"nextOn,omitempty"`
	// Allowed are the actions that may be asked of it now.
	Allowed []Action `json:"allowedActions,omitempty"`
}

// Explain says why an operation is where it is, what happens next, and what may
// be done about it.
func Explain(s Situation) Explanation {
	r := s.Record
	e := Explanation{Allowed: AllowedTo(r.StatusCode, r.Restrictions)}
	e.Why = append(e.Why, s.state())
	switch {
	case r.StatusCode.Terminal():
		e.Next = "nothing: it is Completed and never changes again"
	case r.Recurs() && r.StatusCode == WaitingForResources:
		e.Next = "its next occurrence is computed"
	case r.Position > 0 || r.StatusCode == WaitingForResources:
		e.Why = append(e.Why, s.tokenHold()...)
		e.Next, e.NextOn = s.nextOfReady()
	case r.StatusCode == Waiting:
		if r.Gated {
			e.Why = append(e.Why, r.turn())
		}
		e.Why = append(e.Why, s.tokenHold()...)
		e.Next, e.NextOn = s.nextOfSuspended()
	case r.Recurs():
		e.Next = "it goes on when occurrence " + OccurrenceID(r.ID, r.Occurrence) + " has ended"
	default:
		e.Next = nextOfLocked[r.StatusCode]
	}
	if r.Recurs() {
		e.Why = append(e.Why, r.recurs()...)
		e.Allowed = r.allowedOfRecurring(e.Allowed)
	}
	if p := s.Progress; p != nil {
		e.Why = append(e.Why, p.sentence())
	}
	if s.Stop != nil && !r.StatusCode.Terminal() {
		e.Why = append(e.Why, s.Stop.sentence())
		if r.StatusCode == WaitingForResources && r.Position == 0 {
			e.Next, e.NextOn = "its handler starts once handlers are started again", nil
		}
	}
	if taken := r.LastAction; taken != nil {
		e.Why = append(e.Why, taken.String())
	}
	if d := r.Deadline; d != nil && r.N == 0 && !r.StatusCode.Terminal() {
		e.Why = append(e.Why, fmt.Sprintf("it ends Canceled if it has not started by its deadline %s", stamp(*d)))
	}
	return e
}

// sentence tells a stop.
func (s Stop) sentence() string {
	what := "all handlers"
	if s.OperationType != "" {
		what = "handlers of " + s.OperationType
	}
	text := fmt.Sprintf("%s are stopped since %s", what, stamp(s.On))
	if s.Identity != "" {
		text += " by " + s.Identity
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// state is the first sentence.
func (s Situation) state() string {
	r := s.Record
	head := fmt.Sprintf("it is %s (%s)", r.StateCode, r.StatusCode)
	switch {
	case r.StatusCode == Failed || r.StatusCode == Canceled:
		return head + because(r)
	case r.StatusCode == Waiting && r.Position == 0:
		return head + ": " + s.wait()
	case r.Position > 0:
		return head + ": " + s.queued()
	case r.Recurs() && r.StatusCode.State() == Locked:
		return fmt.Sprintf("%s: its occurrence %q is open", head, OccurrenceID(r.ID, r.Occurrence))
	case r.Recurs() && r.StatusCode == WaitingForResources:
		return head + ": its next occurrence is about to be known"
	case r.Gated && r.StatusCode == WaitingForResources:
		return head + ": " + r.turn()
	case r.StatusCode == WaitingForResources:
		return head + ": it waits for a worker to take it"
	case r.StatusCode.State() == Locked && r.HostID != "":
		return fmt.Sprintf("%s by worker %s", head, r.HostID)
	}
	return head
}

// recurs is what a recurring operation's rule means, and what became of it so far.
func (r Record) recurs() (why []string) {
	text := "it recurs"
	if rule, err := ParseRecurrence(r.RecurrencePattern); err == nil {
		text += " " + rule.String()
	}
	switch r.Occurrence {
	case 0:
		text += "; no occurrence has begun"
	case 1:
		text += "; one occurrence has begun"
	default:
		text += fmt.Sprintf("; %d occurrences have begun", r.Occurrence)
	}
	why = append(why, text)
	if last := r.LastOccurrence; last != nil {
		text := fmt.Sprintf("occurrence %q ended %s at %s", last.ID, last.StatusCode, stamp(last.On))
		if last.Message != "" {
			text += ": " + last.Message
		}
		why = append(why, text)
	}
	return why
}

// allowedOfRecurring adds what only a recurring operation takes: its occurrence,
// while one is open, may be resumed by it.
func (r Record) allowedOfRecurring(allowed []Action) []Action {
	switch {
	case r.StatusCode.Terminal(), r.StatusCode == Canceling:
		return allowed
	case r.StatusCode.State() == Locked:
		allowed = append(allowed, ActionResume)
	}
	return append(allowed, ActionSetRecurrence)
}

// because is what an operation's end says of itself.
func because(r Record) string {
	switch {
	case r.ErrorCode == "" && r.Message == "":
		return ""
	case r.ErrorCode == "":
		return ": " + r.Message
	}
	return fmt.Sprintf(": %s %s", r.ErrorCode, r.Message)
}

// wait is what a Suspended operation waits for.
func (s Situation) wait() string {
	r := s.Record
	switch r.SuspendReason {
	case SuspendPaused:
		return "it is paused"
	case SuspendError:
		return "its handler asked for a person" + because(r)
	case SuspendRetrying:
		return "its handler is called again" + because(r)
	case SuspendNextOccurrence:
		return "it waits for its next occurrence"
	}
	if r.PostponeUntil == nil {
		return "its own workflow knows for what" // nobody could be asked
	}
	return "it is postponed" + until(r.PostponeUntil)
}

// turn is what one that was started ahead of its turn waits for.
func (r Record) turn() string {
	if r.BlockedBy == "" {
		return "it waits for its turn in the queue of its token"
	}
	return fmt.Sprintf("it waits for its turn in the queue of its token, which stood still at operation %q when this one was started", r.BlockedBy)
}

// queued is what one that waits in its token's queue waits for.
func (s Situation) queued() string {
	r := s.Record
	text := fmt.Sprintf("it is number %d in the queue of its token", r.Position)
	if r.SuspendReason == SuspendPostponed {
		text += ", postponed" + until(r.PostponeUntil)
	}
	if r.BlockedBy == "" {
		return text
	}
	text += fmt.Sprintf(", behind operation %q", r.BlockedBy)
	if r.BlockedSince != nil {
		text += fmt.Sprintf(", which has been the head since %s", stamp(*r.BlockedSince))
	}
	if s.Blocker != nil && s.Blocker.ID == r.BlockedBy {
		text += " and is " + s.Blocker.StatusCode.String()
		if s.Blocker.StatusCode == Waiting {
			text += ": " + Situation{Record: *s.Blocker, NextAttempt: s.NextAttempt}.wait()
		}
	}
	return text
}

// tokenHold is why its token starts nothing.
func (s Situation) tokenHold() (why []string) {
	if s.Failure != nil {
		why = append(why, "its token is "+s.Failure.String())
	}
	if s.Hold != nil {
		why = append(why, "its token is "+s.Hold.String())
	}
	return why
}

// String says until when, since when, by whom and why, after "the token is".
func (h Hold) String() string {
	text := "held"
	if h.Until != nil {
		text += until(h.Until)
	}
	return text + asked(h.On, h.Identity, h.Reason)
}

// String says since when and what to do, after "the token is".
func (f FailureHold) String() string {
	return fmt.Sprintf("held since operation %q failed at %s: rerun or skip that operation, or release the token", f.OperationID, stamp(f.On))
}

// String is the action in a sentence.
func (t Taken) String() string {
	return "the last action was " + string(t.Action) + asked(t.On, t.Identity, t.Reason)
}

// asked is when, by whom and why something was asked for.
func asked(on time.Time, identity, reason string) string {
	text := ", asked for at " + stamp(on)
	if identity != "" {
		text += " by " + identity
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// nextOfReady is what becomes of one that waits for its turn, or for a worker.
func (s Situation) nextOfReady() (next string, on *time.Time) {
	r := s.Record
	switch {
	case s.Failure != nil:
		return "it stays where it is until its token's failure is dealt with", nil
	case s.Hold != nil && s.Hold.Until == nil:
		return "it stays where it is until its token is released", nil
	case s.Hold != nil:
		return "its token is released by itself", s.Hold.Until
	case r.Position > 1 || r.BlockedBy != "" || r.Gated:
		return "it starts when all before it are Completed", nil
	case r.SuspendReason == SuspendPostponed:
		return "it becomes Ready by itself", r.PostponeUntil
	}
	return "a worker takes it", nil
}

// nextOfSuspended is what becomes of one that has started and waits.
func (s Situation) nextOfSuspended() (next string, on *time.Time) {
	r := s.Record
	switch r.SuspendReason {
	case SuspendPaused:
		return "it stays paused until it is resumed", nil
	case SuspendError:
		return "it waits until it is resumed", nil
	case SuspendRetrying:
		if s.NextAttempt != nil {
			return "its handler is called again", s.NextAttempt
		}
		return "its handler is called again", r.PostponeUntil
	case SuspendNextOccurrence:
		return "its next occurrence begins", r.PostponeUntil
	}
	return "it becomes Ready by itself", r.PostponeUntil
}

// nextOfLocked is what becomes of one that a worker holds.
var nextOfLocked = map[StatusCode]string{
	InProgress: "it ends when its handler does",
	Pausing:    "it is Suspended once its handler has stopped",
	Canceling:  "it ends once its handler has stopped, or its lock is broken",
}

func until(at *time.Time) string {
	if at == nil {
		return ""
	}
	return " until " + stamp(*at)
}

// stamp is an instant as people are shown it.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
