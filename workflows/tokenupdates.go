package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// setTokenUpdates registers what is asked of the token as a whole.
func (s *serializer) setTokenUpdates() error {
	return errors.Join(
		setUpdate(s, protocol.HoldUpdateName, "Start no operation until the token is released", s.checkHold, s.holdToken),
		setToken(s, protocol.ReleaseUpdateName, "Let the token go on, whatever holds it",
			checkToken, func(protocol.TokenRequest) { s.queue.Release(workflow.Now(s.ctx)) }),
		setToken(s, protocol.SetPolicyUpdateName, "Change what becomes of the rest when an operation fails",
			func(r protocol.PolicyRequest) error {
				return errors.Join(r.Validate(), protocol.ValidateAsked(r.Reason, r.Identity))
			}, func(r protocol.PolicyRequest) { s.queue.SetPolicy(r) }),
		setToken(s, protocol.CancelAllUpdateName, "Cancel the head and all that queues",
			checkToken, func(r protocol.TokenRequest) { s.cancelAll(withReason(cancelledReason, r.Reason)) }),
		setUpdate(s, protocol.SkipUpdateName, "Go on past the failure that holds the token", s.checkSkip,
			func(workflow.Context, protocol.TokenRequest) (protocol.SerializerState, error) {
				if err := s.queue.CheckSkip(); err != nil {
					return protocol.SerializerState{}, err
				}
				s.queue.Skip()
				return s.tokenState()
			}),
		setUpdate(s, protocol.RerunUpdateName, "Run an operation that Failed or was Canceled again", checkRerun, s.rerun),
		setUpdate(s, protocol.PrependUpdateName, "Take in what another chain of runs still had to do", checkPrepend, s.prepend),
	)
}

func checkRerun(r protocol.RerunRequest) error {
	err := errors.Join(protocol.ValidateID(r.OperationID), protocol.ValidateAsked(r.Reason, r.Identity))
	if r.NewID != "" {
		err = errors.Join(err, protocol.ValidateID(r.NewID))
	}
	return err
}

func (s *serializer) checkSkip(r protocol.TokenRequest) error {
	if s.lookingBack {
		return checkToken(r) // the failure may be the chain's before
	}
	return errors.Join(s.queue.CheckSkip(), checkToken(r))
}

func checkToken(r protocol.TokenRequest) error { return protocol.ValidateAsked(r.Reason, r.Identity) }

func (s *serializer) checkHold(r protocol.HoldRequest) error {
	err := protocol.ValidateAsked(r.Reason, r.Identity)
	if r.Until == nil {
		return err
	}
	if !r.Until.After(workflow.Now(s.ctx)) {
		err = errors.Join(err, &protocol.FieldError{Field: "until", Value: r.Until.Format(time.RFC3339), Problem: "is not in the future"})
	}
	return errors.Join(err, checkUntil(*r.Until))
}

// holdToken answers once the head knows: from then on nothing starts.
func (s *serializer) holdToken(ctx workflow.Context, r protocol.HoldRequest) (protocol.SerializerState, error) {
	s.queue.HoldToken(r, workflow.Now(ctx))
	s.changed = true
	for !s.headKnows() {
		s.tellHead()
		if err := workflow.Await(ctx, func() bool { return s.headKnows() || s.mustTell() }); err != nil {
			return protocol.SerializerState{}, err
		}
	}
	return s.tokenState()
}

// setToken registers an update of the token as a whole; it answers its state.
func setToken[T any](s *serializer, name, description string, check func(T) error, do func(T)) error {
	return setUpdate(s, name, description, check, func(_ workflow.Context, request T) (protocol.SerializerState, error) {
		do(request)
		return s.tokenState()
	})
}

// tokenState is the state without what was refused, which may be long.
func (s *serializer) tokenState() (protocol.SerializerState, error) {
	state, err := s.state()
	state.Rejects = nil
	return state, err
}

// rereadTimeout bounds the look at an operation that is to be run again.
const rereadTimeout = 30 * time.Second

// rerun reads what the operation was, which takes a moment, and accepts it again.
func (s *serializer) rerun(ctx workflow.Context, r protocol.RerunRequest) (protocol.Record, error) {
	id := updateID(ctx)
	var was protocol.ReadOperationReply
	err := engineActivity(ctx, protocol.ReadOperationActivity, "reads an operation to run it again", rereadTimeout,
		protocol.ReadOperationRequest{Rerun: r, UpdateID: id}, &was)
	if err != nil {
		return protocol.Record{}, &protocol.Refusal{
			Type: protocol.ErrTypeBusy, OperationID: r.OperationID,
			Message: fmt.Sprintf("operation %q could not be read, send the request again: %v", r.OperationID, err),
		}
	}
	s.intakeAll(ctx)
	s.handleCompletions()
	return s.queue.Rerun(r, id, was, workflow.Now(ctx))
}

// recoverTimeout bounds the reading of another chain's history.
const recoverTimeout = 10 * time.Minute

// checkPrepend refuses a request that cannot be one.
func checkPrepend(r protocol.PrependRequest) error {
	if r.RunID == "" {
		return &protocol.FieldError{Field: "runId", Problem: "is missing: name the last run of the chain to recover"}
	}
	return protocol.ValidateAsked(r.Reason, r.Identity)
}

// prepend takes in what another chain of runs still had to do.
func (s *serializer) prepend(ctx workflow.Context, r protocol.PrependRequest) (reply protocol.PrependReply, err error) {
	if err := s.queue.checkRecovered(r.RunID); err != nil {
		return reply, err // before the engine starts pages that nobody would let go
	}
	info := workflow.GetInfo(ctx).WorkflowExecution
	var read protocol.RecoverRunReply
	err = engineActivity(ctx, protocol.RecoverRunActivity, "reads what another chain of runs still had to do", recoverTimeout,
		protocol.RecoverRunRequest{WorkflowID: info.ID, RunID: info.RunID, Asked: r, UpdateID: updateID(ctx)}, &read)
	if err != nil {
		return reply, busy(fmt.Sprintf("run %q could not be read, send the request again: %v", r.RunID, err))
	}
	s.intakeAll(ctx)
	reply, err = s.queue.prependRead(r, read, workflow.Now(ctx))
	if err == nil && !r.DryRun && r.RunID == s.predecessor.RunID {
		s.predecessor.Look, s.predecessor.Queued = protocol.PredecessorRecovered, reply.Recovered
	}
	return reply, err
}
