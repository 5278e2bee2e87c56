package mail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// refusedInARow is how many recipients a server may refuse from the beginning of
// a mailing, and how many it may defer in a row, before that is taken to be about
// the mailing and not about them.
const refusedInARow = 20

// reportedABeat is how many entries that get nothing go by between two reports.
const reportedABeat = 100

// maxTries is how often one attempt sends a message whose connection breaks.
const maxTries = 2

// sending is one attempt.
type sending struct {
	job   *job
	state checkpoint
	lock  lock
	talk  conversation
	// rejects is the file of rejections; its zero value is none.
	rejects rejects
	now     func() time.Time

	began  time.Time
	before int  // messages that earlier attempts sent
	part   part // what is being sent
	// doubts are how many of the next messages of each part may have been sent
	// before, uncounted.
	doubts [parts]int

	uncommitted int // messages since the last commit
	refusals    int // server's, in a row
	deferrals   int // in a row
}

func newSending(j *job, r activities.Request, state checkpoint, now func() time.Time) *sending {
	return &sending{
		job: j, state: state, now: now, lock: lock{request: r, now: now}, talk: conversation{server: j.server},
		began: now(), before: state.Sent, part: deferredPart, doubts: state.InFlight,
	}
}

// open reads what is beside the list, and goes on with the file of rejections where
// the checkpoint left it.
func (s *sending) open(ctx context.Context) *protocol.Outcome {
	err := s.job.readUnwanted(ctx)
	if err == nil && s.job.rejected != "" {
		s.rejects, err = openRejects(s.job.files, s.job.rejected, s.state.RejectedBytes)
	}
	if err != nil {
		return stopped(listUnreadable(err, s.state.Next))
	}
	return nil
}

// close ends the conversation and closes the file.
func (s *sending) close() {
	s.talk.close()
	s.rejects.close()
}

// deliver does one entry of the list and goes behind it, or says why the attempt
// ends before.
func (s *sending) deliver(ctx context.Context, p place) *protocol.Outcome {
	m, problem := s.job.prepare(p)
	switch {
	case p.skipped():
		s.state.skip(p)
		return s.behind(p)
	case problem != "":
		return s.reject(p, 0, problem)
	}
	for tries := 1; ; tries++ {
		if s.job.server.limit.Wait(ctx) != nil {
			<-ctx.Done() // it is, or will be before this message's turn
			return stopped(protocol.Cancellation())
		}
		if a := s.talk.ensure(ctx); a.kind != accepted {
			return s.take(ctx, p, a)
		}
		if stop := s.hold(ctx); stop != nil {
			return stop
		}
		a := s.talk.say(s.job.message(m, s.state.Started))
		if a.inDoubt {
			s.doubts[s.part] = max(s.doubts[s.part], 1)
		}
		// A server may close a connection after so many messages, or a while. A
		// message in doubt is sent again, with the same Message-ID.
		if again := a.wasUsed || a.inDoubt; a.kind != broken || !again || tries == maxTries {
			return s.take(ctx, p, a)
		}
	}
}

// hold waits until the server has said that this attempt still holds the operation:
// one that was stopped for a while must not go on beside another (SPEC 2.2).
// Between its answer and the message nothing waits.
func (s *sending) hold(ctx context.Context) *protocol.Outcome {
	for range leaseTries {
		switch {
		case ctx.Err() != nil:
			return stopped(protocol.Cancellation())
		case s.lock.held():
			return nil
		}
		if stop := s.commit(ctx); stop != nil {
			return stop
		}
	}
	return s.notKept(errNoLease)
}

func (s *sending) commit(ctx context.Context) *protocol.Outcome {
	s.state.InFlight = s.doubts
	s.state.InFlight[s.part] = max(s.doubts[s.part], s.job.every)
	if err := s.lock.commit(ctx, s.progress()); err != nil {
		return s.notKept(err)
	}
	s.uncommitted = 0
	return nil
}

// notKept ends an attempt that does not know that it holds its operation.
func (s *sending) notKept(err error) *protocol.Outcome {
	code := "CheckpointNotKept"
	if errors.Is(err, activities.ErrLockLost) {
		code = "LockLost"
	}
	return stopped(protocol.Retry(code, fmt.Sprintf("%v; %s", err, s.so())))
}

// take goes by the server's answer.
func (s *sending) take(ctx context.Context, p place, a answer) *protocol.Outcome {
	switch a.kind {
	case accepted:
		return s.accept(ctx, p)
	case rejected:
		if s.refusals++; s.refusals >= refusedInARow && s.state.Sent == 0 {
			return s.everybodyRefused(a)
		}
		return s.reject(p, a.code, a.reason)
	case later:
		return s.putOff(p, a)
	case refused:
		return stopped(s.personNeeded(a))
	case interrupted:
		return stopped(protocol.Cancellation())
	}
	return stopped(s.tryAgain(a))
}

// accept counts a message that the server took and has that kept.
func (s *sending) accept(ctx context.Context, p place) *protocol.Outcome {
	s.state.Sent++
	s.refusals, s.deferrals = 0, 0
	if s.doubts[s.part] > 0 {
		s.doubts[s.part]--
		s.state.doubted(p.address, messageID(s.job.operation, p.address, s.job.from.Address))
	}
	s.advance(p)
	if s.uncommitted++; s.uncommitted < s.job.every {
		return nil
	}
	return s.commit(ctx)
}

// reject reports a recipient who does not get the message.
func (s *sending) reject(p place, code int, reason string) *protocol.Outcome {
	s.state.reject(p.shown(), code, reason)
	if err := s.rejects.add(p, code, reason); err != nil {
		return stopped(protocol.Retry("RejectedFileNotWritten", fmt.Sprintf("%v; %s", err, s.so())))
	}
	s.state.RejectedBytes = s.rejects.size
	return s.behind(p)
}

// behind goes behind an entry to which nothing was sent.
func (s *sending) behind(p place) *protocol.Outcome {
	s.advance(p)
	if p.at%reportedABeat == 0 || !p.skipped() {
		_ = s.lock.request.Report(s.progress())
	}
	return nil
}

// advance moves the checkpoint behind the entry.
func (s *sending) advance(p place) {
	if s.part == deferredPart {
		s.state.land(p.at)
		return
	}
	s.state.Next, s.state.Digest = p.at+1, p.digest[:]
}

// putOff keeps an entry for a later round, or gives it up.
func (s *sending) putOff(p place, a answer) *protocol.Outcome {
	if s.part == deferredPart {
		if s.state.Round < maxRounds {
			return nil
		}
		return s.reject(p, a.code, fmt.Sprintf("%s (given up after %d rounds)", a.reason, maxRounds))
	}
	s.state.Deferred = append(s.state.Deferred, p.at)
	s.advance(p)
	if s.deferrals++; s.deferrals >= refusedInARow || len(s.state.Deferred) >= maxDeferred {
		return stopped(s.nextRound())
	}
	_ = s.lock.request.Report(s.progress())
	return nil
}

// everybodyRefused begins the mailing again when a person has looked: nobody has
// got anything.
func (s *sending) everybodyRefused(a answer) *protocol.Outcome {
	n := s.refusals
	s.state = checkpoint{Started: s.state.Started}
	s.doubts = [parts]int{}
	return stopped(protocol.Suspension("EverybodyRefused", fmt.Sprintf(
		"connection %q: the first %d recipients were refused, the last with: %s", s.job.server.Name, n, a.reason)).
		WithFriendly("The mail server refuses every recipient, and nobody got the message. See whether it relays for this sender, then resume: it begins anew. Or cancel."))
}

// personNeeded is that no message goes out before somebody did something.
func (s *sending) personNeeded(a answer) protocol.Outcome {
	name := s.job.server.Name
	if a.about == "sender" {
		return protocol.Suspension("SenderRefused", fmt.Sprintf(
			"connection %q: sender %s: %s; %s", name, s.job.from.Address, a.reason, s.so())).
			WithFriendly("The mail server refuses the sender. Have it allow " + s.job.from.Address + " and resume, or cancel and submit with another sender.")
	}
	return protocol.Suspension("ConnectionRefused", fmt.Sprintf("connection %q: %s; %s", name, a.reason, s.so())).
		WithFriendly("The mail server cannot be used as it is configured (smtp.connections, " + name + "): see its credentials, certificate and encryption, restart the worker, and resume.")
}

// tryAgain is that the server is gone or busy. Such an attempt counts only if it
// sent nothing, so that a long mailing does not fail for a server that is often
// restarted.
func (s *sending) tryAgain(a answer) protocol.Outcome {
	outcome := protocol.Retry("ServerNotAvailable", fmt.Sprintf("connection %q: %s; %s", s.job.server.Name, a.reason, s.so())).
		WithFriendly("The mail server is not available. It is tried again.")
	if s.state.Sent > s.before {
		return outcome.WithDelay(waitAfterProgress).WithoutCounting()
	}
	return outcome
}

func stopped(o protocol.Outcome) *protocol.Outcome { return &o }
