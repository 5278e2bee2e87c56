package opclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

const (
	// recoverPatience is how long the reading of a run's history may take.
	recoverPatience = 10 * time.Minute
	// recoverHold ends the hold of a recovery that could not end it itself.
	recoverHold = time.Hour
	// releaseTimeout bounds the release, which is not left out when ctx is done.
	releaseTimeout = 30 * time.Second
)

// RecoverOptions say which run is recovered, and how.
type RecoverOptions struct {
	// RunID is the last run of a chain, or an earlier one where that is deleted;
	// default: the run that was terminated last.
	RunID string
	// DryRun changes nothing: no hold, and no new run of an idle token.
	DryRun bool
	// Reason is kept and shown with the hold, at most 1,000 bytes with what is put
	// before it.
	Reason string
}

// Recovery is what was recovered, or would be.
type Recovery struct {
	Token      string `json:"token"`
	WorkflowID string `json:"workflowId"`
	// RunID is the run that was read, empty where there is none to recover. Ended is
	// how it ended, EndedBy and EndedReason who terminated it and why.
	RunID       string `json:"runId,omitempty"`
	Ended       string `json:"ended,omitempty"`
	EndedBy     string `json:"endedBy,omitempty"`
	EndedReason string `json:"endedReason,omitempty"`
	DryRun      bool   `json:"dryRun,omitempty"`
	// Nothing says why there was nothing to recover.
	Nothing string `json:"nothing,omitempty"`
	protocol.PrependReply
	// Source is FromHistory where an idle token was only looked at: what was asked
	// for in that run, and which submissions it refused, is not counted then.
	Source Source `json:"source,omitempty"`
	// Hold and Failure are what keeps the token from going on now: not this
	// recovery, which ends its own hold.
	Hold    *protocol.Hold        `json:"hold,omitempty"`
	Failure *protocol.FailureHold `json:"failure,omitempty"`
}

// Recover puts what a terminated serializer still had to do before what its token
// queues now, in its order; what has run since, or was submitted again, is left
// out and runs once. The run is the one named, else the token's last one where
// that did not end by itself, else the one that its present chain reports. The
// token is held meanwhile, unless something holds it already, and goes on after
// it, also where the recovery fails or ctx is done: if it cannot be released that
// is told to Options.Notice, and it releases itself within the hour. A repeat does
// no harm.
//
// Where there is nothing to recover, Recovery.Nothing says why. ErrNotFound says
// that nothing is retained of the token; ErrInvalidOperation that the run cannot be
// recovered, and what to do instead. Other errors are those of Hold.
func (c *Client) Recover(ctx context.Context, token string, o RecoverOptions) (Recovery, error) {
	workflowID, err := serializerOf(token)
	r := &recovery{client: c, token: token, asked: o, Recovery: Recovery{Token: token, WorkflowID: workflowID, DryRun: o.DryRun, Source: FromQuery}}
	r.First = []protocol.Record{}
	if err := errors.Join(err, protocol.ValidateAsked(r.reason(), c.options.Identity)); err != nil {
		return r.Recovery, err
	}
	if err = r.find(ctx); err == nil && r.Nothing == "" {
		err = r.carryOut(ctx)
	}
	if err != nil {
		return r.Recovery, fmt.Errorf("recover token %q: %w", token, err)
	}
	return r.Recovery, nil
}

// recovery is one Recover.
type recovery struct {
	Recovery
	client *Client
	token  string
	asked  RecoverOptions
	// state is the token's before anything was asked of it; running says that its
	// serializer runs.
	state   protocol.SerializerState
	running bool
	// until is when the hold of this recovery would end by itself.
	until time.Time
}

// reason is why the token is held.
func (r *recovery) reason() string {
	text := "recovery"
	if r.RunID != "" {
		text = "recovery of run " + r.RunID
	}
	if r.asked.Reason != "" {
		text += ": " + r.asked.Reason
	}
	return text
}

func (r *recovery) carryOut(ctx context.Context) error {
	r.tellEnd(ctx)
	switch {
	case !r.asked.DryRun:
		return r.recover(ctx)
	case r.running:
		return r.prepend(ctx)
	}
	return r.lookBack(ctx)
}

// tellEnd reads who ended the run, and why.
func (r *recovery) tellEnd(ctx context.Context) {
	last := r.client.temporal.GetWorkflowHistory(ctx, r.WorkflowID, r.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for last.HasNext() {
		event, err := last.Next()
		if err != nil {
			return // the recovery does without
		}
		terminated := event.GetWorkflowExecutionTerminatedEventAttributes()
		r.EndedBy, r.EndedReason = terminated.GetIdentity(), terminated.GetReason()
	}
}

// recover holds the token, recovers, and lets the token go on.
func (r *recovery) recover(ctx context.Context) (err error) {
	r.Hold, r.Failure = r.state.Hold, r.state.Failure
	if r.Hold == nil && r.Failure == nil {
		r.until = time.Now().Add(recoverHold).UTC().Truncate(time.Millisecond)
		defer func() { err = errors.Join(err, r.release(ctx)) }()
		held, err := r.client.Hold(ctx, r.token, r.until, r.reason())
		if err != nil {
			return err
		}
		if slices.Contains(held.Recovered, r.RunID) { // a fresh chain does by itself what the server ended
			r.Nothing = fmt.Sprintf("the token took in by itself what run %s still had to do: %d operations", r.RunID, held.Predecessor.Queued)
			return nil
		}
	}
	err = r.prepend(ctx)
	if ctx.Err() != nil {
		r.client.options.Notice(fmt.Sprintf("run %s may still be recovered: look with a repeat, which does no harm", r.RunID))
	}
	return err
}

// prepend asks the serializer to take the run's rest in, or what it would.
func (r *recovery) prepend(ctx context.Context) error {
	u := update{
		workflowID: r.WorkflowID, name: protocol.PrependUpdateName, id: uuid.NewString(),
		argument: protocol.PrependRequest{
			RunID: r.RunID, DryRun: r.asked.DryRun, Reason: r.asked.Reason, Identity: r.client.options.Identity,
		},
	}
	if !r.asked.DryRun {
		u.token = r.token
	}
	return roundsFor(ctx, recoverPatience, func() error {
		r.PrependReply = protocol.PrependReply{}
		err := r.client.ask(ctx, u, &r.PrependReply)
		u.id = nextUpdateID(u.id, err)
		return err
	})
}

// release ends the hold of this recovery, if it is there, and says so where the
// recovery was stopped. What else holds the token stays.
func (r *recovery) release(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	state, err := r.client.tokenAt(bounded, r.WorkflowID)
	switch {
	case isGone(err):
		return nil // the hold never began
	case err == nil && state.Source == FromHistory:
		err = &NoWorkerError{WorkflowID: r.WorkflowID, TaskQueue: r.client.options.TaskQueue, Pollers: -1}
	case err == nil && !r.isOurs(state.Hold):
		r.Hold, r.Failure = state.Hold, state.Failure
	case err == nil:
		err = r.letGo(bounded, state.SerializerState)
	}
	if err != nil {
		err = fmt.Errorf("the token may be held until %s, release it: %w", r.until.Format(time.RFC3339), err)
		r.client.options.Notice(err.Error())
		return err
	}
	if ctx.Err() != nil {
		r.client.options.Notice(fmt.Sprintf("token %q is not held by the recovery any more", r.token))
	}
	return nil
}

func (r *recovery) isOurs(hold *protocol.Hold) bool {
	return hold != nil && hold.Until != nil && hold.Until.Equal(r.until) &&
		hold.Identity == r.client.options.Identity && hold.Reason == r.reason()
}

// letGo releases the token. Where an operation has failed meanwhile and holds it, a
// release would end that too: the hold is left to end by itself instead.
func (r *recovery) letGo(ctx context.Context, state protocol.SerializerState) error {
	if state.Failure == nil {
		_, err := r.client.Release(ctx, r.token, r.reason())
		return err
	}
	r.Failure = state.Failure
	_, err := r.client.Hold(ctx, r.token, time.Now().Add(2*time.Second), r.reason())
	return err
}

// lookBack tells from history what would be recovered: to ask the serializer would
// begin a new run.
func (r *recovery) lookBack(ctx context.Context) error {
	p, err := r.client.readPast(ctx, r.WorkflowID, r.RunID, "")
	if err != nil {
		return err
	}
	r.Source = FromHistory
	r.Recovered = p.queued() + p.state(time.Now()).Ending
	place := 0
	if p.Head != nil {
		if _, err := r.client.describe(ctx, protocol.OperationWorkflowID(p.Head.Operation.ID)); isGone(err) {
			place = 1
			r.Recovered++
			r.First = append(r.First, p.record(*p.Head, 0, time.Now()))
		}
	}
	const shown = 20
	for i, record := range p.list(0, shown-place, time.Now()).Operations {
		if record.Position != i+1 {
			break // a page is between them
		}
		r.First = append(r.First, record)
	}
	for i := range r.First {
		r.First[i].Position, r.First[i].BlockedBy, r.First[i].BlockedSince = i+1, "", nil
	}
	return nil
}
