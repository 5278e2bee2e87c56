package mail

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/sqldb"
	"github.com/seriatim-go/seriatim/protocol"
)

// Waits before another attempt that does not count against the type's.
const (
	// waitAfterProgress is behind an attempt that sent some messages before its
	// server was gone or busy.
	waitAfterProgress = 10 * time.Second
	// roundWait is before the deferred recipients' first round, doubled with each.
	roundWait = time.Minute
	// maxRounds is how often recipients whose server says "later" are tried again:
	// after 1, 2, 4, 8 and 16 minutes, as long as greylisting takes.
	maxRounds = 5
)

// run goes through the list: the deferred recipients of earlier attempts first,
// then the entries that none has seen.
func (s *sending) run(ctx context.Context) protocol.Outcome {
	outcome := s.walk(ctx)
	s.state.InFlight = s.doubts
	// What was not committed goes with the outcome. A checkpoint within its bounds
	// has no error.
	_ = s.lock.request.Report(s.progress())
	return outcome
}

func (s *sending) walk(ctx context.Context) protocol.Outcome {
	before := s.state.Next
	var deferred []place
	verified := before == 0
	for p, err := range s.job.places(ctx) {
		switch {
		case ctx.Err() != nil:
			return protocol.Cancellation()
		case err != nil:
			return listUnreadable(err, s.state.Next)
		case p.at < before && slices.Contains(s.state.Deferred, p.at):
			deferred = append(deferred, p)
		}
		var stop *protocol.Outcome
		switch {
		case p.at >= before:
			s.enter(listPart)
			stop = s.deliver(ctx, p)
		case p.at == before-1:
			if verified = slices.Equal(p.digest[:], s.state.Digest); !verified {
				return s.listChanged()
			}
			stop = s.again(ctx, deferred)
		}
		if stop != nil {
			return *stop
		}
	}
	if !verified {
		return s.listChanged()
	}
	return s.end()
}

// again sends to the deferred recipients.
func (s *sending) again(ctx context.Context, deferred []place) *protocol.Outcome {
	s.enter(deferredPart)
	for _, p := range deferred {
		if stop := s.deliver(ctx, p); stop != nil {
			return stop
		}
	}
	if len(s.state.Deferred) == 0 {
		s.state.Round = 0
	}
	return nil
}

// enter begins a part, with a commit before its first message.
func (s *sending) enter(p part) {
	if s.part != p {
		s.part, s.lock.since = p, time.Time{}
	}
}

// end is behind the list.
func (s *sending) end() protocol.Outcome {
	if len(s.state.Deferred) > 0 {
		return s.nextRound()
	}
	c := s.state.counts
	return protocol.Success(result{
		Recipients: s.state.Next,
		Sent:       c.Sent, AlreadySent: s.before,
		Rejected: nonNil(c.Rejected), RejectedCount: c.RejectedCount,
		Duplicates: c.Duplicates, Suppressed: c.Suppressed,
		InDoubt: c.InDoubt, InDoubtCount: c.InDoubtCount,
		Seconds: math.Round(s.now().Sub(s.began).Seconds()*100) / 100,
	})
}

// nextRound waits until the deferred recipients are tried again.
func (s *sending) nextRound() protocol.Outcome {
	wait := roundWait << s.state.Round
	s.state.Round++
	return protocol.Retry("RecipientsDeferred", fmt.Sprintf(
		"%d recipients' server said to try later (round %d of %d); %s", len(s.state.Deferred), s.state.Round, maxRounds, s.so())).
		WithFriendly("Some recipients cannot be reached at the moment. They are tried again.").
		WithDelay(wait).WithoutCounting()
}

// so is how far it is, for messages.
func (s *sending) so() string {
	return fmt.Sprintf("%d sent, %d rejected so far", s.state.Sent, s.state.RejectedCount)
}

// listChanged is that the entries that were gone through are not those of the
// list any more.
func (s *sending) listChanged() protocol.Outcome {
	return protocol.Suspension("ListChanged", fmt.Sprintf(
		"the first %d recipients are not those that earlier attempts had; %s", s.state.Next, s.so())).
		WithFriendly("The list of recipients changed while it was being sent to. Bring the old one back and resume, or cancel and submit the rest as a new operation.")
}

// listUnreadable is that the list cannot be gone through. What can never be is a
// failure before anything was done, and later a person's: the rest of the list
// would be lost.
func listUnreadable(err error, next int) protocol.Outcome {
	const friendly = "The list of recipients cannot be read."
	var field *protocol.FieldError
	var database *sqldb.Error
	outcome := protocol.Retry("ListUnreadable", err.Error()).WithFriendly(friendly)
	switch {
	case errors.As(err, &field):
		outcome = unreadable(err)
	case errors.As(err, &database):
		outcome = database.Outcome().WithFriendly(friendly)
	}
	if outcome.Kind == protocol.OutcomeFailed && next > 0 {
		return protocol.Suspension("ListUnreadable", fmt.Sprintf("%v; %d entries were gone through before", err, next)).
			WithFriendly(friendly + " Some of it was sent to before. Bring it back and resume, or cancel.")
	}
	return outcome
}

// progress is the checkpoint as it is reported.
func (s *sending) progress() activities.Progress {
	return activities.Progress{Checkpoint: s.state, Done: int64(s.state.Next - len(s.state.Deferred)), Note: s.so()}
}
